"""Registers whose value is worked out from several points: the `block:` of a map's entry.

Each computation is handed its entry's sources as they stand, in the order of the map file. What it needs and
does not know now makes the register stale; what the device does not have makes it absent.
"""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from bridge.register_maps.format import SourcePoint
from bridge.register_maps.supply import ABSENT, NEVER_HEARD, Supplied

#: One source and what it supplies now.
Input = tuple[SourcePoint, Supplied]
Computation = Callable[[Sequence[Input]], Supplied]

#: The block that takes a SunSpec power limit; it has a state, which the unit's image keeps.
SUNSPEC_CONTROLS = "sunspec_controls"

#: EM24 /PhaseConfig (dbus-modbus-client 1.83 `carlo_gavazzi.py`): how many phases it then publishes.
_THREE_PHASES, _TWO_PHASES, _ONE_PHASE = 0, 2, 3

#: SunSpec model 101 St (dbus-fronius 1.7.20 `sunspec_updater.cpp`).
_OFF, _SLEEPING, _STARTING, _MPPT, _THROTTLED, _FAULT = 1, 2, 3, 4, 5, 7
#: Victron /StatusCode of a PV inverter -> St; 0 to 6 are steps of the start.
_ST_OF_STATUS = MappingProxyType(
    {
        **dict.fromkeys(range(7), _STARTING),
        7: _MPPT,
        8: _SLEEPING,
        9: _STARTING,
        10: _FAULT,
        11: _MPPT,
        12: _THROTTLED,
    }
)

#: Models that SunSpec readers pass over by their length: vendor numbers that nobody uses.
UNKNOWN_TRACKERS = 64160
_TRACKERS = 160


def compute(name: str, inputs: Sequence[Input]) -> Supplied:
    """Return what a block supplies. Raises KeyError for an unknown name."""
    return _COMPUTATIONS[name](inputs)


def _has(supplied: Supplied) -> bool:
    """True for what the device has, known now or not."""
    return supplied.value is not None or supplied.stale


def _first(inputs: Sequence[Input]) -> Supplied:
    best = ABSENT
    for _, supplied in inputs:
        if _has(supplied):
            best = supplied
            if supplied.heard:
                break
    return best


def _is_phase(path: str, phase: int) -> bool:
    return f"/L{phase}/" in path


def total_power(inputs: Sequence[Input]) -> Supplied:
    """Return the first power the device has; one of phase L1 stands for all phases of its name."""
    there = [(point, supplied) for point, supplied in inputs if _has(supplied)]
    if not there:
        return ABSENT
    heard = [(point, supplied) for point, supplied in there if supplied.heard]
    point, first = (heard or there)[0]
    if not _is_phase(point.path, 1):
        return first
    names = {(point.device, point.path.replace("/L1/", f"/L{phase}/")) for phase in (1, 2, 3)}
    phases = [supplied for source, supplied in there if (source.device, source.path) in names]
    numbers = [phase.value for phase in phases if isinstance(phase.value, int | float)]
    if any(phase.stale for phase in phases):
        return Supplied(None, stale=True, heard=first.heard)
    return Supplied(math.fsum(numbers)) if numbers else NEVER_HEARD


def em24_phases(inputs: Sequence[Input]) -> Supplied:
    """Return the EM24's phase configuration for the phases that the device has."""
    there = [point.path for point, supplied in inputs if _has(supplied)]
    if any(_is_phase(path, 3) for path in there):
        return Supplied(_THREE_PHASES)
    return Supplied(_TWO_PHASES if any(_is_phase(path, 2) for path in there) else _ONE_PHASE)


def serial_number(inputs: Sequence[Input]) -> Supplied:
    """Return a serial as the positive 32-bit number that ABB meters have for one.

    Digits are taken as they are where they fit; any other text gives its CRC-32, which stays the same
    for ever and differs between the few devices of one site.
    """
    found = _first(inputs)
    text = "" if found.value is None else str(found.value)
    if not text:
        return found
    if text.isascii() and text.isdecimal() and 0 < int(text) < 0x7FFFFFFF:
        return Supplied(int(text))
    return Supplied((zlib.crc32(text.encode()) & 0x7FFFFFFF) or 1)


def magnitude(inputs: Sequence[Input]) -> Supplied:
    """Return a quantity without its sign, for meters whose registers have none."""
    found = _first(inputs)
    return found._replace(value=abs(found.value)) if isinstance(found.value, int | float) else found


def sunspec_state(inputs: Sequence[Input]) -> Supplied:
    """Return a PV inverter's operating state: from its /StatusCode, else from whether it delivers power."""
    told = _first([item for item in inputs if item[0].path.endswith("/StatusCode")])
    if isinstance(told.value, int | float):
        state = _ST_OF_STATUS.get(int(told.value))
        return ABSENT if state is None else Supplied(state)
    power = _first([item for item in inputs if not item[0].path.endswith("/StatusCode")])
    if isinstance(power.value, int | float):
        return Supplied(_MPPT if power.value > 0 else _SLEEPING)
    return power


def sunspec_trackers(inputs: Sequence[Input]) -> Supplied:
    """Return model 160 where the panels shown are all the panels there are, else a model nobody knows.

    Sources are the panels that are shown, then points of a second inverter's, whose panels are not.
    """
    there = [point.path for point, supplied in inputs if _has(supplied)]
    more = any(path.startswith("/Inverters/") and not path.startswith("/Inverters/1/") for path in there)
    return Supplied(_TRACKERS if there and not more else UNKNOWN_TRACKERS)


_COMPUTATIONS: Mapping[str, Computation] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            total_power,
            em24_phases,
            serial_number,
            magnitude,
            sunspec_state,
            sunspec_trackers,
        )
    }
)

#: Every word that `block:` takes.
BLOCKS = frozenset({*_COMPUTATIONS, SUNSPEC_CONTROLS})
