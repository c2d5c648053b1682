"""Switching and limiting a charger: what goes out on the line, and what the writer is told."""

import asyncio
from collections.abc import Mapping

import pytest

from bridge.datastore.refusals import ValueRefused
from bridge.datastore.values import LinkState, Outcome, Quality, Value
from tests.adapters.vedirect.rig import LIMIT, MODE, OFF, ON, Rig

CONFIRMED, ADJUSTED, REFUSED = Outcome.CONFIRMED, Outcome.ADJUSTED, Outcome.REFUSED


def limit_frame(amperes: float) -> str:
    """The frame of the right formula: check = 0x55 - 8 - F0 - ED - lo - hi."""
    raw = round(amperes * 10)
    low, high = raw & 255, raw >> 8
    return f":8F0ED00{low:02X}{high:02X}{(0x55 - 8 - 0xF0 - 0xED - low - high) & 255:02X}"


@pytest.mark.parametrize(
    ("amperes", "frame"),
    [
        (10, ":8F0ED0064000C"),
        (11, limit_frame(11)),
        (25.6, limit_frame(25.6)),
        (30, ":8F0ED002C0143"),
        (36, limit_frame(36)),
    ],
)
async def test_currents_arrive_as_right_frames(
    monkeypatch: pytest.MonkeyPatch, amperes: float, frame: str
) -> None:
    async with Rig(monkeypatch, maximum_current=60) as rig:
        await rig.known()
        assert await rig.write({LIMIT: amperes}) == {LIMIT: CONFIRMED}
        assert rig.frames == [frame]
        assert rig.device.value(LIMIT) == amperes
        assert rig.simulator.registers.flash_writes == 1


async def test_current_zero_switches_off_and_a_later_current_switches_on_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write({LIMIT: 0}) == {LIMIT: CONFIRMED}
        assert rig.frames == [":80002000447"]
        assert (rig.device.value(LIMIT), rig.device.value(MODE)) == (0, OFF)
        await rig.clock.advance(20)
        assert (rig.device.value(LIMIT), rig.device.value(MODE)) == (0, OFF)
        assert await rig.write({LIMIT: 8}) == {LIMIT: CONFIRMED}
        assert rig.frames[1:] == [limit_frame(8), ":8000200014A"]
        assert (rig.device.value(LIMIT), rig.device.value(MODE)) == (8, ON)


async def test_under_the_minimum_switches_off_and_is_adjusted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write({LIMIT: 2}) == {LIMIT: ADJUSTED}
        assert (rig.device.value(LIMIT), rig.device.value(MODE)) == (0, OFF)
        assert rig.frames == [limit_frame(2), ":80002000447"]
        assert rig.device.value("/Settings/ChargeCurrentLimitMin") == 3
        assert rig.simulator.flash_writes == 0
        assert await rig.write({MODE: ON}) == {MODE: CONFIRMED}
        assert rig.device.value(LIMIT) == 12
        assert await rig.write({LIMIT: 1.5}) == {LIMIT: ADJUSTED}
        assert rig.frames[3:] == [":80002000447"]  # the minimum is known now: no try


async def test_a_current_is_stored_while_off_by_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write({MODE: OFF}) == {MODE: CONFIRMED}
        assert rig.device.value(LIMIT) == 12
        assert await rig.write({LIMIT: 6}) == {LIMIT: CONFIRMED}
        assert (rig.device.value(LIMIT), rig.device.value(MODE)) == (6, OFF)
        assert await rig.write({MODE: ON}) == {MODE: CONFIRMED}
        assert (rig.device.value(LIMIT), rig.device.value(MODE)) == (6, ON)
        assert rig.frames == [":80002000447", limit_frame(6), ":8000200014A"]


async def test_zero_while_off_by_mode_does_not_arm_a_later_current(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({MODE: OFF})
        assert await rig.write({LIMIT: 0}) == {LIMIT: CONFIRMED}
        assert rig.device.value(LIMIT) == 0
        assert await rig.write({LIMIT: 9}) == {LIMIT: CONFIRMED}
        assert (rig.device.value(LIMIT), rig.device.value(MODE)) == (9, OFF)
        assert ":8000200014A" not in rig.frames


@pytest.mark.parametrize(
    ("batch", "outcomes", "frames", "shown"),
    [
        (
            {MODE: OFF, LIMIT: 7},
            {MODE: CONFIRMED, LIMIT: CONFIRMED},
            [":80002000447", limit_frame(7)],
            (7, OFF),
        ),
        ({MODE: OFF, LIMIT: 0}, {MODE: CONFIRMED, LIMIT: CONFIRMED}, [":80002000447"], (0, OFF)),
        (
            {MODE: ON, LIMIT: 7},
            {MODE: CONFIRMED, LIMIT: CONFIRMED},
            [limit_frame(7), ":8000200014A"],
            (7, ON),
        ),
        (
            {MODE: 0, LIMIT: 7},
            {MODE: CONFIRMED, LIMIT: CONFIRMED},
            [":80002000447", limit_frame(7)],
            (7, OFF),
        ),
    ],
)
async def test_batches(
    monkeypatch: pytest.MonkeyPatch,
    batch: Mapping[str, Value],
    outcomes: Mapping[str, Outcome],
    frames: list[str],
    shown: tuple[float, int],
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write(batch) == outcomes
        assert rig.frames == frames
        assert (rig.device.value(LIMIT), rig.device.value(MODE)) == shown


@pytest.mark.parametrize(
    "batch", [{MODE: ON, LIMIT: 0}, {LIMIT: 12.1}, {LIMIT: -1}, {MODE: 3}, {LIMIT: float("nan")}, {MODE: 253}]
)
async def test_impossible_values_are_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, batch: Mapping[str, Value]
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        with pytest.raises(ValueRefused):
            await rig.write(batch)
        assert rig.frames == []
        assert [attempt.exception_code for attempt in rig.attempts] == [3] * len(batch)


async def test_an_unchanged_current_is_confirmed_without_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        left = rig.device.status().wear_left
        assert await rig.write({LIMIT: 12}) == {LIMIT: CONFIRMED}
        assert rig.frames == []
        assert rig.simulator.flash_writes == 0
        assert rig.device.status().wear_left == left


async def test_switched_at_the_device_is_adopted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.registers.put(0x0200, OFF)
        await rig.clock.advance(8)
        assert (rig.device.value(MODE), rig.device.value(LIMIT)) == (OFF, 12)
        assert await rig.write({LIMIT: 6}) == {LIMIT: CONFIRMED}  # stored: somebody else has switched it off
        assert rig.device.value(MODE) == OFF
        await rig.write({LIMIT: 0})
        rig.simulator.registers.put(0x0200, ON)
        await rig.clock.advance(12)
        assert (rig.device.value(MODE), rig.device.value(LIMIT)) == (ON, 6)
        assert rig.frames[-1] == ":80002000447"  # nobody switched it off again


@pytest.mark.parametrize("change", [{MODE: OFF}, {LIMIT: 0}])
async def test_off_is_sent_again_after_the_device_has_restarted(
    monkeypatch: pytest.MonkeyPatch, change: Mapping[str, Value]
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.clock.advance(60)
        await rig.write(change)
        shown = rig.device.value(LIMIT)
        rig.simulator.misbehave("reboot")
        await rig.clock.advance(25)
        assert rig.frames == [":80002000447", ":80002000447"]
        assert (rig.device.value(MODE), rig.device.value(LIMIT)) == (OFF, shown)


async def test_why_it_is_off_survives_a_restart_of_the_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({LIMIT: 0})
    async with Rig(monkeypatch, state=rig.state, simulator=rig.simulator, clock=rig.clock) as later:
        await later.clock.advance(6)
        assert (later.device.value(MODE), later.device.value(LIMIT)) == (OFF, 0)
        assert await later.write({LIMIT: 5}) == {LIMIT: CONFIRMED}
        assert (later.device.value(MODE), later.device.value(LIMIT)) == (ON, 5)


@pytest.mark.parametrize(
    ("fault", "argument", "change", "outcome", "shown"),
    [
        ("refuse", "02", {LIMIT: 6}, REFUSED, 12),
        ("refuse", "04", {MODE: OFF}, REFUSED, ON),
        ("ignore_set", "", {LIMIT: 6}, ADJUSTED, 12),
        ("ignore_set", "echo", {LIMIT: 6}, ADJUSTED, 12),  # the reply lies, the reading does not
        ("ignore_set", "echo", {MODE: OFF}, ADJUSTED, ON),
        ("clamp", "5", {LIMIT: 6}, ADJUSTED, 5),
        ("deaf", "", {LIMIT: 6}, Outcome.TIMED_OUT, 12),
        ("late", "", {MODE: OFF}, CONFIRMED, OFF),  # slow, and yet obeyed
        ("framing", "", {MODE: OFF}, Outcome.TIMED_OUT, None),
        ("framing", "2", {MODE: OFF}, CONFIRMED, OFF),
        ("silent", "", {LIMIT: 6}, Outcome.OFFLINE, None),
    ],
)
async def test_devices_that_do_not_obey(
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    argument: str,
    change: Mapping[str, Value],
    outcome: Outcome,
    shown: Value | None,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave(fault, argument)
        least = rig.device.value("/Settings/ChargeCurrentLimitMin")
        assert list((await rig.write(change)).values()) == [outcome]
        assert rig.device.value("/Settings/ChargeCurrentLimitMin") == least
        if shown is not None:
            assert rig.device.value(next(iter(change))) == shown


async def test_an_off_is_the_next_frame_while_an_on_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({MODE: OFF})
        rig.simulator.misbehave("deaf")
        before = len(rig.simulator.received)
        hanging = rig.begin({MODE: ON})
        await rig.clock.advance(0.7)
        off = rig.begin({MODE: OFF})
        await rig.clock.advance(0.05)
        at = len(rig.simulator.received)
        await rig.clock.advance(0.6)
        assert {heard.raw for heard in rig.simulator.received[before:at]} == {b":8000200014A\n"}
        assert rig.simulator.received[at].raw == b":80002000447\n"
        rig.simulator.misbehave("well")
        await rig.clock.advance(2)
        assert await hanging == {MODE: Outcome.SUPERSEDED}
        assert await off == {MODE: CONFIRMED}
        assert rig.simulator.executed[-1].in_force == OFF


async def test_an_off_while_a_current_switches_on_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({LIMIT: 0})
        current = rig.begin({LIMIT: 8})
        await rig.clock.advance(0.01)
        off = rig.begin({MODE: OFF})
        await rig.clock.advance(5)
        assert await off == {MODE: CONFIRMED}
        assert (await current)[LIMIT] in (CONFIRMED, Outcome.SUPERSEDED)
        assert rig.device.value(MODE) == OFF
        assert rig.simulator.registers.raw(0x0200) == OFF


async def test_an_on_waiting_for_its_reply_does_not_undo_a_later_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({MODE: OFF})
        both = rig.begin({MODE: ON, LIMIT: 8})
        await rig.clock.advance(0.01)
        off = rig.begin({MODE: OFF})
        await rig.clock.advance(5)
        assert await off == {MODE: CONFIRMED}
        assert (await both)[MODE] is Outcome.SUPERSEDED
        assert rig.simulator.registers.raw(0x0200) == OFF


async def test_a_line_down_answers_offline_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.wire.unplug()
        await rig.clock.advance(0.1)
        assert rig.device.link is LinkState.PORT_MISSING
        began = rig.clock.monotonic()
        task = rig.begin({LIMIT: 6})
        await asyncio.wait_for(task, 5)
        assert task.result() == {LIMIT: Outcome.OFFLINE}
        assert rig.clock.monotonic() == began


async def test_a_line_that_dies_under_a_write_is_offline_within_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("silent")
        task = rig.begin({LIMIT: 6})
        await rig.clock.advance(1.7)
        assert task.done()
        assert task.result() == {LIMIT: Outcome.OFFLINE}


async def test_the_newest_of_many_currents_is_the_last_one_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        tasks = [rig.begin({LIMIT: 4 + step / 2}) for step in range(10)]
        await rig.clock.advance(5)
        outcomes = [next(iter((await task).values())) for task in tasks]
        assert outcomes[-1] is CONFIRMED
        assert outcomes[1:-1] == [Outcome.SUPERSEDED] * 8
        assert rig.device.value(LIMIT) == 8.5
        assert rig.simulator.flash_writes <= 2


async def test_unplugged_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.wire.unplug()
        await rig.clock.advance(0.4)
        assert rig.device.alive  # a port that is back at once would lose nothing
        await rig.clock.advance(0.2)
        assert not rig.device.alive
        await rig.wire.replug()
        await rig.clock.advance(8)
        assert rig.device.alive
        assert rig.device.link is LinkState.ONLINE
        assert rig.device.value(LIMIT) == 12


async def test_what_the_text_never_tells_is_absent_and_not_stale_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert rig.device.reading("/Relay/0/State").quality is Quality.ABSENT
        assert rig.device.reading("/Dc/0/Voltage").quality is Quality.OK
