"""The wall clock jumps: a machine without a clock of its own learns the time, or learns it wrong.

Ages, leases and pauses run by the monotonic clock, which does not jump; the wall clock picks days and nights.
"""

from datetime import UTC, datetime

import pytest

from bridge.adapters.apsystems.energy import EnergyBook
from bridge.adapters.apsystems.night import Daytime
from bridge.adapters.apsystems.simulator import ApsystemsSimulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.values import LinkState, Outcome
from tests.adapters.apsystems.roof_rig import EQUATOR
from tests.adapters.apsystems.roof_rig import Rig as RoofRig
from tests.faults.equipment.board import Board, Bridge
from tests.faults.equipment.kinds import KINDS, ROOF, VEBUS, VEDIRECT, Kind

PORT = "ttyUSB0"
HOUR_S, DAY_S = 3600.0, 86_400.0
JUMPS = {
    "a year forward": 365 * DAY_S,
    "a day back": -DAY_S,
    "to 1970": -1_699_999_000.0,
    "ten minutes back": -600.0,
}
#: 01:00 UTC of the days on which clocks in Europe are set.
SPRING, AUTUMN = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)
BY_JUMP = pytest.mark.parametrize("jump", JUMPS)


@BY_JUMP
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_nothing_turns_stale_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, jump: str
) -> None:
    board = Board(monkeypatch)
    plug = board.ports[PORT] = board.made(kind, kind.serials[0], **kind.first)
    async with board, Bridge(board, {PORT: (kind, {})}) as bridge:
        await bridge.known()
        assert await bridge.write(PORT, kind.set_point) == dict.fromkeys(kind.set_point, Outcome.CONFIRMED)
        moved = len(plug.moves)
        board.clock.jump(JUMPS[jump])
        for _ in range(24):
            await bridge.clock.advance(0.5)
            assert bridge[PORT].link is LinkState.ONLINE
            age_s = bridge[PORT].reading(kind.measured).age_s
            assert age_s is not None
            assert age_s < 5
        assert len(plug.moves) == moved
        assert bridge[PORT].held(next(iter(kind.set_point))) == next(iter(kind.set_point.values()))


@BY_JUMP
async def test_a_lease_keeps_its_length(monkeypatch: pytest.MonkeyPatch, jump: str) -> None:
    (path,) = VEDIRECT.set_point
    board = Board(monkeypatch)
    plug = board.ports[PORT] = board.made(VEDIRECT, VEDIRECT.serials[0])
    wanted = {"lease": {path: {"time": 60, "safe": 4.0}}}
    async with board, Bridge(board, {PORT: (VEDIRECT, wanted)}) as bridge:
        await bridge.known()
        assert await bridge.write(PORT, {path: 6.0}) == {path: Outcome.CONFIRMED}
        await bridge.clock.advance(20)
        board.clock.jump(JUMPS[jump])
        await bridge.clock.advance(38)
        assert VEDIRECT.in_force(plug.far) == 6.0
        await bridge.clock.advance(4)
        assert VEDIRECT.in_force(plug.far) == 4.0


@BY_JUMP
async def test_a_lease_that_was_open_is_ended_also_where_the_clock_is_wrong_at_the_start(
    monkeypatch: pytest.MonkeyPatch, jump: str
) -> None:
    (path,) = VEDIRECT.set_point
    state, wanted = StateStore(None), {"lease": {path: {"time": 60, "safe": 4.0}}}
    board = Board(monkeypatch)
    plug = board.ports[PORT] = board.made(VEDIRECT, VEDIRECT.serials[0])
    async with board:
        async with Bridge(board, {PORT: (VEDIRECT, wanted)}, state) as bridge:
            await bridge.known()
            assert await bridge.write(PORT, {path: 6.0}) == {path: Outcome.CONFIRMED}
        board.clock.jump(JUMPS[jump])
        async with Bridge(board, {PORT: (VEDIRECT, wanted)}, state) as again:
            await again.until(lambda: VEDIRECT.in_force(plug.far) == 4.0, 20)


@pytest.mark.parametrize("jump", ["a year forward", "a day back"])
async def test_energies_that_the_bridge_counts_do_not_leap(
    monkeypatch: pytest.MonkeyPatch, jump: str
) -> None:
    board = Board(monkeypatch)
    board.ports[PORT] = board.made(VEBUS, VEBUS.serials[0], **VEBUS.first)
    async with board, Bridge(board, {PORT: (VEBUS, {})}) as bridge:
        await bridge.known()
        await bridge.clock.advance(10)
        paths = [path for path in bridge[PORT].paths if path.startswith("/Energy/")]

        async def counted_in_half_a_minute() -> dict[str, float]:
            before = {path: float(bridge[PORT].value(path) or 0) for path in paths}
            await bridge.clock.advance(30)
            return {path: float(bridge[PORT].value(path) or 0) - before[path] for path in paths}

        usual = await counted_in_half_a_minute()
        board.clock.jump(JUMPS[jump])
        assert await counted_in_half_a_minute() == pytest.approx(usual, rel=0.2)
        assert max(usual.values()) > 0.005  # 900 W for half a minute are 0.0075 kWh


@pytest.mark.parametrize(("change", "hours"), [(SPRING, 23), (AUTUMN, 25)])
def test_a_roofs_day_is_the_calendars_where_clocks_are_set(change: datetime, hours: int) -> None:
    """The yield of the day begins anew at local midnight, once; the total knows no day."""
    options = ROOF.options("joined", timezone="Europe/Amsterdam")
    daytime, book, serial = Daytime(options), EnergyBook(), options.inverters[0].serial
    book.enter(serial, 2, 0.0)
    turned = []
    midnight = change.timestamp() - (2 if change is SPRING else 3) * HOUR_S
    for step in range(-12 * 6, 36 * 6):
        now = midnight + step * 600
        if book.roll(daytime.moment(now, 1000.0 + step * 600)):
            turned.append(now)
    assert len(turned) == 3  # the first look at a calendar, and two midnights
    assert turned[1] == midnight
    assert turned[2] - turned[1] == hours * HOUR_S


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
async def test_a_night_over_a_change_of_the_clocks(monkeypatch: pytest.MonkeyPatch, change: datetime) -> None:
    """The sun does not care: night and dawn come when they would have come, and the night is whole."""
    clock = ManualClock(now=change.timestamp() - HOUR_S / 2)
    options = {"timezone": "Europe/Amsterdam", "location": EQUATOR, "poll": 600}
    async with RoofRig(monkeypatch, clock=clock, options=options, watched=False) as rig:
        await clock.advance(60)
        states: list[tuple[float, LinkState]] = [(clock.now(), rig.device.link)]
        for _ in range(36):
            await clock.advance(600)
            if rig.device.link is not states[-1][1]:
                states.append((clock.now(), rig.device.link))
        assert [states[0][1], states[-1][1]] == [LinkState.NIGHT, LinkState.ONLINE]
        assert {link for _, link in states} <= {LinkState.NIGHT, LinkState.STARTING, LinkState.ONLINE}
        dawn = datetime.fromtimestamp(states[-1][0], UTC)
        assert 5.8 <= dawn.hour + dawn.minute / 60 <= 6.5


async def test_a_roof_that_starts_in_1970_and_learns_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a clock of its own: until it knows better it takes the hour for what it is told."""
    noon = datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp()
    clock = ManualClock(now=3 * HOUR_S)
    options = {"location": EQUATOR, "poll": 60}
    sky = ApsystemsSimulator(clock, hour=12.0, sunrise=6.0, sunset=18.0)
    async with RoofRig(monkeypatch, clock=clock, simulator=sky, options=options) as rig:
        await clock.advance(120)
        clock.jump(noon - clock.now())
        await rig.until(lambda: rig.device.link is LinkState.ONLINE, 120)
        await rig.until(lambda: rig.value("/Ac/Power") not in (None, 0.0), 120)
        assert rig.number("/Ac/Energy/Forward") <= rig.made_kwh
        clock.jump(-noon)
        total = rig.number("/Ac/Energy/Forward")
        await clock.advance(300)
        assert rig.number("/Ac/Energy/Forward") - total < 0.5
