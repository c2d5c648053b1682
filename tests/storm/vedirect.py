"""VE.Direct products in the storm; their simulators note every change of what is true by themselves."""

import random
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any

from bridge.adapters.pty import BYTES_PER_S_19200
from bridge.adapters.vedirect.known import PRODUCTS
from bridge.adapters.vedirect.options import FAMILY
from bridge.adapters.vedirect.simulated_dcdc import DcDcSimulator
from bridge.adapters.vedirect.simulated_inverter import InverterSimulator
from bridge.adapters.vedirect.simulated_line import LineSimulator
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.adapters.vedirect.simulated_solar import SolarChargerSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Value
from tests.storm.line import LineMember
from tests.storm.member import Leased
from tests.storm.truth import Held, Rule

LIMIT, MODE, OFF = "/Settings/ChargeCurrentLimit", "/Mode", 4
_TEXT_S = 5.0
_KEPT = 100
#: How long a mode lives that nobody renews, where the site leases it.
LEASE_S = 40.0


class VeDirectMember(LineMember):
    """One product on a line of its own."""

    family = FAMILY
    bytes_per_s = BYTES_PER_S_19200
    cutting = (("silent", ""), ("other_device", ""))
    impostor_s = 15.0
    nuisances = (
        *(
            ("deaf", ""),
            ("delay", "0.3"),
            ("late", ""),
            ("half_frame", "2"),
            ("refuse", "02"),
            ("refuse", "04"),
        ),
        *(("ignore_set", ""), ("clamp", "5"), ("framing", "3"), ("reboot", ""), ("no_text", "")),
    )

    def __init__(
        self, clock: ManualClock, name: str, product: str, simulator: LineSimulator, unit: int, **options: Any
    ) -> None:
        self.simulator = simulator
        self.product = PRODUCTS[product]
        self._seen_until = -1.0
        self._labels: dict[str, list[str]] = {}
        unit_map = FAMILY.native_maps[product]
        super().__init__(clock, name, unit_map, unit, product=product, serial=simulator.serial, **options)
        for text in self.product.text:
            for path in text.decode(""):
                self.rules[path] = Rule(_TEXT_S)
        for register in self.product.registers:
            if register.type != "text" and register.id in simulator.registers:  # the history is of changes
                self.truth.note(-1e9, {str(register.id): _plain(simulator.registers.raw(register.id))})
            if register.stale_after_s is not None:
                before = self.rules.get(register.path)
                longest = max(register.stale_after_s, 0.0 if before is None else before.window_s)
                self.rules[register.path] = Rule(longest)
        # what stands there is what was asked for, and 0 is done by the mode: writing judges it
        for path in (LIMIT, "/Link/ChargeCurrent"):
            self.rules.pop(path, None)

    def held(self) -> Mapping[str, Held]:
        """Nothing: the simulator's own history is taken by `watch`."""
        return {}

    def watch(self) -> None:
        """Take what is new in the history."""
        fresh = []
        for truth in reversed(self.simulator.history):
            if truth.time < self._seen_until:
                break
            fresh.append(truth)
        for truth in reversed(fresh):
            self.truth.note(truth.time, {str(truth.source): _plain(truth.value)})
        self._seen_until = self.clock.monotonic()

    def true_since(self, path: str, since: float) -> Iterator[Held]:
        """Yield what labels and registers of a path said."""
        for text in self.product.text:
            if path in text.decode(""):
                for raw in self.truth.since(text.label, since):
                    yield _mode(path, text.decode(str(raw)).get(path))
        for register in self.product.registers:
            if register.path == path:
                for raw in self.truth.since(str(register.id), since):
                    if isinstance(raw, int | str):
                        yield _mode(path, register.value(raw))

    def did(self, path: str, value: Value, since: float, step: float) -> bool:
        """A limit of 0 is done by switching off."""
        if path == LIMIT and value == 0:
            path, value = MODE, OFF
        return super().did(path, value, since, step)

    def worn(self) -> int | None:
        """Writes that reached its flash."""
        return int(self.simulator.flash_writes)

    def forget(self) -> None:
        """Shorten the simulator's history."""
        for kept in (self.simulator.history, self.simulator.received, self.simulator.executed):
            if isinstance(kept, list) and len(kept) > _KEPT:
                del kept[: -_KEPT // 2]

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Play the device."""
        return [self.play()]


class Shunt(VeDirectMember):
    """A battery monitor whose battery somebody else charges and discharges."""

    def measure(self, current_a: float, battery_v: float) -> None:
        """Put on its terminals what flows."""
        bank = self.simulator.device.bank
        bank.current_a, bank.battery_v = current_a, battery_v


def members(clock: ManualClock, dice: random.Random, first_unit: int = 20) -> list[VeDirectMember]:
    """One of each product, and a second charger with a leased mode."""

    def seed() -> int:
        return dice.randrange(1 << 30)

    charger = VeDirectMember(clock, "charger", "ac_charger", ChargerSimulator(clock, seed=seed()), first_unit)
    charger.writes = [(LIMIT, [0, 4, 6, 8, 12]), (MODE, [1, 4])]
    leased = VeDirectMember(
        clock, "charger3", "ac_charger", ChargerSimulator(clock, seed=seed(), product_id=0xA30A),
        first_unit + 1, lease={MODE: {"time": LEASE_S, "safe": OFF}},
    )  # fmt: skip
    leased.writes = [(MODE, [1, 4])]
    leased.leased, leased.seldom = {MODE: Leased(LEASE_S, OFF, 20.0)}, 9.0
    inverter = VeDirectMember(
        clock, "inverter", "inverter", InverterSimulator(clock, seed=seed()), first_unit + 2
    )
    inverter.writes = [(MODE, [2, 4, 5])]
    solar = VeDirectMember(
        clock, "solar", "solar_charger", SolarChargerSimulator(clock, seed=seed()), first_unit + 3
    )
    solar.writes = [(MODE, [1, 4])]
    dcdc = VeDirectMember(clock, "dcdc", "dcdc", DcDcSimulator(clock, seed=seed()), first_unit + 4)
    dcdc.writes = [(MODE, [1, 4])]
    monitor = VeDirectMember(
        clock, "monitor", "battery_monitor", BatteryMonitorSimulator(clock, seed=seed()), first_unit + 5
    )
    monitor.writes = [("/Relay/0/State", [0, 1])]
    return [charger, leased, inverter, solar, dcdc, monitor]


def _plain(value: object) -> Held:
    return value if isinstance(value, str | int | float) else str(value)


def _mode(path: str, held: Held) -> Held:
    """A mode of 0 is the off of a device that has just begun."""
    return OFF if path == MODE and held == 0 else held
