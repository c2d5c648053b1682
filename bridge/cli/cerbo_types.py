"""What a GX knows devices by, and what it reads of one first: stock types and those of class files.

Source: dbus-modbus-client 1.83: `probe.py`, `carlo_gavazzi.py`, `abb.py`, `device.py` (packing).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.register_maps.class_file import published, why_none
from bridge.register_maps.format import HOLE_MAX, READ_MAX, RegisterMap, Table
from bridge.register_maps.packing import decode
from bridge.register_maps.probes import STOCK_PROBES, StockProbe
from bridge.register_maps.types import TextType

#: Units that the types' own scans try, by the model of `STOCK_PROBES`; 1 for all others.
_UNITS: Mapping[str, tuple[int, ...]] = {
    "ABB B21, B23, B24": (1, 2),
    "DSE genset controller": (1, 10),
    "Smappee Power Box": (61,),
}
EM24, ABB = "Carlo Gavazzi EM24 Ethernet", "ABB B21, B23, B24"
#: What stock types read as rates on a serial line.
SERIAL_RATES = (19200, 38400, 115200)
_MIN_TIMEOUT_S = 0.5

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reads:
    """The reads that follow a find: single ones of identity, then packed ones of data."""

    vendor_id: str
    role: str
    serial: Span
    serial_is_number: bool
    info: tuple[Span, ...]
    data: tuple[tuple[Table, int, int], ...]
    min_timeout_s: float = _MIN_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class DeviceType:
    """One type that a client probes for."""

    name: str
    address: int
    length: int
    table: Table
    methods: frozenset[str]
    units: tuple[int, ...]
    rates: tuple[int, ...] = ()
    #: Its class file's map; None for a stock type.
    map: str | None = None
    stock: StockProbe | None = None
    models: Mapping[int | str, str] | None = None
    loaded: RegisterMap | None = None

    def model(self, words: Sequence[int]) -> str | None:
        """Return the model that the registers stand for, None for none."""
        if self.stock is not None:
            matches = (not ok or word in ok for word, ok in zip(words, self.stock.words, strict=True))
            return self.name if all(matches) else None
        if self.loaded is None or self.loaded.detect is None:
            return None
        detect = self.loaded.detect
        raw = detect.type.unpack(b"".join(word.to_bytes(2, "big") for word in words))
        return None if raw is None or isinstance(raw, float) else detect.values.get(raw)


def stock_types() -> tuple[DeviceType, ...]:
    """Return the stock types in the order in which a client tries them."""
    return tuple(
        DeviceType(
            name=probe.model,
            address=probe.address,
            length=len(probe.words),
            table=probe.table,
            methods=probe.methods,
            units=_UNITS.get(probe.model, (1,)),
            stock=probe,
        )
        for probe in STOCK_PROBES
    )


def class_type(loaded: RegisterMap) -> DeviceType | None:
    """Return the type that a map's class file adds; None for a map of which none can be made."""
    detect = loaded.detect
    if detect is None or why_none(loaded) is not None:
        return None
    return DeviceType(
        name=loaded.title,
        address=detect.address,
        length=detect.type.length,
        table=loaded.device.access,
        methods=frozenset(detect.methods or ("tcp", "rtu")),
        units=detect.units,
        rates=detect.rates,
        map=loaded.name,
        models=detect.values,
        loaded=loaded,
    )


def reads_of(found: DeviceType, phases: int) -> Reads | None:
    """Return what is read of a device, None for stock types that the bridge has no persona of.

    `phases` is what an EM24 says of itself.
    """
    if found.loaded is not None:
        return _class_reads(found.loaded)
    if found.name == EM24:
        return _em24_reads(phases)
    return _ABB_READS if found.name == ABB else None


def _em24_reads(phases: int) -> Reads:
    data = [(0x28, 2), (0x33, 1), (0x34, 2), (0x4E, 2), (0xA100, 1), *([(0x32, 1)] if phases == 3 else [])]
    for phase in range(phases):
        data += [(base + 2 * phase, 2) for base in (0x00, 0x0C, 0x12, 0x40)]
    return Reads(
        vendor_id="cg",
        role="grid",
        serial=(0x5000, 7),
        serial_is_number=False,
        info=((0x0302, 1), (0x0304, 1), (0x1002, 1), (0x5000, 7)),
        data=packed(Table.HOLDING, data),
    )


def _class_reads(loaded: RegisterMap) -> Reads | None:
    registers = [register for register in published(loaded) if register.poll]
    serial = next((r for r in registers if r.path == "/Serial"), None)
    if serial is None:
        return None
    info = tuple((r.address, r.length) for r in registers if r.info and r.write is None)
    data: list[tuple[Table, int, int]] = []
    for table in (Table.HOLDING, Table.INPUT):
        spans = [(r.address, r.length) for r in registers if r.table is table and not r.info]
        data += packed(table, spans, min(HOLE_MAX, loaded.device.hole_max))
    timeout = loaded.device.min_timeout_s or _MIN_TIMEOUT_S
    where = (serial.address, serial.length)
    return Reads(
        loaded.device.vendor_id, loaded.device.role, where, not isinstance(serial.type, TextType), info,
        tuple(data), timeout,
    )  # fmt: skip


def packed(
    table: Table, spans: Iterable[Span], hole_max: int = HOLE_MAX
) -> tuple[tuple[Table, int, int], ...]:
    """Return the reads that cover registers, across holes of up to `hole_max`, each of at most 125."""
    groups: list[tuple[int, int]] = []
    for address, length in sorted(spans):
        if groups:
            first, end = groups[-1]
            if address - end <= hole_max and address + length - first <= READ_MAX:
                groups[-1] = first, max(end, address + length)
                continue
        groups.append((address, address + length))
    return tuple((table, first, end - first) for first, end in groups)


def serial_text(words: Sequence[int], is_number: bool) -> str | None:
    """Return a serial as the client reads it; None for bytes that are no text, which stop the client."""
    data = b"".join(word.to_bytes(2, "big") for word in words)
    if is_number:
        return str(int.from_bytes(data, "big", signed=True))
    found = decode(TextType(len(words)), data)
    if found is None:
        return None if data.strip(b"\0") else ""
    return str(found)


_ABB_READS = Reads(
    vendor_id="abb",
    role="grid",
    serial=(0x8900, 2),
    serial_is_number=True,
    info=((0x8900, 2), (0x8908, 8)),
    data=packed(
        Table.HOLDING,
        [
            *((address, 4) for address in (0x5000, 0x5004, 0x5460, 0x5464, 0x5468, 0x546C, 0x5470, 0x5474)),
            *((address, 2) for address in (0x5B00, 0x5B02, 0x5B04, 0x5B0C, 0x5B0E, 0x5B10)),
            *((address, 2) for address in (0x5B14, 0x5B16, 0x5B18, 0x5B1A)),
            *((address, 1) for address in (0x5B2C, 0x5B3A, 0x5B3B, 0x5B3C, 0x5B3D)),
        ],
    ),
)
