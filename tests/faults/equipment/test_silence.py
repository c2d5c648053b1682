"""A device that says nothing any more over a port that is well: nothing of it is shown, nothing is promised to it."""

import pytest

from bridge.datastore.values import LinkState, Outcome
from tests.faults.equipment.board import Board, Bridge
from tests.faults.equipment.kinds import KINDS, Kind

PORT = "ttyUSB0"
#: From the last word to disbelief: the stale time of what proves a device alive, and the word's own age.
STALE_S = 6.1
#: From its first word on.
BACK_S = {"vedirect": 3.0, "vebus_mk3": 6.0, "modbus": 16.0}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_silent_and_back(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    board = Board(monkeypatch)
    plug = board.ports[PORT] = board.made(kind, kind.serials[0], **kind.first)
    async with board, Bridge(board, {PORT: (kind, {})}) as bridge:
        await bridge.known()
        plug.far.misbehave("silent")
        stale_s = await bridge.until(lambda: not bridge[PORT].alive, STALE_S)
        await bridge.clock.advance(1)
        assert bridge[PORT].value(kind.measured) is None
        assert bridge[PORT].link is LinkState.SILENT
        assert await bridge.write(PORT, kind.set_point) == dict.fromkeys(kind.set_point, Outcome.OFFLINE)
        await bridge.clock.advance(60)
        assert not bridge[PORT].alive
        assert plug.moves == []
        plug.far.misbehave("well")
        back_s = await bridge.until(lambda: bridge[PORT].alive, BACK_S[kind.name])
        print(f"{kind.name}: stale after {stale_s:.1f} s, back after {back_s:.1f} s")
