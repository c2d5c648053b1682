"""A whole bridge with an audit: who wrote what, who might not, and who was not let in."""

import asyncio
import contextlib
import json
import os
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.app import House
from bridge.site.loader import load_site
from tests.conformance.bench import FAMILY

PATIENCE_S = 30.0
OWNER, READER, STRANGER = "127.0.0.1", "127.0.0.8", "127.0.0.9"
#: /First and /Second of unit 20; the bench refuses the second.
FIRST, SECOND = 0x5000, 0x6012

SITE = """
state: "{folder}/state"
listeners:
  - {{tcp: "127.0.0.1:0", name: lan, reply_within: 20 s}}
  - {{udp: "127.0.0.1:0", name: datagrams}}
access: {{read: [127.0.0.1, 127.0.0.8], write: [127.0.0.1]}}
devices:
  pump: {{adapter: bench, unit: 20, map: ./bench.yaml}}
outlets: {outlets}
"""
MAP = """
title: A pump
registers:
  - {address: 0x5000, type: u16, path: /Set/1/V, write: [0, 100]}
  - {address: 0x6012, type: u16, path: /Refused, write: true}
"""


class Running:
    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        self.folder = folder

    async def ask(self, pdu: bytes, source: str = OWNER) -> bytes:
        """Return the PDU of the reply, b"" where the bridge hangs up."""
        async with asyncio.timeout(PATIENCE_S):
            port = self.house.listeners[0].address[1]  # type: ignore[attr-defined]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            try:
                writer.write(struct.pack(">HHHB", 1, 0, len(pdu) + 1, 20) + pdu)
                head = await reader.readexactly(7)
                return await reader.readexactly(struct.unpack_from(">H", head, 4)[0] - 1)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return b""
            finally:
                writer.close()

    async def send_datagram(self, pdu: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        came: asyncio.Future[bytes] = loop.create_future()

        class Protocol(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                came.set_result(data)

        port = self.house.listeners[1].address[1]  # type: ignore[attr-defined]
        transport, _ = await loop.create_datagram_endpoint(Protocol, remote_addr=("127.0.0.1", port))
        try:
            transport.sendto(struct.pack(">HHHB", 1, 0, len(pdu) + 1, 20) + pdu)
            async with asyncio.timeout(PATIENCE_S):
                return (await came)[7:]
        finally:
            transport.close()


@contextlib.asynccontextmanager
async def running(folder: Path, outlets: str) -> AsyncIterator[Running]:
    (folder / "bench.yaml").write_text(MAP)
    (folder / "site.yaml").write_text(SITE.format(folder=folder, outlets=outlets))
    families = {"bench": FAMILY}
    load = load_site(folder / "site.yaml", os.environ, families, lambda state, device: None)
    assert load.site is not None, load.problems
    house = House(load, families)
    started = asyncio.Event()
    serving = asyncio.create_task(house.run(started.set))
    async with asyncio.timeout(PATIENCE_S):
        await started.wait()
        while not house.datastore.devices["pump"].alive:
            await asyncio.sleep(0.01)
    yield Running(house, folder)
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(address: int, value: int) -> bytes:
    return struct.pack(">BHH", 6, address, value)


async def test_the_audit_tells_who_did_and_who_might_not(tmp_path: Path) -> None:
    async with running(tmp_path, "{audit: }") as bridge:
        assert await bridge.ask(write(FIRST, 7)) == write(FIRST, 7)
        assert await bridge.ask(write(SECOND, 7)) == b"\x86\x04"
        assert await bridge.ask(write(FIRST, 700)) == b"\x86\x03"
        read = struct.pack(">BHH", 3, FIRST, 1)
        assert await bridge.ask(read, READER) == b"\x03\x02\x00\x07"
        assert await bridge.ask(write(FIRST, 8), READER) == b"\x86\x01"
        assert await bridge.ask(read, STRANGER) == b""
        assert await bridge.send_datagram(read) == b"\x03\x02\x00\x07"
        assert await bridge.send_datagram(write(FIRST, 9)) == b"\x86\x01"
    told = events(tmp_path / "state" / "audit.jsonl")
    assert [event["event"] for event in told] == ["write"] * 4 + ["turned_away", "write"]
    confirmed, refused, impossible, reader, stranger, datagram = told
    for event in told:
        assert event.pop("time").startswith("20")
    for event in (confirmed, refused):
        assert 0 <= event.pop("duration_s") < PATIENCE_S
    assert confirmed == {
        "event": "write",
        "device": "pump",
        "origin": f"modbus:{OWNER}",
        "unit": 20,
        "address": FIRST,
        "path": "/Set/1/V",
        "old": 0,
        "new": 7,
        "outcome": "confirmed",
        "exception_code": 0,
        "reason": "",
    }
    assert (refused["path"], refused["outcome"], refused["exception_code"]) == ("/Refused", "refused", 4)
    assert (impossible["outcome"], impossible["exception_code"]) == ("refused", 3)
    assert impossible["address"] == FIRST  # known of the request, though its value fits no point
    assert impossible["reason"]
    assert (reader["origin"], reader["exception_code"]) == (f"modbus:{READER}", 1)
    assert re.search(r"write: \[127[^]]*, 127\.0\.0\.8\]", reader["reason"])
    assert (stranger["listener"], stranger["peer"], stranger["times"]) == ("lan", STRANGER, 1)
    assert re.search(r"read: \[127[^]]*, 127\.0\.0\.9\]", stranger["reason"])
    assert (datagram["origin"], datagram["exception_code"]) == (f"modbus:{OWNER}", 1)
    assert "write: true" in datagram["reason"]


async def test_a_logrotate_under_a_running_bridge(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "writes.log"
    async with running(tmp_path, f'{{audit: {{file: "{path}"}}}}') as bridge:
        await bridge.ask(write(FIRST, 1))
        async with asyncio.timeout(PATIENCE_S):
            while not path.exists() or not events(path):
                await asyncio.sleep(0.01)
        path.rename(path.with_suffix(".old"))
        await bridge.ask(write(FIRST, 2))
    assert [event["new"] for event in events(path.with_suffix(".old"))] == [1]
    assert [event["new"] for event in events(path)] == [2]


async def test_a_disk_that_is_full_stops_no_write(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "audit.log"
    path.symlink_to("/dev/full")
    async with running(tmp_path, f'{{audit: {{file: "{path}"}}}}') as bridge:
        for value in range(5):
            assert await bridge.ask(write(FIRST, value)) == write(FIRST, value)
    told = [record.getMessage() for record in caplog.records if "audit=" in record.getMessage()]
    assert len([text for text in told if "cannot be written" in text]) == 1
    assert "5 lines unwritten" in told[-1]


async def test_it_is_off_unless_named(tmp_path: Path) -> None:
    async with running(tmp_path, "{}") as bridge:
        assert await bridge.ask(write(FIRST, 1)) == write(FIRST, 1)
    assert not list(tmp_path.rglob("*.jsonl*"))
