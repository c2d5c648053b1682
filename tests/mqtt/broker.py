"""A real Mosquitto on a free port of this machine, and a relay before it that can hold, cut and let go."""

import asyncio
import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

#: Bound of every wait; nothing comes near it on a machine that is not on its knees.
PATIENCE_S = 20.0


def mosquitto() -> str:
    """Where the program is; Debian puts it where only root's PATH looks."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        message = "mosquitto is missing: apt-get install mosquitto"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


#: Ports that the system gives to nobody by itself, so that a broker finds its own again after a restart.
_PORTS = itertools.count(21000 + os.getpid() * 37 % 1000 * 10)


def free_port() -> int:
    for port in _PORTS:
        with contextlib.suppress(OSError), socket.socket() as made:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("127.0.0.1", port))
            return port
    raise AssertionError


class Broker:
    """The broker. It keeps nothing over a restart, which is the harder case."""

    def __init__(self, folder: Path, extra: str = "allow_anonymous true") -> None:
        self.folder = folder
        self.port = free_port()
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        config = self.folder / f"mosquitto-{self.port}.conf"
        config.write_text(
            f"user root\nper_listener_settings false\nlistener {self.port} 127.0.0.1\npersistence false\n"
            f"log_type none\nmax_queued_messages 5000\n{self._extra}\n"
        )
        self._process = subprocess.Popen([mosquitto(), "-c", config], stdin=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None, f"mosquitto has ended: {self._process.returncode}"
            assert time.monotonic() < until
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None


@contextlib.contextmanager
def running(folder: Path, extra: str = "allow_anonymous true") -> Iterator[Broker]:
    broker = Broker(folder, extra)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class Relay:
    """A TCP relay to the broker: `hold` keeps all bytes, `go` lets them go on, `cut` closes all there is."""

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hold(self) -> None:
        self._open.clear()

    def go(self) -> None:
        self._open.set()

    def cut(self, *, refuse: bool = False) -> None:
        """Close all connections, and take no new ones until `mend`."""
        self._refusing = refuse
        for writer in tuple(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        self._refusing = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target())
        except OSError:
            writer.transport.abort()
            return
        mine = {writer, far_writer}
        self._writers |= mine
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far_writer))
                group.create_task(self._carry(far_reader, writer))
        except* OSError:
            pass
        finally:
            self._writers -= mine
            for one in mine:
                one.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


class Person:
    """A foreign MQTT client: what it has heard, by topic."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: dict[str, bytes] = {}
        self.all: list[aiomqtt.Message] = []

    async def listen(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            self.heard[message.topic.value] = message.payload
            self.all.append(message)


@contextlib.asynccontextmanager
async def person(port: int, *topics: str, **options: Any) -> AsyncIterator[Person]:
    async with aiomqtt.Client(
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, timeout=PATIENCE_S, **options
    ) as client:
        made = Person(client)
        listening = asyncio.create_task(made.listen())
        for topic in topics:
            await client.subscribe(topic, qos=1)
        try:
            yield made
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def until(true: Callable[[], Any], what: str = "") -> Any:
    """Wait for something to become true; returns it."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := true()):
            await asyncio.sleep(0.01)
    return found
