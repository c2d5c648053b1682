"""Datagrams at their shortest and at the end of service, and log lines that are told again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.datastore.clock import ManualClock
from bridge.server import udp
from bridge.server.seams import SeamError
from bridge.server.seldom import Seldom
from bridge.server.udp import WAITING_MAX, UdpListener
from tests.server.plant import LIMIT, PATIENCE_S, UNIT, Plant, adu, read, registers, running, write
from tests.server.test_udp import Sender, datagrams, sender


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    async with running(make=datagrams) as plant:
        yield plant


@pytest.fixture
async def client(plant: Plant) -> AsyncIterator[Sender]:
    client = await sender(plant)
    yield client
    client.transport.close()


def waiting(plant: Plant) -> set[asyncio.Task[None]]:
    assert isinstance(plant.listener, UdpListener)
    assert plant.listener._datagrams is not None
    return plant.listener._datagrams.waiting


async def test_a_datagram_too_short_for_a_head_is_dropped_without_a_fault(
    plant: Plant, client: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    for size in range(8):
        client.send(adu(1, UNIT, read(0, 1))[:size])
    assert await client.ask(read(3, 1)) == registers(3)
    assert plant.counters.requests == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_more_writes_than_may_wait_at_once_are_all_done_one_after_another(
    plant: Plant, client: Sender
) -> None:
    for number in range(WAITING_MAX + 6):
        assert await client.ask(write(LIMIT, number % 60), transaction=number) == write(LIMIT, number % 60)
    await plant.until(lambda: not waiting(plant))


async def test_what_is_told_to_come_later_is_counted(plant: Plant, client: Sender) -> None:
    plant.adapter.free.clear()
    for number in range(WAITING_MAX + 1):
        client.send(adu(number, UNIT, write(LIMIT, 20)))
    reply = await client.reply()
    assert reply == adu(WAITING_MAX, UNIT, b"\x86\x06")
    assert (plant.counters.requests, plant.counters.exceptions) == (1, 1)


async def test_what_the_network_does_not_take_is_not_asked_for(plant: Plant, client: Sender) -> None:
    assert isinstance(plant.listener, UdpListener)
    protocol = plant.listener._datagrams
    assert protocol is not None
    protocol.pause_writing()
    protocol.datagram_received(adu(1, UNIT, read(3, 1)), client.transport.get_extra_info("sockname"))
    protocol._take(adu(1, UNIT, read(3, 1)), client.transport.get_extra_info("sockname"))
    assert plant.counters.requests == 0
    protocol.resume_writing()
    assert await client.ask(read(4, 1)) == registers(4)


async def test_a_listener_says_whether_and_where_it_serves() -> None:
    plant = Plant(make=datagrams)
    listener = plant.listener
    assert isinstance(listener, UdpListener)
    assert (listener.serving, listener.address) == (False, ("127.0.0.1", 0))
    await listener.stop()  # which nothing began
    await listener.start()
    assert listener.serving
    assert listener.address[0] == "127.0.0.1"
    assert listener.address[1] > 0
    await listener.stop()
    assert not listener.serving


async def test_stopping_ends_in_its_time_though_a_device_says_nothing(plant: Plant, client: Sender) -> None:
    plant.adapter.free.clear()
    client.send(adu(1, UNIT, write(LIMIT, 20)))
    async with asyncio.timeout(PATIENCE_S):
        await plant.adapter.asked.wait()
    under_way = set(waiting(plant))
    stopping = asyncio.ensure_future(plant.listener.stop(0.1))
    await plant.clock.advance(0.11)  # less than the write may wait
    async with asyncio.timeout(PATIENCE_S):
        await stopping
    assert [task.cancelled() for task in under_way] == [True]


async def test_a_pymodbus_that_does_not_fit_is_told_before_the_socket_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unfit() -> None:
        raise SeamError("pymodbus 3.99.0 is another one")

    monkeypatch.setattr(udp, "check_seams", unfit)
    listener = Plant(make=datagrams).listener
    with pytest.raises(SeamError, match=r"3\.99\.0"):
        await listener.start()
    assert not listener.serving


def test_the_oldest_is_forgotten_first() -> None:
    seldom = Seldom(ManualClock(), 600.0)
    for key in range(257):
        assert seldom.due(key) == 1
    assert [seldom.due(key) for key in (256, 1, 0)] == [0, 0, 1]
