"""Modbus devices that are not ours: pymodbus's own servers, over registers that a test scripts."""

import asyncio
import contextlib
import os
import socket
import tty
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

#: Far beyond what any of this takes, also on a machine that does ten other things.
BOUND_S = 20.0
_TABLES = {
    1: "coils",
    2: "discrete",
    3: "holding",
    4: "input",
    5: "coils",
    6: "holding",
    15: "coils",
    16: "holding",
}


@dataclass
class Field:
    """The registers of all units behind one server, and how it behaves."""

    cells: dict[tuple[int, str, int], int] = field(default_factory=dict)
    #: Units that never answer, function codes that are refused, and exceptions by address.
    silent: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    refuses: dict[int, int] = field(default_factory=dict)
    #: What becomes of a value written to an address; None ignores the write.
    becomes: Callable[[int, int], int | None] = lambda _, value: value
    #: Seconds before each reply.
    delay_s: float = 0.0
    connections: int = 0
    reads: list[tuple[int, int, int, int]] = field(default_factory=list)
    writes: list[tuple[int, int, int, list[int]]] = field(default_factory=list)

    def put(self, unit: int, table: str, address: int, words: Sequence[int]) -> None:
        for place, word in enumerate(words):
            self.cells[unit, table, address + place] = word

    def connected(self, up: bool) -> None:
        self.connections += up

    def device_ids(self) -> list[int]:
        return sorted({unit for unit, _, _ in self.cells})

    async def async_getValues(self, unit: int, function: int, address: int, count: int) -> Any:
        self.reads.append((unit, function, address, count))
        if function not in (5, 6) and (refusal := await self._judge(unit, function, address, count)):
            return refusal
        table = _TABLES[function]
        try:
            found = [self.cells[unit, table, address + place] for place in range(count)]
        except KeyError:
            return ExcCodes.ILLEGAL_ADDRESS
        return [bool(word) for word in found] if table in ("coils", "discrete") else found

    async def async_setValues(self, unit: int, function: int, address: int, values: Sequence[int]) -> Any:
        self.writes.append((unit, function, address, [int(value) for value in values]))
        if refusal := await self._judge(unit, function, address, len(values)):
            return refusal
        table = _TABLES[function]
        for place, value in enumerate(values):
            if (unit, table, address + place) not in self.cells:
                return ExcCodes.ILLEGAL_ADDRESS
            became = self.becomes(address + place, int(value))
            if became is not None:
                self.cells[unit, table, address + place] = became
        return None

    async def _judge(self, unit: int, function: int, address: int, count: int) -> ExcCodes | None:
        await asyncio.sleep(self.delay_s)
        if unit in self.silent or unit not in self.device_ids():
            raise NoSuchIdException
        if function in self.unknown:
            return ExcCodes.ILLEGAL_FUNCTION
        code = next((self.refuses[a] for a in range(address, address + count) if a in self.refuses), 0)
        return ExcCodes(code) if code else None


@contextlib.asynccontextmanager
async def serving(served: Field, way: str, port: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Serve until the block ends; give the options by which a device is reached."""
    nothing = SimDevice(1, simdata=SimData(0, values=[0], datatype=DataType.REGISTERS))
    async with contextlib.AsyncExitStack() as stack:
        common: dict[str, Any] = {"ignore_missing_devices": True, "trace_connect": served.connected}
        if way == "rtu":
            ours, theirs = stack.enter_context(crossed())
            server: Any = ModbusSerialServer(nothing, port=theirs, baudrate=19200, **common)
            options: dict[str, Any] = {"port": ours, "baudrate": 19200}
        else:
            port = port or free_port(socket.SOCK_DGRAM if way == "udp" else socket.SOCK_STREAM)
            kind: Any = ModbusUdpServer if way == "udp" else ModbusTcpServer
            framer = FramerType.RTU if way == "rtu_over_tcp" else FramerType.SOCKET
            server = kind(nothing, framer=framer, address=("127.0.0.1", port), **common)
            options = {"host": f"127.0.0.1:{port}", "transport": way}
        server.context = served
        await server.serve_forever(background=True)
        stack.push_async_callback(server.shutdown)
        yield options


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def crossed() -> Any:
    """Two pseudo-terminals joined crosswise: what is written to one is read from the other."""
    loop = asyncio.get_running_loop()
    masters, names = [], []
    for _ in range(2):
        master, slave = os.openpty()
        tty.setraw(slave)
        names.append(os.ttyname(slave))
        masters.append((master, slave))
        os.set_blocking(master, False)

    def pump(source: int, target: int) -> None:
        with contextlib.suppress(OSError):
            os.write(target, os.read(source, 4096))

    (first, _), (second, _) = masters
    loop.add_reader(first, pump, first, second)
    loop.add_reader(second, pump, second, first)
    try:
        yield names[0], names[1]
    finally:
        for master, slave in masters:
            loop.remove_reader(master)
            os.close(slave)
            os.close(master)
