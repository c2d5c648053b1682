"""A Modbus TCP far end that is not ours: pymodbus's own server over registers that a test scripts."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from bridge.register_maps.blocks.status import pack_status

TABLES = {1: "coils", 2: "discrete", 3: "holding", 4: "input", 5: "coils", 6: "holding", 15: "coils"}
STATUS = 0xFE00
QUIET = {
    "link": 1,
    "age_s": 1.0,
    "attempts": 7,
    "outcome": 0,
    "address": None,
    "exception_code": 0,
    "errors": 0,
    "uptime_s": 100.0,
    "wear_left": 100,
    "set_points": 0,
}

#: What a write does: gets the far end, unit, address and words, returns an exception code or 0.
OnWrite = Callable[["FarEnd", int, int, Sequence[int]], int]


def store(far: "FarEnd", unit: int, address: int, words: Sequence[int]) -> int:
    """A write that is confirmed."""
    far.put(unit, address, words)
    return 0


class FarEnd:
    """Serves in a thread of its own, so that a command may run its own loop. For `with`."""

    def __init__(self) -> None:
        self.registers: dict[int, dict[tuple[str, int], int]] = {}
        self.silent: set[int] = set()
        self.on_write: OnWrite = store
        self.writes: list[tuple[int, int, int, list[int]]] = []
        self.reads: list[tuple[int, int, int]] = []
        self.port = 0
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def put(self, unit: int, address: int, words: Iterable[int], table: str = "holding") -> None:
        """Set registers or bits of a unit."""
        own = self.registers.setdefault(unit, {})
        own.update({(table, address + i): word for i, word in enumerate(words)})

    def status(self, unit: int, base: int = STATUS, **fields: object) -> None:
        """Set a status block, quiet but for the named fields."""
        data = pack_status(**{**QUIET, **fields})  # type: ignore[arg-type]
        self.put(unit, base, [int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)])

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._thread.join(30)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        nothing = SimDevice(1, simdata=SimData(0, values=[0], datatype=DataType.REGISTERS))
        server = ModbusTcpServer(nothing, address=("127.0.0.1", 0))
        server.context = self  # type: ignore[assignment]
        await server.serve_forever(background=True)
        self.port = server.transport.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(ended.set) and None
        self._ready.set()
        await ended.wait()
        await server.shutdown()

    # what pymodbus asks of a context

    def device_ids(self) -> list[int]:
        return list(self.registers)

    async def async_getValues(
        self, unit: int, function: int, address: int, count: int
    ) -> "list[int] | list[bool] | ExcCodes":
        self.reads.append((unit, address, count))
        if unit not in self.registers:
            raise NoSuchIdException
        if unit in self.silent and not STATUS <= address < STATUS + 12:
            return ExcCodes.GATEWAY_NO_RESPONSE
        table = TABLES.get(function, "holding")
        try:
            found = [self.registers[unit][table, address + i] for i in range(count)]
        except KeyError:
            return ExcCodes.ILLEGAL_ADDRESS
        return [bool(word) for word in found] if table in ("coils", "discrete") else found

    async def async_setValues(
        self, unit: int, function: int, address: int, values: Sequence[int]
    ) -> "ExcCodes | None":
        self.writes.append((unit, function, address, list(values)))
        if unit not in self.registers:
            raise NoSuchIdException
        code = self.on_write(self, unit, address, values)
        return ExcCodes(code) if code else None


def heed_interrupts() -> None:
    """Undo, in a child, that whoever began the tests in the background has made them deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
