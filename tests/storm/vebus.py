"""VE.Bus systems of one and of three phases in the storm.

A VE.Bus frame has a sum of 8 bits: a frame damaged in two places fits it now and then. The family then
doubts values that leap; what is off by less than that is counted as passed by the doubt, never hidden.
"""

import random
from collections.abc import Coroutine, Mapping
from typing import Any

from bridge.adapters.vebus_mk3.energy import flows
from bridge.adapters.vebus_mk3.messages import DeviceState
from bridge.adapters.vebus_mk3.options import FAMILY
from bridge.adapters.vebus_mk3.simulated_unit import SimulatedUnit
from bridge.adapters.vebus_mk3.simulator import BYTES_PER_S, VeBusSimulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Value
from tests.storm.line import LineMember
from tests.storm.member import Trouble
from tests.storm.truth import Held, Rule

MODE, LIMIT = "/Mode", "/Ac/In/1/CurrentLimit"
_FAST_S, _SLOW_S = 5.0, 10.0
#: How far a power may be off that is volts times amps, in hundredths, where the unit has not told it yet.
_PRODUCT_W = 1.8
#: How far values may leap undoubted: maps to docs/protocols, section on plausible values (part, least).
_VOLTS, _AMPS, _DC_AMPS, _WATTS, _SHARE = (0.02, 2.0), (0.1, 0.5), (0.1, 1.0), (0.1, 60.0), (0.0, 1.0)
_DC_VOLTS, _HERTZ = (0.02, 0.3), (0.0, 0.3)
_MODES = {(False, False): 4, (True, False): 1, (False, True): 2, (True, True): 3}
_STATES = {DeviceState.OFF: 0, DeviceState.INVERTING: 9, DeviceState.POWER_ASSIST: 10}
_LEDS = ("Mains", "Absorption", "Bulk", "Float", "Inverter", "Overload", "LowBattery", "Temperature")
_KEPT = 500


class VeBusMember(LineMember):
    """One system."""

    family = FAMILY
    bytes_per_s = BYTES_PER_S
    cutting = (("silent", ""), ("deaf", ""))
    nuisances = (
        *(("delay", "0.1"), ("stutter", "0.2"), ("stray", "00"), ("half_frame", ""), ("lose", "5")),
        *(
            ("leds", ""),
            ("combined", ""),
            ("ignore_state", ""),
            ("reset", ""),
            ("error", "3"),
            ("alarm", "02"),
        ),
    )

    def __init__(
        self, clock: ManualClock, name: str, simulator: VeBusSimulator, unit: int, **options: Any
    ) -> None:
        self.simulator = simulator
        super().__init__(clock, name, "vebus", unit, **options)
        system: SimulatedUnit = simulator.unit
        self.system = system

        def does(name: str, begin: str, end: str) -> Trouble:
            return Trouble(lambda: simulator.misbehave(name, begin), lambda: simulator.misbehave(name, end))

        self.troubles |= {
            "front off": does("front", "off", "on"),
            "front charger": does("front", "charger", "on"),
            "terminals open": does("terminals", "open", "closed"),
            "mains lost": does("mains", "off", "on"),
            "battery lost": Trouble(
                lambda: simulator.misbehave("battery", "off"),
                lambda: simulator.misbehave("battery", "on"),
                True,
            ),
        }
        self.writes = [(MODE, [1, 2, 3, 4]), (LIMIT, [0, 9.4, 12.5, 16, 25, 50]),
                       ("/Remote/Inverter", [0, 1]), ("/Remote/Charger", [0, 1]), ("/Remote/Standby", [0, 1])]  # fmt: skip
        self.rules = {
            "/Dc/0/Voltage": Rule(_FAST_S, 0.006, leap=_DC_VOLTS),
            "/Dc/0/Current": Rule(_FAST_S, 0.11, leap=_DC_AMPS),
            "/Soc": Rule(_SLOW_S, 0.3, leap=_SHARE),
            "/State": Rule(_SLOW_S),
            MODE: Rule(_SLOW_S),
            LIMIT: Rule(_SLOW_S),
            "/Ac/In/1/CurrentLimitMin": Rule(_SLOW_S),
            "/Ac/In/1/CurrentLimitMax": Rule(_SLOW_S),
            **{f"/Switch/{one}": Rule(_SLOW_S) for one in ("Front", "RemoteTerminals", "Effective", "PanelDetected")},
            **{f"/Leds/{one}": Rule(_FAST_S) for one in _LEDS},
            "/VebusError": Rule(_FAST_S),
            "/Alarms/LowBattery": Rule(_FAST_S),
        }  # fmt: skip
        for phase in range(1, system.phases + 1):
            for side in ("ActiveIn", "Out"):
                at = f"/Ac/{side}/L{phase}"
                self.rules |= {
                    f"{at}/V": Rule(_FAST_S, 0.01, leap=_VOLTS),
                    f"{at}/I": Rule(_FAST_S, 0.01, leap=_AMPS),
                    f"{at}/P": Rule(_FAST_S, _PRODUCT_W, leap=_WATTS),
                    f"{at}/F": Rule(_FAST_S, 0.3, leap=_HERTZ),
                }

    def held(self) -> Mapping[str, Held]:
        """What the system is, with the signs of the points."""
        unit = self.system
        on, blink = unit.leds
        charge, invert = unit.allowed
        state = unit.state
        charging = {1: 3, 2: 4, 3: 5}[unit.charge_state]
        found: dict[str, Held] = {
            "/Dc/0/Voltage": unit.battery_v,
            "/Dc/0/Current": unit.battery_a,
            "/Soc": unit.soc * 100,
            "/State": 2 if unit.error else _STATES.get(state, charging),
            MODE: unit.remote_mode if unit.remote_mode in (1, 2, 3) else 4,
            LIMIT: unit.limit_da / 10,
            "/Ac/In/1/CurrentLimitMin": unit.minimum_da / 10,
            "/Ac/In/1/CurrentLimitMax": unit.maximum_da / 10,
            "/Switch/Front": {"on": 3, "off": 4, "charger": 1}[unit.front],
            "/Switch/RemoteTerminals": int(unit.terminals),
            "/Switch/Effective": _MODES[charge, invert],
            "/Switch/PanelDetected": int(unit.panel),
            "/Remote/Inverter": int(unit.remote_mode in (2, 3)),
            "/Remote/Charger": int(unit.remote_mode in (1, 3)),
            "/Remote/Standby": int(unit.standby),
            "/VebusError": unit.error & 0x1F,
            "/Alarms/LowBattery": 2 if unit.alarms & 0x20 else 1 if unit.alarms & 0x02 else 0,
            **{f"/Leds/{name}": (on >> bit & 1) + 2 * (blink >> bit & 1) for bit, name in enumerate(_LEDS)},
        }
        for place in range(unit.phases):
            mains, output = f"/Ac/ActiveIn/L{place + 1}", f"/Ac/Out/L{place + 1}"
            volts, out_v = unit.mains_v(place), unit.output_v(place)
            found |= {
                f"{mains}/V": volts if unit.mains else 0.0,
                f"{mains}/I": unit.mains_w(place) / volts if unit.mains else 0.0,
                f"{mains}/P": unit.mains_w(place),
                f"{mains}/F": 50.1 if unit.mains else 0.0,
                f"{output}/V": out_v,
                f"{output}/I": unit.output_w(place) / out_v if out_v else 0.0,
                f"{output}/P": unit.output_w(place),
                f"{output}/F": 50.0 if unit.running else 0.0,
            }
        return found

    def flow(self) -> Mapping[str, float]:
        """Split what flows in each phase as the energies are."""
        unit, total = self.system, dict.fromkeys(("AcIn1ToAcOut", "AcIn1ToInverter", "InverterToAcOut"), 0.0)
        if unit.awake:
            for place in range(unit.phases):
                split = flows(unit.mains_w(place), unit.output_w(place), 0)
                for name in total:
                    total[name] += split[name]
        return {f"/Energy/{name}": watts for name, watts in total.items()}

    def did(self, path: str, value: Value, since: float, step: float) -> bool:
        """0 A asks for the least, and a limit is put in force in tenths within the unit's own."""
        if path == LIMIT and isinstance(value, int | float):
            value = max(value, self.system.minimum_da / 10)
        return super().did(path, value, since, step)

    def change(self, dice: random.Random) -> None:
        """Switch loads, and now and then wear the battery a little."""
        if dice.random() < 0.1:
            self.system.load_w[:] = [dice.uniform(0, 2500) for _ in self.system.load_w]
        if dice.random() < 0.01:
            self.system.soc = dice.uniform(0.3, 1.0)

    def forget(self) -> None:
        """Shorten what the simulator remembers."""
        for kept in (
            self.simulator.received,
            self.simulator.replied,
            self.simulator.states,
            self.simulator.lines_set,
        ):
            if isinstance(kept, list) and len(kept) > _KEPT:
                del kept[: -_KEPT // 2]

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Play the system."""
        return [self.play()]


def members(clock: ManualClock, dice: random.Random, first_unit: int = 10) -> list[VeBusMember]:
    """A MultiPlus, and a Quattro system of three phases."""
    one = VeBusSimulator(clock, serial="SIM1", seed=dice.randrange(1 << 30))
    three = VeBusSimulator(clock, serial="SIM3", phases=3, inputs=2, seed=dice.randrange(1 << 30))
    return [
        VeBusMember(clock, "multi", one, first_unit, serial="SIM1", standby=True),
        VeBusMember(clock, "quattro", three, first_unit + 1, serial="SIM3", allow_sleep=True),
    ]
