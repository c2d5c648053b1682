"""When frames are due: every second without drifting, apart from each other, and soon where they press."""

import itertools

import pytest

from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can_bms.schedule import Schedule

SMA = DIALECTS["sma"].sends
ROUNDING = 1e-6


def sma() -> Schedule:
    return Schedule(SMA, 0.1, 0.2)


def burst() -> Schedule:
    return Schedule((0x351, 0x355, 0x356), 0.0, 0.2)


def run(schedule: Schedule, start: float, end: float, late_s: float = 0.0) -> list[tuple[float, int]]:
    """Take whatever is due up to a time, by a loop that wakes late."""
    log: list[tuple[float, int]] = []
    now = start
    while (due := schedule.next_s(now)) < end:
        now = max(now, due) + late_s
        log += [(now, frame_id) for frame_id in schedule.take(now)]
    return log


def times(log: list[tuple[float, int]], frame_id: int) -> list[float]:
    return [time for time, sent in log if sent == frame_id]


@pytest.mark.parametrize("made", [sma, burst])
def test_every_frame_comes_every_second(made: type[Schedule]) -> None:
    schedule = made()
    schedule.begin(100.0)
    log = run(schedule, 100.0, 160.0)
    for frame_id in {sent for _, sent in log}:
        found = times(log, frame_id)
        assert len(found) == 60
        assert found == pytest.approx([found[0] + n for n in range(60)])


@pytest.mark.parametrize("made", [sma, burst])
def test_a_late_loop_does_not_drift(made: type[Schedule]) -> None:
    schedule = made()
    schedule.begin(100.0)
    found = times(run(schedule, 100.0, 160.0, late_s=0.02), 0x351)
    assert found == pytest.approx([100.02 + n for n in range(60)], abs=0.021)


def test_a_long_hang_is_not_made_up_for() -> None:
    schedule = burst()
    schedule.begin(100.0)
    run(schedule, 100.0, 102.5)
    assert schedule.take(110.3) == (0x351, 0x355, 0x356)
    assert schedule.next_s(110.3) == pytest.approx(111.0)


def test_a_sunny_island_gets_one_frame_at_a_time() -> None:
    schedule = sma()
    schedule.begin(100.0)
    log = run(schedule, 100.0, 102.0)
    assert [sent for _, sent in log] == [*SMA, *SMA]
    assert min(b[0] - a[0] for a, b in itertools.pairwise(log)) >= 0.1 - ROUNDING


@pytest.mark.parametrize("at", [n / 100 for n in range(100)])
def test_a_written_limit_goes_out_soon_and_nothing_else_moves(at: float) -> None:
    """Pressed at any moment of the period: soon, apart from its like, and no regular frame is displaced."""
    schedule = sma()
    schedule.begin(100.0)
    log = run(schedule, 100.0, 102.0 + at)
    places = {frame_id: times(log, frame_id)[0] - 100 for frame_id in SMA}
    now = 102.0 + at
    schedule.press([0x351])
    log += run(schedule, now, 105.0)
    limits = times(log, 0x351)
    assert min(time for time in limits if time > now - ROUNDING) - now <= 0.35
    assert min(b - a for a, b in itertools.pairwise(limits)) >= 0.2 - ROUNDING
    assert min(b[0] - a[0] for a, b in itertools.pairwise(log)) >= 0.1 - ROUNDING
    for frame_id in SMA:
        regular = [100 + n + places[frame_id] for n in range(5)]
        found = times(log, frame_id)
        assert all(any(abs(time - due) < ROUNDING for time in found) for due in regular)


@pytest.mark.parametrize("at", [0.0, 0.05, 0.3, 0.75, 0.85, 0.99])
def test_a_whole_block_goes_out_within_a_period(at: float) -> None:
    for made in (sma, burst):
        schedule = made()
        schedule.begin(100.0)
        run(schedule, 100.0, 102.0 + at)
        schedule.press([0x351, 0x355, 0x356])
        log = run(schedule, 102.0 + at, 103.0 + at)
        assert {sent for _, sent in log} >= {0x351, 0x355, 0x356}


def test_writers_who_press_without_end_do_not_flood_the_bus() -> None:
    schedule = burst()
    schedule.begin(100.0)
    log: list[tuple[float, int]] = []
    for n in range(1000):
        schedule.press([0x351])
        log += [(100 + n / 100, frame_id) for frame_id in schedule.take(100 + n / 100)]
    limits = times(log, 0x351)
    assert min(b - a for a, b in itertools.pairwise(limits)) >= 0.2 - ROUNDING


def test_beginning_again_keeps_the_pause_to_what_was_sent() -> None:
    schedule = sma()
    schedule.begin(100.0)
    run(schedule, 100.0, 100.05)
    schedule.begin(100.05)
    assert schedule.next_s(100.05) == pytest.approx(100.2)
