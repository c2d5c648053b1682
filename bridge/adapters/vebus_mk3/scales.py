"""The scales of a system's variables, as its units tell them: asked once, per unit.

A scale is asked for once and then believed for hours, so one told wrong would be wrong for hours. Those
that are usual are believed at once; any other must be told twice alike.
"""

from collections.abc import Collection, Iterable, Mapping

from bridge.adapters.vebus_mk3 import variables as var
from bridge.adapters.vebus_mk3.messages import SlotReply, WinmonReply
from bridge.adapters.vebus_mk3.variables import VariableInfo, info_from

#: What the poll of every cycle needs, in the order in which it is worth knowing.
NEEDED = (
    *(var.BATTERY_V, var.BATTERY_A, var.INVERTER_PERIOD),
    *(var.MAINS_V, var.MAINS_A, var.INVERTER_V, var.INVERTER_A, var.MAINS_PERIOD),
    *(var.DC_W, var.MAINS_W, var.OUTPUT_W),
)
POWERS = (var.DC_W, var.MAINS_W, var.OUTPUT_W)
#: What is shown besides.
USEFUL = (var.SOC, var.RIPPLE_V, var.IGNORE_AC, var.RELAY)

#: Questions for a variable's scale without an answer after which it is dropped.
_TRIES = 4
_HUNDREDTHS = VariableInfo(signed=False, divisor=100)
_SIGNED_HUNDREDTHS = VariableInfo(signed=True, divisor=100)
_WHOLE = VariableInfo(signed=True)
#: Scales seen on real units.
_USUAL: Mapping[int, Collection[VariableInfo]] = {
    var.MAINS_V: (_HUNDREDTHS,),
    var.MAINS_A: (_SIGNED_HUNDREDTHS,),
    var.INVERTER_V: (_HUNDREDTHS,),
    var.INVERTER_A: (_SIGNED_HUNDREDTHS,),
    var.BATTERY_V: (_HUNDREDTHS,),
    # Not variable 5: one digit tells 0.1 from 0.01 A, and both are usual.
    var.INVERTER_PERIOD: (VariableInfo(signed=False, divisor=1961, offset=256),),
    var.MAINS_PERIOD: (VariableInfo(signed=False, divisor=977),),
    var.SOC: (VariableInfo(signed=False, divisor=200),),
    **dict.fromkeys(POWERS, (_WHOLE,)),
}


class Scales:
    """What is known of the variables of each unit, by its address."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], VariableInfo | None] = {}
        self._suspect: dict[tuple[int, int], VariableInfo | None] = {}
        self._silent: dict[tuple[int, int], int] = {}

    def info(self, variable: int, address: int = 0) -> VariableInfo | None:
        """Return how a variable is scaled, None while it is not known and for one the unit does not have."""
        return self._known.get((address, variable))

    def missing(self, variables: Iterable[int], address: int = 0) -> list[int]:
        """Return those not told yet."""
        return [variable for variable in variables if (address, variable) not in self._known]

    def supported(self, variables: Iterable[int], address: int = 0) -> tuple[int, ...]:
        """Return those the unit has."""
        return tuple(v for v in variables if self._known.get((address, v)) is not None)

    def told(self, variable: int, address: int, reply: SlotReply) -> bool:
        """Take a unit's answer; False asks for another one. What it does not have is dropped for good."""
        place = address, variable
        if reply.code == WinmonReply.SCALE:
            info = info_from(variable, reply.data)
        elif reply.code in (WinmonReply.NO_RAM, WinmonReply.UNKNOWN_COMMAND):
            info = None
        else:
            return False
        usual = info is not None and info in _USUAL.get(variable, ())
        if usual or (place in self._suspect and self._suspect[place] == info):
            self._known[place] = info
            return True
        self._suspect[place] = info
        return False

    def drop(self, variables: Iterable[int], address: int = 0) -> None:
        """Take note that a unit has none of these after all."""
        self._known.update(dict.fromkeys(((address, variable) for variable in variables), None))

    def unanswered(self, variable: int, address: int) -> None:
        """Take note of a question without answer; after several the variable is dropped."""
        place = address, variable
        self._silent[place] = self._silent.get(place, 0) + 1
        if self._silent[place] >= _TRIES:
            self._known[place] = None
