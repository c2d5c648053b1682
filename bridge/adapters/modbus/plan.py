"""What is read of a device, in which requests: the islands of its map.

Pure: a map goes in, reads come out. Entries are packed as a stock client packs them (dbus-modbus-client 1.83
`device.py`): merged while the gap between two is at most `hole_max` and the whole at most `read_max`. An
island that the device refuses is cut at its widest gap, then between its entries, until what it does not
have stands alone.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bridge.adapters.modbus.options import Transport
from bridge.adapters.modbus.requests import Read, bits_of
from bridge.register_maps.format import READ_MAX, Coil, Register, RegisterMap, SourcePoint, Table
from bridge.register_maps.packing import decode
from bridge.register_maps.types import FloatType, Value

#: A fast point is read this many times as often as the others, as with the stock client (1 s and 4 s).
FAST_FACTOR = 4
#: Registers that a read goes across rather than becoming two, by the frames' overhead: as the stock client
#: does ((overhead + 1) // 2), so that a device sees the same reads from both.
HOLES: Mapping[Transport, int] = {"tcp": 31, "udp": 19, "rtu": 7, "rtu_over_tcp": 7}
#: Bits of the most that one request reads (Modbus Application Protocol 1.1b3, 6.1).
BITS_MAX = 2000
#: How often an entry that the device refuses is asked for again, in seconds: it may have been starting.
REFUSED_AGAIN_S = 60.0
_FLOAT_DIGITS = range(6, 10)

Entry = Register | Coil


def own_point(entry: Entry) -> SourcePoint | None:
    """Return the point of the device itself that an entry holds; None for constants and derived values."""
    source = entry.source
    if isinstance(entry, Register) and entry.block is not None:
        return None
    if source is None or source.total or len(source.points) != 1 or source.points[0].device is not None:
        return None
    return source.points[0]


def is_readable(entry: Entry) -> bool:
    """True for an entry that the device itself has and a client reads."""
    if own_point(entry) is None:
        return False
    if isinstance(entry, Coil):
        return True
    # A mirror is the bridge's own addition for clients that know no coils.
    return entry.poll and not entry.alias and not entry.self_clearing and entry.switch is None


def value_in(entry: Entry, data: bytes, offset: int) -> Value | None:
    """Return an entry's value from a reply that begins `offset` registers or bits before it."""
    point = own_point(entry)
    if isinstance(entry, Coil):
        on = bits_of(data, offset + 1)[offset]
        off = 0 if entry.switch.off is None else entry.switch.off
        value: Value | None = entry.switch.on[0] if on else off
    else:
        raw = data[2 * offset : 2 * (offset + entry.length)]
        value = decode(entry.type, raw, entry.scale, entry.invalid)
        if isinstance(entry.type, FloatType) and isinstance(value, float):
            value = _shortest(value, entry)
    if point is not None and point.negate and isinstance(value, int | float):
        return -value
    return value


def _shortest(value: float, entry: Register) -> float:
    """Return the number with fewest digits that single precision cannot tell from `value` (21.3)."""
    packed = entry.type.pack(value)
    for digits in _FLOAT_DIGITS:
        candidate = float(f"{value:.{digits}g}")
        if entry.type.pack(candidate) == packed:
            return candidate
    return value


@dataclass(frozen=True, slots=True)
class Island:
    """Entries that are read together. `name` is that of the group they are published in."""

    table: Table
    entries: tuple[Entry, ...]
    period_s: float
    refused: bool = False

    @property
    def start(self) -> int:
        """Its first address."""
        return min(entry.address for entry in self.entries)

    @property
    def name(self) -> str:
        """Table and first address."""
        return f"{self.table} 0x{self.start:04X}"

    @property
    def read(self) -> Read:
        """The request that reads it."""
        return Read(self.table, self.start, max(entry.end for entry in self.entries) - self.start)

    def values(self, data: bytes) -> dict[str, Value | None]:
        """Return the points of a reply's data."""
        found: dict[str, Value | None] = {}
        for entry in self.entries:
            point = own_point(entry)
            if point is not None:
                found[point.path] = value_in(entry, data, entry.address - self.start)
        return found

    def absent(self) -> dict[str, Value | None]:
        """Return its points as ones the device does not have."""
        return {point.path: None for entry in self.entries if (point := own_point(entry)) is not None}

    def cut(self) -> tuple["Island", ...]:
        """Return what to ask instead of an island that was refused: two parts, or itself more rarely."""
        if len({entry.address for entry in self.entries}) == 1:
            return (replace(self, period_s=REFUSED_AGAIN_S, refused=True),)
        ordered = sorted(self.entries, key=lambda entry: entry.address)
        gaps = [
            (max(0, after.address - max(entry.end for entry in ordered[: place + 1])), place + 1)
            for place, after in enumerate(ordered[1:])
            if after.address != ordered[place].address
        ]
        widest = max(gap for gap, _ in gaps)
        places = [place for gap, place in gaps if gap == widest]
        cut = places[len(places) // 2]
        return (
            replace(self, entries=tuple(ordered[:cut])),
            replace(self, entries=tuple(ordered[cut:])),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The reads of a device: `islands` again and again, `info` once when it is found."""

    islands: tuple[Island, ...]
    info: tuple[Island, ...]

    def exchanged(self, island: Island, instead: Iterable[Island]) -> "Plan":
        """Return the plan with an island replaced where it stands."""
        parts = tuple(instead)
        if island in self.info:
            return Plan(self.islands, _spliced(self.info, island, parts))
        return Plan(_spliced(self.islands, island, parts), self.info)


def plan_of(
    loaded: RegisterMap,
    period_s: float,
    way: Transport = "tcp",
    read_max: int = READ_MAX,
    made: Collection[str] = (),
) -> Plan:
    """Return how a map is read on a way; fast points every `period_s / FAST_FACTOR`.

    A path that several entries show is read from its first; `made` are those that the bridge makes itself.
    The islands of the table that the map's `device.access` names stand first.
    """
    fast = frozenset(loaded.device.fast)
    chosen = _chosen(loaded, made)
    hole_max = min(HOLES[way], loaded.device.hole_max)
    polled: list[Island] = []
    info: list[Island] = []
    for table in sorted(Table, key=lambda table: table is not loaded.device.access):
        entries = [entry for entry in chosen if entry.table is table]
        told = [entry for entry in entries if _is_info(entry)]
        rest = [entry for entry in entries if not _is_info(entry)]
        limit = read_max if table in (Table.HOLDING, Table.INPUT) else BITS_MAX
        for pack, islands in ((told, info), (rest, polled)):
            for entries_of_island in _packed(pack, hole_max, limit):
                is_fast = any(own_path(entry) in fast for entry in entries_of_island)
                period = period_s / FAST_FACTOR if is_fast else period_s
                islands.append(Island(table, tuple(entries_of_island), period))
    return Plan(tuple(polled), tuple(info))


def own_path(entry: Entry) -> str:
    """Return the point of the device that an entry holds, empty for none."""
    point = own_point(entry)
    return "" if point is None else point.path


def writers(loaded: RegisterMap) -> Mapping[str, Entry]:
    """Return by point the entry that writes it: its first writable register, else its coil."""
    found: dict[str, Entry] = {}
    for register in loaded.registers:
        if register.write is not None and register.switch is None and own_path(register):
            found.setdefault(own_path(register), register)
    for coil in loaded.coils:
        if coil.table is Table.COILS and coil.write and own_path(coil):
            found.setdefault(own_path(coil), coil)
    return found


def _chosen(loaded: RegisterMap, made: Collection[str]) -> list[Entry]:
    """Return one entry for each point: of a register and a coil the register."""
    found: dict[str, Entry] = {}
    entries: tuple[Entry, ...] = (*loaded.registers, *loaded.coils)
    for entry in entries:
        if is_readable(entry) and own_path(entry) not in made:
            found.setdefault(own_path(entry), entry)
    return list(found.values())


def _is_info(entry: Entry) -> bool:
    return isinstance(entry, Register) and entry.info


def _packed(entries: list[Entry], hole_max: int, limit: int) -> Iterator[list[Entry]]:
    """Yield the entries of each island."""
    island: list[Entry] = []
    start = end = 0
    for entry in sorted(entries, key=lambda entry: (entry.address, entry.end)):
        if island and entry.address - end <= hole_max and max(end, entry.end) - start <= limit:
            island.append(entry)
            end = max(end, entry.end)
            continue
        if island:
            yield island
        island, start, end = [entry], entry.address, entry.end
    if island:
        yield island


def _spliced(islands: tuple[Island, ...], old: Island, new: tuple[Island, ...]) -> tuple[Island, ...]:
    place = islands.index(old)
    return (*islands[:place], *new, *islands[place + 1 :])
