"""A USB hub that restarts every few seconds, with writers who do not know of it."""

import asyncio
import logging
import math
import random

import pytest

from bridge.datastore.values import Outcome
from tests.faults.equipment.board import Board, Bridge
from tests.faults.equipment.kinds import KINDS, ROOF, Kind

PORT = "ttyUSB0"
UP_S, DOWN_S = 6.0, 1.5
RESTARTS = 8
#: What is heard over a lost port is believed for this long, see `docs/faults.md`.
BELIEVED_S = 0.5
#: Lost, missing, open again, and the states of the link in between.
LINES_A_RESTART = 7


class Hub:
    """Restarts `RESTARTS` times; `away_since` is when the plug went, infinity while it is there."""

    def __init__(self, board: Board) -> None:
        self.away_since = math.inf
        self._board = board

    async def flutter(self) -> None:
        board = self._board
        for _ in range(RESTARTS):
            await board.clock.sleep(UP_S)
            self.away_since = board.clock.monotonic()
            (plug,) = await board.pull(PORT)
            await board.clock.sleep(DOWN_S)
            await board.put(PORT, plug)
            self.away_since = math.inf


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_nothing_old_is_shown_and_nothing_acknowledged_that_was_not_done(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: Kind
) -> None:
    board, dice = Board(monkeypatch), random.Random(7)
    plug = board.ports[PORT] = board.made(kind, kind.serials[0], **kind.first)
    often = {"wear": {"burst": 1000, "per_day": 10000}}
    told: dict[Outcome, int] = {}
    async with board, Bridge(board, {PORT: (kind, often)}) as bridge:
        await bridge.known()
        await bridge.clock.advance(10)
        tasks = len(asyncio.all_tasks())
        caplog.set_level(logging.INFO)
        caplog.clear()
        hub = Hub(board)
        fluttering = asyncio.create_task(hub.flutter())

        def look() -> bool:
            away_s = bridge.clock.monotonic() - hub.away_since
            assert away_s <= BELIEVED_S or not bridge[PORT].alive
            return fluttering.done()

        while not fluttering.done():
            change = dice.choice((kind.set_point, kind.undone))
            await bridge.until(look, dice.uniform(0.05, 4.0), patient=True)
            if bridge[PORT].has(next(iter(change))):
                for path, outcome in (await bridge.write(PORT, change)).items():
                    told[outcome] = told.get(outcome, 0) + 1
                    if outcome is Outcome.CONFIRMED:
                        assert kind.in_force(plug.far) == change[path]
        print(kind.name, {outcome.word: count for outcome, count in told.items()})
        assert told[Outcome.CONFIRMED] > 0
        lines = [record for record in caplog.records if "set-point=" not in record.getMessage()]
        print(len(lines) / RESTARTS, "lines a restart")
        assert len(lines) <= RESTARTS * LINES_A_RESTART
        await bridge.known(20)
        assert all(kind.is_first(value) for value in bridge.seen[PORT][kind.measured])
        await fluttering
        await bridge.clock.advance(10)  # what a return begins is over by then
        assert len(asyncio.all_tasks()) < tasks + RESTARTS  # nothing is left over from each restart


async def test_a_roof_whose_coordinator_restarts_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each return is a start of some seconds and a poll at once, whatever the period of polls is."""
    board = Board(monkeypatch)
    board.ports[PORT] = board.made(ROOF, ROOF.serials[0])
    async with board, Bridge(board, {PORT: (ROOF, {})}) as bridge:
        await bridge.known(60)
        energy = bridge[PORT].value("/Ac/Energy/Forward")
        for _ in range(8):
            (plug,) = await board.pull(PORT)
            await bridge.clock.advance(DOWN_S)
            assert not bridge[PORT].alive
            await board.put(PORT, plug)
            await bridge.until(lambda: bridge[PORT].alive, 20)
            newer = bridge[PORT].value("/Ac/Energy/Forward")
            assert isinstance(energy, float)
            assert isinstance(newer, float)
            assert newer >= energy
            energy = newer
        assert plug.moves == []
