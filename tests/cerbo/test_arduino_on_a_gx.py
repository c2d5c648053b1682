"""A Series607 from its Arduino through the bridge to a GX that knows the Arduino's own class file.

The class is written anew from what the original declares: its addresses, its ident, `rtu` as its only method, unit
42 and no rates, fields made before `device_init`. The Arduino is the simulator on a pseudo-terminal; the client's
modules and its way of using a serial port are the stand-in.
"""

import asyncio
import contextlib
import os
import termios
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.modbus.simulator import Series607Simulator
from bridge.app import House
from bridge.register_maps.class_file import class_file
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from tests.cerbo.gx_wire import (
    BROADCASTS,
    PATIENCE_S,
    RATES,
    STOCK_UNITS,
    Cable,
    Scan,
    SerialWire,
    TcpWire,
    Wire,
    probe,
    scan,
)
from tests.cerbo.rig import shipped
from tests.cerbo.stand_in import ModbusDevice, ModelRegister, client, run

UNIT = 42
ARDUINOS_OWN = """
import device
import probe
from register import Reg, Reg_text, Reg_u16

class Version(Reg):
    def __init__(self, base, name):
        super().__init__(base, 1, name)

    def decode(self, values):
        word = values[0]
        return self.update("%d.%d.%d" % (word >> 12, word >> 8 & 15, word & 255))

NUMBERS = (
    (0x3001, "/Dc/0/Voltage", 1000), (0x3002, "/Ac/Out/L1/V", 1), (0x3003, "/Ac/Out/L1/I", 1000),
    (0x3004, "/Ac/Out/L1/P", 1), (0x3006, "/State", 1), (0x3010, "/Alarms/LowVoltage", 1),
    (0x3011, "/Alarms/HighVoltage", 1), (0x3012, "/Alarms/Overload", 1), (0x3013, "/Alarms/HighTemperature", 1),
)

class Arduino(device.ModbusDevice):
    productid = 607
    productname = "Series607 FSW Inverter"
    min_timeout = 0.5
    allowed_roles = None
    default_role = "inverter"
    default_instance = 40

    def __init__(self, *args):
        super().__init__(*args)
        self.info_regs = [
            Version(0x1005, "/HardwareVersion"), Version(0x1006, "/FirmwareVersion"), Reg_text(0x1000, 3, "/Serial")
        ]

    def device_init(self):
        self.data_regs = [Reg_u16(base, name, scale) for base, name, scale in NUMBERS]
        self.data_regs.append(Reg_u16(0x3005, "/Mode", write=True))

    def get_ident(self):
        return "series607_%s" % self.info["/Serial"].value

probe.add_handler(probe.ModelRegister(
    Reg_u16(0x05A0), {6072: {"model": "Series607 1000W", "handler": Arduino}}, methods=["rtu"], units=[42]
))
"""
SITE = """
state: "{folder}/state"
listeners:
  - {{tcp: "127.0.0.1:0"}}
  - {{rtu: "{line}", baudrate: {rate}, units: [42], write: true}}
access: {{write: [127.0.0.1]}}
devices:
  wagon: {{adapter: modbus, map: series607, port: "{folder}/arduino", baudrate: 38400, remote_unit: 42,
           serial: WAGON1, poll: 0.4, unit: 42}}
"""
SPEEDS = {19200: termios.B19200, 38400: termios.B38400, 115200: termios.B115200}
PUBLISHED = {
    "/Serial": "WAGON1",
    "/HardwareVersion": "0.0.1",
    "/FirmwareVersion": "0.0.1",
    "/Model": "Series607 1000W",
    "/Dc/0/Voltage": 25.9,
    "/Ac/Out/L1/V": 230,
    "/Ac/Out/L1/I": 1.0,
    "/Ac/Out/L1/P": 230,
    "/Mode": 2,
    "/State": 9,
    "/Alarms/LowVoltage": 0,
    "/Alarms/HighVoltage": 0,
    "/Alarms/Overload": 0,
    "/Alarms/HighTemperature": 0,
}


@dataclass
class Wagon:
    """A running bridge between a simulated Arduino and a GX's cable."""

    arduino: Series607Simulator
    cable: Cable
    port: int
    rate: int

    @property
    def line(self) -> str:
        return self.cable.names[1]

    def within_s(self, rate: int, unit: int) -> float:
        """A GX waits 0.1 s for everybody; here the one who answers has all the time it needs."""
        return PATIENCE_S if (rate, unit) == (self.rate, UNIT) else 0.02

    @property
    def told(self) -> list[str]:
        """What the Arduino was told to do."""
        return [heard.frame.hex() for heard in self.arduino.received if heard.frame[1] == 6]


@contextlib.asynccontextmanager
async def wagon(folder: Path, rate: int = 38400) -> AsyncIterator[Wagon]:
    async with contextlib.AsyncExitStack() as stack:
        cable = stack.enter_context(Cable())
        arduino = Series607Simulator()
        stack.push_async_callback(_end, asyncio.create_task(arduino.run(folder / "arduino")))
        site = folder / "site.yaml"
        site.write_text(SITE.format(folder=folder, line=cable.names[0], rate=rate))
        load = load_site(site, os.environ, InstalledFamilies(), lambda *_: None)
        assert load.site is not None, load.problems
        house = House(load, InstalledFamilies())
        started = asyncio.Event()
        serving = asyncio.create_task(house.run(started.set))
        stack.push_async_callback(_end, serving)
        async with asyncio.timeout(PATIENCE_S):
            while not started.is_set():
                assert not serving.done(), serving.result()
                await asyncio.sleep(0.01)
        made = Wagon(arduino, cable, house.listeners[0].address[1], rate)
        await asyncio.to_thread(_known, made)
        yield made


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition, in a thread beside the bridge."""
    ends = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.02)


def words(wire: Wire, address: int, count: int = 1) -> list[int] | None:
    reply = wire.read_registers(address, count, "holding")
    return None if reply.isError() else reply.registers


def _known(bridge: Wagon) -> None:
    """Wait until the bridge has read all that the Arduino has."""
    with TcpWire(bridge.port, UNIT) as wire:
        until(lambda: words(wire, 0x3001, 6) == [25900, 230, 1000, 230, 2, 9])
        until(lambda: words(wire, 0x3010, 4) == [0, 0, 0, 0])


def shows(device: ModbusDevice, path: str, value: object) -> Callable[[], bool]:
    def is_so() -> bool:
        device.update()
        return bool(device.dbus[path] == value)

    return is_so


def switch(device: ModbusDevice) -> None:
    """Off and on again by D-Bus; each is over when the device's own state and mode are read back."""
    for mode, state in ((4, 0), (2, 9)):
        assert device.set_value("/Mode", mode)
        until(shows(device, "/State", state))
        until(shows(device, "/Mode", mode))
        # the write's outcome stands in the status block: 1 is confirmed
        until(lambda: words(device.modbus, 0xFE03) == [1])


@contextlib.contextmanager
def knowing(text: str) -> Iterator[list[ModelRegister]]:
    with client() as types:
        run(text, "series607.py")
        yield types


def found_and_switched(bridge: Wagon, text: str) -> tuple[Scan, dict[str, Any], str]:
    """A serial client's life: scan, publish, switch. Returns what it published first, and its ident."""
    with knowing(text) as types, scan(bridge.line, types, bridge.within_s) as done:
        device = done.device
        assert device is not None, done.tried
        device.init()
        device.update()
        first = dict(device.dbus)
        switch(device)
        return done, first, device.get_ident()


@pytest.mark.parametrize("rate", RATES)
async def test_the_serial_scan_finds_it_and_switches_it(rate: int, tmp_path: Path) -> None:
    async with wagon(tmp_path, rate) as bridge:
        done, first, ident = await asyncio.to_thread(found_and_switched, bridge, ARDUINOS_OWN)
        assert {path: first[path] for path in PUBLISHED} == PUBLISHED
        assert ident == "series607_WAGON1"
        assert bridge.told == ["2a0630050004", "2a0630050002"]
        units = sorted({*STOCK_UNITS, UNIT})
        earlier = RATES[: RATES.index(rate)]
        tried = [(at, unit) for at in earlier for unit in units]
        assert done.tried == [*tried, *((rate, unit) for unit in units[: units.index(UNIT) + 1])]
        assert done.exit_status is None
        opened = [at for at, _ in done.tried]
        assert bridge.cable.broadcasts(1) == {
            SPEEDS[at]: BROADCASTS * opened.count(at) for at in (*earlier, rate)
        }
        said = b"".join(data for _, data in bridge.cable.sent[0])
        assert said[0] == UNIT, "the first that the bridge says is no answer to a broadcast or another unit"


async def test_over_a_line_it_is_read_in_two_islands(tmp_path: Path) -> None:
    async with wagon(tmp_path) as bridge:

        def read() -> list[tuple[int, int]]:
            with knowing(ARDUINOS_OWN) as types, SerialWire(bridge.line, 38400, UNIT, PATIENCE_S) as wire:
                device = probe(wire, types)
                assert device is not None
                device.init()
                return [(group[0].base, group[-1].base + group[-1].count) for group in device.groups]

        assert await asyncio.to_thread(read) == [(0x3001, 0x3007), (0x3010, 0x3014)]


async def test_an_arduino_that_is_gone_ends_the_client_and_frees_the_port(tmp_path: Path) -> None:
    """With `-x` the client ends with 1, and the GX gives the port to its next service."""
    async with wagon(tmp_path) as bridge:
        await bridge.arduino.unplug()

        def gone() -> Scan:
            with TcpWire(bridge.port, UNIT) as wire:
                until(lambda: words(wire, 0x05A0) is None)
            with knowing(ARDUINOS_OWN) as types, scan(bridge.line, types, bridge.within_s) as done:
                return done

        done = await asyncio.to_thread(gone)
        assert done.exit_status == 1
        assert {rate for rate, _ in done.tried} == {*RATES}


async def test_over_tcp_the_original_is_never_asked_and_the_generated_file_finds_it(tmp_path: Path) -> None:
    """The original declares `rtu` alone; `tcp:HOST:PORT:42` needs the file that the bridge writes."""
    async with wagon(tmp_path) as bridge:

        def tried() -> dict[str, object]:
            with knowing(ARDUINOS_OWN) as types, TcpWire(bridge.port, UNIT) as wire:
                assert probe(wire, types) is None
            with (
                knowing(class_file(shipped("series607"), "1.0")) as types,
                TcpWire(bridge.port, UNIT) as wire,
            ):
                device = probe(wire, types)
                assert device is not None
                device.init()
                device.update()
                first = dict(device.dbus)
                switch(device)
            return first

        first = await asyncio.to_thread(tried)
        assert {path: first[path] for path in PUBLISHED} == PUBLISHED
        assert first["/FaultCode"] == 0
        assert bridge.told == ["2a0630050004", "2a0630050002"]


async def test_the_generated_file_is_found_by_the_scan_too(tmp_path: Path) -> None:
    async with wagon(tmp_path) as bridge:
        _, first, ident = await asyncio.to_thread(
            found_and_switched, bridge, class_file(shipped("series607"), "1.0")
        )
        assert {path: first[path] for path in PUBLISHED} == PUBLISHED
        assert ident == "bridge_WAGON1"
        assert bridge.told == ["2a0630050004", "2a0630050002"]
