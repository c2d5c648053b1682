"""The simulated charger on a real pseudo-terminal, read as a port is read, also by a foreign parser."""

import asyncio
import contextlib
import fcntl
import importlib.util
import os
import termios
import time

import pytest
import serial

from bridge.adapters.pty import PtyLine
from bridge.adapters.vedirect.codec import HexFrame, TextBlock, VeDirectDecoder
from bridge.adapters.vedirect.hex import encode_get, encode_ping
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import SystemClock

#: Generous: a noisy machine never decides a test.
BOUND_S = 20.0


class Port:
    """A serial port as a reader has it open."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.data = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def poll(self):
        with contextlib.suppress(BlockingIOError):
            try:
                part = os.read(self.fd, 4096)
            except OSError as error:
                if isinstance(error, BlockingIOError):
                    raise
                part = b""
            self.ended = not part
            self.data += part

    async def until(self, condition):
        async with asyncio.timeout(BOUND_S):
            while not condition():
                self.poll()
                await asyncio.sleep(0.005)
        return self.data


@contextlib.asynccontextmanager
async def playing(simulator, link):
    task = asyncio.create_task(simulator.run(link))
    try:
        async with asyncio.timeout(BOUND_S):
            await simulator.playing.wait()
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def link(tmp_path):
    return tmp_path / "ports" / "charger"


async def test_text_and_replies_through_a_terminal(link):
    simulator = ChargerSimulator()
    async with playing(simulator, link):
        assert link.readlink() == simulator.port
        decoder, messages = VeDirectDecoder(), []
        with Port(link) as port:
            await port.until(lambda: b"Checksum" in port.data)
            os.write(port.fd, encode_ping())
            os.write(port.fd, encode_get(0x0200))
            await port.until(lambda: b":70002000" in port.data and port.data.count(b"Checksum") > 2)
            messages = decoder.receive(port.data, 0.0)
        assert {m.command for m in messages if isinstance(m, HexFrame)} == {0x5, 0x7, 0xA}
        blocks = [m for m in messages if isinstance(m, TextBlock)]
        assert {block.fields["SER#"] for block in blocks} == {"SIM2230A334"}
        assert [m.message.command for m in simulator.received] == [1, 7]
    assert not link.is_symlink()
    assert simulator.port is None


async def test_every_byte_passes_unchanged_both_ways(link):
    heard, every = [], bytes(range(256))
    async with PtyLine(SystemClock(), heard.append, link) as line:
        with Port(link) as port:
            await line.send(every)
            assert await port.until(lambda: len(port.data) >= 256) == every
            os.write(port.fd, every)
            await port.until(lambda: len(b"".join(heard)) >= 256)
    assert b"".join(heard) == every


async def test_no_faster_than_the_line(link):
    async with PtyLine(SystemClock(), lambda _: None, link) as line:
        began = time.monotonic()
        await line.send(bytes(480))
        assert time.monotonic() - began >= 480 / 1920


async def test_a_reader_that_does_not_read_blocks_nothing(link):
    async with PtyLine(SystemClock(), lambda _: None, link, bytes_per_s=1e6) as line:
        with Port(link) as port:
            async with asyncio.timeout(BOUND_S):
                await line.send(bytes(100_000))
            port.poll()
            assert 0 < len(port.data) <= 4096


@pytest.mark.parametrize("exclusive", [False, True])
async def test_readers_come_and_go(link, exclusive):
    """What one reader leaves or nobody reads does not greet the next, and nobody is locked out."""
    heard = []
    async with PtyLine(SystemClock(), heard.append, link, bytes_per_s=1e6) as line:
        await line.send(b"to nobody")
        for name in (b"first", b"second", b"third"):
            with Port(link) as port:
                if exclusive:
                    fcntl.ioctl(port.fd, termios.TIOCEXCL)
                os.write(port.fd, name)
                await port.until(lambda name=name: heard and heard[-1] == name)
                await line.send(b"to " + name)
                assert await port.until(lambda port=port: port.data) == b"to " + name
                await line.send(b"left unread")
            await _until_free(link)
            await line.send(b"to nobody")
    assert b"".join(heard) == b"firstsecondthird"


async def _until_free(link):
    """Wait until the line has seen its reader go: then a port opened anew is empty and free for anyone."""
    async with asyncio.timeout(BOUND_S):
        while True:
            await asyncio.sleep(0.1)
            with contextlib.suppress(OSError), Port(link) as port:
                before = os.read(port.fd, 100) if _has_input(port.fd) else b""
                if not before:
                    return


def _has_input(fd):
    return fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0") != b"\0\0\0\0"


async def test_unplug_and_replug(link):
    simulator = ChargerSimulator()
    async with playing(simulator, link):
        with Port(link) as port:
            await port.until(lambda: b"PID" in port.data)
            await simulator.unplug()
            assert not link.is_symlink()
            await port.until(lambda: port.ended)
        await simulator.replug()
        with Port(link) as port:
            await port.until(lambda: b"PID" in port.data)


async def test_dying_takes_the_port_away_and_well_brings_it_back(link):
    simulator = ChargerSimulator(flood=False)
    async with playing(simulator, link):
        with Port(link) as port:
            simulator.misbehave("die")
            await port.until(lambda: port.ended)
            assert b"PID" in port.data
            assert b"Checksum" not in port.data[port.data.rindex(b"PID") :]
        assert not link.is_symlink()
        simulator.misbehave("well")
        async with asyncio.timeout(BOUND_S):
            while not link.is_symlink():
                await asyncio.sleep(0.01)
        with Port(link) as port:
            await port.until(lambda: b"Checksum" in port.data)


async def test_an_old_link_is_replaced_and_a_file_is_not(link):
    link.parent.mkdir()
    link.symlink_to("/dev/pts/no-such-terminal")
    async with PtyLine(SystemClock(), lambda _: None, link) as line:
        assert link.readlink() == line.port
    link.write_text("somebody's")
    with pytest.raises(FileExistsError, match="found a file, expected a free name"):
        await ChargerSimulator().run(link)
    assert link.read_text() == "somebody's"


async def test_a_link_that_names_another_port_by_now_is_left_alone(link):
    async with PtyLine(SystemClock(), lambda _: None, link):
        link.unlink()
        link.symlink_to("/dev/null")
    assert link.is_symlink()


def _foreign_reading(port):
    """What the parser of the PyPI package `vedirect` makes of the port; some checksum bytes break it."""
    import vedirect

    for _ in range(4):
        with contextlib.suppress(vedirect.InvalidChecksumException, ValueError):
            return vedirect.VEDirect(port)
    raise AssertionError("the foreign parser found no block in four tries")


@pytest.mark.skipif(
    importlib.util.find_spec("vedirect") is None and "CI" not in os.environ,
    reason="the foreign parser `vedirect` is not installed",
)
async def test_a_foreign_parser_reads_the_text(link):
    simulator = ChargerSimulator(flood=False)
    async with playing(simulator, link):
        read = await asyncio.to_thread(_foreign_reading, str(link))
    assert read.device_serial == "SIM2230A334"
    volts = {int(truth.value) / 1000 for truth in simulator.history if truth.source == "V"}
    assert read.battery_volts in volts


async def test_pyserial_opens_the_terminal_as_a_port(link):
    async with playing(ChargerSimulator(), link):

        def ask():
            with serial.Serial(str(link), 19200, timeout=BOUND_S, exclusive=True) as port:
                port.write(encode_ping())
                return port.read_until(b":54243CB\n")

        assert b":54243CB\n" in await asyncio.to_thread(ask)
