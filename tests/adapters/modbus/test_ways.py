"""Every way to a device, against pymodbus's own servers; and the shipped client maps on them."""

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from bridge.datastore.values import LinkState, Outcome, Quality
from tests.adapters.modbus.bench import house, map_file
from tests.adapters.modbus.field import Field, free_port, serving

WAYS = ["tcp", "udp", "rtu", "rtu_over_tcp"]


def words(layout: str, *values: float) -> list[int]:
    data = struct.pack(f">{layout}", *values)
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def low_first(*values: int) -> list[int]:
    return [word for value in values for word in reversed(words("i", value))]


def sdm630(unit: int) -> Field:
    made = Field()
    made.put(unit, "input", 0, [0] * 80)
    made.put(unit, "input", 0, words("6f", 230.1, 231.2, 229.9, 1.5, 2.5, -3.5))
    made.put(unit, "input", 12, words("3f", 345.0, 578.0, -804.5))
    made.put(unit, "input", 0x34, words("f", 118.5))
    made.put(unit, "input", 0x46, words("5f", 50.02, 1234.5, 67.8, 0, 0))
    made.put(unit, "holding", 2, words("f", 60.0))
    made.put(unit, "holding", 0xFC00, words("I", 21034567))
    return made


@pytest.mark.parametrize("way", WAYS)
async def test_a_meter_on_every_way(way: str) -> None:
    """Input and holding tables that have nothing in common, floats, a set-point of two registers."""
    field = sdm630(7)
    async with serving(field, way) as where, house() as home:
        meter = home.add("meter", map="sdm630", remote_unit=7, poll=0.4, **where)
        await home.until(lambda: meter.value("/Ac/Power") is not None)
        shown = {path: meter.value(path) for path in ("/Ac/L1/Voltage", "/Ac/L3/Current", "/Ac/L3/Power")}
        assert shown == {"/Ac/L1/Voltage": 230.1, "/Ac/L3/Current": -3.5, "/Ac/L3/Power": -804.5}
        assert meter.value("/Ac/Power") == 118.5
        assert meter.value("/Ac/Energy/Forward") == 1234.5
        assert meter.value("/Serial") == 21034567
        assert meter.identity is not None
        assert meter.identity.serial == "21034567"
        assert meter.link is LinkState.ONLINE
        assert await home.write(meter, {"/Settings/DemandPeriod": 15}) == {
            "/Settings/DemandPeriod": Outcome.CONFIRMED
        }
        assert meter.value("/Settings/DemandPeriod") == 15
        assert field.writes == [(7, 16, 2, words("f", 15.0))]
        field.put(7, "input", 0x34, words("f", -42.0))
        await home.until(lambda: meter.value("/Ac/Power") == -42.0)
    assert {function for _, function, _, _ in field.reads} == {3, 4}
    assert max(count for _, _, _, count in field.reads) <= 80  # more the meter refuses


async def test_an_em24() -> None:
    field = Field()
    field.put(1, "holding", 0, [0] * 0x50)
    field.put(1, "holding", 0, low_first(2301, 2312, 2299))
    field.put(1, "holding", 0x0B, [1648])
    field.put(1, "holding", 0x0C, low_first(1500, -2500, 0, 3450, -5780, 0))
    field.put(1, "holding", 0x28, low_first(-2330))
    field.put(1, "holding", 0x32, [0xFFFF, 500, *low_first(123456)])
    for address, cells in ((0x302, [0x2110]), (0x304, [0x1003]), (0x1002, [0]), (0xA000, [7]), (0xA100, [3])):
        field.put(1, "holding", address, cells)
    field.put(1, "holding", 0x5000, words("14s", b"ABC1234567X"))
    async with serving(field, "tcp") as where, house() as home:
        grid = home.add("grid", map="em24", poll=0.4, **where)
        await home.until(lambda: grid.value("/SwitchPos") is not None)
        assert {path: grid.value(path) for path in grid.paths} == {
            "/Ac/L1/Voltage": 230.1, "/Ac/L2/Voltage": 231.2, "/Ac/L3/Voltage": 229.9,
            "/Ac/L1/Current": 1.5, "/Ac/L2/Current": -2.5, "/Ac/L3/Current": 0.0,
            "/Ac/L1/Power": 345.0, "/Ac/L2/Power": -578.0, "/Ac/L3/Power": 0.0,
            "/Ac/Power": -233.0, "/PhaseSequence": 1, "/Ac/Frequency": 50.0, "/ModelId": 1648,
            "/Ac/Energy/Forward": 12345.6, "/Ac/Energy/Reverse": 0.0,
            "/Ac/L1/Energy/Forward": 0.0, "/Ac/L2/Energy/Forward": 0.0, "/Ac/L3/Energy/Forward": 0.0,
            "/HardwareVersion": "2.1.16", "/FirmwareVersion": "1.0.3", "/PhaseConfig": 0,
            "/Serial": "ABC1234567X", "/Application": 7, "/SwitchPos": 3,
        }  # fmt: skip
        assert grid.identity is not None
        assert grid.identity.product_name == "EM24DINAV23XE1X"


async def test_an_abb_b23() -> None:
    field = Field()
    field.put(2, "holding", 0x8960, words("4s", b"B23 "))
    field.put(2, "holding", 0x8900, words("I", 4242))
    field.put(2, "holding", 0x8908, words("16s", b"B1.23"))
    field.put(2, "holding", 0x5000, words("2Q", 123456, 2**64 - 1))
    field.put(2, "holding", 0x5460, words("6Q", 1, 2, 3, 2**64 - 1, 5, 6))
    field.put(2, "holding", 0x5B00, [0] * 64)
    field.put(2, "holding", 0x5B00, words("3I", 2301, 2302, 2303))
    field.put(2, "holding", 0x5B14, words("4i", -12345, 1, 2, -3))
    field.put(2, "holding", 0x5B2C, [4998])
    field.put(2, "holding", 0x5B3A, words("4h", -950, 0x7FFF, 1000, 0))
    async with serving(field, "rtu") as where, house() as home:
        meter = home.add("meter", map="abb_b23", remote_unit=2, poll=0.4, **where)
        for path in ("/Ac/Frequency", "/Ac/PowerFactor", "/Ac/Energy/Forward"):
            await home.until(lambda path=path: meter.value(path) is not None)  # type: ignore[misc]
        assert meter.value("/Ac/Power") == -123.45
        assert meter.value("/Ac/L3/Voltage") == 230.3
        assert meter.value("/Ac/Energy/Forward") == 1234.56
        assert meter.reading("/Ac/Energy/Reverse").quality is Quality.ABSENT
        assert meter.value("/Ac/PowerFactor") == -0.95
        assert meter.reading("/Ac/L1/PowerFactor").quality is Quality.ABSENT
        assert meter.identity is not None
        assert (meter.identity.serial, meter.identity.product_name) == ("4242", "B23")
        assert meter.identity.firmware == "B1.23"


def gx() -> Field:
    """As dbus_modbustcp serves it: unmapped addresses are refused, parts not installed have no path."""
    made = Field()
    made.put(100, "holding", 800, words("12s", b"c0619ab0aa55"))
    made.put(100, "holding", 806, [1, 0])
    made.put(100, "holding", 808, [0] * 60)
    made.put(100, "holding", 817, [300, 200, 100])
    made.put(100, "holding", 820, words("3h", -1500, 250, 0))
    made.put(100, "holding", 840, [521, *words("h", -125), *words("h", -651), 87, 2, 3456, 180])
    for address in (*range(2700, 2709), *range(2710, 2716)):
        made.put(100, "holding", address, [0])
    made.put(100, "holding", 2900, [10, 250, 1, 300])
    made.refuses = {2709: 0x0A, 2716: 0x0A, 2717: 0x0A}
    made.put(100, "holding", 2709, [0])
    made.put(100, "holding", 2716, [0, 0])
    return made


async def test_a_gx_without_ess() -> None:
    """The set-points are found although a part amid them has no service; the part itself is not known."""
    field = gx()
    async with serving(field, "tcp") as where, house() as home:
        system = home.add("gx", map="victron_gx_system", remote_unit=100, poll=0.4, **where)
        await home.until(lambda: system.value("/Settings/SystemSetup/MaxChargeVoltage") is not None)
        await home.until(lambda: system.value("/Settings/CGwacs/AcPowerSetPoint") is not None)
        shown = {
            path: system.value(path)
            for path in (
                "/Serial", "/Relay/0/State", "/Ac/Consumption/L1/Power", "/Ac/Grid/L1/Power", "/Ac/Grid/L2/Power",
                "/Dc/Battery/Voltage", "/Dc/Battery/Current", "/Dc/Battery/Power", "/Dc/Battery/Soc",
                "/Dc/Battery/State", "/Dc/Battery/ConsumedAmphours", "/Dc/Battery/TimeToGo",
            )
        }  # fmt: skip
        assert shown == {
            "/Serial": "c0619ab0aa55", "/Relay/0/State": 1, "/Ac/Consumption/L1/Power": 300,
            "/Ac/Grid/L1/Power": -1500, "/Ac/Grid/L2/Power": 250, "/Dc/Battery/Voltage": 52.1,
            "/Dc/Battery/Current": -12.5, "/Dc/Battery/Power": -651, "/Dc/Battery/Soc": 87,
            "/Dc/Battery/State": 2, "/Dc/Battery/ConsumedAmphours": -345.6, "/Dc/Battery/TimeToGo": 18000.0,
        }  # fmt: skip
        assert system.reading("/Overrides/Setpoint").quality is Quality.STALE
        assert system.alive
        assert await home.write(system, {"/Settings/CGwacs/AcPowerSetPoint": -2000}) == {
            "/Settings/CGwacs/AcPowerSetPoint": Outcome.CONFIRMED
        }
        assert field.cells[100, "holding", 2700] == 65536 - 2000
        field.refuses.clear()  # ESS is installed
        await home.until(lambda: system.value("/Overrides/Setpoint") == 0)


async def test_one_host_is_one_connection() -> None:
    field = sdm630(1)
    for (_, table, address), word in list(field.cells.items()):
        field.cells[2, table, address] = word
    field.cells[2, "holding", 0xFC01] = 5
    async with serving(field, "tcp") as where, house() as home:
        devices = [home.add(f"m{unit}", map="sdm630", remote_unit=unit, poll=0.4, **where) for unit in (1, 2)]
        await home.until(lambda: all(device.value("/Ac/Power") is not None for device in devices))
        assert devices[0].value("/Serial") != devices[1].value("/Serial")
    assert field.connections == 1


async def test_a_host_that_goes_and_comes_back() -> None:
    field = sdm630(1)
    async with house() as home:
        async with serving(field, "tcp") as where:
            meter = home.add("meter", map="sdm630", poll=0.2, **where)
            await home.until(lambda: meter.link is LinkState.ONLINE)
        await home.until(lambda: meter.link is LinkState.PORT_MISSING)
        async with serving(field, "tcp", int(where["host"].partition(":")[2])):
            await home.until(lambda: meter.link is LinkState.ONLINE)


async def test_a_gateway_whose_device_is_off() -> None:
    """Exception 0B is a gateway's word for silence: other devices behind it are not held up."""
    field = sdm630(1)
    field.put(2, "input", 0, [0] * 80)
    field.put(2, "holding", 2, [0, 0])
    field.put(2, "holding", 0xFC00, [0, 9])
    async with serving(field, "tcp") as where, house() as home:
        meter = home.add("meter", map="sdm630", poll=0.2, timeout=0.5, retries=0, **where)
        other = home.add("other", map="sdm630", remote_unit=2, poll=0.2, timeout=0.5, retries=0, **where)
        await home.until(lambda: meter.alive and other.alive)
        field.refuses = {0: 0x0B}  # for both; the first counts what it costs
        await home.until(lambda: meter.link is LinkState.SILENT and other.link is LinkState.SILENT)
        field.refuses = {}
        await home.until(lambda: meter.link is LinkState.ONLINE and other.link is LinkState.ONLINE)


async def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as home:
        port = free_port(socket.SOCK_STREAM)
        meter = home.add("meter", map="sdm630", host=f"127.0.0.1:{port}")
        await home.until(lambda: meter.link is LinkState.PORT_MISSING)
        (told,) = [record.message for record in caplog.records if "fault=" in record.message]
        assert told == (
            f'devices=meter fault=port_missing reason="port tcp://127.0.0.1:{port}: connection refused: expected a '
            'Modbus TCP device to listen there; is it on, and is Modbus TCP enabled in it?"'
        )


async def test_a_connection_over_which_nothing_comes_is_made_anew() -> None:
    """Some devices forget a connection without closing it."""
    opened: list[asyncio.StreamWriter] = []
    field = sdm630(1)

    async def deaf(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with house() as home:
        meter = home.add("meter", map="sdm630", host=f"127.0.0.1:{port}", timeout=0.1, retries=9)
        home.add("other", map="sdm630", host=f"127.0.0.1:{port}", timeout=0.1, remote_unit=2)
        await home.until(lambda: len(opened) > 1)
        assert meter.link in (LinkState.STARTING, LinkState.SILENT)  # the host is there, the device unheard
        for writer in opened:
            writer.close()
        server.close()
        await server.wait_closed()
        await home.until(lambda: meter.link is LinkState.PORT_MISSING)
        async with serving(field, "tcp", port):
            await home.until(lambda: meter.link is LinkState.ONLINE)


async def test_a_map_of_ones_own(tmp_path: Path) -> None:
    """A device that refuses a hole, lacks a register, and has coils."""
    mine = map_file(
        tmp_path,
        "registers:\n"
        "  - {address: 10, type: u16, path: /A}\n"
        "  - {address: 12, type: u16, path: /Missing}\n"
        "  - {address: 14, type: u16, path: /B}\n"
        "coils:\n  - {address: 3, path: /Pump, mirror: 90}\n"
        "discrete_inputs:\n  - {address: 5, path: /Door}\n",
    )
    field = Field()
    field.put(1, "holding", 10, [11])
    field.put(1, "holding", 14, [22])
    field.put(1, "coils", 3, [0])
    field.put(1, "discrete", 5, [1])
    async with serving(field, "tcp") as where, house() as home:
        pump = home.add("pump", map=mine, poll=0.2, **where)
        await home.until(lambda: pump.value("/B") == 22 and pump.value("/Door") == 1)
        assert pump.value("/A") == 11
        await home.until(lambda: pump.reading("/Missing").quality is Quality.ABSENT)
        assert await home.write(pump, {"/Pump": 1}) == {"/Pump": Outcome.CONFIRMED}
        assert field.cells[1, "coils", 3] == 1
        assert pump.value("/Pump") == 1
        before = len(field.reads)
        await home.until(lambda: len(field.reads) > before + 12)
        assert (1, 3, 12, 1) not in field.reads[before:]  # asked rarely from now on
        assert pump.alive
