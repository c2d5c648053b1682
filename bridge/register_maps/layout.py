"""Which addresses of a map can be read, and which entry stands behind each: computed once, shared by units.

Islands are runs of mapped addresses with gaps of at most `hole_max` between them, because the stock client
reads across such gaps and drops a device that refuses (dbus-modbus-client `device.py`, packing).
"""

import weakref
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from bridge.register_maps.blocks.status import STATUS_ADDRESS, STATUS_LENGTH
from bridge.register_maps.format import Coil, Register, RegisterMap, Table
from bridge.register_maps.packing import encode
from bridge.register_maps.types import BitType

#: What is encoded from points.
Entry = Register | Coil

_layouts: "weakref.WeakKeyDictionary[RegisterMap, Layout]" = weakref.WeakKeyDictionary()


def islands(spans: Iterable[tuple[int, int]], hole_max: int) -> tuple[tuple[int, int], ...]:
    """Merge spans (first address, address after the last) whose gaps are at most `hole_max` wide."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start - merged[-1][1] <= hole_max:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return tuple(merged)


def register_spans(loaded: RegisterMap, table: Table) -> list[tuple[int, int]]:
    """Return the spans of a register table, the status block among those of holding."""
    spans = [(r.address, r.end) for r in loaded.registers if r.table is table]
    if table is Table.HOLDING and loaded.has_status:
        spans.append((STATUS_ADDRESS, STATUS_ADDRESS + STATUS_LENGTH))
    return spans


class TableLayout:
    """One table's islands."""

    __slots__ = ("sizes", "starts", "templates")

    def __init__(self, found: tuple[tuple[int, int], ...], bytes_each: int, fill: bytes) -> None:
        self.starts = tuple(start for start, _ in found)
        self.sizes = tuple(bytes_each * (end - start) for start, end in found)
        #: What the islands hold before any point is known: constants, and the fill in between.
        self.templates = [bytearray(fill * size) for size in self.sizes]

    def find(self, address: int) -> int:
        """Return the number of the island that begins at or before an address, -1 for none."""
        return bisect_right(self.starts, address) - 1

    def __bool__(self) -> bool:
        return bool(self.starts)


class Layout:
    """A map prepared for serving; get it with `layout_of`."""

    __slots__ = ("coils", "feeds", "foreign_feeds", "registers", "tables")

    def __init__(self, loaded: RegisterMap) -> None:
        hole_max = loaded.device.hole_max
        feeds = _feeds(loaded)
        #: Entries by the path of the unit's own device that may feed them.
        self.feeds: Mapping[str, tuple[Entry, ...]] = MappingProxyType(feeds.pop("", {}))
        #: The same by name and path of other devices.
        self.foreign_feeds: Mapping[str, dict[str, tuple[Entry, ...]]] = MappingProxyType(feeds)
        #: Writable holding registers by first address; bits by the register that holds them, together.
        self.registers = _starts(r for r in loaded.registers if r.table is Table.HOLDING and not r.alias)
        self.coils: Mapping[int, Coil] = MappingProxyType(
            {c.address: c for c in loaded.coils if c.table is Table.COILS}
        )
        self.tables: Mapping[str, TableLayout] = MappingProxyType(
            {
                **{
                    table: TableLayout(islands(register_spans(loaded, table), hole_max), 2, b"\0")
                    for table in (Table.HOLDING, Table.INPUT)
                },
                **{
                    table: TableLayout(
                        islands(((c.address, c.end) for c in loaded.coils if c.table is table), hole_max),
                        1,
                        b"0",
                    )
                    for table in (Table.COILS, Table.DISCRETE)
                },
            }
        )
        for register in loaded.registers:
            if register.value is not None and not register.alias:
                _place(self.tables[register.table], register)


def layout_of(loaded: RegisterMap) -> Layout:
    """Return a map's layout, the same one for every unit that serves the map."""
    layout = _layouts.get(loaded)
    if layout is None:
        layout = _layouts[loaded] = Layout(loaded)
    return layout


def _feeds(loaded: RegisterMap) -> dict[str, dict[str, tuple[Entry, ...]]]:
    """Return entries by device and path; the unit's own device is ""."""
    feeds: dict[str, dict[str, tuple[Entry, ...]]] = {}
    entries: tuple[Entry, ...] = (*loaded.registers, *loaded.coils)
    for entry in entries:
        if isinstance(entry, Register) and (entry.alias or entry.self_clearing or entry.value is not None):
            continue
        for point in () if entry.source is None else entry.source.points:
            fed = feeds.setdefault(point.device or "", {})
            known = fed.get(point.path, ())
            if entry not in known:
                fed[point.path] = (*known, entry)
    return feeds


def _starts(registers: Iterable[Register]) -> Mapping[int, tuple[Register, ...]]:
    starts: dict[int, tuple[Register, ...]] = {}
    for register in registers:
        if isinstance(register.type, BitType):
            starts[register.end - 1] = (*starts.get(register.end - 1, ()), register)
        elif register.write is not None:
            starts[register.address] = (register,)
    return MappingProxyType(starts)


def _place(table: TableLayout, register: Register) -> None:
    number = table.find(register.address)
    first = 2 * (register.address - table.starts[number])
    data = encode(register.type, register.value, register.scale, register.invalid)
    template = table.templates[number]
    if isinstance(register.type, BitType):
        data = bytes(a | b for a, b in zip(template[first : first + len(data)], data, strict=True))
    template[first : first + len(data)] = data
