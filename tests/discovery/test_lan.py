"""Who is in a network: the bridge's own server, a foreign one with a GX's and meters' registers, and bad hosts."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bridge.datastore.clock import SystemClock
from bridge.discovery import networks as networks_module
from bridge.discovery.lan import LanDevice, LanScan
from bridge.discovery.networks import named_network, own_networks
from tests.cli.far_end import FarEnd
from tests.cli.test_own_server import Boat

HERE = ipaddress.ip_network("127.0.0.1/32")
PATIENT, BRISK = 20.0, 0.05
SERIAL = "c0619ab2f6e1"


def words(text: str, count: int) -> list[int]:
    data = text.encode().ljust(2 * count, b"\0")
    return [int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)]


async def found(port: int, pace: float = PATIENT) -> list[LanDevice]:
    return await LanScan(SystemClock(), port, pace).run([HERE])


def gx(end: FarEnd) -> None:
    end.put(100, 800, words(SERIAL, 6))


def em24(end: FarEnd) -> None:
    end.put(1, 0x000B, [1650])


def b23(end: FarEnd) -> None:
    end.put(2, 0x8960, [0x4232, 0x3320])


def sunspec(end: FarEnd) -> None:
    names = [*words("Fronius", 16), *words("Symo 8.2-3-M", 16), *words("", 16), *words("34119102", 16)]
    end.put(1, 40000, [0x5375, 0x6E53, 1, 66, *names, 0, 0])


def plain(end: FarEnd) -> None:
    end.put(1, 0, [1, 2, 3])


@pytest.mark.parametrize(
    ("fill", "kind", "name", "unit", "serial", "map_name"),
    [
        (gx, "gx", "Victron GX", 100, SERIAL, "victron_gx_system"),
        (em24, "meter", "Carlo Gavazzi EM24DINAV23XE1PFB", 1, "", "em24"),
        (b23, "meter", "ABB B23", 2, "", "abb_b23"),
        (sunspec, "sunspec", "Fronius Symo 8.2-3-M", 1, "34119102", None),
    ],
)
async def test_who_is_known_by_registers(
    fill: Callable[[FarEnd], None], kind: str, name: str, unit: int, serial: str, map_name: str | None
) -> None:
    with FarEnd() as end:
        fill(end)
        (device,) = await found(end.port)
        assert end.writes == []
    assert (device.kind, device.name, device.unit, device.serial, device.map) == (
        kind, name, unit, serial, map_name,
    )  # fmt: skip
    assert device.host == f"127.0.0.1:{end.port}"
    if map_name:
        assert device.options == {"map": map_name, "host": device.host, "remote_unit": unit}


async def test_several_units_of_one_host() -> None:
    with FarEnd() as end:
        em24(end)
        b23(end)
        assert {device.map for device in await found(end.port)} == {"em24", "abb_b23"}


async def test_a_host_that_speaks_modbus_and_is_not_known() -> None:
    with FarEnd() as end:
        plain(end)
        (device,) = await found(end.port)
    assert (device.kind, device.map) == ("modbus", None)
    assert "no map shipped is known to fit" in device.text


async def test_another_bridge_is_named() -> None:
    with Boat() as boat:
        (device,) = await found(boat.port)
    assert (device.kind, device.unit, device.map) == ("bridge", 247, None)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(100):
        pass


async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(100):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data[:5])


@contextlib.asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[int]:
    writers = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


@pytest.mark.parametrize("serve", [mute, hang_up, web, half])
async def test_hosts_that_speak_no_modbus_are_left_out(serve: Serve) -> None:
    async with serving(serve) as port:
        assert await found(port, BRISK) == []


async def test_an_echo_is_nobody_known() -> None:
    async with serving(echo) as port:
        assert [device.map for device in await found(port, BRISK)] in ([None], [])


async def test_nobody_listens_and_progress_is_told() -> None:
    async with serving(mute) as port:
        pass
    told: list[None] = []
    scan = LanScan(SystemClock(), port, BRISK, lambda: told.append(None))
    assert await scan.run([named_network("127.0.0.0/29")]) == []
    assert len(told) == 6


@pytest.mark.parametrize(
    ("written", "hosts"), [("192.168.1.0/24", 254), ("192.168.1.7", 1), ("192.168.1.9/30", 2)]
)
def test_networks_that_a_person_names(written: str, hosts: int) -> None:
    assert len(list(named_network(written).hosts())) == hosts


@pytest.mark.parametrize(
    ("written", "said"),
    [("10.0.0.0/8", "at most 256 addresses"), ("cerbo", "expected an IPv4 network"), ("fd00::/64", "IPv4")],
)
def test_networks_that_are_not_looked_through(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        named_network(written)


@pytest.mark.parametrize(
    ("address", "mask", "network"),
    [
        ("192.168.1.20", "255.255.255.0", ["192.168.1.0/24"]),
        ("192.168.1.20", "255.255.255.240", ["192.168.1.16/28"]),
        ("10.1.2.3", "255.0.0.0", ["10.1.2.0/24"]),
        ("172.17.0.1", "255.255.0.0", ["172.17.0.0/24"]),
        ("127.0.0.1", "255.0.0.0", []),
        ("203.0.113.9", "255.255.255.0", []),
        ("169.254.7.7", "255.255.0.0", []),
    ],
)
def test_own_networks_are_private_and_no_larger_than_a_24(
    address: str, mask: str, network: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks_module, "_interfaces", lambda: [(address, mask)])
    assert [str(one) for one in own_networks()] == network


def test_this_machine_s_interfaces_are_read() -> None:
    assert ("127.0.0.1", "255.0.0.0") in list(networks_module._interfaces())
