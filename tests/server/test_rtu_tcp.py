"""RTU frames on TCP connections."""

import asyncio
import os

from bridge.server.listener import TcpListener
from bridge.server.rtu_connection import GARBAGE_MAX
from bridge.server.terms import Terms
from tests.server.bus import adu
from tests.server.plant import LIMIT, PATIENCE_S, Client, read, registers, running, write


def rtu(terms: Terms) -> TcpListener:
    return TcpListener("127.0.0.1", 0, terms, rtu=True)


async def reply(client: Client, length: int) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await client.reader.readexactly(length)


async def ask(client: Client, pdu: bytes, expected: bytes) -> None:
    await client.send(adu(pdu))
    assert await reply(client, len(expected) + 3) == adu(expected)


async def test_reads_and_writes() -> None:
    async with running(make=rtu) as plant:
        client = await plant.connect()
        await ask(client, read(5, 2), registers(5, 6))
        await ask(client, write(LIMIT, 20), write(LIMIT, 20))
        await ask(client, read(0, 0), b"\x83\x03")
        await ask(client, b"\x63\x01", b"\xe3\x01")
        assert str(plant.attempts[-1].origin) == "modbus:127.0.0.1"
        await client.close()


async def test_requests_in_one_segment_are_answered_in_order() -> None:
    async with running(make=rtu) as plant:
        client = await plant.connect()
        plant.adapter.free.clear()
        pdus = [read(1, 1), write(LIMIT, 20), *(read(number, 1) for number in range(100))]
        await client.send(b"".join(adu(pdu) for pdu in pdus))
        await plant.adapter.asked.wait()
        plant.adapter.free.set()
        assert await reply(client, 7) == adu(registers(1))
        assert await reply(client, 8) == adu(write(LIMIT, 20))
        for number in range(100):
            assert await reply(client, 7) == adu(registers(number))
        await client.close()


async def test_unit_0_and_foreign_units_are_left_in_silence() -> None:
    async with running(make=rtu) as plant:
        client = await plant.connect()
        plant.units.put(247, plant.unit)
        for unit in (0, 5, 255):
            await client.send(adu(write(LIMIT, 20), unit))
        await ask(client, read(LIMIT, 1), registers(16))
        assert plant.counters.broadcasts == 1
        await client.send(adu(read(7, 1), 247))
        assert await reply(client, 7) == adu(registers(7), 247)
        await client.close()


async def test_framing_is_each_connections_own() -> None:
    async with running(make=rtu) as plant:
        first, second = await plant.connect(), await plant.connect()
        await first.send(adu(read(5, 1))[:4])
        await ask(second, read(6, 1), registers(6))
        await first.send(adu(read(5, 1))[4:])
        assert await reply(first, 7) == adu(registers(5))
        await first.close()
        await second.close()


async def test_half_a_frame_is_forgotten_after_a_silence() -> None:
    async with running(make=rtu) as plant:
        client = await plant.connect()
        await client.send(adu(read(5, 1))[:4])
        await ask(client, read(6, 1), registers(6))
        await client.send(adu(read(5, 1))[:6])
        await plant.until(lambda: next(iter(plant.listener._server.connections))._framing.passed == 6)
        await plant.clock.advance(0.3)
        await client.send(adu(read(5, 1))[6:])
        await ask(client, read(6, 1), registers(6))
        await client.close()


async def test_who_speaks_something_else_is_closed() -> None:
    async with running(make=rtu) as plant:
        client = await plant.connect()
        await client.send(b"GET / HTTP/1.1\r\n" * (GARBAGE_MAX // 8))
        assert await client.closed() == b""
        await client.close()
        await plant.until(lambda: plant.counters.connections == 0)


async def test_some_noise_before_a_request() -> None:
    async with running(make=rtu) as plant:
        for size in (1, 7, 100, 300, 1000):
            client = await plant.connect()
            await client.send(os.urandom(size))
            await plant.clock.advance(0.3)
            await asyncio.sleep(0.01)
            await ask(client, read(6, 1), registers(6))
            await client.close()


async def test_byte_by_byte() -> None:
    async with running(make=rtu) as plant:
        client = await plant.connect()
        for byte in adu(read(9, 1)):
            await client.send(bytes([byte]))
            await asyncio.sleep(0.001)
        assert await reply(client, 7) == adu(registers(9))
        await client.close()
