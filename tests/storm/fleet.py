"""Several VE.Direct devices with their real adapters on one clock, each on a line of its own in memory."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from bridge.adapters.vedirect import adapter as adapter_module
from bridge.adapters.vedirect.adapter import VeDirectAdapter
from bridge.adapters.vedirect.known import PRODUCTS
from bridge.adapters.vedirect.options import FAMILY, VeDirectOptions
from bridge.adapters.vedirect.product import Product
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.image import UnitImage
from bridge.register_maps.packing import decode
from bridge.register_maps.rows import Row, primary, rows_of
from bridge.register_maps.types import Value
from tests.adapters.vedirect.rig import JoinedLine, JoinedWire

UNIT = 20


class Member:
    """One device: its simulator, its line, its side of the bridge, and the registers it is served by."""

    def __init__(
        self, name: str, product: str, simulator: Any, clock: ManualClock, datastore: Datastore
    ) -> None:
        self.name = name
        self.product: Product = PRODUCTS[product]
        self.simulator = simulator
        self.wire = JoinedWire(clock)
        self.wire.simulator = simulator
        options = VeDirectOptions(adapter="vedirect", port=name, product=product)
        self.device: Device = datastore.add(name, options.wear.limits(), options.leases())
        self.adapter = VeDirectAdapter(self.device, options, clock)
        loaded = Catalogue().load(FAMILY.native_maps[product]).map
        assert loaded is not None
        self.image = UnitImage(loaded, self.device, clock, UNIT)
        rows = rows_of(loaded)
        paths = {row.path for row in rows if row.path is not None and not row.path.startswith("/Link/")}
        self.rows: dict[str, Row] = {
            path: row for path in sorted(paths) if (row := primary(rows, path)) is not None
        }

    def served(self, path: str) -> Value | None:
        """Read a path as a Modbus client does; None for an exception or the invalid pattern."""
        row = self.rows[path]
        data = self.image.read_registers(str(row.table), row.address, row.length)
        register = row.register
        if isinstance(data, int) or register is None:
            return None
        return decode(register.type, data, register.scale, register.invalid)


class Fleet:
    """All devices; use as an asynchronous context."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.datastore = Datastore(clock, StateStore(None))
        self.members: dict[str, Member] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._former: Any = None

    def add(self, name: str, product: str, simulator: Any) -> Member:
        member = self.members[name] = Member(name, product, simulator, self.clock, self.datastore)
        return member

    async def __aenter__(self) -> Self:
        lines: Mapping[str, Member] = self.members

        async def open_line(port: str, *_: object) -> JoinedLine:
            return lines[port].wire.open()

        self._former, adapter_module.open_line = adapter_module.open_line, open_line  # type: ignore[assignment]
        self._tasks = [asyncio.create_task(self.datastore.run())]
        for member in self.members.values():
            self._tasks += [
                asyncio.create_task(member.simulator.play(member.wire)),
                asyncio.create_task(member.device.run(member.adapter)),
                asyncio.create_task(member.adapter.run()),
            ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        adapter_module.open_line = self._former
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
