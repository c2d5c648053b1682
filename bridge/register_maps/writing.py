"""Writes of a Modbus client: register bytes, coils and masks to the changes they mean.

Checked here is all that the map alone can judge: that whole values are written, that they may be, and that
the value is within the map's rule. What the device allows beyond that is judged by the datastore.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.register_maps.format import Coil, Register
from bridge.register_maps.layout import Layout
from bridge.register_maps.packing import decode
from bridge.register_maps.types import U16, BitType, EnumType, Value

ILLEGAL_ADDRESS = 0x02
ILLEGAL_VALUE = 0x03
NO_RESPONSE = 0x0B


class MapRefusal(Exception):
    """A write that the map refuses; `code` is the Modbus exception code, the text says what was expected."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Wish:
    """One entry's new value, in its source's unit of measure, and the wire address it came by."""

    entry: Register | Coil
    value: Value
    address: int


def register_wishes(layout: Layout, address: int, data: bytes) -> list[Wish]:
    """Return what writing `data` at `address` asks for; raises MapRefusal."""
    entries: list[tuple[int, tuple[Register, ...], bytes]] = []
    position, end = address, address + len(data) // 2
    while position < end:
        found = layout.registers.get(position)
        if found is None:
            raise MapRefusal(ILLEGAL_ADDRESS, f"0x{position:04X}: no writable register begins there")
        length = 1 if isinstance(found[0].type, BitType) else found[0].length
        if position + length > end:
            raise MapRefusal(ILLEGAL_ADDRESS, f"0x{position:04X}: takes {length} registers, written whole")
        if any(register.write is None for register in found):
            raise MapRefusal(ILLEGAL_ADDRESS, f"0x{position:04X}: read-only")
        offset = 2 * (position - address)
        entries.append((position, found, data[offset : offset + 2 * length]))
        position += length
    wishes: list[Wish] = []
    for first, found, piece in entries:
        if isinstance(found[0].type, BitType):
            wishes.extend(_bit_wishes(found, first, U16.unpack(piece), 0xFFFF))
        else:
            wishes.append(Wish(found[0], _wished(found[0], piece), first))
    return wishes


def coil_wishes(layout: Layout, address: int, bits: Sequence[bool]) -> list[Wish]:
    """Return what writing coils asks for; raises MapRefusal."""
    wishes = []
    for position, bit in enumerate(bits, address):
        coil = layout.coils.get(position)
        if coil is None or not coil.write:
            what = "no coil" if coil is None else "read-only"
            raise MapRefusal(ILLEGAL_ADDRESS, f"coil {position}: {what}")
        wishes.append(Wish(coil, _switched(coil, on=bit), position))
    return wishes


def maskable(layout: Layout, address: int, and_mask: int) -> bool:
    """True where FC22 may write: one writable u16 or e16, or writable bits wherever the mask selects."""
    found = layout.registers.get(address, ())
    bits = {r.type.mask: r for r in found if isinstance(r.type, BitType)}
    if bits:
        selected = ~and_mask & 0xFFFF
        return all(1 << n in bits and bits[1 << n].write is not None for n in range(16) if selected >> n & 1)
    return any(r.write is not None and (r.type is U16 or isinstance(r.type, EnumType)) for r in found)


def mask_wishes(layout: Layout, address: int, current: bytes, and_mask: int, or_mask: int) -> list[Wish]:
    """Return what masking the register's `current` bytes asks for; raises MapRefusal."""
    number = U16.unpack(current) & and_mask | or_mask & ~and_mask & 0xFFFF
    found = layout.registers[address]
    if isinstance(found[0].type, BitType):
        return _bit_wishes(found, address, number, ~and_mask & 0xFFFF)
    if decode(found[0].type, current, found[0].scale, found[0].invalid) is None:
        raise MapRefusal(ILLEGAL_VALUE, f"0x{address:04X}: holds no value that could be masked")
    return [Wish(found[0], _wished(found[0], U16.pack(number) or b"\0\0"), address)]


def _bit_wishes(found: Sequence[Register], address: int, number: int, selected: int) -> list[Wish]:
    wishes = []
    free = selected
    for register in found:
        kind = register.type
        if isinstance(kind, BitType) and kind.mask & selected:
            free &= ~kind.mask
            value = kind.set if number & kind.mask else kind.unset
            if register.write is None or not register.write.allows(value):
                raise MapRefusal(ILLEGAL_VALUE, f"0x{address:04X}: found {value}, expected {_rule(register)}")
            wishes.append(Wish(register, value, address))
    if number & free:
        raise MapRefusal(
            ILLEGAL_VALUE, f"0x{address:04X}: found a bit that stands for nothing, expected 0 there"
        )
    return wishes


def _wished(register: Register, data: bytes) -> Value:
    where = f"0x{register.address:04X}"
    if register.switch is not None:
        number = U16.unpack(data)
        if number not in (0, 1):
            raise MapRefusal(ILLEGAL_VALUE, f"{where}: found {number}, expected 0 or 1")
        return _switched(register, on=bool(number))
    value = decode(register.type, data, register.scale, register.invalid)
    if value is None:
        raise MapRefusal(ILLEGAL_VALUE, f"{where}: found {data.hex()}, which stands for no value")
    if register.accept and not isinstance(value, str) and float(value).is_integer():
        value = register.accept.get(int(value), value)
    if register.write is None or not register.write.allows(value):
        raise MapRefusal(ILLEGAL_VALUE, f"{where}: found {value}, expected {_rule(register)}")
    return value


def _switched(entry: Register | Coil, *, on: bool) -> Value:
    switch = entry.switch
    assert switch is not None  # noqa: S101 - coils and mirrors have one
    return switch.on[0] if on or switch.off is None else switch.off


def _rule(register: Register) -> str:
    rule = register.write
    if rule is None:
        return "no write at all"
    if rule.choices is not None:
        return " or ".join(map(str, rule.choices))
    return f"{rule.minimum} to {rule.maximum}"
