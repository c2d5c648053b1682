"""One unit's encoded registers, kept in step with the points behind them.

A point is encoded when it changes, before its publication returns; a read is a slice. Nothing here waits, so
no read ever sees half of a value. Whether the values may still be served is judged at every read by the
clock, so a late freshness watch cannot sell an old value as new.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.datastore.clock import Clock
from bridge.datastore.device import Device, LinkStatus
from bridge.datastore.values import LinkState, Path, Quality, Value
from bridge.register_maps.blocks.computed import SUNSPEC_CONTROLS, compute
from bridge.register_maps.blocks.status import STATUS_ADDRESS, STATUS_LENGTH, pack_status
from bridge.register_maps.format import (
    Coil,
    Register,
    RegisterMap,
    Source,
    SourcePoint,
    Stale,
    Table,
)
from bridge.register_maps.layout import Entry, layout_of
from bridge.register_maps.limit_control import control_of
from bridge.register_maps.showing import policy_for, registers_of
from bridge.register_maps.supply import ABSENT, NEVER_HEARD, Sums, Supplied, first_of
from bridge.register_maps.tables import TableImage
from bridge.register_maps.types import BitType
from bridge.register_maps.writing import (
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    NO_RESPONSE,
    MapRefusal,
    Wish,
    coil_wishes,
    mask_wishes,
    maskable,
    register_wishes,
)

__all__ = ["MapRefusal", "UnitImage", "UnitWrite", "status_bytes"]

#: Bytes of a register, and digits of a bit, in a table image.
_WIDTHS: Mapping[str, int] = {Table.HOLDING: 2, Table.INPUT: 2, Table.COILS: 1, Table.DISCRETE: 1}
_STATUS_END = STATUS_ADDRESS + STATUS_LENGTH


@dataclass(frozen=True, slots=True)
class UnitWrite:
    """A decoded write: changes in address order and the wire address each came by."""

    device: Device
    changes: Mapping[Path, Value]
    addresses: Mapping[Path, int]


class UnitImage:
    """Serves one map from one device; `sources` are the other devices that the map's sources name."""

    __slots__ = (
        "_always_alive",
        "_control",
        "_disconnect",
        "_foreign",
        "_foreign_alive",
        "_fresh_until",
        "_layout",
        "_marked",
        "_monotonic",
        "_shown",
        "_sums",
        "_tables",
        "device",
        "map",
        "unit",
    )

    def __init__(
        self,
        loaded: RegisterMap,
        device: Device,
        clock: Clock,
        unit: int,
        sources: Mapping[str, Device] | None = None,
        *,
        always_alive: bool = False,
    ) -> None:
        self.map = loaded
        self.device = device
        self.unit = unit
        self._always_alive = always_alive
        self._monotonic = clock.monotonic
        self._layout = layout_of(loaded)
        self._tables = {
            str(table): TableImage(
                layout, _WIDTHS[table], status=loaded.has_status and table == Table.HOLDING
            )
            for table, layout in self._layout.tables.items()
            if layout
        }
        if Table.HOLDING in self._tables:
            # A map without input registers of its own answers FC4 from holding: stock clients mix them up.
            self._tables.setdefault(Table.INPUT, self._tables[Table.HOLDING])
        known = {**(sources or {}), device.name: device}
        self._foreign = {name: known[name] for name in sorted(self._layout.foreign_feeds) if name in known}
        self._foreign_alive = dict.fromkeys(self._foreign, False)
        self._marked: set[Entry] = set()
        #: Registers whose last value may be held, as it was shown.
        self._shown: set[Register] = set()
        self._sums = Sums(device.memory)
        self._fresh_until = -math.inf
        self._control = control_of(loaded, device, clock, unit, self._fill)
        self._disconnect = [
            device.changed.connect(self._changed),
            device.link_changed.connect(self._judge_again),
            device.learnt.connect(self._fill),
        ]
        for name, foreign in self._foreign.items():
            self._disconnect.append(foreign.changed.connect(_Foreign(self, name)))
        self._fill()

    def close(self) -> None:
        """Stop following the devices."""
        for disconnect in self._disconnect:
            disconnect()
        if self._control is not None:
            self._control.close()

    # -- reading -----------------------------------------------------------------------------------

    def read_registers(self, table: str, address: int, count: int) -> bytes | int:
        """Return `2 * count` bytes of `holding` or `input`, or a Modbus exception code (2, 0x0B)."""
        image = self._tables.get(table)
        if image is None:
            return ILLEGAL_ADDRESS
        island = bisect_right(image.starts, address) - 1
        if island < 0:
            return ILLEGAL_ADDRESS
        first = address - image.starts[island]
        end = 2 * (first + count)
        if end > image.sizes[island]:
            return ILLEGAL_ADDRESS
        data: bytearray = image.data[island]
        if image.status and address < _STATUS_END and address + count > STATUS_ADDRESS:
            offset = 2 * (STATUS_ADDRESS - image.starts[island])
            data[offset : offset + 2 * STATUS_LENGTH] = status_bytes(self.device.status(), self.unit)
            if address >= STATUS_ADDRESS and address + count <= _STATUS_END:
                return bytes(data[2 * first : end])
        if self._monotonic() >= self._fresh_until and not self._refresh():
            return NO_RESPONSE
        if image.marked and image.is_marked(island, first, count):
            return NO_RESPONSE
        return bytes(data[2 * first : end])

    def read_bits(self, table: str, address: int, count: int) -> bytes | int:
        """Return bits of `coils` or `discrete` packed low bit first, or a Modbus exception code (2, 0x0B)."""
        image = self._tables.get(table)
        if image is None or table not in (Table.COILS, Table.DISCRETE):
            return ILLEGAL_ADDRESS
        island = bisect_right(image.starts, address) - 1
        if island < 0:
            return ILLEGAL_ADDRESS
        first = address - image.starts[island]
        if first + count > image.sizes[island]:
            return ILLEGAL_ADDRESS
        if self._monotonic() >= self._fresh_until and not self._refresh():
            return NO_RESPONSE
        if image.marked and image.is_marked(island, first, count):
            return NO_RESPONSE
        digits = image.data[island][first : first + count]
        digits.reverse()
        return int(digits or b"0", 2).to_bytes((count + 7) // 8, "little")

    def paths_at(self, table: str, address: int, count: int = 1) -> Path | None:
        """Return the first path that a request touches, for logs; None when it touches none."""
        entries: Iterable[Entry] = self.map.registers
        if table in (Table.COILS, Table.DISCRETE):
            entries = self.map.coils
        elif table == Table.INPUT and Table.INPUT in self._tables and not self._layout.tables[Table.INPUT]:
            table = Table.HOLDING
        for entry in entries:
            if (
                entry.table == table
                and entry.path
                and entry.address < address + count
                and entry.end > address
            ):
                return entry.path
        return None

    # -- writing -----------------------------------------------------------------------------------

    def decode_registers(self, address: int, data: bytes) -> UnitWrite:
        """Return what writing registers asks for; raises MapRefusal."""
        return self._write(register_wishes(self._layout, address, data))

    def decode_coils(self, address: int, bits: Sequence[bool]) -> UnitWrite:
        """Return what writing coils asks for; raises MapRefusal."""
        return self._write(coil_wishes(self._layout, address, bits))

    def decode_mask(self, address: int, and_mask: int, or_mask: int) -> UnitWrite:
        """Return what FC22 asks for, on u16, e16 and bits only; raises MapRefusal."""
        if not maskable(self._layout, address, and_mask):
            raise MapRefusal(ILLEGAL_ADDRESS, f"0x{address:04X}: no writable u16, e16 or bit to mask")
        current = self.read_registers(Table.HOLDING, address, 1)
        if isinstance(current, int):
            raise MapRefusal(current, f"0x{address:04X}: not known now, so it cannot be masked")
        return self._write(mask_wishes(self._layout, address, current, and_mask, or_mask))

    def _write(self, wishes: Sequence[Wish]) -> UnitWrite:
        if self._control is not None and self._control.owns(wishes):
            path, limit = self._control.ask({wish.entry.path or "": wish.value for wish in wishes})
            return UnitWrite(self.device, {path: limit}, {path: wishes[0].address})
        target: Device | None = None
        changes: dict[Path, Value] = {}
        addresses: dict[Path, int] = {}
        for wish in wishes:
            device, point = self._target(wish.entry, wish.address)
            target = target or device
            if device is not target:
                raise MapRefusal(
                    ILLEGAL_ADDRESS, f"0x{wish.address:04X}: of another device than the one before"
                )
            value = -wish.value if point.negate and not isinstance(wish.value, str) else wish.value
            if changes.setdefault(point.path, value) != value:
                raise MapRefusal(
                    ILLEGAL_VALUE, f"0x{wish.address:04X}: sets {point.path} a second time, differently"
                )
            addresses.setdefault(point.path, wish.address)
        return UnitWrite(target or self.device, changes, addresses)

    def _target(self, entry: Entry, address: int) -> tuple[Device, SourcePoint]:
        """Return the device and point that a writable entry sets: of alternatives the one that is shown."""
        points = () if entry.source is None else entry.source.points
        declared = [(d, p) for p in points if (d := self._device(p)) is not None and d.has(p.path)]
        for device, point in declared:
            if device.reading(point.path).quality is not Quality.ABSENT:
                return device, point
        if not declared:
            raise MapRefusal(ILLEGAL_ADDRESS, f"0x{address:04X}: the device has no such value")
        return declared[0]

    # -- keeping in step ---------------------------------------------------------------------------

    def _changed(self, paths: Collection[Path]) -> None:
        self._follow(None, paths)

    def _follow(self, name: str | None, paths: Collection[Path]) -> None:
        """Encode what the changed points of a device feed."""
        self._fresh_until = -math.inf
        feeds = self._layout.feeds if name is None else self._layout.foreign_feeds[name]
        for entry in dict.fromkeys(entry for path in paths for entry in feeds.get(path, ())):
            self._update(entry)
        if name is not None:
            self._judge_foreign()

    def _judge_again(self, _: LinkState) -> None:
        self._fresh_until = -math.inf

    def _refresh(self) -> bool:
        """Judge afresh whether the unit may be served, and until when without asking again."""
        now = self._monotonic()
        for device in (self.device, *self._foreign.values()):
            if device.next_deadline() <= now:
                device.expire()
        if self._foreign:
            self._judge_foreign()
        alive_until = math.inf if self._always_alive else self.device.alive_until
        if self._sums.failing or now >= alive_until:
            return False
        ends = [alive_until, self.device.next_deadline()]
        for device in self._foreign.values():
            ends.extend(end for end in (device.alive_until, device.next_deadline()) if end > now)
        self._fresh_until = min(ends)
        return True

    def _judge_foreign(self) -> None:
        """Encode again what a device feeds that has come alive or died: its values all age with that."""
        for name, device in self._foreign.items():
            if device.alive is not self._foreign_alive[name]:
                self._foreign_alive[name] = device.alive
                for entries in self._layout.foreign_feeds[name].values():
                    for entry in entries:
                        self._update(entry)

    def _device(self, point: SourcePoint) -> Device | None:
        return self.device if point.device is None else self._foreign.get(point.device)

    def _read(self, point: SourcePoint) -> Supplied:
        device = self._device(point)
        if device is None:
            return NEVER_HEARD
        lost = device is not self.device and not device.alive
        if not device.has(point.path):
            return NEVER_HEARD if lost else ABSENT
        reading = device.reading(point.path)
        heard = reading.age_s is not None
        if lost or reading.quality is Quality.STALE:
            return Supplied(None, stale=True, heard=heard)
        value = reading.value
        return Supplied(-value if point.negate and isinstance(value, int | float) else value, heard=heard)

    def _supplied(self, entry: Entry, source: Source) -> Supplied:
        if isinstance(entry, Register) and entry.block is not None:
            if entry.block == SUNSPEC_CONTROLS:
                return ABSENT if self._control is None else self._control.supply(entry.path)
            return compute(entry.block, [(point, self._read(point)) for point in source.points])
        if not source.total:
            return first_of(source.points, self._read)
        key = f"sum {self.unit} {entry.table} {entry.address}"
        return self._sums.total(key, source, self._read, self._monotonic())

    def _fill(self, _: object = None) -> None:
        """Encode everything, at the start and when the device turns out to be another."""
        self._fresh_until = -math.inf
        for register in self.map.registers:
            self._update(register)
        for coil in self.map.coils:
            self._update(coil)

    def _update(self, entry: Entry) -> None:
        """Encode one entry from its source."""
        if entry.source is None:
            return
        if isinstance(entry, Coil):
            self._update_coil(entry, self._supplied(entry, entry.source))
        elif not entry.alias and not entry.self_clearing:  # which read 0, as the client writes them again
            self._update_register(entry, self._supplied(entry, entry.source))

    def _update_coil(self, coil: Coil, supplied: Supplied) -> None:
        self._mark(coil, stale=supplied.stale)
        on = supplied.value is not None and coil.switch.reads(supplied.value)
        self._tables[coil.table].replace(coil.address, b"1" if on else b"0")

    def _update_register(self, register: Register, supplied: Supplied) -> None:
        policy = policy_for(self.map, register, supplied, holding=register in self._shown)
        self._mark(register, stale=policy is Stale.EXCEPTION)
        if policy is Stale.HOLD:
            return
        if (register.stale or self.map.stale) is Stale.HOLD:
            (self._shown.discard if supplied.stale else self._shown.add)(register)
        data = registers_of(self.map, register, supplied, policy)
        table, kind = self._tables[register.table], register.type
        if isinstance(kind, BitType):
            word = table.word(register.end - 1) & ~kind.mask | int.from_bytes(data[-2:], "big")
            table.replace(register.end - 1, word.to_bytes(2, "big"))
        else:
            table.replace(register.address, data)

    def _mark(self, entry: Entry, *, stale: bool) -> None:
        if stale is (entry in self._marked):
            return
        self._tables[entry.table].mark(entry.address, entry.end, 1 if stale else -1)
        (self._marked.add if stale else self._marked.discard)(entry)


class _Foreign:
    """Listens to another device for an image."""

    __slots__ = ("_image", "_name")

    def __init__(self, image: UnitImage, name: str) -> None:
        self._image = image
        self._name = name

    def __call__(self, paths: Collection[Path]) -> None:
        self._image._follow(self._name, paths)


def status_bytes(status: LinkStatus, unit: int) -> bytes:
    """Return the status block of a device as unit `unit` serves it."""
    newest = status.newest
    return pack_status(
        link=status.link,
        age_s=status.age_s,
        attempts=status.attempts,
        outcome=0 if newest is None else newest.outcome,
        address=newest.address if newest is not None and newest.unit == unit else None,
        exception_code=0 if newest is None else newest.exception_code,
        errors=status.errors,
        uptime_s=status.uptime_s,
        wear_left=status.wear_left,
        set_points=status.set_points,
    )
