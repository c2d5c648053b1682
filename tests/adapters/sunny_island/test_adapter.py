"""The adapter on a simulated bus with a house behind it: what is heard, what is asked, what goes wrong."""

import itertools
import logging

import pytest

from bridge.adapters.can.channel import seat_on
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.line_faults import PortUnusable
from bridge.adapters.sunny_island.adapter import SunnyIslandAdapter
from bridge.adapters.sunny_island.options import SunnyIslandOptions
from bridge.adapters.sunny_island.simulated_house import CONNECTS_AFTER_S, STARTS_IN_S, STOPS_IN_S
from bridge.datastore.refusals import NotWritable, ValueRefused
from bridge.datastore.values import LinkState, Outcome, Quality, WriteRequest
from tests.adapters.sunny_island.rig import MODE, OFF, ON, PERSON, Rig

START, STOP = bytes((1, 0, 0, 0)), bytes((2, 0, 0, 0))
ALLOWED = {"allow_commands": True}


# -- what is heard ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [1, 2, 3])
async def test_a_house_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    async with Rig(monkeypatch, lines=lines, options={"phases": lines}) as rig:
        rig.house.load_w = 1830.0
        await rig.known()
        house = rig.house
        assert rig.value("/Dc/0/Voltage") == pytest.approx(house.battery_v, abs=0.06)
        assert rig.value("/Dc/0/Current") == pytest.approx(house.battery_a, abs=0.06)
        assert rig.value("/Soc") == pytest.approx(house.soc_pct, abs=0.1)
        assert rig.value("/Ac/Out/P") == 1800
        powers = [rig.value(f"/Ac/Out/L{line}/P") for line in range(1, lines + 1)]
        assert sum(powers) == pytest.approx(1800, abs=100)
        assert powers == sorted(powers, reverse=True)
        assert rig.value("/Ac/NumberOfPhases") == lines
        assert rig.value("/State") == 3
        assert rig.device.link is LinkState.ONLINE
        assert rig.commands == []  # it listens, and says nothing


async def test_every_point_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, lines=3, options={"phases": 3}) as rig:
        await rig.known()
        unheard = [path for path in rig.device.paths if rig.device.reading(path).quality is not Quality.OK]
        assert unheard == ["/FirmwareVersion"]


async def test_the_grid_is_lost_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert (rig.value("/Alarms/GridLost"), rig.value("/Ac/ActiveIn/Connected")) == (0, 1)
        rig.node.misbehave("grid", "off")
        took = await rig.until(lambda: rig.value("/Alarms/GridLost") == 2)
        assert 1.0 <= took <= 2.2  # the second frame without voltage
        shown = {
            "/Ac/ActiveIn/Connected": 0, "/Ac/ActiveIn/ActiveInput": 240, "/Ac/ActiveIn/L1/V": 0.0,
            "/Ac/ActiveIn/P": 0, "/Ac/Out/L1/V": 230.0, "/Mode": 3,
        }  # fmt: skip
        assert {path: rig.value(path) for path in shown} == shown
        rig.node.misbehave("grid", "on")
        assert await rig.until(lambda: rig.value("/Alarms/GridLost") == 0) <= 1.2
        assert await rig.until(lambda: rig.value("/Ac/ActiveIn/Connected") == 1) <= CONNECTS_AFTER_S + 1.2


async def test_a_moving_transfer_relay_raises_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, grid=False) as rig:
        await rig.known()
        rig.node.misbehave("grid", "on")
        await rig.until(lambda: rig.value("/Alarms/GridLost") == 0)
        alarms: list[object] = []
        available: list[object] = []
        rig.device.changed.connect(lambda _: alarms.append(rig.value("/Alarms/GridLost")))
        rig.device.changed.connect(lambda _: available.append(rig.value("/Ac/State/AcIn1Available")))
        await rig.until(lambda: rig.value("/Ac/ActiveIn/Connected") == 1)
        await rig.clock.advance(3)
        assert set(alarms) == {0}
        assert 0 in available  # the glitch was there


async def test_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day in four minutes: sun charges, the evening discharges, and the battery's charge goes along."""
    async with Rig(monkeypatch, grid=False, hour=5.0, soc=50.0) as rig:
        rig.house.speed = 360.0
        states, charge, power = set(), [], []
        for _ in range(24):
            await rig.clock.advance(10)
            states.add(rig.value("/State"))
            charge.append(rig.value("/Soc"))
            power.append(rig.value("/Ac/Out/P"))
        assert states == {3, 9}
        assert max(charge) > 80
        assert charge[-1] < max(charge)
        assert max(power) >= 1400
        assert min(power) == 300


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.node.misbehave("skip", "1")  # an island may leave a round out
        for _ in range(40):
            await rig.clock.advance(0.1)
            assert rig.value("/State") == 3
        rig.node.misbehave("silent")
        assert await rig.until(lambda: rig.value("/State") == 0) <= 2.6
        assert rig.device.alive
        assert await rig.until(lambda: rig.device.link is LinkState.SILENT) <= 3.0
        assert not rig.device.alive
        rig.node.misbehave("well")
        assert await rig.until(lambda: rig.device.link is LinkState.ONLINE) <= 1.1
        await rig.until(lambda: rig.value("/State") == 3, 1.0)


async def test_unplugged_and_back(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        with caplog.at_level(logging.WARNING):
            shown: list[object] = []
            rig.device.changed.connect(lambda _: shown.append(rig.value("/State")))
            rig.bus.unplug()
            await rig.until(lambda: rig.device.link is LinkState.PORT_MISSING, 1.0)
            await rig.clock.advance(60)
        assert {None} <= set(shown) <= {3, None}  # nobody knows whether it is off
        # one line for the bus, one for the device's link
        assert len([r for r in caplog.records if "fault=" in r.message]) <= 2
        assert rig.value("/Dc/0/Voltage") is None
        opened = rig.bus.openings
        rig.bus.replug()
        assert await rig.until(lambda: rig.device.link is LinkState.ONLINE) <= 7.0
        assert rig.bus.openings == opened + 1
        assert rig.value("/Can/Reopened") > 0


async def test_energies_over_a_restart_of_the_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, grid=False, hour=0.0) as rig:
        rig.house.load_w = 1000.0
        await rig.known()
        start = rig.value("/Energy/DcToAcOut")
        await rig.clock.advance(600)
        kept = rig.value("/Energy/DcToAcOut")
        assert kept - start == pytest.approx(1.0 / 6, rel=0.01)
    await rig.clock.advance(300)
    async with Rig(monkeypatch, state=rig.state, house=rig.house, clock=rig.clock) as later:
        await later.known()
        again = later.value("/Energy/DcToAcOut")
        assert kept <= again < kept + 1.0 * 6 / 3600


async def test_two_devices_share_a_bus_but_not_with_two_bit_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        heard: list[CanFrame] = []
        seat_of = seat_on(
            rig.options, rig.clock, "other", heard.append, lambda _: None, lambda: None, lambda _: None
        )
        async with seat_of as seat:
            await rig.clock.advance(2.2)
            assert {frame.id for frame in heard} == set(range(0x300, 0x30A))
            assert seat.up.is_set()
            assert rig.bus.openings == 1
            slow = SunnyIslandOptions(
                adapter="sunny_island", interface="virtual", channel="joined", bitrate=250_000
            )
            adapter = SunnyIslandAdapter(rig.datastore.add("slow"), slow, rig.clock)
            with pytest.raises(PortUnusable, match="give all devices of one bus the same bitrate"):
                await adapter.run()
            assert rig.datastore.devices["slow"].link is LinkState.PORT_MISSING
        await rig.clock.advance(2.2)
        assert rig.device.link is LinkState.ONLINE  # the other's leaving has not closed the bus


# -- what is asked ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [ON, OFF])
async def test_nothing_can_be_asked_unless_the_site_allows_it(
    monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        with pytest.raises(NotWritable):
            await rig.device.write(WriteRequest({MODE: mode}, PERSON))
        await rig.clock.advance(5)
        assert rig.commands == []


@pytest.mark.parametrize("mode", [0, 1, 2, 5])
async def test_other_modes_are_refused(monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    async with Rig(monkeypatch, options=ALLOWED) as rig:
        await rig.known()
        with pytest.raises(ValueRefused):
            await rig.device.write(WriteRequest({MODE: mode}, PERSON))
        assert rig.commands == []


async def test_stop_and_start_are_confirmed_by_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, options=ALLOWED, grid=False, hour=0.0) as rig:
        await rig.known()
        outcome, took = await rig.write(OFF)
        assert outcome is Outcome.CONFIRMED
        assert STOPS_IN_S - 1 <= took <= STOPS_IN_S + 1.2
        assert rig.value("/Ac/Out/L1/V") == 0
        assert (rig.value(MODE), rig.value("/State")) == (OFF, 0)
        assert set(rig.commands) == {CanFrame(0x35C, STOP)}
        sent = len(rig.commands)
        await rig.clock.advance(60)
        assert len(rig.commands) == sent  # said until it is seen, and no more

        outcome, took = await rig.write(ON)
        assert outcome is Outcome.CONFIRMED
        assert STARTS_IN_S - 1 <= took <= STARTS_IN_S + 1.2
        assert (rig.value(MODE), rig.value("/State")) == (ON, 9)
        times = [at for at, frame in rig.bus.from_bridge if frame.data == START]
        assert [round(b - a, 3) for a, b in itertools.pairwise(times)] == [2.0] * (len(times) - 1)
        assert len(times) in (3, 4)  # the fourth falls on the second in which the output appears
        assert [a.outcome for a in rig.attempts] == [Outcome.CONFIRMED] * 2


async def test_an_island_that_does_not_obey_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, options=ALLOWED) as rig:
        await rig.known()
        rig.node.misbehave("deaf")
        outcome, took = await rig.write(OFF)
        assert outcome is Outcome.TIMED_OUT
        assert 59 <= took <= 60.1
        assert rig.value(MODE) == ON
        assert len(rig.commands) == 30
        await rig.clock.advance(30)
        assert len(rig.commands) == 30


async def test_an_island_that_falls_silent_has_confirmed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, options=ALLOWED) as rig:
        await rig.known()
        rig.node.misbehave("silent")
        outcome, _ = await rig.write(OFF)
        assert outcome is Outcome.TIMED_OUT
        assert await rig.write(OFF) == (Outcome.OFFLINE, pytest.approx(0, abs=0.2))


async def test_what_is_so_already_is_said_once_and_confirmed_by_the_next_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch, options=ALLOWED) as rig:
        await rig.known()
        outcome, took = await rig.write(ON)
        assert (outcome, len(rig.commands)) == (Outcome.CONFIRMED, 1)
        assert took <= 1.2


async def test_off_overtakes_a_start_and_outlasts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output is still dark when the stop is sent; that alone would prove nothing."""
    async with Rig(monkeypatch, options=ALLOWED, grid=False) as rig:
        await rig.known()
        await rig.write(OFF)
        await rig.clock.advance(120)
        starting = rig.begin(ON)
        await rig.clock.advance(1.5)
        rig.node.misbehave("deaf")  # it does not hear the first stops, and starts
        stopping = rig.begin(OFF)
        await rig.clock.advance(3)
        rig.node.misbehave("well")
        assert starting.result() == {MODE: Outcome.SUPERSEDED}
        assert not stopping.done()
        await rig.until(stopping.done)
        assert stopping.result() == {MODE: Outcome.CONFIRMED}
        assert not rig.house.running
        assert rig.value(MODE) == OFF
        frames = [frame.data for frame in rig.commands]
        assert frames[-1] == STOP
        last_start = max(place for place, data in enumerate(frames) if data == START)
        assert all(data == STOP for data in frames[last_start + 1 :])


async def test_commands_without_a_bus_are_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, options=ALLOWED) as rig:
        await rig.known()
        rig.node.misbehave("deaf")
        stopping = rig.begin(OFF)
        await rig.clock.advance(3)
        rig.bus.unplug()
        await rig.until(stopping.done, 3)
        assert stopping.result() == {MODE: Outcome.OFFLINE}
        outcome, _ = await rig.write(OFF)
        assert outcome is Outcome.OFFLINE


async def test_a_lease_ends_with_its_safe_value(monkeypatch: pytest.MonkeyPatch) -> None:
    leased = {**ALLOWED, "lease": {"/Mode": {"time": 60, "safe": OFF}}}
    async with Rig(monkeypatch, options=leased, grid=False) as rig:
        await rig.known()
        assert (await rig.write(ON))[0] is Outcome.CONFIRMED
        await rig.clock.advance(50)
        assert rig.house.running
        await rig.until(lambda: not rig.house.running, 30)
        await rig.until(lambda: rig.value(MODE) == OFF, 3)


async def test_a_stop_by_hand_is_shown_and_not_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, options=ALLOWED, grid=False) as rig:
        await rig.known()
        await rig.write(ON)
        sent = len(rig.commands)
        rig.node.misbehave("mode", "off")
        await rig.until(lambda: rig.value(MODE) == OFF)
        await rig.clock.advance(120)
        assert len(rig.commands) == sent
        assert rig.device.held(MODE) is None


async def test_failure_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.node.misbehave("warning", "206")
        await rig.until(lambda: rig.value("/Error") == "W206")
        assert (rig.value("/Alarms/Fault"), rig.value("/State")) == (1, 3)
        rig.node.misbehave("failure", "952")
        await rig.until(lambda: rig.value("/Error") == "F952")
        await rig.until(lambda: rig.value("/State") == 2)
        assert rig.value("/Alarms/Fault") == 2
