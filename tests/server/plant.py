"""A small plant behind a real listener: one device with a scripted adapter, one plainly written unit.

Registers of unit 20: holding 0 to 199 read their own address, as do input registers plus 1000; 0x3010 is
/Mode (1 on, 4 off), 0x3011 /Settings/ChargeCurrentLimit (0 to 60), 0x3012 a constant, 0x3013 and 0x3014
one 32-bit value /Total. Coil 0 is /Mode. Discrete inputs 0 to 19 read 1 where the address is a multiple of 3.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from bridge.adapters.base import Adapter
from bridge.datastore.clock import Clock, ManualClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.values import LinkState, Outcome, Path, Value, WriteAttempt
from bridge.register_maps.format import RegisterMap
from bridge.register_maps.image import MapRefusal, UnitWrite
from bridge.register_maps.loader import load_text
from bridge.server.access import Access
from bridge.server.counters import Counters
from bridge.server.listener import TcpListener
from bridge.server.listening import Listener
from bridge.server.terms import Terms
from bridge.server.units import Units

MODE, LIMIT, CONSTANT, TOTAL = 0x3010, 0x3011, 0x3012, 0x3013
UNIT = 20
#: Bound of every wait in these tests; nothing is expected to come near it.
PATIENCE_S = 20.0


class ScriptedAdapter(Adapter):
    """Confirms everything at once, unless told otherwise."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.outcomes: dict[Path, Outcome] = {}
        self.commands: list[dict[Path, Value]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.asked = asyncio.Event()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        self.commands.append(dict(changes))
        self.asked.set()
        await self.free.wait()
        told = {path: self.outcomes.get(path, Outcome.CONFIRMED) for path in changes}
        done = {path: value for path, value in changes.items() if told[path] is Outcome.CONFIRMED}
        self.device.publish("set", done)
        return told


def loaded_map() -> RegisterMap:
    """What the unit says it is."""
    loaded = load_text(
        """
name: plain
title: Plain unit
device: {vendor_name: Test & Co, product_id: 0xA330, product_name: Charger}
registers: [{address: 0, type: u16, path: /Mode}]
""",
        "plain.yaml",
        "plain",
    )
    assert loaded.map is not None, loaded.errors
    return loaded.map


class PlainUnit:
    """Registers computed when they are read: slow, and too simple to be wrong."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.map = loaded_map()
        self.stale = False
        self.fault: Exception | None = None
        self.reads = 0

    def _register(self, table: str, address: int) -> int | None:
        if table == "input":
            return address + 1000 if address < 200 else None
        if address < 200:
            return address
        known = {
            MODE: self.device.value("/Mode"),
            LIMIT: self.device.value("/Settings/ChargeCurrentLimit"),
            CONSTANT: 0x4201,
            TOTAL: 0,
            TOTAL + 1: 0,
        }
        if address not in known:
            return None
        value = known[address]
        return 0xFFFF if value is None else int(value)

    def read_registers(self, table: str, address: int, count: int) -> bytes | int:
        self.reads += 1
        if self.fault is not None:
            raise self.fault
        values = [self._register(table, address + offset) for offset in range(count)]
        if None in values:
            return 0x02
        return 0x0B if self.stale else struct.pack(f">{count}H", *values)

    def read_bits(self, table: str, address: int, count: int) -> bytes | int:
        if self.fault is not None:
            raise self.fault
        wanted = range(address, address + count)
        if table == "discrete":
            bits = [number % 3 == 0 for number in wanted if number < 20]
        else:
            bits = [self.device.value("/Mode") != 4 for number in wanted if number < 1]
        if len(bits) < count:
            return 0x02
        number = sum(bit << place for place, bit in enumerate(bits))
        return 0x0B if self.stale else number.to_bytes((count + 7) // 8, "little")

    def decode_registers(self, address: int, data: bytes) -> UnitWrite:
        words = struct.unpack(f">{len(data) // 2}H", data)
        changes: dict[Path, Value] = {}
        addresses: dict[Path, int] = {}
        for register, word in enumerate(words, start=address):
            path = {MODE: "/Mode", LIMIT: "/Settings/ChargeCurrentLimit"}.get(register)
            if path is None:
                raise MapRefusal(2, "no such register")
            if word == 0xFFFF:
                raise MapRefusal(3, "no value")
            changes[path] = word
            addresses[path] = register
        return UnitWrite(self.device, changes, addresses)

    def decode_coils(self, address: int, bits: Sequence[bool]) -> UnitWrite:
        if address or len(bits) > 1:
            raise MapRefusal(2, "no such register")
        return UnitWrite(self.device, {"/Mode": 1 if bits[0] else 4}, {"/Mode": 0})

    def decode_mask(self, address: int, and_mask: int, or_mask: int) -> UnitWrite:
        held = self._register("holding", address) or 0
        return self.decode_registers(address, struct.pack(">H", held & and_mask | or_mask & ~and_mask))


class Plant:
    """The listener and everything behind it. `make` builds another listener than Modbus TCP from the terms."""

    def __init__(
        self, clock: Clock | None = None, make: Callable[[Terms], Listener] | None = None, **listener: object
    ) -> None:
        self.clock = clock or ManualClock()
        self.make = make
        self.counters = Counters()
        self.units = Units()
        self.device = Device("charger", self.clock, StateStore().memory("charger"))
        self.adapter = ScriptedAdapter(self.device)
        self.unit = PlainUnit(self.device)
        self.attempts: list[WriteAttempt] = []
        self.device.attempted.connect(self.attempts.append)
        self.access = Access(clock=self.clock)
        self.listener = self.make_listener(**listener)

    def make_listener(self, **listener: object) -> Listener:
        terms = Terms(
            "lan",
            self.units,
            self.access,
            self.clock,
            self.counters,
            write=bool(listener.pop("write", True)),
            reply_within_s=float(str(listener.pop("reply_within_s", 0.4))),
        )
        return self.make(terms) if self.make else TcpListener("127.0.0.1", 0, terms, **listener)

    @property
    def port(self) -> int:
        return self.listener.address[1]

    def come_alive(self) -> None:
        self.device.declare(
            [
                PointSpec("/Mode", writable=True, choices={1: "on", 4: "off"}, off=4),
                PointSpec("/Settings/ChargeCurrentLimit", "A", writable=True, minimum=0, maximum=60),
            ],
            [GroupSpec("set", stale_after_s=None)],
            [["set"]],
        )
        self.device.publish("set", {"/Mode": 1, "/Settings/ChargeCurrentLimit": 16})
        self.units.put(UNIT, self.unit)

    async def connect(self, source: str = "127.0.0.1") -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        return Client(reader, writer)

    async def until(self, true: Callable[[], bool]) -> None:
        """Let the loop turn until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.001)


class Client:
    """A master that writes raw bytes and reads whole frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self) -> tuple[int, int, bytes]:
        """Return transaction id, unit id and PDU of the next reply."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readexactly(7)
            transaction, protocol, length, unit = struct.unpack(">HHHB", head)
            assert protocol == 0
            assert 3 <= length <= 254
            return transaction, unit, await self.reader.readexactly(length - 1)

    async def ask(self, pdu: bytes, unit: int = UNIT, transaction: int = 1) -> bytes:
        """Send one request and return the PDU of its reply."""
        await self.send(adu(transaction, unit, pdu))
        answered, by, reply = await self.reply()
        assert (answered, by) == (transaction, unit)
        return reply

    async def closed(self) -> bytes:
        """Return what still came before the far end closed."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def adu(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def read(address: int, count: int, function: int = 3) -> bytes:
    return struct.pack(">BHH", function, address, count)


def write(address: int, value: int, function: int = 6) -> bytes:
    return struct.pack(">BHH", function, address, value)


def write_many(address: int, *values: int) -> bytes:
    return struct.pack(f">BHHB{len(values)}H", 16, address, len(values), 2 * len(values), *values)


def registers(*values: int, function: int = 3) -> bytes:
    return struct.pack(f">BB{len(values)}H", function, 2 * len(values), *values)


@asynccontextmanager
async def running(**listener: object) -> AsyncIterator[Plant]:
    """A plant that serves, its device online."""
    plant = Plant(**listener)
    plant.come_alive()
    desk = asyncio.create_task(plant.device.run(plant.adapter))
    await plant.listener.start()
    try:
        await asyncio.sleep(0)
        assert plant.device.link is LinkState.ONLINE or plant.device.alive
        yield plant
    finally:
        plant.adapter.free.set()
        await plant.listener.stop()
        desk.cancel()
        await asyncio.gather(desk, return_exceptions=True)
