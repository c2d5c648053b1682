"""A line that brings back what is sent: RS485 with its local echo on, or two wires that touch.

The echo of a write looks like its acknowledgement. What a device has put in force is read back, and an echo
cannot tell that.
"""

import pytest

from bridge.datastore.values import LinkState, Outcome
from tests.faults.equipment.board import Board, Bridge, Plug
from tests.faults.equipment.kinds import KINDS, MODBUS, ROOF, VEBUS, VEDIRECT, Kind

PORT = "ttyUSB0"
BY_NAME = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def plugged(board: Board, kind: Kind) -> Plug:
    plug = board.ports[PORT] = board.made(kind, kind.serials[0], **kind.first)
    return plug


@pytest.mark.parametrize("kind", [VEBUS, MODBUS], ids=lambda kind: kind.name)
async def test_a_device_is_read_and_set_all_the_same(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    board = Board(monkeypatch)
    plug = plugged(board, kind)
    plug.echo = True
    async with board, Bridge(board, {PORT: (kind, {})}) as bridge:
        await bridge.known(30)
        for change in (kind.set_point, kind.undone, kind.set_point):
            outcomes = await bridge.write(PORT, change)
            for path, outcome in outcomes.items():
                assert (outcome is Outcome.CONFIRMED) == (kind.in_force(plug.far) == change[path])
            await bridge.clock.advance(5)
            assert bridge[PORT].alive
        assert all(kind.is_first(value) for value in bridge.seen[PORT][kind.measured])
        assert bridge.seen[PORT]["/Serial"] == {kind.serials[0]}


async def test_text_goes_on_where_registers_are_drowned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The echo of a question for a register is, byte for byte, the answer that the register holds nothing."""
    board = Board(monkeypatch)
    plug = plugged(board, VEDIRECT)
    plug.echo = True
    async with board, Bridge(board, {PORT: (VEDIRECT, {})}) as bridge:
        await bridge.until(lambda: bridge[PORT].value(VEDIRECT.measured) is not None, 10)
        (path,) = VEDIRECT.set_point
        for _ in range(5):
            outcomes = await bridge.write(PORT, VEDIRECT.set_point)
            confirmed = outcomes[path] is Outcome.CONFIRMED
            assert not confirmed or VEDIRECT.in_force(plug.far) == VEDIRECT.set_point[path]
            assert bridge[PORT].value(path) in (None, VEDIRECT.in_force(plug.far))
            await bridge.clock.advance(5)
            assert bridge[PORT].alive
        assert all(VEDIRECT.is_first(value) for value in bridge.seen[PORT][VEDIRECT.measured])


@BY_NAME
async def test_an_echo_alone_is_no_device(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    board = Board(monkeypatch)
    plug = plugged(board, kind)
    plug.echo = True
    plug.far.misbehave("silent")
    async with board, Bridge(board, {PORT: (kind, {})}) as bridge:
        for _ in range(120):
            await bridge.clock.advance(0.5)
            assert not bridge[PORT].alive
        assert bridge[PORT].identity is None
        assert bridge[PORT].link is not LinkState.ONLINE
        assert not bridge.seen[PORT].get(kind.measured)


@pytest.mark.parametrize(
    ("kind", "deaf"), [(VEDIRECT, "deaf"), (VEBUS, "ignore_state"), (MODBUS, "ignore_writes")]
)
async def test_a_write_that_only_the_echo_acknowledges_is_not_confirmed(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, deaf: str
) -> None:
    """The device is heard, and does not do what it is told."""
    board = Board(monkeypatch)
    plug = plugged(board, kind)
    async with board, Bridge(board, {PORT: (kind, {})}) as bridge:
        await bridge.known(30)
        plug.echo = True
        plug.far.misbehave(deaf)
        before = kind.in_force(plug.far)
        for _ in range(3):
            outcomes = await bridge.write(PORT, kind.set_point)
            assert not {Outcome.CONFIRMED, Outcome.ADJUSTED} & set(outcomes.values())
            assert kind.in_force(plug.far) == before
        await bridge.clock.advance(20)
        (path,) = kind.set_point
        assert bridge[PORT].value(path) in (before, None)


async def test_a_roof_is_read_over_a_line_that_echoes(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch)
    plug = board.ports[PORT] = board.made(ROOF, ROOF.serials[0])
    plug.echo = True
    async with board, Bridge(board, {PORT: (ROOF, {"poll": 20})}) as bridge:
        await bridge.known(60)
        assert all(ROOF.is_first(value) for value in bridge.seen[PORT][ROOF.measured])
        plug.far.misbehave("frozen")  # from here on only the echo is heard
        await bridge.until(lambda: not bridge[PORT].alive, 150)
        assert bridge[PORT].link is LinkState.SILENT
