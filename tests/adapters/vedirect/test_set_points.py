"""Set-points people can trust: held for hours and over restarts, leased to the second, worn no more than allowed."""

import pytest

from bridge.datastore.values import Origin, Outcome, WriteRequest
from tests.adapters.vedirect.rig import LIMIT, MODE, OFF, ON, Rig

HOUR_S = 3600


async def test_a_one_off_current_holds_for_an_hour_and_over_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert await rig.write({LIMIT: 7.5}) == {LIMIT: Outcome.CONFIRMED}
        await rig.clock.advance(HOUR_S)
        assert rig.device.value(LIMIT) == 7.5
        assert rig.simulator.registers.raw(0xEDF0) == 75
    async with Rig(monkeypatch, state=rig.state, simulator=rig.simulator, clock=rig.clock) as later:
        await later.known()
        assert later.device.value(LIMIT) == 7.5
        assert later.device.held(LIMIT) == 7.5
        await later.clock.advance(60)
        assert later.simulator.flash_writes == 1
        assert later.frames == rig.frames


async def test_a_leased_current_ends_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, options={"lease": {LIMIT: "60 s"}, "safe": 4}) as rig:
        await rig.known()
        assert await rig.write({LIMIT: 10}) == {LIMIT: Outcome.CONFIRMED}
        await rig.clock.advance(58)
        assert rig.simulator.registers.raw(0xEDF0) == 100
        await rig.clock.advance(4)
        assert rig.simulator.registers.raw(0xEDF0) == 40
        assert rig.device.value(LIMIT) == 4


async def test_a_thousand_writes_a_minute_wear_no_more_than_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        accepted = []
        tasks = []
        for step in range(1000):
            value = 3 + (step * 7 % 90) / 10
            tasks.append((value, rig.begin({LIMIT: value})))
            await rig.clock.advance(0.06)
        await rig.clock.advance(20)
        for value, task in tasks:
            outcome = (await task)[LIMIT]
            assert outcome in (Outcome.CONFIRMED, Outcome.SUPERSEDED, Outcome.BUSY)
            if outcome is Outcome.CONFIRMED:
                accepted.append(value)
        assert rig.simulator.flash_writes <= 10 + 2 + 8  # burst, one a minute, a lowering in 10 s
        assert rig.simulator.registers.raw(0xEDF0) == round(accepted[-1] * 10)
        assert rig.device.value(LIMIT) == accepted[-1]
        assert rig.device.status().wear_left >= 100 - 12


async def test_lowering_and_switching_off_stay_possible_when_the_budget_is_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch, options={"wear": {"per_day": 3, "burst": 3, "lowerings_per_day": 2}}) as rig:
        await rig.known()
        for value in (11, 10, 9):
            assert await rig.write({LIMIT: value}) == {LIMIT: Outcome.CONFIRMED}
        assert rig.device.status().wear_left == 0
        assert await rig.write({LIMIT: 12}) == {LIMIT: Outcome.BUSY}
        assert await rig.write({LIMIT: 9}) == {LIMIT: Outcome.CONFIRMED}  # unchanged: no wear
        assert await rig.write({LIMIT: 8}) == {LIMIT: Outcome.CONFIRMED}
        await rig.clock.advance(11)
        assert await rig.write({LIMIT: 7}) == {LIMIT: Outcome.CONFIRMED}
        await rig.clock.advance(11)
        assert await rig.write({LIMIT: 6}) == {LIMIT: Outcome.ADJUSTED}  # only switching off is left
        assert (rig.device.value(MODE), rig.device.value(LIMIT)) == (OFF, 0)
        assert rig.simulator.flash_writes == 5
        assert await rig.write({MODE: ON}) == {MODE: Outcome.CONFIRMED}
        assert await rig.write({LIMIT: 0}) == {LIMIT: Outcome.CONFIRMED}
        assert rig.simulator.flash_writes == 5


async def test_the_budget_survives_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"wear": {"per_day": 2}}
    async with Rig(monkeypatch, options=options) as rig:
        await rig.known()
        await rig.write({LIMIT: 11})
        await rig.write({LIMIT: 10})
    async with Rig(
        monkeypatch, state=rig.state, simulator=rig.simulator, clock=rig.clock, options=options
    ) as later:
        await later.known()
        assert later.device.status().wear_left == 0
        assert await later.write({LIMIT: 11}) == {LIMIT: Outcome.BUSY}


async def test_a_current_changed_at_the_device_ends_the_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        await rig.write({LIMIT: 7})
        assert rig.device.held(LIMIT) == 7
        rig.simulator.registers.put(0xEDF0, 95)
        await rig.clock.advance(6)
        assert rig.device.value(LIMIT) == 9.5
        assert rig.device.held(LIMIT) is None


async def test_a_point_fed_by_a_link_refuses_other_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.device.fed.add(LIMIT)
        with pytest.raises(Exception, match="fed by a link"):
            await rig.write({LIMIT: 7})
        fed = WriteRequest({LIMIT: 7}, Origin("link", "meter"))

        async def write() -> None:
            assert await rig.device.write(fed, 0.0) == {LIMIT: Outcome.PENDING}

        await write()
        await rig.clock.advance(1)
        assert rig.device.value(LIMIT) == 7
