"""Where stock pymodbus 3.16.1 was measured to go wrong, and what the bridge does instead.

| # | stimulus | stock 3.16.1 | the bridge |
|---|---|---|---|
| P1 | two requests in one TCP segment | the second is lost | both, in order |
| P2 | a slow write, then another request | both replies under the second's id | each under its own |
| P3 | a slow write, then half a frame | the reply is never sent | sent |
| P4 | segments without a gap | one doubled, one lost | each once |
| P5 | more than 264 bytes pipelined | all dropped | all answered |
| P6 | another protocol id | open but dead | closed |
| P7 | length 0 or too large | swallows what follows | closed |
| P8 | unknown unit | exception 04 | 0B |
| P9 | unknown unit on a shared line | exception 04 over the real slave's reply | silence |
| P10 | bad quantity, short PDU, unknown function | function 0x80, code 01 | fc + 0x80, code 03 or 01 |
| P11 | FC5 with 0x1234 | taken for ON | 03 |
| P12 | unit 0 | a missing unit | unit 247; on RTU counted and nothing else |
| P13 | the serving task is cancelled | the port goes on accepting | closed |
| P14 | the serial port is unplugged | never served again | opened again |
| P15 | stop with two servers | only the last one stops | each its own |
| P16 | start after stop | listens, serves not | serves |
"""

import asyncio
import struct
from pathlib import Path

import pytest

from bridge.server.terms import Terms
from bridge.server.udp import UdpListener
from tests.server import bus
from tests.server.plant import LIMIT, UNIT, Client, Plant, adu, read, registers, write, write_many

SLOW = write(LIMIT, 20)


async def test_p1_two_requests_in_one_segment(client: Client) -> None:
    await client.send(adu(1, UNIT, read(1, 1)) + adu(2, UNIT, read(2, 1)))
    assert [await client.reply() for _ in range(2)] == [(1, UNIT, registers(1)), (2, UNIT, registers(2))]


async def test_p2_a_request_behind_a_slow_one(plant: Plant, client: Client) -> None:
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, SLOW))
    await plant.adapter.asked.wait()
    await client.send(adu(2, UNIT, read(2, 1)))
    plant.adapter.free.set()
    assert [await client.reply() for _ in range(2)] == [(1, UNIT, SLOW), (2, UNIT, registers(2))]


async def test_p3_half_a_frame_behind_a_slow_request(plant: Plant, client: Client) -> None:
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, SLOW))
    await plant.adapter.asked.wait()
    await client.send(adu(2, UNIT, read(2, 1))[:7])
    plant.adapter.free.set()
    assert await client.reply() == (1, UNIT, SLOW)


async def test_p4_segments_without_a_gap(client: Client) -> None:
    for number in range(20):
        client.writer.write(adu(number, UNIT, SLOW if number % 5 == 2 else read(number, 1)))
    for number in range(20):
        assert await client.reply() == (number, UNIT, SLOW if number % 5 == 2 else registers(number))


async def test_p5_many_pipelined_requests(client: Client) -> None:
    await client.send(b"".join(adu(number, UNIT, read(number, 1)) for number in range(100)))
    assert [(await client.reply())[0] for _ in range(100)] == list(range(100))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(struct.pack(">HHHBB", 1, 1, 6, UNIT, 3), id="P6"),
        pytest.param(struct.pack(">HHHBB", 1, 0, 0, UNIT, 3), id="P7-length-0"),
        pytest.param(struct.pack(">HHHBB", 1, 0, 255, UNIT, 3), id="P7-too-large"),
    ],
)
async def test_p6_p7_broken_headers(client: Client, head: bytes) -> None:
    await client.send(head + adu(2, UNIT, read(6, 1)))
    assert await client.closed() == b""


async def test_p8_an_unknown_unit(client: Client) -> None:
    assert await client.ask(read(0, 1), unit=99) == b"\x83\x0b"


async def test_p9_an_unknown_unit_on_a_shared_line(tmp_path: Path) -> None:
    async with bus.on_a_line(tmp_path, 115200) as line:
        await line.foreign(read(0, 1), registers(5))
        await line.silent()


@pytest.mark.parametrize(
    ("pdu", "code"),
    [(read(0, 0), 3), (read(0, 126), 3), (read(0, 2001, 1), 3), (read(0, 1)[:3], 3), (b"\x63", 1)],
)
async def test_p10_malformed_and_unknown(client: Client, pdu: bytes, code: int) -> None:
    assert await client.ask(pdu) == bytes((pdu[0] | 0x80, code))


async def test_p11_a_coil_neither_on_nor_off(plant: Plant, client: Client) -> None:
    assert await client.ask(write(0, 0x1234, 5)) == b"\x85\x03"
    assert plant.adapter.commands == []


async def test_p12_unit_0(plant: Plant, client: Client, tmp_path: Path) -> None:
    plant.units.put(247, plant.unit)
    assert await client.ask(read(7, 1), unit=0) == registers(7)
    async with bus.on_a_line(tmp_path, 115200) as line:
        await line.send(bus.adu(write_many(LIMIT, 20), 0))
        await line.silent()
        assert line.plant.counters.broadcasts == 1
        assert line.plant.adapter.commands == []


async def test_p13_a_cancelled_stop_closes(plant: Plant) -> None:
    client = await plant.connect()
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, SLOW))
    await plant.adapter.asked.wait()
    stopping = asyncio.create_task(plant.listener.stop())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    with pytest.raises(ConnectionRefusedError):
        await plant.connect()
    assert await client.closed() == b""
    await client.close()


async def test_p14_an_unplugged_port(tmp_path: Path) -> None:
    async with bus.on_a_line(tmp_path, 115200) as line:
        await line.line.unplug()
        await line.plant.until(lambda: not line.plant.listener.open)
        await line.line.replug()
        await line.plant.until(lambda: line.plant.listener.open)
        assert await line.ask(read(7, 1)) == registers(7)


async def test_p15_each_listener_is_stopped_by_itself(plant: Plant, client: Client) -> None:
    second = plant.make_listener()
    third = _datagrams(plant.listener.terms)
    for listener in (second, third):
        await listener.start()
        await listener.stop()
        assert not listener.serving
    assert await client.ask(read(7, 1)) == registers(7)


async def test_p16_start_after_stop(plant: Plant) -> None:
    await plant.listener.stop()
    await plant.listener.start()
    client = await plant.connect()
    assert await client.ask(read(7, 1)) == registers(7)
    await client.close()


def _datagrams(terms: Terms) -> UdpListener:
    return UdpListener("127.0.0.1", 0, terms)
