"""The client's side of a wire: Modbus TCP, and a serial port as the client opens, scans and leaves it.

Written from what dbus-modbus-client 1.83 does: twelve broadcasts whenever the port is opened, a scan that opens it
anew for each unit at each rate and ends with the first rate at which something is found, `-x` that ends the client
with 1. Its calls block, so they run in a thread beside the bridge's loop.
"""

import asyncio
import contextlib
import os
import socket
import struct
import termios
import tty
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import serial
from pymodbus.framer import FramerRTU

from bridge.register_maps.probes import STOCK_PROBES
from tests.cerbo.stand_in import ModbusDevice, ModelRegister, Reply

PATIENCE_S = 20.0
#: FC8 to unit 0 with 5555 hex, so that devices can find the rate; sent this often, with a pause of 0.1 s that a
#: test need not wait for.
BROADCAST = bytes.fromhex("0008000055551eb5")
BROADCASTS = 12
#: Units and rates of the stock types for serial lines, and the rates in the order in which the client has them.
STOCK_UNITS = (1, 2, 10, 61)
RATES = (115200, 19200, 38400)
#: What stands for a reply that has not come.
SILENCE = 0
_FUNCTIONS = {"holding": 3, "input": 4}
_HEADER = struct.Struct(">HHHB")


class Wire(Protocol):
    """What a device of the client talks through."""

    method: str
    hole_max: int

    def read_registers(self, address: int, count: int, access: str) -> Reply: ...
    def write_registers(self, address: int, words: list[int]) -> None: ...


def _request(function: int, address: int, words: Sequence[int]) -> bytes:
    """One register by FC6, more by FC16."""
    if function in _FUNCTIONS.values() or len(words) == 1:
        return struct.pack(">BHH", function, address, words[0])
    return struct.pack(f">BHHB{len(words)}H", 16, address, len(words), 2 * len(words), *words)


class TcpWire:
    """A connection for one unit, as `tcp:HOST:PORT:UNIT` makes it."""

    method = "tcp"
    hole_max = 31

    def __init__(self, port: int, unit: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._unit = unit
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def read_registers(self, address: int, count: int, access: str) -> Reply:
        pdu = self._ask(_request(_FUNCTIONS[access], address, [count]))
        return Reply(pdu[1] if pdu[0] & 0x80 else pdu[2:])

    def write_registers(self, address: int, words: list[int]) -> None:
        self._ask(_request(6, address, words))  # its reply is not looked at

    def _ask(self, pdu: bytes) -> bytes:
        self._number += 1
        self._socket.sendall(_HEADER.pack(self._number, 0, len(pdu) + 1, self._unit) + pdu)
        number, _, length, unit = _HEADER.unpack(self._exactly(_HEADER.size))
        assert (number, unit) == (self._number, self._unit)
        return self._exactly(length - 1)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            assert more, "the bridge has closed the connection"
            data += more
        return data


class SerialWire:
    """A serial port opened at a rate for one unit; `within_s` is how long it waits for a reply."""

    method = "rtu"
    hole_max = 7

    def __init__(self, path: str, rate: int, unit: int, within_s: float) -> None:
        self._port = serial.Serial(path, rate, timeout=within_s)
        self._unit = unit
        for _ in range(BROADCASTS):
            self._port.write(BROADCAST)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port.close()

    def read_registers(self, address: int, count: int, access: str) -> Reply:
        head = self._ask(_request(_FUNCTIONS[access], address, [count]))
        if not head:
            return Reply(SILENCE)
        rest = self._rest(head, 2 if head[1] & 0x80 else head[2] + 2)
        return Reply(head[2] if head[1] & 0x80 else rest[:-2])

    def write_registers(self, address: int, words: list[int]) -> None:
        head = self._ask(_request(6, address, words))
        assert head, "a write was not answered"
        self._rest(head, 2 if head[1] & 0x80 else 5)  # what it says is not looked at

    def _ask(self, pdu: bytes) -> bytes:
        """Send a request; return unit, function and the byte after them of its reply, nothing for silence."""
        body = bytes([self._unit]) + pdu
        self._port.write(body + FramerRTU.compute_CRC(body).to_bytes(2, "big"))
        head = bytes(self._port.read(3))
        return head if len(head) == 3 else b""

    def _rest(self, head: bytes, count: int) -> bytes:
        rest = bytes(self._port.read(count))
        assert head[0] == self._unit
        assert FramerRTU.check_CRC(head + rest[:-2], int.from_bytes(rest[-2:], "big"))
        return rest


def probe(wire: Wire, types: Collection[ModelRegister]) -> ModbusDevice | None:
    """Ask a unit for the model of each type of the wire's method, the stock ones first."""
    for stock in STOCK_PROBES:
        if wire.method in stock.methods:
            reply = wire.read_registers(stock.address, len(stock.words), stock.table)
            matches = not reply.isError() and all(
                not known or word in known for word, known in zip(reply.registers, stock.words, strict=True)
            )
            assert not matches, f"taken for a {stock.model}"
    for kind in types:
        found = kind.probe(wire) if wire.method in kind.methods else None
        if found is not None:
            return found
    return None


@dataclass
class Scan:
    """What a scan has found: the device on its open port, at which rate, after which units at which rates."""

    tried: list[tuple[int, int]] = field(default_factory=list)
    device: ModbusDevice | None = None

    @property
    def exit_status(self) -> int | None:
        """What `-x` makes of it: the client ends with 1 when nothing is found, and else goes on."""
        return 1 if self.device is None else None


@contextlib.contextmanager
def scan(
    path: str, types: Collection[ModelRegister], within_s: Callable[[int, int], float]
) -> Iterator[Scan]:
    """Look for a device on a serial port; `within_s` gives the patience for a rate and a unit."""
    done = Scan()
    serial_types = [kind for kind in types if "rtu" in kind.methods]
    units = sorted({*STOCK_UNITS, *(unit for kind in serial_types for unit in kind.units)})
    with contextlib.ExitStack() as stack:
        for rate in (*RATES, *sorted({rate for kind in serial_types for rate in kind.rates} - {*RATES})):
            for unit in units:
                done.tried.append((rate, unit))
                with contextlib.ExitStack() as opened:
                    wire = opened.enter_context(SerialWire(path, rate, unit, within_s(rate, unit)))
                    done.device = probe(wire, types)
                    if done.device is not None:
                        stack.push(opened.pop_all())
                        break
            if done.device is not None:
                break
        yield done


class Cable:
    """Two pseudo-terminals joined crosswise: bytes between ends of unlike speed arrive as noise."""

    def __init__(self) -> None:
        self._ends: list[tuple[int, int]] = []
        self.names: list[str] = []
        #: What each end has sent, and at which speed (a number of termios).
        self.sent: list[list[tuple[int, bytes]]] = [[], []]

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in range(2):
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._ends.append((master, slave))
            self.names.append(os.ttyname(slave))
            loop.add_reader(master, self._carry, number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for master, slave in self._ends:
            asyncio.get_running_loop().remove_reader(master)
            os.close(slave)
            os.close(master)

    def broadcasts(self, end: int) -> dict[int, int]:
        """How many broadcasts an end has sent, by its speed."""
        sent: dict[int, bytes] = {}
        for speed, data in self.sent[end]:
            sent[speed] = sent.get(speed, b"") + data
        return {speed: data.count(BROADCAST) for speed, data in sent.items()}

    def _carry(self, end: int) -> None:
        with contextlib.suppress(OSError):
            data = os.read(self._ends[end][0], 4096)
            speeds = [termios.tcgetattr(master)[5] for master, _ in self._ends]
            self.sent[end].append((speeds[end], data))
            if speeds[0] != speeds[1]:
                data = bytes(byte ^ 0x5A for byte in data)
            os.write(self._ends[1 - end][0], data)
