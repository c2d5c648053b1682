"""A USB hub restarts: every adapter vanishes in the same moment, and they come back as it pleases."""

import pytest

from bridge.datastore.values import LinkState
from tests.faults.equipment.board import Board, Bridge, Plug
from tests.faults.equipment.kinds import MODBUS, ROOF, VEBUS, VEDIRECT, Kind

#: One device of each family that has a port of its own, by the port's name in the site file.
HOUSE: dict[str, Kind] = {"charger": VEDIRECT, "multi": VEBUS, "wagon": MODBUS, "roof": ROOF}
PORTS = tuple(HOUSE)
#: From a plug's return to its device's own values: opening, at most 5 s later, and the family's greeting.
BACK_WITHIN_S = {"charger": 10.0, "multi": 15.0, "wagon": 10.0, "roof": 40.0}


def whole(board: Board) -> Bridge:
    for port, kind in HOUSE.items():
        board.ports[port] = board.made(kind, kind.serials[0], **kind.first)
    return Bridge(board, {port: (kind, {}) for port, kind in HOUSE.items()})


def assert_only_own_values(bridge: Bridge) -> None:
    for port, kind in HOUSE.items():
        assert all(kind.is_first(value) for value in bridge.seen[port][kind.measured]), port


@pytest.mark.parametrize("order", [PORTS[::-1], ("roof", "charger", "wagon", "multi")])
async def test_all_at_once_and_back_in_any_order(
    monkeypatch: pytest.MonkeyPatch, order: tuple[str, ...]
) -> None:
    board = Board(monkeypatch)
    async with whole(board) as bridge, board:
        await bridge.known(60)
        pulled = dict(zip(PORTS, await board.pull(*PORTS), strict=True))
        await bridge.clock.advance(0.6)
        assert {bridge[port].link for port in PORTS} == {LinkState.PORT_MISSING}
        assert not any(bridge[port].alive for port in PORTS)
        await bridge.clock.advance(20)
        for port in order:
            await board.put(port, pulled[port])
            took = await bridge.until(lambda port=port: bridge[port].alive, BACK_WITHIN_S[port])
            print(f"{port} after {took:.2f} s")
            await bridge.clock.advance(1.7)
        await bridge.known()
        assert {bridge[port].link for port in PORTS} == {LinkState.ONLINE}
        assert_only_own_values(bridge)
        assert [plug.moves for plug in board.plugs] == [[]] * len(PORTS)


@pytest.mark.parametrize("turn", [1, 2, 3])
async def test_each_in_the_port_of_another_family(monkeypatch: pytest.MonkeyPatch, turn: int) -> None:
    """A charger where a MultiPlus was, and so on round: nobody is taken for what he is not, nothing moves."""
    board = Board(monkeypatch)
    async with whole(board) as bridge, board:
        await bridge.known(60)
        pulled = await board.pull(*PORTS)
        await bridge.clock.advance(2)
        moved: list[tuple[Plug, str]] = [
            (plug, PORTS[(place + turn) % len(PORTS)]) for place, plug in enumerate(pulled)
        ]
        for plug, port in moved:
            await board.put(port, plug)
        before = {port: dict(bridge.seen[port]) for port in PORTS}
        for _ in range(40):
            await bridge.clock.advance(0.5)
            assert not any(bridge[port].alive for port in PORTS)
            assert not any(bridge[port].link is LinkState.ONLINE for port in PORTS)
        assert {port: dict(bridge.seen[port]) for port in PORTS} == before
        assert [plug.moves for plug in board.plugs] == [[]] * len(PORTS)
        again = await board.pull(*(port for _, port in moved))
        await bridge.clock.advance(2)
        for port, plug in zip(PORTS, again, strict=True):
            await board.put(port, plug)
        for port in PORTS:
            await bridge.until(lambda port=port: bridge[port].alive, BACK_WITHIN_S[port])
        assert_only_own_values(bridge)
