"""Values of one unit: where a path stands in the unit's map, and what is read there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from bridge.cli.client import ILLEGAL_ADDRESS, NO_RESPONSE, BridgeClient, ExceptionReply
from bridge.cli.errors import CommandFailed
from bridge.cli.named_map import load_map
from bridge.cli.target import Unit
from bridge.register_maps.blocks.status import NEVER
from bridge.register_maps.format import Table
from bridge.register_maps.packing import decode
from bridge.register_maps.positions import nearest
from bridge.register_maps.rows import Row, primary, rows_of
from bridge.register_maps.types import Value


@dataclass(frozen=True, slots=True)
class Readout:
    """One value as read: `status` is ok, absent (no such value) or stale (the device is not heard)."""

    unit: Unit
    path: str
    row: Row
    value: Value | None
    status: str
    age_s: int | None

    def as_json(self) -> dict[str, Value | None]:
        """Return the object that `read` and `watch` print."""
        return {
            "device": self.unit.device,
            "path": self.path,
            "value": self.value,
            "unit_of_measure": self.row.unit_of_measure,
            "age_s": self.age_s,
            "status": self.status,
            "unit": self.unit.unit,
            "table": self.row.table.value,
            "address": self.row.address,
        }

    def in_words(self) -> str:
        """Return the value for a person: number, word, unit of measure, age."""
        if self.value is None:
            return self.status
        name = next((name for name, number in names_of(self.row).items() if number == self.value), None)
        shown = f"{self.value:.10g}" if isinstance(self.value, float) else str(self.value)
        measured = f"{shown} {self.row.unit_of_measure}".rstrip() + (f" ({name})" if name else "")
        return measured if not self.age_s else f"{measured}, {self.age_s} s old"


class UnitReader:
    """Reads one unit by its map. Raises CommandFailed while the map is not known."""

    def __init__(self, unit: Unit, directory: FilePath) -> None:
        if unit.map is None:
            raise CommandFailed(
                f"what kind of device {unit.device} is has not been learnt yet: let the bridge run with the "
                f"device connected, or say `product:` in the site file"
            )
        self.unit = unit
        self.map = load_map(unit.map, directory)
        rows = rows_of(self.map)
        paths = dict.fromkeys(row.path for row in rows if row.path is not None)
        #: Where each path of the map is read and written.
        self.rows = {path: row for path in paths if (row := primary(rows, path)) is not None}

    def row(self, path: str) -> Row:
        """Return where a path stands. Raises CommandFailed with the nearest spelling."""
        found = self.rows.get(path)
        if found is not None:
            return found
        near = nearest(path, self.rows)
        hint = f"did you mean {near}?" if near else f"`inverter-bridge maps show {self.unit.map}` lists them"
        raise CommandFailed(f"{self.unit.device} has no {path!r} in map {self.unit.map}: {hint}")

    def chosen(self, paths: Sequence[str]) -> list[str]:
        """Return paths after a look whether they exist, all of the map where none are given."""
        for path in paths:
            self.row(path)
        return list(paths or self.rows)

    async def read(self, client: BridgeClient, paths: Sequence[str]) -> list[Readout]:
        """Read paths one by one, with the age that the unit's status block gives."""
        age_s = await self._age(client)
        return [await self._readout(client, path, age_s) for path in paths]

    async def _age(self, client: BridgeClient) -> int | None:
        row = self.rows.get("/Link/Age")
        if row is None:
            return None
        try:
            age = int.from_bytes(await client.read_registers(self.unit.unit, row.table, row.address, 1))
        except ExceptionReply:
            return None  # another program than this bridge: its values are read all the same
        return None if age == NEVER else age

    async def _readout(self, client: BridgeClient, path: str, age_s: int | None) -> Readout:
        row = self.row(path)
        try:
            value = await self._value(client, row)
        except ExceptionReply as reply:
            if reply.code == NO_RESPONSE:
                return Readout(self.unit, path, row, None, "stale", age_s)
            raise CommandFailed(self._refused(path, row, reply.code)) from None
        return Readout(self.unit, path, row, value, "absent" if value is None else "ok", age_s)

    async def _value(self, client: BridgeClient, row: Row) -> Value | None:
        if row.register is None:
            on = await client.read_bit(self.unit.unit, row.table, row.address)
            return names_of(row)["on" if on else "off"]
        found = row.register
        data = await client.read_registers(self.unit.unit, row.table, row.address, found.length)
        return decode(found.type, data, found.scale, found.invalid)

    def _refused(self, path: str, row: Row, code: int) -> str:
        where = f"unit {self.unit.unit}, {row.table} address {row.address} ({path})"
        if code == ILLEGAL_ADDRESS:
            return (
                f"{where}: the bridge has no such register; does it run with this site file, "
                f"and is map {self.unit.map} the one it uses?"
            )
        return f"{where}: the bridge answered with exception {code:02X}, expected a value"


def names_of(row: Row) -> Mapping[str, int | float]:
    """Return the words of a row and their numbers; a bit without words is 1 or 0."""
    if row.values is not None:
        return dict(row.values)
    return {"on": 1, "off": 0} if row.table in (Table.COILS, Table.DISCRETE) else {}
