"""Plugs that come back in each other's ports: nothing of the wrong device is shown, nothing is sent to it.

By-path names, ttyUSB0 and ttyUSB1, and links by serial number of two adapters that tell none, all exchange
themselves when a hub restarts or a machine boots.
"""

import contextlib
import socket

import pytest

from bridge.datastore.state import StateStore
from bridge.datastore.values import LinkState, Outcome, Value
from tests.adapters.modbus.bench import house as house_of_modbus
from tests.adapters.modbus.field import Field, free_port, serving
from tests.faults.equipment.board import Board, Bridge
from tests.faults.equipment.kinds import INVERTER_MAP, KINDS, MODBUS, ROOF, SHUNT, VEDIRECT, Kind

LEFT, RIGHT = "ttyUSB0", "ttyUSB1"
BY_NAME = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def two(board: Board, kind: Kind) -> None:
    """Two devices of one family, each in its own port."""
    board.ports[LEFT] = board.made(kind, kind.serials[0], **kind.first)
    board.ports[RIGHT] = board.made(kind, kind.serials[1], **kind.second)


def house(board: Board, kind: Kind, state: StateStore | None = None, **options: object) -> Bridge:
    return Bridge(board, {LEFT: (kind, options), RIGHT: (kind, options)}, state)


async def exchange(board: Board) -> None:
    left, right = await board.pull(LEFT, RIGHT)
    await board.clock.advance(1)
    await board.put(RIGHT, left)
    await board.put(LEFT, right)


def assert_each_has_shown_its_own(bridge: Bridge, kind: Kind) -> None:
    assert all(kind.is_first(value) for value in bridge.seen[LEFT][kind.measured])
    assert not any(kind.is_first(value) for value in bridge.seen[RIGHT][kind.measured])
    for port, serial in zip((LEFT, RIGHT), kind.serials, strict=True):
        assert bridge.seen[port]["/Serial"] == {serial}


@BY_NAME
async def test_while_the_bridge_runs(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    board = Board(monkeypatch)
    two(board, kind)
    async with board, house(board, kind) as bridge:
        await bridge.known()
        assert await bridge.write(LEFT, kind.set_point) == dict.fromkeys(kind.set_point, Outcome.CONFIRMED)
        left, right = board.ports[LEFT], board.ports[RIGHT]
        moved = len(left.moves), len(right.moves)
        await exchange(board)
        told: set[Outcome] = set()

        def found() -> bool:
            return bridge[LEFT].link is bridge[RIGHT].link is LinkState.WRONG_DEVICE

        for _ in range(200):  # from the first moment on, while nobody knows yet who is there
            if not found():
                for port in (LEFT, RIGHT):
                    told |= set((await bridge.write(port, kind.undone)).values())
                await bridge.clock.advance(0.1)
        assert found()
        assert told == {Outcome.OFFLINE}
        for _ in range(20):
            for port in (LEFT, RIGHT):
                assert not bridge[port].alive
                assert bridge[port].value(kind.measured) is None
                assert await bridge.write(port, kind.set_point) == dict.fromkeys(
                    kind.set_point, Outcome.OFFLINE
                )
            await bridge.clock.advance(3)
        assert (len(left.moves), len(right.moves)) == moved
        assert_each_has_shown_its_own(bridge, kind)
        await exchange(board)
        await bridge.known(25)
        assert bridge[LEFT].link is bridge[RIGHT].link is LinkState.ONLINE
        assert bridge[LEFT].value("/Serial") == kind.serials[0]
        assert_each_has_shown_its_own(bridge, kind)


@BY_NAME
async def test_over_a_restart_of_the_bridge(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    """A machine boots and numbers its ports otherwise; nothing is pinned in the site file."""
    state = StateStore(None)
    board = Board(monkeypatch)
    two(board, kind)
    async with board:
        async with house(board, kind, state) as bridge:
            await bridge.known()
            assert await bridge.write(LEFT, kind.set_point) == dict.fromkeys(
                kind.set_point, Outcome.CONFIRMED
            )
        await exchange(board)
        left, right = board.ports[RIGHT], board.ports[LEFT]
        moved = len(left.moves), len(right.moves)
        stood = kind.in_force(right.far)
        async with house(board, kind, state) as again:
            await again.until(lambda: again[LEFT].link is again[RIGHT].link is LinkState.WRONG_DEVICE, 20)
            await again.clock.advance(60)
            assert again.seen[LEFT].get(kind.measured) is None
            assert again.seen[RIGHT].get(kind.measured) is None
            assert (len(left.moves), len(right.moves)) == moved
            assert kind.in_force(right.far) == stood
            await exchange(board)
            await again.known(25)
            assert_each_has_shown_its_own(again, kind)
            assert kind.in_force(left.far) == next(iter(kind.set_point.values()))


@BY_NAME
async def test_what_the_site_file_names_is_believed_alone(
    monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """The first start of all, with the plugs exchanged: serials in the site file are enough."""
    board = Board(monkeypatch)
    two(board, kind)
    await exchange(board)
    pinned = {
        LEFT: (kind, {"serial": kind.serials[0]}),
        RIGHT: (kind, {"serial": kind.serials[1]}),
    }
    async with board, Bridge(board, pinned) as bridge:
        await bridge.clock.advance(30)
        assert bridge[LEFT].link is bridge[RIGHT].link is LinkState.WRONG_DEVICE
        assert [plug.moves for plug in board.plugs] == [[], []]
        assert not bridge.seen[LEFT].get(kind.measured)
        await exchange(board)
        await bridge.known(25)
        assert_each_has_shown_its_own(bridge, kind)


async def test_the_end_of_a_lease_waits_for_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = VEDIRECT.set_point
    lease = {path: {"time": 30, "safe": 4.0}}
    board = Board(monkeypatch)
    two(board, VEDIRECT)
    async with board, house(board, VEDIRECT, lease=lease) as bridge:
        await bridge.known()
        assert await bridge.write(LEFT, {path: 6.0}) == {path: Outcome.CONFIRMED}
        left, right = board.ports[LEFT], board.ports[RIGHT]
        await exchange(board)
        await bridge.clock.advance(90)
        assert (VEDIRECT.in_force(left.far), right.moves) == (6.0, [])
        await exchange(board)
        await bridge.until(lambda: VEDIRECT.in_force(left.far) == 4.0, 20)
        assert right.moves == []


@pytest.mark.parametrize("restart", [False, True])
async def test_two_shunts_that_tell_their_serials_by_hex_alone(
    monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    state = StateStore(None)
    board = Board(monkeypatch)
    two(board, SHUNT)
    async with board:
        async with house(board, SHUNT, state) as bridge:
            await bridge.known()
            if not restart:
                await _exchanged_and_back(board, bridge)
        if restart:
            await exchange(board)
            async with house(board, SHUNT, state) as again:
                await _wrong_until_exchanged(board, again)
    assert [plug.moves for plug in board.plugs] == [[], []]


async def _exchanged_and_back(board: Board, bridge: Bridge) -> None:
    await exchange(board)
    await _wrong_until_exchanged(board, bridge)


async def _wrong_until_exchanged(board: Board, bridge: Bridge) -> None:
    await bridge.until(lambda: bridge[LEFT].link is bridge[RIGHT].link is LinkState.WRONG_DEVICE, 20)
    for _ in range(60):
        await bridge.clock.advance(1)
        assert not bridge[LEFT].alive
        assert not bridge[RIGHT].alive
    await exchange(board)
    await bridge.known(25)
    assert_each_has_shown_its_own(bridge, SHUNT)


async def test_two_roofs_whose_coordinators_are_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator has no name of its own; what an inverter answers begins with the inverter's serial number."""
    board = Board(monkeypatch)
    two(board, ROOF)
    own = {port: (ROOF, ROOF.meant(serial)) for port, serial in zip((LEFT, RIGHT), ROOF.serials, strict=True)}
    async with board, Bridge(board, own) as bridge:
        await bridge.known(60)
        energies = [bridge[port].value("/Ac/Energy/Forward") for port in (LEFT, RIGHT)]
        await exchange(board)
        for _ in range(40):
            await bridge.clock.advance(15)
            assert not any(bridge[port].alive for port in (LEFT, RIGHT))
        assert [bridge[port].value("/Ac/Energy/Forward") for port in (LEFT, RIGHT)] == energies
        assert [plug.moves for plug in board.plugs] == [[], []]
        await exchange(board)
        await bridge.until(lambda: bridge[LEFT].alive and bridge[RIGHT].alive, 60)
        await bridge.known(60)
    assert all(ROOF.is_first(value) for value in bridge.seen[LEFT][ROOF.measured])
    assert not any(ROOF.is_first(value) for value in bridge.seen[RIGHT][ROOF.measured])


async def test_an_exchange_between_two_polls_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the next poll to learn who is there, nor for a value of a device that is back."""
    board = Board(monkeypatch)
    two(board, MODBUS)
    async with board, house(board, MODBUS, poll=60) as bridge:
        await bridge.known()
        await bridge.clock.advance(5)
        left, right = await board.pull(LEFT, RIGHT)
        await bridge.clock.advance(0.05)
        await board.put(RIGHT, left)
        await board.put(LEFT, right)
        await bridge.until(lambda: bridge[LEFT].link is bridge[RIGHT].link is LinkState.WRONG_DEVICE, 5)
        await exchange(board)
        await bridge.until(lambda: bridge[LEFT].alive and bridge[RIGHT].alive, 10)
        assert_each_has_shown_its_own(bridge, MODBUS)


async def test_the_addresses_of_two_hosts_are_exchanged() -> None:
    """Modbus TCP after a router has given its leases anew: known by the serial register."""
    fields = []
    for serial, volts in zip(MODBUS.serials, (25900, 12600), strict=True):
        made = Field()
        made.put(42, "holding", 0x05A0, [6072])
        words = [int.from_bytes(serial[place : place + 2].encode(), "big") for place in (0, 2, 4)]
        made.put(42, "holding", 0x1000, words)
        made.put(42, "holding", 0x3001, [volts])
        made.put(42, "holding", 0x3005, [2])
        fields.append(made)
    ports = [free_port(socket.SOCK_STREAM) for _ in fields]
    async with house_of_modbus() as house_:
        async with contextlib.AsyncExitStack() as stack:
            for served, port in zip(fields, ports, strict=True):
                await stack.enter_async_context(serving(served, "tcp", port))
            devices = [
                house_.add(
                    f"host{port}", host=f"127.0.0.1:{port}", map=str(INVERTER_MAP), remote_unit=42, poll=0.2
                )
                for port in ports
            ]
            seen: list[set[Value | None]] = [set(), set()]
            for device, values in zip(devices, seen, strict=True):
                device.changed.connect(
                    lambda _, device=device, values=values: values.add(device.value("/Dc/0/Voltage"))
                )
            await house_.until(lambda: all(device.value("/Mode") is not None for device in devices))
        await house_.until(lambda: all(device.link is LinkState.PORT_MISSING for device in devices))
        async with contextlib.AsyncExitStack() as stack:
            for served, port in zip(fields, reversed(ports), strict=True):
                await stack.enter_async_context(serving(served, "tcp", port))
            await house_.until(lambda: all(device.link is LinkState.WRONG_DEVICE for device in devices))
            for device in devices:
                assert await house_.write(device, {"/Mode": 4}) == {"/Mode": Outcome.OFFLINE}
    assert [served.writes for served in fields] == [[], []]
    assert [values - {None} for values in seen] == [{25.9}, {12.6}]
