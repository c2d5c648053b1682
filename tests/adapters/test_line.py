import asyncio
import logging
import os
import socket
import struct
import threading

import pytest
from blockbuster import blockbuster_ctx

from bridge.adapters import line as line_module
from bridge.adapters import opening
from bridge.adapters.line import UNREAD_MAX, Line, LineLost, PortMissing, open_line
from bridge.datastore.clock import ManualClock, SystemClock
from tests.adapters.far_ends import BOUND_S, SETTINGS, Terminal, opened, read_exactly, until

EVERY_BYTE = bytes(range(256))


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    terminal.unplug()


@pytest.fixture
async def line(terminal):
    line = await opened(terminal.path)
    yield line
    line.close()


async def test_every_byte_value_passes_both_ways_unchanged(terminal, line):
    terminal.say(EVERY_BYTE)
    assert await read_exactly(line, 256) == EVERY_BYTE
    line.write(EVERY_BYTE)
    assert await terminal.hear(256) == EVERY_BYTE


async def test_bytes_that_wait_at_the_opening_are_read_too(terminal):
    first = await opened(terminal.path)  # leaves the terminal raw, as a real port is between two openings
    first.close()
    terminal.say(b"\r\nPID\t0xA334")
    line = await opened(terminal.path)
    assert await read_exactly(line, 12) == b"\r\nPID\t0xA334"
    line.close()


async def test_what_arrived_is_read_before_the_loss_is_told(terminal, line):
    terminal.say(b"last words")
    await until(lambda: line.heard)
    terminal.unplug()
    await until(lambda: line.lost)
    assert await line.read() == b"last words"
    with pytest.raises(LineLost, match=f"port {terminal.path}: .*unplugged, switched off"):
        await line.read()
    with pytest.raises(LineLost):
        line.write(b"?")
    with pytest.raises(LineLost):
        await line.drain()


async def test_a_wake_up_without_bytes_is_no_loss(terminal, line):
    line._readable()
    assert not line.lost
    terminal.say(b"still here")
    assert await read_exactly(line, 10) == b"still here"


async def test_a_waiting_reader_hears_of_the_loss(terminal, line):
    reading = asyncio.create_task(line.read())
    await asyncio.sleep(0)
    terminal.unplug()
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(LineLost):
            await reading


async def test_closing_ends_a_waiting_reader_and_gives_the_port_back(terminal, line):
    reading = asyncio.create_task(line.read())
    await asyncio.sleep(0)
    line.close()
    line.close()
    with pytest.raises(LineLost, match="closed by the bridge"):
        await reading
    again = await opened(terminal.path)
    again.close()
    await until(lambda: not terminal.held_open)


async def test_drain_waits_for_what_the_system_has_not_taken(terminal, line):
    sent = b""
    while not line._unsent:  # until the terminal holds no more
        sent += (piece := os.urandom(1000))
        line.write(piece)
    draining = asyncio.create_task(line.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    assert await terminal.hear(len(sent)) == sent
    async with asyncio.timeout(BOUND_S):
        await draining


async def test_a_far_end_that_takes_nothing_is_a_lost_line(line):
    def flood() -> None:
        for _ in range(1000):
            line.write(bytes(1024))

    with pytest.raises(LineLost, match=r"leaves \d+ bytes waiting: is the device on and reading"):
        flood()
    assert line.lost


async def test_a_late_session_gets_the_newest_bytes(terminal, caplog):
    caplog.set_level(logging.WARNING)
    tap = Tap()
    line = await open_line(terminal.path, SETTINGS, SystemClock(), tap)
    sent = b"".join(struct.pack(">I", number) for number in range(20_000))
    for start in range(0, len(sent), 2000):
        terminal.say(sent[start : start + 2000])
        await until(lambda sofar=start + 2000: len(tap.bytes("<")) == sofar)
    assert await line.read() == sent[-UNREAD_MAX:]
    line.close()
    assert len(caplog.records) == 1
    assert caplog.records[0].message.startswith(f"port={terminal.path} unread=")


class Tap:
    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []

    def received(self, data: bytes) -> None:
        self.heard.append(("<", data))

    def sent(self, data: bytes) -> None:
        self.heard.append((">", data))

    def bytes(self, direction: str) -> bytes:
        return b"".join(data for which, data in self.heard if which == direction)


async def test_the_tap_hears_both_directions(terminal):
    tap = Tap()
    line = await open_line(terminal.path, SETTINGS, SystemClock(), tap)
    line.write(b":154\n")
    terminal.say(b":51641F9\n")
    await read_exactly(line, 9)
    line.close()
    assert tap.heard[0] == (">", b":154\n")
    assert tap.bytes("<") == b":51641F9\n"


async def test_a_hanging_port_is_given_up_and_not_tried_again_meanwhile(monkeypatch):
    """A USB stick that hangs its driver cannot be had here; the thread that hangs is real."""
    terminal, clock = Terminal(), ManualClock()
    reading, writing = os.pipe()

    def hanging(port, settings):
        os.read(reading, 1)
        return os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)

    monkeypatch.setattr(line_module, "open_descriptor", hanging)
    waiting = asyncio.create_task(open_line("/dev/stick", SETTINGS, clock))
    await clock.advance(opening.OPEN_WITHIN_S + 0.1)
    with pytest.raises(PortMissing, match="opening hangs for more than 10 s: unplug the adapter"):
        await waiting
    with pytest.raises(PortMissing, match="opening hangs"):
        await open_line("/dev/stick", SETTINGS, clock)
    thread = opening._hanging["/dev/stick"]
    os.write(writing, b"x")
    await until(lambda: not thread.is_alive())
    await until(lambda: not terminal.held_open)  # what came too late was closed
    os.write(writing, b"x")
    line = await open_line("/dev/stick", SETTINGS, clock)
    line.close()
    terminal.unplug()
    os.close(reading)
    os.close(writing)


async def test_an_opening_that_is_cancelled_leaves_nothing_open(terminal):
    for passes in range(4):  # before, while and after the thread delivers
        opening = asyncio.create_task(opened(terminal.path))
        for _ in range(passes):
            await asyncio.sleep(0.001)
        opening.cancel()
        outcome = (await asyncio.gather(opening, return_exceptions=True))[0]
        if isinstance(outcome, Line):
            outcome.close()
        else:
            assert isinstance(outcome, asyncio.CancelledError)
        await until(lambda: all(thread.name != f"open {terminal.path}" for thread in threading.enumerate()))
        await until(lambda: not terminal.held_open)


async def test_nothing_a_line_does_blocks_the_loop(terminal):
    with blockbuster_ctx("bridge"):
        line = await opened(terminal.path)
        terminal.say(b"?")
        await read_exactly(line, 1)
        line.write(b"!")
        await line.drain()
        line.close()
        with pytest.raises(PortMissing):
            await opened("/dev/no-such-port")
        with pytest.raises(PortMissing):
            await opened("socket://127.0.0.1:1")
    assert await terminal.hear(1) == b"!"


class Server:
    """A serial server: raw TCP, one client at a time."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.port = f"socket://127.0.0.1:{self.listening.getsockname()[1]}"

    async def accept(self) -> socket.socket:
        async with asyncio.timeout(BOUND_S):
            client, _ = await asyncio.get_running_loop().sock_accept(self.listening)
        return client


@pytest.fixture
def server():
    server = Server()
    yield server
    server.listening.close()


async def test_a_socket_line_passes_every_byte_without_telnet(server):
    line = await opened(server.port)
    device = await server.accept()
    loop = asyncio.get_running_loop()
    line.write(EVERY_BYTE)
    heard = b""
    async with asyncio.timeout(BOUND_S):
        while len(heard) < 256:
            heard += await loop.sock_recv(device, 4096)
    assert heard == EVERY_BYTE
    await loop.sock_sendall(device, EVERY_BYTE)
    assert await read_exactly(line, 256) == EVERY_BYTE
    line.close()
    async with asyncio.timeout(BOUND_S):
        assert await loop.sock_recv(device, 1) == b""
    device.close()


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_server_that_drops_the_connection_is_a_lost_line(server, reset):
    line = await opened(server.port)
    device = await server.accept()
    if reset:
        device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    device.close()
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(LineLost):
            await line.read()
    line.close()


async def test_a_socket_line_notices_a_dead_network_and_sends_at_once(server):
    line = await opened(server.port)
    device = await server.accept()
    with socket.socket(fileno=os.dup(line._descriptor)) as connection:
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    line.close()
    device.close()
