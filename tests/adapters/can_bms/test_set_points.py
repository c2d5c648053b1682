"""Set-points: from a write to the bus, within the battery's limits, for as long as they are leased."""

import asyncio
import itertools
from typing import Any

import pytest

from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can.inverter_frames import KEEPALIVE
from bridge.adapters.can.paths import ALARM_PATHS
from bridge.adapters.can_bms.battery import Battery
from bridge.adapters.can_bms.points import specs_of
from bridge.datastore.refusals import NotWritable, ValueRefused
from bridge.datastore.values import LinkState, Value, WriteRequest

from .rig import BLOCK, CCL, CVL, DCL, FRESH, HEARTBEAT, HOLD, LINK, PERSON, SOC, STOPPED, Rig, V, options_of


@pytest.mark.parametrize("dialect", ["sma", "pylontech", "pylontech_new", "victron"])
@pytest.mark.parametrize("moment", [0.0, 0.13, 0.37, 0.66, 0.93])
async def test_a_written_limit_is_confirmed_when_it_is_on_the_bus(
    monkeypatch: pytest.MonkeyPatch, dialect: str, moment: float
) -> None:
    async with Rig(monkeypatch, dialect=dialect) as rig:
        await rig.sending()
        await rig.clock.advance(moment)
        before = rig.clock.monotonic()
        outcomes, took = await rig.write({CCL: 42.0})
        assert outcomes == {"confirmed"}
        assert took <= 0.4  # what a Modbus reply waits
        assert rig.value(CCL) == 42.0
        newest = rig.sent(0x351)[-1]
        assert newest[0] >= before
        assert rig.told(0x351)["charge_current_limit_a"] == 42.0


async def test_a_block_is_one_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a frame with the new voltage and the old current."""
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        other = {CVL: 55.0, CCL: 10.0, DCL: 11.0}
        for n in range(30):
            await rig.clock.advance(0.37)
            await rig.write(other if n % 2 else {path: BLOCK[path] for path in other})
        assert {f.data.hex() for _, f in rig.sent(0x351)} == {"3002e803b0049a01", "260264006e009a01"}


async def test_an_equal_value_needs_no_further_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        sent = len(rig.sent())
        assert await rig.write(BLOCK) == ({"confirmed"}, 0.0)
        assert len(rig.sent()) == sent
        await rig.clock.advance(25)
        assert rig.value("/Bms/SourceAge") == pytest.approx(25, abs=1)  # it was renewed all the same


async def test_writes_beside_the_rhythm_leave_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        first = rig.sent(0x351)[0][0]
        for n in range(20):
            await rig.clock.advance(0.43)
            await rig.write({CCL: 10.0 + n})
        at = [time for time, _ in rig.sent(0x351)]
        for n in range(8):
            assert any(abs(time - first - n) < 0.001 for time in at), n
        assert min(b - a for a, b in itertools.pairwise(at)) >= 0.2 - 1e-6


async def test_a_frame_that_the_adapter_does_not_take_confirms_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        rig.bus.stick(stuck=True)
        outcomes, took = await rig.write({CCL: 42.0})
        assert outcomes == {"timed_out"}
        assert took == pytest.approx(5, abs=0.1)
        assert (await rig.write({CCL: 42.0}))[0] == {"timed_out"}  # it is no more on the bus than before
        rig.bus.stick(stuck=False)
        await rig.clock.advance(1.1)
        assert (await rig.write({CCL: 43.0}))[0] == {"confirmed"}


async def test_a_channel_lost_under_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        rig.bus.stick(stuck=True)
        task = rig.begin({CCL: 42.0})
        await rig.clock.advance(0.3)
        assert not task.done()
        rig.bus.unplug()
        await rig.until(task.done, 1)
        assert {outcome.word for outcome in task.result().values()} == {"offline"}


async def test_a_site_whose_adapter_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, plugged=False) as rig:
        await rig.until(lambda: rig.device.link is LinkState.PORT_MISSING, 5)
        assert (await rig.write({CCL: 42.0}))[0] == {"offline"}
        rig.bus.replug()
        await rig.until(lambda: rig.device.link is LinkState.ONLINE, 10)
        await rig.sending()


async def test_writes_are_taken_while_no_inverter_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        for _ in range(10):
            await rig.clock.advance(10)
            assert (await rig.write(BLOCK))[0] == {"confirmed"}
        assert (rig.device.link, rig.phase) == (LinkState.ONLINE, FRESH)
        assert rig.device.reading("/Inverter/Age").value is None


async def test_the_inverters_liveness(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, dialect="pylontech") as rig:
        place = rig.bus.join(lambda _: None)
        await rig.sending()
        place.send(KEEPALIVE)
        await rig.clock.advance(7)
        assert rig.value("/Inverter/Age") == pytest.approx(7, abs=1)
        assert rig.value("/Can/Received") == 1


# -- limits of the battery -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (CVL, 58.5, "expected 41 to 58.4, the limits of the configured battery"),
        (CVL, 0.0, "expected 41 to"),
        (CCL, 200.1, "expected 0 to 200"),
        (DCL, 1000.0, "expected 0 to 200"),
        (CCL, -1.0, "expected 0 to"),
        ("/Info/BatteryLowVoltage", 49.0, "expected 41 to 48"),
        ("/Info/BatteryLowVoltage", 30.0, "expected 41 to 48"),
        (V, 20.0, "expected 24 to 67.2 V"),
        (V, 70.0, "expected 24 to 67.2 V"),
        (SOC, 100.1, "expected 0 to 100 %"),
        (SOC, -0.1, "expected 0 to 100 %"),
        ("/Soh", 101.0, "expected 0 to 100 %"),
        ("/Dc/0/Temperature", -60.0, "expected -40 to 100"),
        ("/Dc/0/Current", 5000.0, "expected -3276.7 to 3276.7 A"),
        ("/System/MaxCellVoltage", 5.0, "expected 1.5 to 4.2 V"),
        ("/Alarms/HighVoltage", 3, "expected one of 0 (ok), 1 (warning), 2 (alarm)"),
        ("/Io/AllowToCharge", 2, "expected one of 0 (off), 1 (on)"),
        (HEARTBEAT, 0x10000, "expected 0 to 65534"),
    ],
)
async def test_what_may_not_be_written(
    monkeypatch: pytest.MonkeyPatch, path: str, value: float, expected: str
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        sent = len(rig.sent())
        with pytest.raises(ValueRefused) as refused:
            await rig.device.write(WriteRequest({CVL: 54.0, path: value}, PERSON))
        assert expected in str(refused.value)
        assert refused.value.exception_code == 3
        await rig.clock.advance(0.04)
        assert len(rig.sent()) == sent  # nothing of the batch was done


@pytest.mark.parametrize(
    ("path", "linked", "field", "told"),
    [
        (CVL, 60.0, "charge_voltage_limit_v", 58.4),
        (CCL, 480.0, "charge_current_limit_a", 200.0),
        (DCL, 480.0, "discharge_current_limit_a", 200.0),
        (CCL, 25.0, "charge_current_limit_a", 25.0),
    ],
)
async def test_a_linked_limit_is_capped(
    monkeypatch: pytest.MonkeyPatch, path: str, linked: float, field: str, told: float
) -> None:
    async with Rig(monkeypatch) as rig:
        rig.device.fed.add(path)
        await rig.clock.advance(4)
        await rig.write({path: linked}, LINK)
        await rig.write({p: v for p, v in BLOCK.items() if p != path})
        await rig.clock.advance(1.5)
        assert rig.told(0x351)[field] == pytest.approx(told)
        assert rig.value(path) == pytest.approx(told)


@pytest.mark.parametrize(("path", "wrong"), [(V, 3.3), (SOC, 655.35), (CVL, 0.0), (CVL, 12.0), (CCL, -10.0)])
async def test_a_linked_value_that_cannot_be_is_missing(
    monkeypatch: pytest.MonkeyPatch, path: str, wrong: float
) -> None:
    """It never reaches the bus, nor does a neighbour of it: the point ages as if nothing had come."""
    async with Rig(monkeypatch) as rig:
        rig.device.fed |= set(BLOCK)
        await rig.clock.advance(4)
        await rig.write(BLOCK, LINK)
        await rig.until(lambda: rig.phase == FRESH, 3)
        for _ in range(6):
            await rig.clock.advance(1)
            with pytest.raises(ValueRefused):
                await rig.device.write(WriteRequest({path: wrong}, LINK, as_of={path: rig.clock.monotonic()}))
            rest = {p: v for p, v in BLOCK.items() if p != path}
            await rig.write(rest, LINK)
        assert rig.phase == HOLD
        assert len({f.data for _, f in rig.sent(0x351)}) == 1


async def test_a_fed_point_refuses_other_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        rig.device.fed.add(SOC)
        await rig.clock.advance(1)
        with pytest.raises(NotWritable):
            await rig.device.write(WriteRequest({SOC: 50.0}, PERSON))


# -- leases --------------------------------------------------------------------------------------------


async def test_every_needed_point_must_be_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        await rig.write(BLOCK)
        for _ in range(6):
            await rig.clock.advance(5)
            await rig.write({path: value for path, value in BLOCK.items() if path != SOC})
        await rig.clock.advance(1)
        assert rig.phase == HOLD
        await rig.write({SOC: 60.0})
        await rig.clock.advance(0.5)
        assert rig.phase == FRESH


@pytest.mark.parametrize(("changes", "phase"), [(True, FRESH), (False, HOLD)])
async def test_only_a_changed_heartbeat_renews(
    monkeypatch: pytest.MonkeyPatch, changes: bool, phase: int
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        await rig.write({**BLOCK, HEARTBEAT: 1})
        for n in range(7):
            await rig.clock.advance(5)
            await rig.write({HEARTBEAT: 2 + n if changes else 1})
        await rig.clock.advance(0.5)
        assert rig.phase == phase
        assert rig.value(HEARTBEAT) == (8 if changes else 1)


async def test_a_heartbeat_does_not_raise_the_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        await rig.write({**BLOCK, HEARTBEAT: 1})
        await rig.clock.advance(35)
        assert rig.phase == HOLD
        await rig.write({HEARTBEAT: 2})
        await rig.clock.advance(1)
        assert rig.phase == HOLD
        await rig.write(BLOCK)
        await rig.clock.advance(0.5)
        assert rig.phase == FRESH


async def test_reading_renews_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        await rig.write(BLOCK)
        for _ in range(31):
            await rig.clock.advance(1)
            assert rig.device.reading(SOC).value == 64.0
        assert rig.phase == HOLD


async def test_a_lease_of_the_site_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, lease={SOC: {"time": 10, "safe": "release"}}) as rig:
        await rig.sending()
        await rig.write(BLOCK)
        await rig.clock.advance(9)
        assert rig.phase == FRESH
        await rig.clock.advance(1.5)
        assert rig.phase == HOLD


async def test_points_over_their_time_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending({**BLOCK, "/Soh": 98.0, "/Dc/0/Temperature": 20.0, "/Dc/0/Current": -3.5})
        assert (rig.value("/Soh"), rig.told(0x356)["temperature_c"]) == (98.0, 20.0)
        for _ in range(5):
            await rig.clock.advance(10)
            await rig.write(BLOCK)
        await rig.clock.advance(1.1)
        assert rig.phase == FRESH
        assert (rig.value("/Soh"), rig.value("/Dc/0/Temperature")) == (None, None)
        assert rig.told(0x356)["temperature_c"] is None
        assert rig.told(0x355)["soh_pct"] is None
        await rig.clock.advance(80)
        assert rig.phase == STOPPED
        assert [rig.value(path) for path in BLOCK] == [None] * 5
        assert rig.value("/Bms/Frames/351") is None


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"/Io/AllowToCharge": 0}, ("charge_current_limit_a", 0.0)),
        ({"/Io/AllowToDischarge": 0}, ("discharge_current_limit_a", 0.0)),
        ({"/Info/BatteryLowVoltage": 46.0}, ("discharge_voltage_limit_v", 46.0)),
    ],
)
async def test_a_prohibition_outlives_its_writer(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Value], sent: tuple[str, float]
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending({**BLOCK, **given})
        for _ in range(8):
            await rig.clock.advance(10)
            await rig.write(BLOCK)
        assert rig.told(0x351)[sent[0]] == sent[1]
        path, value = next(iter(given.items()))
        assert rig.value(path) == value


async def test_an_alarm_is_raised_until_it_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending({**BLOCK, "/Alarms/HighVoltage": 2})
        assert rig.sent(0x35A)[-1][1].data.hex() == "a6aaaa02aaaaaa02"
        for _ in range(8):
            await rig.clock.advance(10)
            await rig.write(BLOCK)
        assert rig.sent(0x35A)[-1][1].data.hex() == "a6aaaa02aaaaaa02"
        await rig.write({"/Alarms/HighVoltage": 0})
        assert rig.sent(0x35A)[-1][1].data.hex() == "aaaaaa02aaaaaa02"


async def test_leases_found_open_at_a_start_harm_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
    async with Rig(monkeypatch, state=rig.state, bus=rig.bus, clock=rig.clock) as again:
        await again.clock.advance(5)
        assert again.device.status().set_points == 0
        assert again.phase == STOPPED
        await again.sending()


def test_the_points_that_can_be_written() -> None:
    options = options_of(charge_control={})
    specs = {spec.path: spec for spec in specs_of(options, Battery(options.battery, DIALECTS["sma"]))}
    named = {
        *("/Soc", "/Soh", "/Dc/0/Voltage", "/Dc/0/Current", "/Dc/0/Temperature", "/Info/MaxChargeVoltage"),
        *("/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent", "/Info/BatteryLowVoltage"),
        *("/Io/AllowToCharge", "/Io/AllowToDischarge", "/Info/ChargeRequest", *ALARM_PATHS.values()),
    }
    assert all(specs[path].writable and specs[path].lease is not None for path in named)
    assert specs[HEARTBEAT].heartbeat
    for path in ("/Bms/Phase", "/Bms/SourceAge"):
        assert not specs[path].writable


async def test_many_writers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest wins, nobody waits without end, and the bus is not flooded."""
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        before = len(rig.sent())
        tasks: list[asyncio.Task[Any]] = []
        for n in range(200):
            tasks.append(rig.begin({CCL: float(n % 100)}))
            await rig.clock.advance(0.01)
        await rig.until(lambda: all(task.done() for task in tasks), 10)
        words = [outcome.word for task in tasks for outcome in task.result().values()]
        assert set(words) <= {"confirmed", "superseded"}
        assert rig.told(0x351)["charge_current_limit_a"] == 99.0
        assert len(rig.sent()) - before <= 2 * 6 + 2 * 5 + 6
