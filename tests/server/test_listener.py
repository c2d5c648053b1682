"""Sockets: opening, admission, idleness, and an end that leaves nothing open."""

import asyncio
import socket

import pytest

from bridge.server.listening import ListenError
from tests.server.plant import LIMIT, PATIENCE_S, UNIT, Plant, adu, read, registers, running, write


async def test_a_port_in_use_is_told_with_the_cure(plant: Plant) -> None:
    second = plant.make_listener()
    second._port = plant.port
    with pytest.raises(ListenError) as told:
        await second.start()
    assert f"cannot listen on tcp://127.0.0.1:{plant.port}" in str(told.value)
    assert "in use" in str(told.value)
    assert "choose another port" in str(told.value)
    assert not second.serving


async def test_an_address_of_another_machine_is_told(plant: Plant) -> None:
    second = plant.make_listener()
    second._host = "192.0.2.1"  # RFC 5737: nobody's
    with pytest.raises(ListenError, match=r"no address 192\.0\.2\.1"):
        await second.start()


async def test_a_low_port_without_the_right_is_told_with_the_cure(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    second = plant.make_listener()
    monkeypatch.setattr(asyncio.get_running_loop(), "create_server", refuse)
    with pytest.raises(ListenError, match=r"ports below 1024.*setcap.*1502"):
        await second.start()


async def test_connections_beyond_the_cap_are_closed_without_a_byte(caplog: pytest.LogCaptureFixture) -> None:
    async with running(connections_max=4) as plant:
        clients = [await plant.connect(f"127.0.0.{number}") for number in (1, 1, 2, 3)]
        for client in clients:
            await client.ask(read(0, 1))
        for _ in range(2):
            refused = await plant.connect("127.0.0.9")
            assert await refused.closed() == b""
            await refused.close()
        assert plant.counters.connections_refused == 2
        assert "all 4 connections are taken: close some, or say connections: 8" in caplog.text
        await clients.pop().close()
        await plant.until(lambda: plant.counters.connections == 3)
        clients.append(await plant.connect())
        assert await clients[-1].ask(read(7, 1)) == registers(7)
        for client in clients:
            await client.close()


async def test_one_peer_holds_three_quarters_at_most(caplog: pytest.LogCaptureFixture) -> None:
    async with running(connections_max=4) as plant:
        greedy = [await plant.connect() for _ in range(3)]
        for client in greedy:
            await client.ask(read(0, 1))
        refused = await plant.connect()
        assert await refused.closed() == b""
        assert "this address holds 3 of 4 connections already" in caplog.text
        other = await plant.connect("127.0.0.2")
        assert await other.ask(read(7, 1)) == registers(7)
        await greedy.pop().close()
        await other.close()
        await plant.until(lambda: plant.counters.connections == 2)
        again = await plant.connect()
        assert await again.ask(read(7, 1)) == registers(7)
        for client in (*greedy, refused, again):
            await client.close()


@pytest.mark.parametrize(("units", "cap"), [(1, 64), (24, 64), (25, 66), (247, 510)])
async def test_the_cap_goes_by_the_number_of_units(plant: Plant, units: int, cap: int) -> None:
    plant.units.replace({})
    for unit in range(1, units + 1):
        plant.units.put(unit, None)
    assert plant.listener.admission.connections_max == cap


async def test_idle_connections_are_closed_and_busy_ones_are_not(plant: Plant) -> None:
    idle, busy = await plant.connect(), await plant.connect()
    await idle.ask(read(0, 1))
    for _ in range(14):
        await plant.clock.advance(45)
        assert await busy.ask(read(1, 1)) == registers(1)
    assert await idle.closed() == b""
    assert plant.counters.connections == 1
    await idle.close()
    await busy.close()


async def test_idleness_is_not_judged_early(plant: Plant) -> None:
    client = await plant.connect()
    await client.ask(read(0, 1))
    await plant.clock.advance(595)
    assert await client.ask(read(1, 1)) == registers(1)
    await client.close()


async def test_stopping_answers_what_is_under_way_and_takes_nothing_more(plant: Plant) -> None:
    client, idle = await plant.connect(), await plant.connect()
    await idle.ask(read(0, 1))
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, write(LIMIT, 20)) + adu(2, UNIT, read(5, 1)))
    await plant.adapter.asked.wait()
    port = plant.port
    stopping = asyncio.create_task(plant.listener.stop())
    assert await idle.closed() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    plant.adapter.free.set()
    assert await client.reply() == (1, UNIT, write(LIMIT, 20))
    assert await client.reply() == (2, UNIT, registers(5))
    assert await client.closed() == b""
    async with asyncio.timeout(PATIENCE_S):
        await stopping
    await client.close()
    await idle.close()


async def test_stopping_does_not_wait_for_ever(plant: Plant) -> None:
    client = await plant.connect()
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, write(LIMIT, 20)))
    await plant.adapter.asked.wait()
    server = plant.listener._server
    stopping = asyncio.create_task(plant.listener.stop(drain_s=0.1))
    await plant.clock.advance(0.2)
    async with asyncio.timeout(PATIENCE_S):
        await stopping
    assert await client.closed() == b""
    assert not server.connections
    assert not server.active_connections
    assert plant.counters.connections == 0
    await client.close()


async def test_stopping_that_is_cut_short_still_closes_everything(plant: Plant) -> None:
    client = await plant.connect()
    plant.adapter.free.clear()
    await client.send(adu(1, UNIT, write(LIMIT, 20)))
    await plant.adapter.asked.wait()
    stopping = asyncio.create_task(plant.listener.stop())
    await plant.clock.advance(0)
    stopping.cancel()
    assert await client.closed() == b""
    await plant.until(lambda: plant.counters.connections == 0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", plant.port)
    await client.close()


async def test_a_stopped_listener_starts_again_on_the_same_port(plant: Plant) -> None:
    port = plant.port
    client = await plant.connect()
    await client.ask(read(0, 1))
    await plant.listener.stop()
    await client.close()
    plant.listener._port = port
    await plant.listener.start()
    again = await plant.connect()
    assert await again.ask(read(7, 1)) == registers(7)
    await again.close()


async def test_nothing_is_left_open() -> None:
    before = asyncio.all_tasks()
    async with running() as plant:
        clients = [await plant.connect() for _ in range(5)]
        for client in clients:
            await client.ask(read(0, 1))
        address = plant.listener.address
    assert asyncio.all_tasks() == before
    with socket.socket() as probe:
        assert probe.connect_ex(address) != 0
    for client in clients:
        assert await client.closed() == b""
        await client.close()
