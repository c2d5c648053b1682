"""The local door: requests, steps, faults, hanging up, strangers."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.datastore.operations import Operation, OperationFault
from bridge.outlets.door import SOCKET_NAME, Door, reachable

PATIENCE_S = 20.0


class House:
    """Three operations, and what became of the endless one."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.heard: list[tuple[str, str, Mapping[str, object]]] = []

    def find(self, device: str, name: str) -> Operation:
        found = {"count": self._count, "wait": self._wait, "refuse": self._refuse, "break": self._break}
        if device not in ("", "roof") or name not in found:
            raise OperationFault(f"no {name} of {device}")
        return found[name]

    def witness(self, device: str, name: str, arguments: Mapping[str, object]) -> None:
        self.heard.append((device, name, arguments))

    async def _count(self, arguments: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        for number in range(int(str(arguments["to"]))):
            yield {"number": number}

    async def _wait(self, _: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        try:
            yield {"waiting": True}
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def _refuse(self, _: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        yield {"step": 1}
        raise OperationFault("the sun is down: wait for 07:42")

    async def _break(self, _: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        raise ZeroDivisionError("a defect")
        yield {}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[House]:
    house = House()
    door = Door(folder, house.find, house.witness)
    await door.open()
    try:
        yield house
    finally:
        await door.close()


async def say(folder: Path, line: bytes) -> list[Mapping[str, object]]:
    with reachable(folder) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    async with asyncio.timeout(PATIENCE_S):
        said = await reader.read()
    writer.close()
    return [json.loads(reply) for reply in said.splitlines()]


async def test_an_operation_tells_its_steps(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        assert await say(tmp_path, b'{"do": "count", "device": "roof", "to": 2}\n') == [
            {"told": {"number": 0}},
            {"told": {"number": 1}},
            {"done": True},
        ]
        assert house.heard == [("roof", "count", {"to": 2})]


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        (b'{"do": "refuse"}\n', "the sun is down: wait for 07:42"),
        (b'{"do": "fly", "device": "roof"}\n', "no fly of roof"),
        (b'{"device": "roof"}\n', "found no request"),
        (b"[]\n", "found no request"),
        (b"\xff\xfe\n", "found no request"),
        (b"[" * 20_000 + b"\n", "found no request"),
        (b'{"do": "count", "device": 3}\n', "a device that is no name"),
    ],
)
async def test_what_cannot_be_done_is_said(tmp_path: Path, asked: bytes, fault: str) -> None:
    async with opened(tmp_path):
        assert fault in str((await say(tmp_path, asked))[-1]["fault"])


async def test_a_defect_is_one_line_for_the_guest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path):
        assert await say(tmp_path, b'{"do": "break"}\n') == [
            {"fault": "unexpected fault: ZeroDivisionError: a defect; see the log"}
        ]
        assert "an operation failed" in caplog.text


async def test_hanging_up_ends_the_operation(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        with reachable(tmp_path) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "wait"}\n')
        async with asyncio.timeout(PATIENCE_S):
            assert json.loads(await reader.readline()) == {"told": {"waiting": True}}
            writer.close()
            await house.ended.wait()


async def test_closing_ends_what_is_being_done(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        with reachable(tmp_path) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "wait"}\n')
        async with asyncio.timeout(PATIENCE_S):
            await reader.readline()
    assert house.ended.is_set()
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()
    assert not (tmp_path / SOCKET_NAME).exists()


async def test_a_request_without_an_end_is_cut_off(tmp_path: Path) -> None:
    async with opened(tmp_path):
        assert "fault" in (await say(tmp_path, b"x" * 200_000))[-1]


async def test_only_the_bridges_user_may_knock(tmp_path: Path) -> None:
    async with opened(tmp_path):
        assert (tmp_path / SOCKET_NAME).stat().st_mode & 0o777 == 0o600


async def test_a_socket_left_behind_is_replaced_and_long_folders_do(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as left, reachable(folder) as path:
        left.bind(path)
    async with opened(folder):
        assert (await say(folder, b'{"do": "count", "to": 0}\n')) == [{"done": True}]


async def test_a_folder_that_takes_no_socket_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with opened(tmp_path / "missing"):
        assert "no local door" in caplog.text
