"""What stock Victron clients read to find out what a unit is, so that nothing here is taken for another.

Source: dbus-modbus-client 1.83, the model registers of its device types in import order. A stock client
tries every type of a method on every unit it is told of, so each unit must answer each probe with nothing
that looks like a model.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bridge.register_maps.format import Kind, Register, RegisterMap, Table
from bridge.register_maps.layout import islands, register_spans
from bridge.register_maps.packing import encode
from bridge.register_maps.types import EnumType, TextType


@dataclass(frozen=True, slots=True)
class StockProbe:
    """One probe: what is read, and for each register of it the words that a model may show there.

    An empty set stands for any word: the type accepts too many to list.
    """

    model: str
    address: int
    words: tuple[frozenset[int], ...]
    methods: frozenset[str]
    table: Table = Table.HOLDING


def _text(text: str) -> tuple[frozenset[int], ...]:
    data = text.encode("ascii")
    return tuple(frozenset({data[i] << 8 | data[i + 1]}) for i in range(0, len(data), 2))


def _words(*words: int) -> tuple[frozenset[int], ...]:
    return (frozenset(words),)


_TCP = frozenset({"tcp"})
_UDP = frozenset({"udp"})
_BOTH = frozenset({"tcp", "rtu"})
_ZERO = frozenset({0})
_ANY: frozenset[int] = frozenset()
#: CRE shows decimal digits: in the first platform 0 or 1 and week 01 to 53, in the third family 00 to 10.
_CRE_FIRST = frozenset(
    word
    for platform in (0, 1)
    for week in range(1, 54)
    for word in range(platform * 10000 + week * 100, platform * 10000 + week * 100 + 100)
)
_CRE_THIRD = frozenset(range(11000))

STOCK_PROBES = (
    StockProbe(
        "ABB B21, B23, B24", 0x8960, (frozenset({0x4232}), frozenset({0x3120, 0x3320, 0x3420})), _BOTH
    ),
    StockProbe("Carlo Gavazzi EM24 Ethernet", 0x000B, _words(*range(1648, 1654)), _TCP),
    StockProbe("ComAp InteliLite 4", 1307, _text("InteliLite4-"), _TCP),
    StockProbe("CRE Compact", 4, (_CRE_FIRST, _ANY, _CRE_THIRD), _TCP),
    StockProbe("Datakom D-300 to D-700", 10609, _words(0xD300, 0xD500, 0xD545, 0xD700), _TCP),
    StockProbe(
        "DEIF AGC150",
        770,
        (*_text("AGC150"), frozenset({0x4745, 0x4447, 0x4C44}), frozenset({0x4E00, 0x4800, 0x4700}), _ZERO),
        _BOTH,
        Table.INPUT,
    ),
    StockProbe("DSE genset controller", 768, (frozenset({1}), frozenset(range(3110, 32860))), _BOTH),
    StockProbe("Victron EV charger", 5000, _words(*range(0xC023, 0xC028)), _TCP),
    StockProbe("Smappee Power Box", 0x1620, _words(5400), _BOTH),
    StockProbe("Victron VM-3P75CT, VM-3P5A", 0x1000, _words(0xA1B1, 0xA1B2), _UDP),
    StockProbe("Victron P1Link", 0x1000, _words(0xC02F), _UDP),
)


def mistaken(loaded: RegisterMap) -> Iterator[tuple[StockProbe, Register]]:
    """Give the stock probes that could take a unit of this map for another model, and the register at fault.

    What the map itself declares in `detect` it imitates on purpose. Personas are probed only by the methods
    they serve; other maps by any.
    """
    methods: Collection[str] = ("tcp", "rtu", "udp")
    if loaded.kind is Kind.PERSONA and loaded.detect is not None:
        methods = loaded.detect.methods
    if loaded.kind is Kind.BRIDGE:
        return
    own_input = any(r.table is Table.INPUT for r in loaded.registers)
    for probe in STOCK_PROBES:
        if not probe.methods.intersection(methods):
            continue
        if (
            loaded.kind is Kind.PERSONA
            and loaded.detect is not None
            and loaded.detect.address == probe.address
        ):
            return  # found by this one, and the later ones are not tried
        table = probe.table if own_input else Table.HOLDING
        shown = [_shown(loaded, table, probe.address + i) for i in range(len(probe.words))]
        readable = islands(register_spans(loaded, table), loaded.device.hole_max)
        if not any(start <= probe.address < probe.address + len(shown) <= end for start, end in readable):
            continue
        culprit = next((r for r in shown if r is not None), None)
        if culprit is not None and all(
            _could_show(register, probe.address + i, words)
            for i, (register, words) in enumerate(zip(shown, probe.words, strict=True))
        ):
            yield probe, culprit


def _shown(loaded: RegisterMap, table: Table, address: int) -> Register | None:
    """Return the entry that fills a register; None for a gap."""
    for register in loaded.registers:
        if register.table is table and register.address <= address < register.end and not register.alias:
            return register
    return None


def _could_show(register: Register | None, address: int, words: frozenset[int]) -> bool:
    """True when the register at `address` could ever hold one of the words; a gap holds 0."""
    if not words:
        return True
    if register is None:
        return 0 in words
    offset = 2 * (address - register.address)
    if register.value is not None:
        data = encode(register.type, register.value, register.scale, register.invalid)
        return int.from_bytes(data[offset : offset + 2], "big") in words
    if register.switch is not None:
        return bool(words & {0, 1, 0xFFFF})
    if isinstance(register.type, TextType) and register.type.encoding == "ascii":
        return any(_in_text(word >> 8) and _in_text(word & 0xFF) for word in words)
    if isinstance(register.type, EnumType) and register.type.values:
        # Numbers without a name pass too, but no device family numbers its states like a product id.
        return bool(words & set(register.type.values.values()))
    return True


def _in_text(byte: int) -> bool:
    return 0x20 <= byte < 0x7F or byte == 0
