"""A recorded Blue Smart IP22, replayed at its line's pace into `inverter-bridge run`."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bridge.adapters.vedirect.codec import VeDirectDecoder
from bridge.adapters.vedirect.hex import HexFrame
from bridge.adapters.vedirect.text import TextBlock
from tests.house.wire import Master

CAPTURE = Path(__file__).parents[1] / "data" / "vedirect" / "ip22-a334-stream.bin"
TEXT_BLOCKS, HEX_FRAMES = 52, 1305
VOLTAGE, STATE, CURRENT, SERIAL, COUNTERS = 0x3000, 0x3003, 0x3008, 0x1000, 0x3030


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command of the bridge until the block ends; it must end in order, without a word of a traceback."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            _, log = await running.communicate()
        assert b"Traceback" not in log, log.decode()


def currents() -> Iterator[int]:
    """Every current the capture tells, in mA."""
    for message in VeDirectDecoder().receive(CAPTURE.read_bytes(), 0.0):
        if isinstance(message, TextBlock):
            yield int(message.fields["I"])
        elif isinstance(message, HexFrame) and message.register == 0xED8C:
            yield int.from_bytes(message.value, "little", signed=True)


def voltages() -> Iterator[int]:
    """Every voltage the capture tells, in hundredths of a volt, as the text rounds or the frame says."""
    for message in VeDirectDecoder().receive(CAPTURE.read_bytes(), 0.0):
        if isinstance(message, TextBlock):
            yield round(int(message.fields["V"]) / 10)
        elif isinstance(message, HexFrame) and message.register == 0xED8D:
            yield int.from_bytes(message.value, "little")


@pytest.mark.timeout(120)
async def test_the_capture_is_followed_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    port, link, site = free_port(), tmp_path / "charger", tmp_path / "site.yaml"
    site.write_text(
        f'state: "{tmp_path / "state"}"\nlisteners: [{{tcp: "127.0.0.1:{port}"}}]\n'
        f'devices: {{charger: {{adapter: vedirect, port: "{link}", unit: 20}}}}\n'
    )
    told, seen, amperes, states = set(voltages()), [], set(), set()
    last = list(voltages())[-1]
    async with process("trace", "replay", str(CAPTURE), "--link", str(link)):
        async with asyncio.timeout(20):
            while not link.exists():
                await asyncio.sleep(0.05)
        async with process("run", str(site)):
            async with asyncio.timeout(20):
                while True:
                    with contextlib.suppress(OSError):
                        (await asyncio.open_connection("127.0.0.1", port))[1].close()
                        break
                    await asyncio.sleep(0.05)
            async with Master(port) as master, asyncio.timeout(60):
                while True:
                    reply = await master.read(COUNTERS, 8)
                    if not reply.exception:
                        voltage = (await master.read(VOLTAGE)).words[0]
                        seen.append(voltage)
                        high, low = (await master.read(CURRENT, 2)).words
                        amperes.add(high << 16 | low)
                        states.add((await master.read(STATE)).words[0])
                        blocks, frames = reply.words[1], reply.words[3]
                        if (blocks, frames) == (TEXT_BLOCKS, HEX_FRAMES):
                            break
                    await asyncio.sleep(0.03)
                assert reply.words == [0, TEXT_BLOCKS, 0, HEX_FRAMES, 0, 0, 0, 0]
                assert (await master.read(VOLTAGE)).words[0] == last
                serial = b"".join(word.to_bytes(2, "big") for word in (await master.read(SERIAL, 8)).words)
                assert serial.rstrip(b"\0") == b"HQ2230XY6XR"
    assert set(seen) <= told
    assert amperes <= set(currents())
    assert len(set(seen)) >= 3
    assert len(amperes) >= 20
    assert states <= {3, 4}
