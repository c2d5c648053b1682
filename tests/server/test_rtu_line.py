"""RTU on a line that is shared with another slave, at a slow and a fast pace."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.server.rtu_line import gap_s
from tests.server.bus import FOREIGN, Bus, adu, crc, on_a_line
from tests.server.plant import LIMIT, UNIT, read, registers, write, write_many

#: What the stock client sends to find a line's rate (dbus-modbus-client): FC8 to everybody.
RATE_PROBE = bytes.fromhex("00 08 00 00 55 55 1E B5")
OWN = adu(read(7, 2))
OWN_REPLY = adu(registers(7, 8))


@pytest.fixture(params=[9600, 115200])
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bus]:
    async with on_a_line(tmp_path, request.param) as bus:
        yield bus


def test_the_test_knows_the_crc() -> None:
    assert crc(RATE_PROBE[:-2]) == RATE_PROBE[-2:]


@pytest.mark.parametrize(
    ("baudrate", "gap"), [(9600, 0.00401), (19200, 0.002005), (38400, 0.00175), (115200, 0.00175)]
)
def test_the_gap_between_frames(baudrate: int, gap: float) -> None:
    assert gap_s(baudrate) == pytest.approx(gap, rel=0.01)


async def test_reads_and_writes(bus: Bus) -> None:
    assert await bus.ask(read(5, 3)) == registers(5, 6, 7)
    assert await bus.ask(write(LIMIT, 20)) == write(LIMIT, 20)
    assert await bus.ask(write_many(LIMIT, 21)) == write_many(LIMIT, 21)[:5]
    assert await bus.ask(read(LIMIT, 1)) == registers(21)
    assert str(bus.plant.attempts[-1].origin) == "modbus:lan"


@pytest.mark.parametrize(
    ("pdu", "reply"),
    [
        (read(0, 0), b"\x83\x03"),
        (read(0x2000, 1), b"\x83\x02"),
        (b"\x63\x01\x02", b"\xe3\x01"),  # a function nobody knows
        (b"\x07", b"\x87\x01"),
        (read(0, 1) + b"\0", b"\x83\x03"),
        (bytes.fromhex("2b 0e 04 01"), bytes.fromhex("2b 0e 04 82 00 00 01 01 04") + b"A330"),
    ],
)
async def test_whatever_is_asked_of_our_unit_is_answered(tmp_path: Path, pdu: bytes, reply: bytes) -> None:
    async with on_a_line(tmp_path, 115200) as bus:
        await bus.send(adu(pdu))
        assert await bus.reply(len(reply) + 3) == adu(reply)


async def test_a_request_of_another_unit_is_left_to_it(bus: Bus) -> None:
    await bus.send(adu(read(0, 2), FOREIGN))
    await bus.silent()
    await bus.foreign(read(0, 2), registers(1, 2))
    assert await bus.ask(read(7, 1)) == registers(7)


@pytest.mark.parametrize(
    "passing",
    [
        pytest.param(adu(write_many(0, 1, 2, 3)[:5], FOREIGN), id="FC16-reply"),
        pytest.param(adu(registers(*range(100)), FOREIGN), id="long-FC3-reply"),
        pytest.param(adu(write(3, 4), FOREIGN) * 2, id="FC6-and-its-echo"),
        pytest.param(adu(b"\x83\x02", FOREIGN), id="exception"),
        pytest.param(adu(read(0, 2), FOREIGN) + adu(registers(1, 2), FOREIGN), id="request-and-reply"),
        pytest.param(b"\0", id="a-zero-byte"),
        pytest.param(b"\xff\x55", id="two-bytes-of-noise"),
        pytest.param(bytes(range(1, 60)), id="noise"),
        pytest.param(adu(registers(*range(100)), FOREIGN)[:-1] + b"\x00", id="reply-with-a-broken-CRC"),
        pytest.param(OWN[:-1] + b"\x00", id="own-request-with-a-broken-CRC"),
        pytest.param(OWN[:5], id="half-a-frame"),
        pytest.param(bytes([FOREIGN, 3, 250]), id="a-head-that-claims-250-bytes"),
        pytest.param(OWN, id="own-request"),
    ],
)
async def test_what_passes_before_a_request_in_one_go_does_not_hide_it(
    tmp_path: Path, passing: bytes
) -> None:
    async with on_a_line(tmp_path, 115200) as bus:
        await bus.send(passing, OWN)
        assert await bus.reply(len(OWN_REPLY)) == OWN_REPLY
        await bus.silent()


async def test_half_a_frame_and_a_silence(bus: Bus) -> None:
    await bus.send(OWN[:5])
    await bus.silent()
    await bus.send(OWN)
    assert await bus.reply(len(OWN_REPLY)) == OWN_REPLY


async def test_a_frame_in_two_parts(bus: Bus) -> None:
    await bus.send(OWN[:5])
    await asyncio.sleep(0.02)
    await bus.send(OWN[5:])
    assert await bus.reply(len(OWN_REPLY)) == OWN_REPLY


async def test_a_claim_of_250_bytes_costs_no_request_after_it(bus: Bus) -> None:
    await bus.send(bytes([FOREIGN, 3, 250]))
    for number in range(4):
        assert await bus.ask(read(number, 1)) == registers(number)


async def test_broadcasts_are_counted_and_nothing_else(bus: Bus) -> None:
    for _ in range(12):
        await bus.send(RATE_PROBE)
        await asyncio.sleep(0.01)
    await bus.send(adu(write(LIMIT, 30), 0))
    await bus.silent()
    assert bus.plant.counters.broadcasts == 13
    assert bus.plant.adapter.commands == []
    assert await bus.ask(read(LIMIT, 1)) == registers(16)


async def test_a_reply_is_dropped_when_a_byte_comes_after_its_request(bus: Bus) -> None:
    bus.plant.adapter.free.clear()
    await bus.send(adu(write(LIMIT, 20)))
    await bus.plant.adapter.asked.wait()
    await bus.send(b"\x55")
    await asyncio.sleep(0.05)
    bus.plant.adapter.free.set()
    await bus.silent()
    assert bus.plant.adapter.commands == [{"/Settings/ChargeCurrentLimit": 20}]
    assert await bus.ask(read(LIMIT, 1)) == registers(20)


async def test_a_read_is_not_held_up_by_a_write_that_waits(tmp_path: Path) -> None:
    async with on_a_line(tmp_path, 115200, reply_within_s=20) as bus:
        bus.plant.device.confirm_s = lambda paths: 20.0
        bus.plant.adapter.free.clear()
        await bus.send(adu(write(LIMIT, 20)))
        await bus.plant.adapter.asked.wait()
        assert await bus.ask(read(7, 1)) == registers(7)
        bus.plant.adapter.free.set()
        await bus.silent()


async def test_still_under_way_is_05(tmp_path: Path) -> None:
    async with on_a_line(tmp_path, 115200, reply_within_s=0.05) as bus:
        bus.plant.adapter.free.clear()
        assert await bus.ask(write(LIMIT, 20)) == b"\x86\x05"


async def test_a_line_is_read_only_unless_the_site_says_otherwise(tmp_path: Path) -> None:
    async with on_a_line(tmp_path, 115200, write=False) as bus:
        assert await bus.ask(write(LIMIT, 20)) == b"\x86\x01"
        assert await bus.ask(read(LIMIT, 1)) == registers(16)
        assert bus.plant.counters.writes_refused == 1


async def test_every_other_request_of_a_busy_line_is_ours(tmp_path: Path) -> None:
    async with on_a_line(tmp_path, 115200) as bus:
        for number in range(30):
            await bus.foreign(read(number, 3), registers(number, UNIT, 3))
            assert await bus.ask(read(number, 3)) == registers(number, number + 1, number + 2)
        await bus.silent()


async def test_a_unit_that_was_never_seen_answers_and_one_that_is_not_ours_does_not(tmp_path: Path) -> None:
    async with on_a_line(tmp_path, 115200) as bus:
        bus.plant.units.put(21, None)
        assert await bus.ask(read(0, 1), 21) == b"\x83\x0b"
        for unit in (0, 22, 247, 255):
            await bus.send(adu(read(0, 1), unit))
        await bus.silent()


async def test_an_unplugged_port_is_served_again_when_it_is_back(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    listener = bus.plant.listener
    for _ in range(2):
        assert await bus.ask(read(7, 1)) == registers(7)
        await bus.line.unplug()
        await bus.plant.until(lambda: not listener.open)
        await asyncio.sleep(0.1)
        await bus.line.replug()
        await bus.plant.until(lambda: listener.open)
    assert await bus.ask(read(8, 1)) == registers(8)
    told = [r.getMessage() for r in caplog.records if "fault=" in r.getMessage()]
    assert len(told) == len(set(told)) == 2  # lost, and missing
    assert listener.serving


@pytest.mark.parametrize(
    "first",
    [read(7, 1), read(0, 20, 2)],  # the reply of the second could be a request
    ids=["registers", "bits"],
)
async def test_a_line_that_echoes_starts_no_loop(tmp_path: Path, first: bytes) -> None:
    async with on_a_line(tmp_path, 115200) as bus:
        for pdu in (first, write(LIMIT, 20), write(LIMIT, 20)):
            reply = await bus.ask(pdu)
            await bus.send(adu(reply))  # what the bridge said comes back to it
            await bus.silent()
        assert len(bus.plant.attempts) == 2


async def test_stopping_answers_what_is_under_way_and_leaves_nothing(tmp_path: Path) -> None:
    async with on_a_line(tmp_path, 115200) as bus:
        before = asyncio.all_tasks()
        assert await bus.ask(read(7, 1)) == registers(7)
        bus.plant.adapter.free.clear()
        await bus.send(adu(write(LIMIT, 20)))
        await bus.plant.adapter.asked.wait()
        stopping = asyncio.create_task(bus.plant.listener.stop())
        await asyncio.sleep(0.02)
        bus.plant.adapter.free.set()
        await stopping
        assert await bus.reply(8) == adu(write(LIMIT, 20))
        assert not bus.plant.listener.serving
        await bus.send(OWN)
        await bus.silent()
        left = asyncio.all_tasks() - before
        assert [task for task in left if not task.done()] == []
