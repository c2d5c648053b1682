"""What people on this machine ask over the local door."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from bridge.datastore.operations import Operation, OperationFault
from bridge.outlets.door import Door
from tests.fuzz.target import Target
from tests.fuzz.targets.served_plant import Loop


class _Writer:
    """The bridge's end of a connection."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    async def drain(self) -> None: ...

    def close(self) -> None: ...


class Doorway:
    """A door with three operations; the input is what somebody sends."""

    def __init__(self) -> None:
        self._loop = Loop()
        self._asked: list[tuple[str, str]] = []
        self._door = Door(Path("/nonexistent"), self._find, self._witness)

    def close(self) -> None:
        """End the loop."""

        async def nothing() -> None: ...

        self._loop.close(nothing())

    def __call__(self, data: bytes) -> None:
        """Hold one request to all that is promised."""
        self._asked.clear()
        self._loop.run(self._session(data))

    async def _session(self, data: bytes) -> None:
        reader, writer = asyncio.StreamReader(limit=65_536), _Writer()
        reader.feed_data(data)
        if b"\n" not in data:
            reader.feed_eof()
        serving = asyncio.ensure_future(self._door._serve(reader, writer))  # type: ignore[arg-type]
        for _ in range(40):
            await asyncio.sleep(0)
            if serving.done():
                break
        behind = data.partition(b"\n")[2]
        if not serving.done():
            reader.feed_eof()
        await serving
        told = [json.loads(line) for line in writer.sent.splitlines()]
        assert all(isinstance(line, dict) and len(line) == 1 for line in told)
        ends = [line for line in told if "told" not in line]
        if behind:
            assert len(ends) <= 1  # more bytes than one request are hanging up
        else:
            assert ends == told[-1:]
            assert "done" in ends[0] or isinstance(ends[0]["fault"], str)
        if self._asked:
            request = json.loads(data.partition(b"\n")[0])
            assert self._asked == [(request.get("device", ""), request["do"])]
        else:
            assert "done" not in (ends[0] if ends else {})

    def _find(self, device: str, name: str) -> Operation:
        found: Mapping[str, Operation] = {"echo": self._echo, "refuse": self._refuse}
        if device not in ("", "roof") or name not in found:
            raise OperationFault(f"no {name} of {device}")
        return found[name]

    def _witness(self, device: str, name: str, _: Mapping[str, object]) -> None:
        self._asked.append((device, name))

    async def _echo(self, arguments: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        yield {"arguments": arguments}

    async def _refuse(self, _: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        yield {"step": 1}
        raise OperationFault("the sun is down: wait for 07:42")


def _seeds() -> Iterator[bytes]:
    yield b'{"do": "echo", "device": "roof", "serials": ["1", 2, null]}\n'
    yield b'{"do": "refuse"}\n'
    yield b'{"do": "echo", "device": 5}\n'
    yield b'{"do": 5}\n{"do": "echo"}\n'
    yield b"[]\n"
    yield b"[" * 3000 + b"\n"
    yield b'{"do": "\\ud800", "device": "\\ud800"}\n'


TARGETS = (
    Target(
        "local_door",
        "any bytes: one ending, in words or done, and no operation begun that was not asked for",
        Doorway,
        4000,
        _seeds,
        (b'{"do": "echo"', b'"device"', b"\\ud800", b"9" * 100, b"1e999", b"NaN", b"[[[[[[[[", b"\n"),
    ),
)
