"""Whoever asks for much goes on in turns, and nobody else waits for more than one share of each."""

import asyncio
import gc
import struct
from pathlib import Path

import pytest

from bridge.server.connection import TURN
from bridge.server.context import RequestContext
from bridge.server.turns import Turns
from bridge.server.udp import LATER_MAX
from bridge.server.udp import TURN as DATAGRAMS
from tests.server.bus import adu as rtu_adu
from tests.server.bus import on_a_line
from tests.server.plant import LIMIT, UNIT, adu, read, registers, running
from tests.server.test_udp import datagrams


async def test_one_goes_on_in_each_turn_of_the_loop_in_order() -> None:
    turns, gone = Turns(), list[int]()
    for number in range(3):
        turns.ask(lambda number=number: gone.append(number))
    assert gone == []
    for length in range(1, 4):
        await asyncio.sleep(0)
        assert gone == list(range(length))


async def test_whoever_asks_again_goes_behind_the_others() -> None:
    turns, gone = Turns(), list[str]()

    def again() -> None:
        gone.append("first")
        turns.ask(lambda: gone.append("again"))

    turns.ask(again)
    turns.ask(lambda: gone.append("second"))
    for _ in range(4):
        await asyncio.sleep(0)
    assert gone == ["first", "second", "again"]


async def test_one_who_fails_or_leaves_holds_up_nobody() -> None:
    turns, gone, told = Turns(), list[str](), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    fault = RuntimeError("defect")

    def fail() -> None:
        raise fault

    turns.ask(fail)
    left = asyncio.create_task(turns.come())
    await asyncio.sleep(0)
    turns.ask(lambda: gone.append("next"))
    left.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert (gone, told, left.cancelled()) == (["next"], [fault], True)


async def test_many_who_pipeline_without_end_do_not_starve_another() -> None:
    async with running() as plant:
        crowd, client = [await plant.connect() for _ in range(40)], await plant.connect()
        for one in crowd:
            one.writer.transport.pause_reading()
            one.writer.write(b"".join(adu(number, UNIT, read(0, 1)) for number in range(340)))
        await plant.until(lambda: plant.counters.requests >= 40 * TURN)  # each has had its first share
        before = plant.counters.requests
        assert await client.ask(read(7, 1)) == registers(7)
        # Its reply took a few turns of the loop, in each of which one of the crowd had a share or two.
        assert plant.counters.requests - before <= 10 * 2 * TURN
        for one in (*crowd, client):
            one.writer.transport.abort()


async def test_datagrams_are_answered_a_few_in_each_turn_and_in_order() -> None:
    async with running(make=datagrams) as plant:
        made, sent = plant.listener._datagrams, []
        made._send = lambda reply, addr: sent.append(struct.unpack(">H", reply[:2])[0])
        for number in range(DATAGRAMS + LATER_MAX + 5):
            made.datagram_received(adu(number, UNIT, read(0, 1)), ("127.0.0.1", 9))
        assert sent == list(range(DATAGRAMS))
        await asyncio.sleep(0)
        assert sent == list(range(2 * DATAGRAMS))
        for _ in range(LATER_MAX // DATAGRAMS):
            await asyncio.sleep(0)
        assert sent == list(range(DATAGRAMS + LATER_MAX))
        made.datagram_received(adu(1, UNIT, read(0, 1)), ("127.0.0.1", 9))
        assert sent[-1] == 1


@pytest.mark.parametrize("before", [254, 255, 1020, 3000])
async def test_a_request_after_a_long_piece_of_noise_on_a_line_is_answered(
    tmp_path: Path, before: int
) -> None:
    async with on_a_line(tmp_path, 1_000_000) as bus:
        await bus.send(bytes(before) + rtu_adu(read(7, 1)))
        assert await bus.reply(7) == rtu_adu(registers(7))
        # Only the last of two is, however far apart in what came at once: the master has gone on.
        await bus.send(rtu_adu(read(5, 1)) + bytes(before) + rtu_adu(read(9, 1)))
        assert await bus.reply(7) == rtu_adu(registers(9))
        await bus.silent()


@pytest.mark.parametrize("turns", range(8))
async def test_a_write_refused_while_its_client_leaves_is_no_defect(
    caplog: pytest.LogCaptureFixture, turns: int
) -> None:
    async with running() as plant:
        context = RequestContext(plant.listener.terms, None)
        writing = asyncio.create_task(
            context.write(UNIT, LIMIT, lambda unit: unit.decode_registers(LIMIT, b"\1\1"))
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        del writing
        gc.collect()
        await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
