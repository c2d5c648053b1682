"""A command line in this process, and far ends on a loop of their own."""

import asyncio
import contextlib
import json
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest

from bridge.cli import main
from tests.cerbo.rig import Bridge, running

PATIENCE_S = 20.0


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str) -> Ended:
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ended(status, captured.out, captured.err)

    return run


@contextmanager
def elsewhere(serving: Callable[[], AbstractAsyncContextManager[Any]]) -> Iterator[Any]:
    """Run an asynchronous context on a loop in another thread; gives what it gives."""
    ready, leave, given = threading.Event(), threading.Event(), []

    async def run() -> None:
        async with serving() as context:
            given.append(context)
            ready.set()
            while not leave.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S)
    try:
        yield given[0]
    finally:
        leave.set()
        thread.join(PATIENCE_S)


@contextmanager
def serving(fill: Callable[[Bridge], None]) -> Iterator[Bridge]:
    """A bridge filled by the test, in another thread."""

    def made() -> AbstractAsyncContextManager[Bridge]:
        bridge = Bridge()
        fill(bridge)
        return running(bridge)

    with elsewhere(made) as bridge:
        yield bridge


#: Gives words, an exception code, or None for silence; may wait.
Script = Callable[[int, int, int, int], list[int] | int | None]


@contextmanager
def scripted(script: Script, late: Mapping[int, float] = MappingProxyType({})) -> Iterator[int]:
    """A server that answers reads by a script, some addresses late; gives its port."""

    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                number, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                function, address, count = struct.unpack(">BHH", await reader.readexactly(length - 1))
                said = script(unit, function, address, count)
                if said is None:
                    continue
                await asyncio.sleep(late.get(address, 0.0))
                if isinstance(said, int):
                    pdu = bytes([function | 0x80, said])
                else:
                    pdu = struct.pack(f">BB{len(said)}H", function, 2 * len(said), *said)
                writer.write(struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu)

    @contextlib.asynccontextmanager
    async def made() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    with elsewhere(made) as port:
        yield port
