"""Every product against its simulator: what is served is what the device held, and commands arrive."""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bridge.adapters.vedirect.known import PRODUCTS
from bridge.adapters.vedirect.options import FAMILY
from bridge.adapters.vedirect.register import Register
from bridge.adapters.vedirect.registers import unpack
from bridge.adapters.vedirect.simulated_dcdc import DcDcSimulator
from bridge.adapters.vedirect.simulated_inverter import InverterSimulator
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.adapters.vedirect.simulated_solar import SolarChargerSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.values import LinkState, Outcome, Quality, Value
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.image import UnitImage
from tests.adapters.vedirect.rig import Rig

CONFIRMED, REFUSED = Outcome.CONFIRMED, Outcome.REFUSED
#: What the bridge makes of other points, or counts itself.
OWN = ("/Line/", "/Alarms/", "/Actions/", "/Settings/ChargeCurrentLimitMin", "/Link/")
IDENTITY = {"/Serial", "/ProductId", "/ProductName", "/FirmwareVersion"}
#: From the moment a device measures to the bridge's knowing it: a text block's and a reply's way.
WAY_S = 1.5

Make = Callable[[ManualClock], Any]
VARIANTS: Mapping[str, tuple[str, Make]] = {
    "charger": ("ac_charger", lambda clock: ChargerSimulator(clock, charge_speed=60)),
    "three outputs": ("ac_charger", lambda clock: ChargerSimulator(clock, product_id=0xA343, charge_speed=60)),
    "inverter": ("inverter", lambda clock: InverterSimulator(clock, relay=True)),
    "quiet inverter": ("inverter", lambda clock: InverterSimulator(clock, quiet_text=True)),
    "solar": ("solar_charger", lambda clock: SolarChargerSimulator(clock, day_speed=600)),
    "solar 1.52": ("solar_charger", lambda clock: SolarChargerSimulator(clock, firmware=0x0152, day_speed=60)),
    "solar 1.12": ("solar_charger", lambda clock: SolarChargerSimulator(clock, firmware=0x0112, day_speed=60)),
    "solar at night": ("solar_charger", lambda clock: SolarChargerSimulator(clock, start_hour=2)),
    "monitor": ("battery_monitor", lambda clock: BatteryMonitorSimulator(clock, speed=30)),
    "quiet monitor": ("battery_monitor", lambda clock: BatteryMonitorSimulator(clock, quiet_text=True, speed=9)),
    "nameless monitor": ("battery_monitor", lambda clock: BatteryMonitorSimulator(clock, hex_identity=False)),
    "nameless and quiet": (
        "battery_monitor",
        lambda clock: BatteryMonitorSimulator(clock, hex_identity=False, quiet_text=True),
    ),
    "shunt": ("battery_monitor", lambda clock: BatteryMonitorSimulator(clock, product_id=0xA389)),
    "shunt with temperature": (
        "battery_monitor",
        lambda clock: BatteryMonitorSimulator(clock, product_id=0xA389, auxiliary="temperature"),
    ),
    "converter": ("dcdc", lambda clock: DcDcSimulator(clock, charge_speed=60)),
}  # fmt: skip


def rig_of(monkeypatch: pytest.MonkeyPatch, make: Make) -> Rig:
    clock = ManualClock()
    return Rig(monkeypatch, clock=clock, simulator=make(clock))


class Truths:
    """What a simulated device held, and when, as points of its product. To be made before it begins."""

    def __init__(self, product: str, simulator: Any) -> None:
        self._product = PRODUCTS[product]
        self._simulator = simulator
        self._taken = 0
        self._held: dict[str, dict[int | str, list[tuple[float, Value | None]]]] = {}
        for register in self._product.registers:
            if register.id in simulator.registers and register.type != "text":
                self._take(-math.inf, register.id, simulator.registers.raw(register.id))

    def at(self, path: str, since: float) -> list[Value | None]:
        """Every value of a point, told by whichever source, that was true at `since` or later."""
        for truth in itertools.islice(self._simulator.history, self._taken, None):
            self._take(truth.time, truth.source, truth.value)
        self._taken = len(self._simulator.history)
        found: list[Value | None] = []
        for held in self._held.get(path, {}).values():
            first = max((at for at, (time, _) in enumerate(held) if time <= since), default=0)
            found += [value for _, value in held[first:]]
        return found

    def _take(self, time: float, source: int | str, raw: Any) -> None:
        for path, value in self._points(source, raw):
            self._held.setdefault(path, {}).setdefault(source, []).append((time, value))

    def _points(self, source: int | str, raw: Any) -> list[tuple[str, Value | None]]:
        if isinstance(source, str):
            fields = [field for field in self._product.text if field.label == source]
            return [item for field in fields for item in field.decode(str(raw)).items()]
        return [(r.path, _value(r, raw)) for r in self._product.registers if r.id == source]


def _value(register: Register, raw: Any) -> Value | None:
    if register.path == "/Mode":
        return {0: 4}.get(raw, raw)
    return register.value(raw)


@pytest.mark.parametrize("name", VARIANTS)
async def test_what_is_served_is_what_the_device_held_within_its_stale_time(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    product, make = VARIANTS[name]
    rig = rig_of(monkeypatch, make)
    truths, seen = Truths(product, rig.simulator), set()
    async with rig:
        await rig.clock.advance(15)
        assert rig.device.alive
        assert rig.device.identity.product == product
        for _ in range(90):
            await rig.clock.advance(1.1)
            assert rig.device.alive
            now = rig.clock.monotonic()
            for path in rig.device.paths:
                reading = rig.device.reading(path)
                if reading.quality is not Quality.OK or path in IDENTITY or path.startswith(OWN):
                    continue
                seen.add(path)
                held = truths.at(path, now - reading.age_s - WAY_S)
                assert any(reading.value == value for value in held), (path, reading, held[-5:])
        assert len(seen) >= 12
        assert not rig.simulator.forbidden
        assert rig.simulator.flash_writes == 0


#: What must be known of each variant, whatever way it comes.
KNOWN = {
    "charger": "/Dc/0/Voltage /Dc/0/Current /State /Mode /Settings/ChargeCurrentLimit /Device/Uptime",
    "three outputs": "/Dc/0/Voltage /Dc/1/Voltage /Dc/2/Voltage /Dc/1/Current /State",
    "inverter": "/Dc/0/Voltage /Ac/Out/L1/V /Ac/Out/L1/I /Ac/Out/L1/S /Mode /State /Relay/0/State",
    "quiet inverter": "/Dc/0/Voltage /Ac/Out/L1/V /Ac/Out/L1/I /Ac/Out/L1/S /Mode /State /Alarms/Overload",
    "solar": "/Dc/0/Voltage /Dc/0/Current /Pv/V /Yield/Power /Yield/User /Load/State /Mode /MppOperationMode",
    "solar 1.52": "/Dc/0/Voltage /Dc/0/Current /Pv/V /Yield/Power /Yield/User /History/Daily/0/Yield /State",
    "solar 1.12": "/Dc/0/Voltage /Pv/V /Yield/Power /Yield/User /History/Daily/0/Yield /State /Mode",
    "solar at night": "/Dc/0/Voltage /Pv/V /Yield/Power /State /Load/State",
    "monitor": "/Soc /TimeToGo /ConsumedAmphours /Dc/1/Voltage /History/ChargeCycles /Settings/Capacity",
    "quiet monitor": "/Soc /ConsumedAmphours /Dc/0/Power /History/ChargeCycles /Alarms/LowSoc /Alarms/Alarm",
    "nameless monitor": "/Soc /Serial /Dc/0/Current",
    "nameless and quiet": "/Soc /Serial /Dc/0/Current /History/ChargedEnergy",
    "shunt": "/Soc /Dc/0/Current",
    "shunt with temperature": "/Dc/0/Temperature",
    "converter": "/Dc/0/Voltage /Dc/In/V /Dc/In/P /State /Mode",
}


@pytest.mark.parametrize("name", VARIANTS)
async def test_what_must_be_known_is_known_and_stays_so(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async with rig_of(monkeypatch, VARIANTS[name][1]) as rig:
        await rig.clock.advance(15)
        for _ in range(60):
            await rig.clock.advance(1)
            missing = [
                path for path in KNOWN[name].split() if rig.device.reading(path).quality is Quality.STALE
            ]
            assert not missing


# -- commands ----------------------------------------------------------------------------------------

COMMANDS = [
    ("inverter", {"/Mode": 4}, {"/Mode": CONFIRMED}, {0x0200: 4}, 0),
    ("inverter", {"/Mode": 3}, {"/Mode": CONFIRMED}, {0x0200: 2}, 0),
    ("quiet inverter", {"/Mode": 5}, {"/Mode": CONFIRMED}, {0x0200: 5}, 0),
    ("inverter", {"/Relay/0/State": 1}, {"/Relay/0/State": REFUSED}, {}, 0),
    ("solar", {"/Mode": 4}, {"/Mode": CONFIRMED}, {0x0200: 4}, 0),
    ("solar 1.12", {"/Mode": 4}, {"/Mode": CONFIRMED}, {0x0200: 0}, 0),  # so old firmware tells off
    ("solar", {"/Settings/ChargeCurrentLimit": 7}, {"/Settings/ChargeCurrentLimit": CONFIRMED}, {0xEDF0: 70}, 1),
    ("solar", {"/Load/State": 0}, {"/Load/State": CONFIRMED}, {0xEDAB: 0}, 1),
    ("monitor", {"/Relay/0/State": 1}, {"/Relay/0/State": REFUSED}, {}, 0),
    ("converter", {"/Mode": 4}, {"/Mode": CONFIRMED}, {0x0200: 4}, 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "outcomes", "registers", "flash_writes"), COMMANDS)
async def test_commands_are_executed_by_the_device(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    changes: Mapping[str, Value],
    outcomes: Mapping[str, Outcome],
    registers: Mapping[int, int],
    flash_writes: int,
) -> None:
    async with rig_of(monkeypatch, VARIANTS[name][1]) as rig:
        await rig.clock.advance(20)
        assert await rig.write(changes) == outcomes
        assert {register: rig.simulator.registers.raw(register) for register in registers} == registers
        assert rig.simulator.flash_writes == flash_writes
        assert not rig.simulator.forbidden


async def test_a_relay_in_remote_mode_obeys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("monitor", "quiet monitor", "inverter"):
        async with rig_of(monkeypatch, VARIANTS[name][1]) as rig:
            rig.simulator.registers.put(0x034F, 2)
            await rig.clock.advance(20)
            for value in (1, 0):
                assert await rig.write({"/Relay/0/State": value}) == {"/Relay/0/State": CONFIRMED}
                assert rig.simulator.registers.raw(0x034E) == value


async def test_actions_of_a_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig_of(monkeypatch, VARIANTS["monitor"][1]) as rig:
        await rig.clock.advance(20)
        assert await rig.write({"/Actions/SynchroniseSoc": 1}) == {"/Actions/SynchroniseSoc": CONFIRMED}
        await rig.clock.advance(2)
        assert rig.device.value("/Soc") > 99
        rig.simulator.misbehave("deaf")
        assert await rig.write({"/Actions/ZeroCurrent": 1}) == {"/Actions/ZeroCurrent": Outcome.TIMED_OUT}
        rig.simulator.misbehave("well")
        await rig.clock.advance(30)
        assert rig.simulator.actions == {0x102C: 1}


@pytest.mark.parametrize(
    ("name", "mode"),
    [("inverter", 4), ("quiet inverter", 5), ("solar", 4), ("solar 1.12", 4), ("converter", 4)],
)
async def test_a_mode_survives_a_restart_of_the_device(
    monkeypatch: pytest.MonkeyPatch, name: str, mode: int
) -> None:
    async with rig_of(monkeypatch, VARIANTS[name][1]) as rig:
        await rig.clock.advance(60)
        assert await rig.write({"/Mode": mode}) == {"/Mode": CONFIRMED}
        rig.simulator.misbehave("reboot")
        await rig.clock.advance(40)
        assert rig.simulator.registers.raw(0x0200) in (mode, 0)  # old firmware tells off as 0
        assert rig.device.value("/Mode") == mode
        assert rig.simulator.flash_writes == 0


@pytest.mark.parametrize("name", VARIANTS)
async def test_text_alone_is_enough_to_be_known(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async with rig_of(monkeypatch, VARIANTS[name][1]) as rig:
        rig.simulator.misbehave("deaf")
        await rig.clock.advance(25)
        assert rig.device.alive
        assert rig.device.value("/Dc/0/Voltage") is not None
        assert rig.device.identity.product == VARIANTS[name][0]


@pytest.mark.parametrize("name", ["inverter", "solar", "quiet monitor", "monitor", "converter"])
async def test_silence_is_noticed_and_the_device_found_again(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with rig_of(monkeypatch, VARIANTS[name][1]) as rig:
        await rig.clock.advance(20)
        rig.simulator.misbehave("silent")
        await rig.clock.advance(6)
        assert not rig.device.alive
        assert rig.device.link is LinkState.SILENT
        rig.simulator.misbehave("well")
        await rig.clock.advance(10)
        assert rig.device.alive
        assert rig.device.value("/Dc/0/Voltage") is not None
        assert rig.simulator.forbidden == []


@pytest.mark.parametrize("name", VARIANTS)
async def test_registers_mean_what_the_simulator_means_by_them(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The simulators have tables of their own, written from the same documents by other hands."""
    product, make = VARIANTS[name]
    rig = rig_of(monkeypatch, make)
    async with rig:
        await rig.clock.advance(30)
        bank, compared = rig.simulator.registers, 0
        for register in PRODUCTS[product].registers:
            if register.id in bank and register.type != "text" and register.convert is None:
                raw = bank.raw(register.id)
                assert register.value(raw) == pytest.approx(bank.quantity(register.id)), register
                assert unpack(register.type, bank.packed(register.id)) in (raw, None), register
                compared += 1
        assert compared >= 8


@pytest.mark.parametrize("name", VARIANTS)
async def test_the_native_map_shows_every_number_to_half_a_step(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    product, make = VARIANTS[name]
    async with rig_of(monkeypatch, make) as rig:
        await rig.clock.advance(20)
        loaded = Catalogue().load(FAMILY.native_maps[product]).map
        assert loaded is not None
        image = UnitImage(loaded, rig.device, rig.clock, unit=20)
        shown = 0
        for _ in range(10):
            await rig.clock.advance(3.3)
            for register in (r for r in loaded.registers if r.switch is None):  # mirrors show 0 and 1
                point = None if register.path is None else rig.device.reading(register.path)
                if point is None or point.quality is not Quality.OK or isinstance(point.value, str):
                    continue
                data = image.read_registers("holding", register.address, register.type.length)
                assert isinstance(data, bytes), register
                raw = register.type.unpack(data)
                assert abs(raw / register.scale - point.value) <= 0.5001 / float(register.scale), register
                shown += 1
        assert shown >= 100
