"""One connection's stream: cutting, order, back-pressure, and the faults of pymodbus's own handler."""

import asyncio
import socket
import struct

import pytest

from bridge.server.connection import BUFFER_BYTES, QUEUE_FULL
from tests.server.plant import LIMIT, UNIT, Client, Plant, adu, read, registers, running, write

SLOW = write(LIMIT, 20)


async def test_two_requests_in_one_segment_are_both_answered_in_order(client: Client) -> None:
    await client.send(adu(1, UNIT, read(1, 1)) + adu(2, UNIT, read(2, 1)))
    assert await client.reply() == (1, UNIT, registers(1))
    assert await client.reply() == (2, UNIT, registers(2))


async def test_a_request_behind_a_slow_one_waits_and_keeps_its_id(plant: Plant, client: Client) -> None:
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, SLOW))
    await plant.adapter.asked.wait()
    await client.send(adu(2, UNIT, read(2, 1)))
    await client.send(adu(3, UNIT, read(3, 1))[:7])  # and half a frame behind both
    plant.adapter.free.set()
    assert await client.reply() == (1, UNIT, SLOW)
    assert await client.reply() == (2, UNIT, registers(2))
    await client.send(adu(3, UNIT, read(3, 1))[7:])
    assert await client.reply() == (3, UNIT, registers(3))


async def test_only_the_connection_that_waits_waits(plant: Plant, client: Client) -> None:
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, SLOW))
    await plant.adapter.asked.wait()
    other = await plant.connect()
    for number in range(20):
        assert await other.ask(read(number, 1), transaction=number) == registers(number)
    await other.close()
    plant.adapter.free.set()
    assert await client.reply() == (1, UNIT, SLOW)


@pytest.mark.parametrize("place", [0, 1, 15, 29])
async def test_thirty_pipelined_requests_with_a_slow_command_among_them(
    plant: Plant, client: Client, place: int
) -> None:
    plant.adapter.free.clear()
    pdus = [read(number, 2) for number in range(30)]
    pdus[place] = SLOW
    await client.send(b"".join(adu(1000 + number, UNIT, pdu) for number, pdu in enumerate(pdus)))
    await plant.adapter.asked.wait()
    plant.adapter.free.set()
    for number, pdu in enumerate(pdus):
        expected = pdu if number == place else registers(number, number + 1)
        assert await client.reply() == (1000 + number, UNIT, expected)


async def test_a_stream_of_segments_without_gaps_loses_and_doubles_nothing(client: Client) -> None:
    wishes = [SLOW if number % 7 == 3 else read(number % 100, 1) for number in range(1000)]

    async def ask() -> None:
        for number, pdu in enumerate(wishes):
            client.writer.write(adu(number, UNIT, pdu))
            if number % 10 == 9:
                await client.writer.drain()
                await asyncio.sleep(0)

    asking = asyncio.create_task(ask())
    for number, pdu in enumerate(wishes):
        expected = pdu if pdu == SLOW else registers(number % 100)
        assert await client.reply() == (number, UNIT, expected)
    await asking


async def test_more_than_the_buffer_holds_in_one_go(client: Client) -> None:
    count = 3 * BUFFER_BYTES // 12
    await client.send(b"".join(adu(number, UNIT, read(number % 100, 1)) for number in range(count)))
    for number in range(count):
        assert await client.reply() == (number, UNIT, registers(number % 100))


async def test_byte_by_byte(plant: Plant, client: Client) -> None:
    await client.ask(read(0, 1))
    (connection,) = plant.listener._server.connections  # the same object that asyncio feeds
    for number, pdu in enumerate((read(9, 3), SLOW, bytes([99]))):
        for byte in adu(number, UNIT, pdu):
            connection.get_buffer(-1)[:1] = bytes([byte])
            connection.buffer_updated(1)
    assert await client.reply() == (0, UNIT, registers(9, 10, 11))
    assert await client.reply() == (1, UNIT, SLOW)
    assert await client.reply() == (2, UNIT, bytes([99 | 0x80, 1]))


@pytest.mark.parametrize("cut", range(1, 12))
async def test_half_frames(client: Client, cut: int) -> None:
    frame = adu(7, UNIT, read(9, 1))
    await client.send(frame[:cut])
    await asyncio.sleep(0)
    await client.send(frame[cut:])
    assert await client.reply() == (7, UNIT, registers(9))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(struct.pack(">HHHBB", 1, 1, 6, UNIT, 3), id="protocol-id"),
        pytest.param(struct.pack(">HHHBB", 1, 0x100, 6, UNIT, 3), id="protocol-id-high-byte"),
        pytest.param(struct.pack(">HHHBB", 1, 0, 0, UNIT, 3), id="length-0"),
        pytest.param(struct.pack(">HHHBB", 1, 0, 1, UNIT, 3), id="length-1"),
        pytest.param(struct.pack(">HHHBB", 1, 0, 255, UNIT, 3), id="length-255"),
        pytest.param(struct.pack(">HHHBB", 1, 0, 0x0106, UNIT, 3), id="length-high-byte"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="http"),
        pytest.param(bytes.fromhex("160301 0200 01"), id="tls"),
    ],
)
async def test_a_header_that_is_not_mbap_closes_the_connection(
    plant: Plant, client: Client, head: bytes
) -> None:
    await client.send(adu(1, UNIT, read(5, 1)) + head + adu(2, UNIT, read(6, 1)))
    assert await client.closed() == adu(1, UNIT, registers(5))
    await plant.until(lambda: plant.counters.connections == 0)
    fresh = await plant.connect()
    assert await fresh.ask(read(7, 1)) == registers(7)
    await fresh.close()


async def test_the_longest_frame_is_taken(client: Client) -> None:
    assert await client.ask(bytes([100]) + bytes(252)) == bytes([100 | 0x80, 1])


async def test_a_full_queue_stops_reading_and_loses_nothing(plant: Plant, client: Client) -> None:
    plant.adapter.free.clear()
    count = 5 * QUEUE_FULL
    frames = [adu(0, UNIT, SLOW)] + [adu(number, UNIT, read(number % 100, 1)) for number in range(1, count)]
    await client.send(b"".join(frames))
    await plant.adapter.asked.wait()
    (connection,) = plant.listener._server.connections
    await plant.until(lambda: not connection._socket.is_reading())
    assert len(connection._queue) == QUEUE_FULL
    plant.adapter.free.set()
    assert await client.reply() == (0, UNIT, SLOW)
    for number in range(1, count):
        assert await client.reply() == (number, UNIT, registers(number % 100))
    assert connection._socket.is_reading()


async def test_a_client_that_does_not_read_is_not_served_on_and_costs_nobody_else(
    plant: Plant, client: Client
) -> None:
    (connection,) = await _only(plant, client)
    client.writer.transport.pause_reading()
    burst = adu(1, UNIT, read(0, 125)) * 200
    sent = 0
    while connection._socket.is_reading():
        client.writer.write(burst)
        sent += 200
        await asyncio.sleep(0)
        assert sent < 1_000_000
    # What one buffer of requests may produce is all that can stand above asyncio's high-water mark.
    assert connection._socket.get_write_buffer_size() < 65536 + BUFFER_BYTES // 12 * 260
    other = await plant.connect()
    assert await other.ask(read(7, 1)) == registers(7)
    await other.close()
    client.writer.transport.resume_reading()
    for _ in range(sent):
        assert await client.reply() == (1, UNIT, registers(*range(125)))


async def test_half_closed_clients_get_all_their_replies(plant: Plant, client: Client) -> None:
    plant.adapter.free.clear()
    count = 3 * QUEUE_FULL
    frames = [adu(0, UNIT, SLOW)] + [adu(number, UNIT, read(number % 100, 1)) for number in range(1, count)]
    await client.send(b"".join(frames))
    client.writer.write_eof()
    await plant.adapter.asked.wait()
    plant.adapter.free.set()
    for number in range(count):
        expected = SLOW if number == 0 else registers(number % 100)
        assert await client.reply() == (number, UNIT, expected)
    assert await client.closed() == b""
    await plant.until(lambda: plant.counters.connections == 0)


async def test_a_client_that_leaves_in_the_middle_of_a_write_leaves_nothing_behind(plant: Plant) -> None:
    client = await plant.connect()
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, SLOW) + adu(2, UNIT, read(0, 1)))
    await plant.adapter.asked.wait()
    (connection,) = plant.listener._server.connections
    # A reset; a mere end of the stream may be a half-closed client that still wants its replies.
    link = client.writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()
    await plant.until(lambda: plant.counters.connections == 0)
    await plant.until(connection._drain.done)
    plant.adapter.free.set()
    await plant.until(lambda: bool(plant.attempts))
    assert plant.attempts[-1].outcome.word == "confirmed"  # the change itself went on
    assert not plant.listener._server.active_connections


async def test_uvloop_serves_unchanged() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def session() -> None:
        async with running() as plant:
            client = await plant.connect()
            plant.adapter.free.clear()
            await client.send(
                b"".join([adu(1, UNIT, read(1, 1)), adu(2, UNIT, SLOW), adu(3, UNIT, read(3, 1))])
            )
            assert await client.reply() == (1, UNIT, registers(1))
            await plant.adapter.asked.wait()
            client.writer.write_eof()
            plant.adapter.free.set()
            assert await client.reply() == (2, UNIT, SLOW)
            assert await client.reply() == (3, UNIT, registers(3))
            assert await client.closed() == b""
            await client.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(session())

    await asyncio.to_thread(run)


async def _only(plant: Plant, client: Client) -> list:
    await client.ask(read(0, 1))
    return list(plant.listener._server.connections)
