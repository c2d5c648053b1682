"""The wear budget: counted before it happens, over restarts and clock corrections."""

from collections.abc import Sequence

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.values import Outcome
from bridge.datastore.wear import Verdict, Wear, WearBudget, WearLimits
from tests.datastore.rig import Rig, running

RAISE, LOWER = Wear.RAISE, Wear.LOWER
DAY = 86400.0
#: A UTC midnight.
MIDNIGHT = 1_700_006_400.0


class Books:
    """A budget, its clock and the state it is kept in."""

    def __init__(self, now: float = MIDNIGHT, limits: WearLimits | None = None) -> None:
        self.clock = ManualClock(now)
        self.state = StateStore()
        self.limits = limits
        self.budget = self.restart()

    def restart(self, limits: WearLimits | None = None) -> WearBudget:
        self.budget = WearBudget(self.clock, self.state.memory("charger"), limits or self.limits)
        return self.budget

    async def grant(self, *wears: Wear) -> Verdict:
        verdict, self.wait = self.budget.grant(wears)
        if verdict is Verdict.GRANTED:
            await self.budget.secure()
        return verdict

    async def granted(self, wear: Wear, attempts: int, every_s: float = 0) -> int:
        """How many of so many attempts were granted."""
        count = 0
        for _ in range(attempts):
            count += await self.grant(wear) is Verdict.GRANTED
            await self.clock.advance(every_s)
        return count


@pytest.mark.parametrize(
    ("attempts", "every_s", "granted"),
    [
        (11, 0, 10),  # the burst
        (30, 60, 30),  # one a minute, for ever
        (200, 60, 100),  # until the day's hundred
        (120, 30, 69),  # ten, and one a minute over the hour that 120 attempts take
    ],
)
async def test_raises(attempts: int, every_s: float, granted: int) -> None:
    assert await Books().granted(RAISE, attempts, every_s) == granted


async def test_the_bucket_is_full_to_the_second() -> None:
    books = Books()
    assert await books.granted(RAISE, 10) == 10
    for _ in range(599):  # reading the account must not wear down the sum by rounding
        await books.clock.advance(0.1)
        assert books.budget.left_today == 90
    assert await books.grant(RAISE) is Verdict.SPENT
    await books.clock.advance(0.1)
    assert await books.grant(RAISE) is Verdict.GRANTED


async def test_lowerings_go_on_one_in_ten_seconds_and_then_only_by_switching_off() -> None:
    books = Books(limits=WearLimits(per_day=2, lowerings_per_day=3))
    assert await books.granted(LOWER, 2) == 2
    assert await books.grant(LOWER) is Verdict.GRANTED
    assert await books.grant(LOWER) is Verdict.WAIT
    assert books.wait == pytest.approx(10)
    assert await books.grant(RAISE) is Verdict.SPENT
    assert await books.granted(LOWER, 40, every_s=1) == 2
    assert await books.grant(LOWER) is Verdict.OFF_ONLY


async def test_a_batch_is_counted_whole_or_not_at_all() -> None:
    books = Books(limits=WearLimits(per_day=3))
    assert await books.grant(RAISE, RAISE) is Verdict.GRANTED
    assert await books.grant(RAISE, RAISE) is Verdict.SPENT
    assert books.budget.left_today == 1
    assert await books.grant(LOWER, LOWER) is Verdict.GRANTED


async def test_the_day_turns_at_utc_midnight() -> None:
    books = Books(MIDNIGHT - 3600)
    assert await books.granted(RAISE, 10) == 10
    await books.clock.advance(3599)
    assert books.budget.left_today == 90
    await books.clock.advance(1)
    assert books.budget.left_today == 100


async def test_a_restart_forgets_nothing() -> None:
    books = Books(limits=WearLimits(per_day=12))
    assert await books.granted(RAISE, 10) == 10
    books.restart()
    assert await books.grant(RAISE) is Verdict.SPENT
    books.clock.jump(600)  # ten minutes away fill the bucket, not the day
    books.restart()
    assert await books.granted(RAISE, 10) == 2
    assert await books.grant(LOWER) is Verdict.GRANTED
    books.restart()
    assert await books.grant(LOWER) is Verdict.WAIT
    assert books.wait == pytest.approx(10)


async def test_a_start_with_the_clock_behind_takes_no_token_away() -> None:
    books = Books()
    assert await books.granted(RAISE, 4) == 4
    books.clock.jump(-50 * 365 * DAY)
    books.restart()
    assert await books.granted(RAISE, 20) == 6


@pytest.mark.parametrize(
    ("jumps", "granted"),
    [
        ([], 10),
        ([-3600], 10),
        ([-50 * 365 * DAY], 10),  # a machine without a clock of its own, before it knows the time
        ([3600], 10),  # forwards: the bucket fills by monotonic time alone
        ([-50 * 365 * DAY, 50 * 365 * DAY], 10),
        ([DAY], 10),
    ],
)
async def test_clock_corrections_fill_no_bucket(jumps: Sequence[float], granted: int) -> None:
    books = Books()
    count = await books.granted(RAISE, 5)
    for jump in jumps:
        books.clock.jump(jump)
    assert count + await books.granted(RAISE, 20) == granted


async def test_a_clock_that_swings_over_midnight_gives_one_new_day() -> None:
    books = Books(MIDNIGHT - 60, limits=WearLimits(burst=1000))
    total = 0
    for _ in range(5):
        total += await books.granted(RAISE, 200)
        books.clock.jump(120)
        total += await books.granted(RAISE, 200)
        books.clock.jump(-120)
    assert total == 200


async def test_boots_at_1970_give_no_new_days() -> None:
    books = Books(limits=WearLimits(burst=1000))
    total = 0
    for _ in range(4):
        total += await books.granted(RAISE, 200)
        now = books.clock.now()
        books.clock.jump(-now)
        books.restart()
        total += await books.granted(RAISE, 200)
        books.clock.jump(now)
    assert total == 100


async def test_a_count_of_a_far_future_day_stands_no_longer_than_a_day() -> None:
    books = Books(limits=WearLimits(burst=1000))
    books.clock.jump(75 * 365 * DAY)
    assert await books.granted(RAISE, 200) == 100
    books.clock.jump(-75 * 365 * DAY)
    books.restart()
    assert await books.grant(RAISE) is Verdict.SPENT
    await books.clock.advance(DAY)
    assert await books.grant(RAISE) is Verdict.GRANTED


async def test_a_site_may_change_the_limits() -> None:
    books = Books(limits=WearLimits(per_day=1000, burst=50))
    assert await books.granted(RAISE, 30) == 30
    books.restart(WearLimits(per_day=20))
    assert books.budget.left_today == 0
    assert await books.grant(RAISE) is Verdict.SPENT
    books.restart(WearLimits(per_day=40, burst=5))
    assert await books.granted(RAISE, 20) == 5


@pytest.mark.parametrize(
    "saved",
    [
        None,
        5,
        "x",
        [],
        {},
        {"day": "x"},
        {"day": 1, "time": 2, "tokens": float("nan")},
        {"written": 3, "more": 1},
    ],
)
async def test_a_record_that_cannot_be_read_begins_anew(saved: object) -> None:
    books = Books()
    books.state.put("charger", "wear", saved)
    books.restart()
    assert await books.granted(RAISE, 11) == 10


@pytest.mark.parametrize(
    "wrong", [{"refill_s": 0.0}, {"refill_s": float("nan")}, {"per_day": -1}, {"lowering_interval_s": -1.0}]
)
def test_limits_that_mean_nothing(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="found"):
        WearLimits(**wrong)  # type: ignore[arg-type]


# -- as the writers see it -------------------------------------------------------------------------


async def test_unchanged_values_cost_nothing() -> None:
    async with running() as rig:
        for _ in range(20):
            assert await rig.write(Limit=16) == [Outcome.CONFIRMED]
        assert rig.device.status().wear_left == 100


async def test_beyond_the_budget_raises_are_busy_and_lowerings_wait_newest_first() -> None:
    async with running(Rig(limits=WearLimits(per_day=1))) as rig:
        assert await rig.write(Limit=20) == [Outcome.CONFIRMED]
        assert await rig.write(Limit=21) == [Outcome.BUSY]
        assert await rig.write(Limit=19) == [Outcome.CONFIRMED]
        assert await rig.write(Limit=18) == [Outcome.PENDING]
        assert await rig.write(Limit=17) == [Outcome.PENDING]
        assert rig.outcomes[-1] == ("/Limit", Outcome.SUPERSEDED)
        await rig.live(9.5)
        assert rig.adapter.sent[-1] == {"/Limit": 19}
        await rig.live(1)
        assert rig.adapter.sent[-1] == {"/Limit": 17}
        assert rig.outcomes[-1] == ("/Limit", Outcome.CONFIRMED)


@pytest.mark.parametrize("limits", [WearLimits(per_day=0, lowerings_per_day=0)])
async def test_with_nothing_left_a_lowering_switches_off_and_off_itself_is_never_refused(
    limits: WearLimits,
) -> None:
    async with running(Rig(limits=limits)) as rig:
        assert await rig.write(Limit=10) == [Outcome.ADJUSTED]
        assert await rig.write(Limit=0) == [Outcome.CONFIRMED]
        assert await rig.write(Mode=4) == [Outcome.CONFIRMED]
        assert rig.adapter.sent == [{"/Limit": 0}, {"/Limit": 0}, {"/Mode": 4}]
        assert await rig.write(Limit=30) == [Outcome.BUSY]


async def test_a_batch_over_budget_is_not_done_by_halves_but_switching_off_is() -> None:
    async with running(Rig(limits=WearLimits(per_day=0))) as rig:
        assert await rig.write(Fan=5, Limit=30) == [Outcome.BUSY, Outcome.BUSY]
        assert await rig.write(Mode=4, Limit=30) == [Outcome.CONFIRMED, Outcome.BUSY]
        assert rig.adapter.sent == [{"/Mode": 4}]


async def test_a_lowering_goes_on_alone_where_the_raise_of_its_batch_is_busy() -> None:
    async with running(Rig(limits=WearLimits(per_day=0))) as rig:
        rig.adapter.also_wears = {"/Fan": Wear.RAISE}
        assert await rig.write(0.1, Fan=50, Name="a", Limit=10) == [
            Outcome.BUSY,
            Outcome.BUSY,
            Outcome.CONFIRMED,
        ]
        assert rig.adapter.sent == [{"/Limit": 10}]


async def test_what_waits_for_the_budget_waits_with_its_batch() -> None:
    async with running(Rig(limits=WearLimits(per_day=0))) as rig:
        assert await rig.write(Limit=15) == [Outcome.CONFIRMED]
        assert await rig.write(Limit=14, Mode=1) == [Outcome.PENDING, Outcome.PENDING]
        assert rig.adapter.sent == [{"/Limit": 15}]  # not on with the higher current first
        await rig.live(10)
        assert rig.adapter.sent == [{"/Limit": 15}, {"/Limit": 14, "/Mode": 1}]


async def test_the_count_is_saved_before_the_frame_goes_out() -> None:
    async with running() as rig:
        left = []
        rig.adapter.before_frame = lambda: left.append(
            100 - rig.state.get("charger", "wear")["written"]  # type: ignore[index]
        )
        await rig.write(Limit=20)
        await rig.write(Limit=21)
        assert left == [99, 98]
