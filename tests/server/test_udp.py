"""Modbus over UDP: every datagram on its own, and nothing said to what is none."""

import asyncio
import os
import struct
from collections.abc import AsyncIterator

import pytest

from bridge.server.listening import ListenError
from bridge.server.terms import Terms
from bridge.server.udp import WAITING_MAX, UdpListener
from tests.server.plant import LIMIT, MODE, PATIENCE_S, UNIT, Plant, adu, read, registers, running, write


class Sender(asyncio.DatagramProtocol):
    """A client's socket."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.put_nowait(data)

    def send(self, *datagrams: bytes) -> None:
        for data in datagrams:
            self.transport.sendto(data)

    async def reply(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.heard.get()

    async def ask(self, pdu: bytes, unit: int = UNIT, transaction: int = 1) -> bytes:
        self.send(adu(transaction, unit, pdu))
        reply = await self.reply()
        assert reply[:7] == struct.pack(">HHHB", transaction, 0, len(reply) - 6, unit)
        return reply[7:]


def datagrams(terms: Terms) -> UdpListener:
    return UdpListener("127.0.0.1", 0, terms)


async def sender(plant: Plant, source: str = "127.0.0.1") -> Sender:
    _, made = await asyncio.get_running_loop().create_datagram_endpoint(
        Sender, local_addr=(source, 0), remote_addr=plant.listener.address
    )
    return made


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    async with running(make=datagrams) as plant:
        yield plant


@pytest.fixture
async def client(plant: Plant) -> AsyncIterator[Sender]:
    made = await sender(plant)
    yield made
    made.transport.close()


async def test_reads_and_writes(plant: Plant, client: Sender) -> None:
    assert await client.ask(read(5, 2)) == registers(5, 6)
    assert await client.ask(write(LIMIT, 20)) == write(LIMIT, 20)
    assert await client.ask(bytes.fromhex("08 0000 5555")) == bytes.fromhex("08 0000 5555")
    assert await client.ask(b"\x63") == b"\xe3\x01"
    assert str(plant.attempts[-1].origin) == "modbus:127.0.0.1"


async def test_units(plant: Plant, client: Sender) -> None:
    assert await client.ask(read(0, 1), unit=99) == b"\x83\x0b"
    plant.units.put(247, plant.unit)
    for unit in (0, 255, 247):
        assert await client.ask(read(3, 1), unit=unit) == registers(3)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0",
        adu(1, UNIT, read(0, 1))[:-1],
        adu(1, UNIT, read(0, 1)) + b"\0",
        adu(1, UNIT, read(0, 1)) * 2,
        struct.pack(">HHHBBHH", 1, 1, 6, UNIT, 3, 0, 1),
        struct.pack(">HHHB", 1, 0, 1, UNIT),
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(2000),
    ],
)
async def test_what_is_no_request_is_dropped(client: Sender, garbage: bytes) -> None:
    client.send(garbage)
    assert await client.ask(read(7, 1)) == registers(7)
    assert client.heard.empty()


async def test_replies_go_to_their_own_senders_and_nobody_waits_for_another(plant: Plant) -> None:
    clients = [await sender(plant, f"127.0.0.{number}") for number in range(1, 6)]
    plant.adapter.free.clear()
    clients[0].send(adu(77, UNIT, write(LIMIT, 20)))
    await plant.adapter.asked.wait()
    for number, client in enumerate(clients):
        assert await client.ask(read(number, 1), transaction=number) == registers(number)
    plant.adapter.free.set()
    assert await clients[0].reply() == adu(77, UNIT, write(LIMIT, 20))
    for client in clients:
        assert client.heard.empty()
        client.transport.close()


async def test_more_writes_than_may_wait_are_06(plant: Plant, client: Sender) -> None:
    plant.adapter.free.clear()
    client.send(*(adu(number, UNIT, write(LIMIT, 20)) for number in range(WAITING_MAX)))
    await plant.until(lambda: len(plant.listener._datagrams.waiting) == WAITING_MAX)
    assert await client.ask(write(LIMIT, 20), transaction=999) == b"\x86\x06"
    assert await client.ask(read(7, 1)) == registers(7)
    plant.adapter.free.set()
    for _ in range(WAITING_MAX):
        assert (await client.reply())[7:] == write(LIMIT, 20)


async def test_a_sender_outside_read_hears_nothing(
    plant: Plant, client: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    await plant.access.reload(["127.0.0.2"], None)
    stranger, friend = client, await sender(plant, "127.0.0.2")
    stranger.send(adu(1, UNIT, read(0, 1)))
    assert await friend.ask(read(7, 1)) == registers(7)
    await plant.until(lambda: plant.counters.connections_refused == 1)
    assert stranger.heard.empty()
    assert "access: {read: [127.0.0.2, 127.0.0.1]}" in caplog.text
    friend.transport.close()


async def test_a_read_only_listener(caplog: pytest.LogCaptureFixture) -> None:
    async with running(make=datagrams, write=False) as plant:
        client = await sender(plant)
        assert await client.ask(write(MODE, 4)) == b"\x86\x01"
        assert plant.adapter.commands == []
        assert "write: true" in caplog.text
        client.transport.close()


async def test_stopping_answers_what_is_under_way(plant: Plant, client: Sender) -> None:
    before = asyncio.all_tasks()
    plant.adapter.free.clear()
    client.send(adu(1, UNIT, write(LIMIT, 20)))
    await plant.adapter.asked.wait()
    stopping = asyncio.create_task(plant.listener.stop())
    await asyncio.sleep(0)
    client.send(adu(2, UNIT, read(0, 1)))
    plant.adapter.free.set()
    assert await client.reply() == adu(1, UNIT, write(LIMIT, 20))
    await stopping
    assert client.heard.empty()
    assert [task for task in asyncio.all_tasks() - before if not task.done()] == []


async def test_a_port_in_use_is_told(plant: Plant) -> None:
    second = UdpListener(*plant.listener.address, plant.listener.terms)
    with pytest.raises(ListenError, match=r"cannot listen on udp://127\.0\.0\.1:.*ss -lnup"):
        await second.start()
    assert not second.serving


async def test_random_datagrams_do_not_disturb_a_client(plant: Plant, client: Sender) -> None:
    noise = await sender(plant, "127.0.0.2")
    for number in range(300):
        noise.send(*(os.urandom(number * 7 % 600) for _ in range(10)))
        assert await client.ask(read(number % 100, 1), transaction=number) == registers(number % 100)
    noise.transport.close()
