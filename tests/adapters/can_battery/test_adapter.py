"""A battery as the house sees it: what is published, until when, and what is said to it."""

import itertools

import pytest

from bridge.adapters.can.dialects import DialectName
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.paths import ALARM_PATHS
from bridge.adapters.can_battery.options import CanBatteryOptions
from bridge.adapters.can_battery.simulated_battery import BatteryState
from bridge.datastore.refusals import NotWritable
from bridge.datastore.state import StateStore
from bridge.datastore.values import LinkState, Quality
from tests.adapters.can_battery.packs import LIVE, Pack

DIALECTS: tuple[DialectName, ...] = ("pylontech", "pylontech_new", "sma", "victron")
EVERYBODY = {
    "/Dc/0/Voltage": 51.2,
    "/Dc/0/Current": -12.3,
    "/Dc/0/Power": -629.8,
    "/Dc/0/Temperature": 21.5,
    "/Soh": 98,
    "/Info/MaxChargeVoltage": 53.2,
    "/Info/MaxChargeCurrent": 100.0,
    "/Info/MaxDischargeCurrent": 100.0,
    "/Info/BatteryLowVoltage": 45.0,
    "/Manufacturer": "SIMPYLON",
    "/Alarms/LowVoltage": 0,
    "/Alarms/InternalFailure": 0,
}
FLAGS = {
    "/Io/AllowToCharge": 1,
    "/Io/AllowToDischarge": 1,
    "/Info/ChargeRequest": 0,
    "/Info/FullChargeRequest": 0,
}
INFO = {
    "/Device/Chemistry": "LI",
    "/FirmwareVersion": "1.3",
    "/Capacity": 200,
    "/Device/HardwareId": 0,
    "/Alarms/CellImbalance": 0,
    "/Alarms/Contactor": 0,
    "/Alarms/ShortCircuit": 0,
    "/Alarms/Alarm": 0,
}
DETAILS = {
    "/Serial": "SIM0000000000001",
    "/ProductName": "SIMULATED BYD",
    "/System/NrOfModulesOnline": 4,
    "/System/NrOfModulesOffline": 0,
    "/System/NrOfModulesBlockingCharge": 0,
    "/System/NrOfModulesBlockingDischarge": 0,
    "/System/MinCellVoltage": 3.306,
    "/System/MaxCellVoltage": 3.329,
    "/System/MinCellTemperature": 14,
    "/System/MaxCellTemperature": 17,
    "/System/MinVoltageCellId": "1",
    "/System/MaxVoltageCellId": "10",  # told as ':'
    "/System/MinTemperatureCellId": "3",
    "/System/MaxTemperatureCellId": "2",
    "/History/ChargedEnergy": 211.2,
    "/History/DischargedEnergy": 183.5,
    "/InstalledCapacity": 200,
    "/Device/Family": "SIM",
}
PLAIN_NAMES = {"/Serial": "BATTERY_pack", "/ProductName": "SIMULATED PYLON battery"}
#: What each dialect brings beside what everybody does.
TOLD: dict[DialectName, dict[str, object]] = {
    "pylontech": {"/Soc": 76, "/System/NrOfModulesOnline": 4, **FLAGS, **PLAIN_NAMES},
    "pylontech_new": {"/Soc": 76, **INFO, **PLAIN_NAMES},
    "sma": {"/Soc": pytest.approx(76.4, abs=0.02), **INFO, **PLAIN_NAMES},
    "victron": {"/Soc": 76, "/Info/ChargeRequest": 0, **INFO, **DETAILS},
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_each_dialect_tells(monkeypatch: pytest.MonkeyPatch, dialect: DialectName) -> None:
    async with Pack(monkeypatch, dialect) as pack:
        await pack.known()
        wanted = EVERYBODY | TOLD[dialect]
        assert {path: pack.value(path) for path in wanted} == wanted
        told = {path for path in pack.device.paths if pack.value(path) is not None}
        ours = {path for path in told if path.startswith(("/Can/", "/Inverter/"))}
        assert told - wanted.keys() - set(ALARM_PATHS.values()) == ours
        assert pack.device.link is LinkState.ONLINE


async def test_the_new_pylontech_is_heard_by_the_name_of_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch, "pylontech", speaks="pylontech_new") as pack:
        await pack.known()
        assert pack.values("/Soc", "/FirmwareVersion", "/Alarms/LowVoltage") == [76, "1.3", 0]


async def test_ids_of_another_dialect_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """0x35C is a command on a Sunny Island's bus, never a flag; 0x359 must not be there at all."""
    async with Pack(monkeypatch, "sma", speaks="pylontech") as pack:
        await pack.known()
        assert pack.value("/Soc") == 76
        assert pack.values("/Io/AllowToCharge", "/Alarms/LowVoltage") == [None, None]


#: Ids that fall silent, and what is left: live, stale at once (5 s), stale later (30 s).
@pytest.mark.parametrize(
    ("omitted", "alive", "stale"),
    [
        ({0x351}, False, {"/Info/MaxChargeVoltage"}),
        ({0x355}, True, {"/Soc"}),
        ({0x356}, True, {"/Dc/0/Voltage", "/Dc/0/Current"}),
        ({0x355, 0x356}, False, {"/Soc", "/Dc/0/Voltage", "/Dc/0/Current"}),
        ({0x35E, 0x359, 0x35C}, True, set()),
    ],
)
async def test_each_id_ages_alone(
    monkeypatch: pytest.MonkeyPatch, omitted: set[int], alive: bool, stale: set[str]
) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        pack.battery.omitted |= omitted
        await pack.clock.advance(4.5)
        assert all(pack.value(path) is not None for path in LIVE)
        await pack.clock.advance(1.5)
        assert {path for path in LIVE if pack.device.reading(path).quality is Quality.STALE} == stale
        assert pack.device.alive is alive
        assert pack.device.link is (LinkState.ONLINE if alive else LinkState.SILENT)
        pack.battery.omitted.clear()
        await pack.clock.advance(2)
        assert pack.device.alive
        assert all(pack.value(path) is not None for path in LIVE)


async def test_slow_groups_live_for_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        pack.battery.omitted |= {0x359, 0x35C, 0x35E}
        await pack.clock.advance(28)
        slow = ("/Io/AllowToCharge", "/Alarms/LowVoltage", "/System/NrOfModulesOnline", "/Manufacturer")
        assert pack.values(*slow) == [1, 0, 4, "SIMPYLON"]
        await pack.clock.advance(4)
        assert pack.values(*slow) == [None] * 4
        assert pack.device.alive


async def test_a_silent_battery(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        pack.battery.silent = True
        await pack.clock.advance(6)
        assert pack.device.link is LinkState.SILENT
        assert pack.values(*LIVE) == [None] * 4
        pack.battery.silent = False
        await pack.clock.advance(2)
        assert pack.device.link is LinkState.ONLINE


async def test_no_adapter_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        pack.bus.unplug()
        await pack.clock.advance(1)
        assert pack.device.link is LinkState.PORT_MISSING
        await pack.clock.advance(5)
        assert pack.values(*LIVE) == [None] * 4
        pack.bus.replug()
        await pack.clock.advance(9)
        assert pack.device.link is LinkState.ONLINE
        assert None not in pack.values(*LIVE)


@pytest.mark.parametrize(
    ("dialect", "alarms", "warnings", "levels"),
    [
        ("pylontech", {"low_voltage"}, set(), {"/Alarms/LowVoltage": 2}),
        ("pylontech", set(), {"high_temperature"}, {"/Alarms/HighTemperature": 1}),
        ("sma", {"contactor"}, {"cell_imbalance"}, {"/Alarms/Contactor": 2, "/Alarms/CellImbalance": 1}),
        ("sma", {"bms_internal"}, {"bms_internal"}, {"/Alarms/InternalFailure": 2}),
        ("victron", {"high_current"}, {"high_charge_current"}, {
            "/Alarms/HighDischargeCurrent": 2, "/Alarms/HighChargeCurrent": 1,
        }),
    ],
)  # fmt: skip
async def test_alarms_come_and_go(
    monkeypatch: pytest.MonkeyPatch,
    dialect: DialectName,
    alarms: set[str],
    warnings: set[str],
    levels: dict[str, int],
) -> None:
    async with Pack(monkeypatch, dialect) as pack:
        await pack.known()
        pack.battery.state.alarms |= alarms
        pack.battery.state.warnings |= warnings
        await pack.clock.advance(1)
        assert {path: level for path in ALARM_PATHS.values() if (level := pack.value(path))} == levels
        pack.battery.state.alarms.clear()
        pack.battery.state.warnings.clear()
        await pack.clock.advance(1)
        assert not [path for path in ALARM_PATHS.values() if pack.value(path)]


async def test_an_alarm_raised_before_the_battery_is_known_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge is told once by some batteries: not one may be lost while the serial number is awaited."""
    async with Pack(monkeypatch, "sma") as pack:
        pack.battery.omitted.add(0x35A)
        pack.bus.join(lambda _: None).send(CanFrame(0x35A, bytes.fromhex("1000000000000000")))
        await pack.clock.advance(3)
        pack.bus.join(lambda _: None).send(CanFrame(0x35A, bytes(8)))
        assert pack.value("/Alarms/LowVoltage") == 2


async def test_undefined_and_unavailable_values_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    state = BatteryState(
        charge_current_limit_a=None, discharge_current_limit_a=None, discharge_voltage_limit_v=0.0
    )
    async with Pack(monkeypatch, state=state) as pack:
        await pack.known()
        for path in ("/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent", "/Info/BatteryLowVoltage"):
            assert pack.device.reading(path).quality is Quality.ABSENT
        assert pack.value("/Info/MaxChargeVoltage") == 53.2


async def test_short_frames_are_counted_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        before = pack.device.status().errors
        pack.battery.cut = 7  # one byte is left of eight, none of six or four
        await pack.clock.advance(1)
        assert pack.device.status().errors >= before + 4
        assert pack.value("/Info/MaxChargeVoltage") == 53.2  # the last good one, until it is stale


@pytest.mark.parametrize(("scale", "charged"), [(0.1, 211.2), (0.01, 21.12)])
async def test_the_count_of_energies_is_the_sites(
    monkeypatch: pytest.MonkeyPatch, scale: float, charged: float
) -> None:
    async with Pack(monkeypatch, "victron", history_scale=scale) as pack:
        await pack.known()
        assert pack.value("/History/ChargedEnergy") == pytest.approx(charged)


async def test_events_of_sma(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch, "sma") as pack:
        await pack.known()
        node = pack.bus.join(lambda _: None)
        paths = ("/Events/SocRecalibration", "/Events/PowerLimit", "/Events/PreventiveShutdown")
        for byte, told in [(0x01, [1, None, 0]), (0x02, [0, None, 0]), (0x1A, [0, 0, 1])]:
            node.send(CanFrame(0x35B, bytes([byte])))
            assert pack.values(*paths) == told


async def test_nothing_of_it_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        with pytest.raises(NotWritable):
            await pack.write({"/Info/MaxChargeCurrent": 10})


# -- who it is ------------------------------------------------------------------------------------------


async def test_a_serial_number_pins_the_battery(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch, "victron", serial="SIM0000000000002") as pack:
        await pack.clock.advance(4)
        assert pack.device.link is LinkState.WRONG_DEVICE
        assert pack.values(*LIVE) == [None] * 4
        pack.battery.state.serial = "SIM0000000000002"
        await pack.clock.advance(2)
        assert pack.device.link is LinkState.ONLINE
        assert pack.value("/Serial") == "SIM0000000000002"


async def test_a_replaced_battery_is_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = StateStore(None)
    async with Pack(monkeypatch, "victron", memory=memory) as pack:
        await pack.known()
        pack.battery.state.serial = "SIM0000000000009"
        await pack.clock.advance(2)
        assert pack.device.link is LinkState.WRONG_DEVICE
        assert pack.values(*LIVE) == [None] * 4
    async with Pack(monkeypatch, "victron", memory=memory) as pack:  # remembered over a restart
        pack.battery.state.serial = "SIM0000000000009"
        await pack.clock.advance(4)
        assert pack.device.link is LinkState.WRONG_DEVICE


async def test_a_made_up_serial_yields_to_a_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch, "victron") as pack:
        pack.battery.omitted |= {0x380, 0x381}
        await pack.clock.advance(4)
        assert pack.value("/Serial") == "BATTERY_pack"
        pack.battery.omitted.clear()
        await pack.clock.advance(1)
        assert pack.value("/Serial") == "SIM0000000000001"
        assert pack.device.alive


async def test_half_a_serial_number_is_one_when_no_other_half_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch, "victron") as pack:
        pack.battery.omitted.add(0x381)
        await pack.known()
        assert pack.value("/Serial") == "SIM00000"


async def test_the_sites_serial_serves_a_battery_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch, serial="SIMPACK") as pack:
        await pack.known()
        assert pack.value("/Serial") == "SIMPACK"


async def test_names_in_two_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    state = BatteryState(product="MY BANK 48 LITHIUM"[:16], name="")
    async with Pack(monkeypatch, "victron", state=state) as pack:
        await pack.known()
        assert pack.values("/ProductName", "/Manufacturer") == ["MY BANK 48 LITHI", None]


# -- the inverter that it waits for ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "options", "ids"),
    [
        ("pylontech", {}, {0x305}),
        ("pylontech", {"keepalive": True}, {0x305}),
        ("pylontech", {"keepalive": False}, set()),
        ("sma", {}, set()),
        ("victron", {}, {0x305, 0x306, 0x307}),
    ],
)
async def test_who_is_told_that_there_is_an_inverter(
    monkeypatch: pytest.MonkeyPatch, dialect: DialectName, options: dict[str, object], ids: set[int]
) -> None:
    async with Pack(monkeypatch, dialect, **options) as pack:
        await pack.known()
        await pack.clock.advance(10)
        assert {frame.id for _, frame in pack.sent()} == ids
        assert pack.value("/Inverter/Keepalive") == (1 if ids else 0)
        if ids:
            times = [at for at, _ in pack.sent(0x305)]
            assert len(times) == 14
            assert {round(b - a, 6) for a, b in itertools.pairwise(times)} == {1.0}
            assert {frame.data for _, frame in pack.sent(0x305)} == {bytes(8)}


async def test_a_battery_that_waits_for_its_inverter_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch, waits=True) as pack:
        await pack.clock.advance(4)
        assert pack.device.alive
    async with Pack(monkeypatch, waits=True, keepalive=False) as pack:
        await pack.clock.advance(8)
        assert not pack.device.alive


async def test_a_real_inverter_is_left_to_speak_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        inverter = pack.bus.join(lambda _: None)
        already = len(pack.sent())
        for _ in range(5):
            inverter.send(CanFrame(0x305, b"\x21"))
            await pack.clock.advance(1)
        assert len(pack.sent()) == already
        assert pack.value("/Inverter/Keepalive") == 2
        await pack.clock.advance(7)  # it is gone
        assert pack.value("/Inverter/Keepalive") == 1
        assert len(pack.sent()) > already


async def test_on_request_the_bridge_speaks_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch, keepalive=True) as pack:
        inverter = pack.bus.join(lambda _: None)
        for _ in range(5):
            inverter.send(CanFrame(0x305, bytes(8)))
            await pack.clock.advance(1)
        assert len(pack.sent(0x305)) == 6


async def test_a_gx_says_306_only_to_a_battery_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch, "victron") as pack:
        pack.battery.silent = True
        await pack.clock.advance(5)
        assert {frame.id for _, frame in pack.sent()} == {0x305, 0x307}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"dialect": "sma", "keepalive": True}, "0x305 is telemetry"),
        ({"dialect": "pylontech", "history_scale": 0.5}, "0.1 or 0.01"),
    ],
)
def test_impossible_options(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CanBatteryOptions(adapter="can_battery", interface="virtual", channel="x", **wrong)
