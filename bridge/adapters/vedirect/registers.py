"""Values in VE.Direct registers: little endian, scaled, with a pattern that says "not available"."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Number:
    """How a register holds a quantity: `size` bytes, of which `divisor` steps make one unit.

    `may_lack`: the type's highest value (0xFF.. unsigned, 0x7F.. signed) stands for "not available".
    """

    size: int
    signed: bool = False
    divisor: int = 1
    may_lack: bool = True

    def pack(self, value: float) -> bytes:
        """Return the bytes that hold `value`, rounded to the register's step.

        Raises ValueError where the type cannot hold it, or would say "not available" with it.
        """
        raw = round(value * self.divisor) if math.isfinite(value) else None
        missing = _missing(self.size, self.signed)
        lowest = -missing - 1 if self.signed else 0
        highest = missing - 1 if self.may_lack else missing
        if raw is None or not lowest <= raw <= highest:
            low, high = lowest / self.divisor, highest / self.divisor
            raise ValueError(f"register value: found {value:g}, expected {low:g} to {high:g}")
        return raw.to_bytes(self.size, "little", signed=self.signed)

    def unpack(self, value: bytes) -> int | float | None:
        """Return the quantity that `value` holds, None where it says "not available" or is empty."""
        raw = self.unpack_raw(value)
        return raw if raw is None or self.divisor == 1 else raw / self.divisor

    def unpack_raw(self, value: bytes) -> int | None:
        """Return the steps that `value` holds, None where it says "not available" or is empty.

        Firmware changes widths (0xEDD3 is u32 on old MPPTs and u16 on new ones): the length received
        counts, not the declared one.
        """
        if not value:
            return None
        raw = int.from_bytes(value, "little", signed=self.signed)
        if self.may_lack and raw == _missing(len(value), self.signed):
            return None
        return raw


def _missing(size: int, signed: bool) -> int:
    return int((1 << (8 * size - signed)) - 1)


U8 = Number(1)
U16 = Number(2)
S16 = Number(2, signed=True)
U32 = Number(4)
S32 = Number(4, signed=True)
#: A code in which 0xFF is a value like others (battery type 255 is "user").
E8 = Number(1, may_lack=False)

#: The types by the names that register tables use; `text` stands beside them.
NUMBERS: Mapping[str, Number] = MappingProxyType(
    {"u8": U8, "u16": U16, "s16": S16, "u32": U32, "s32": S32, "e8": E8}
)
TEXT = "text"


def pack(kind: str, raw: int) -> bytes:
    """Return a raw number as the type `kind` holds it.

    Raises ValueError where it does not fit or would say "not available"; KeyError for an unknown kind.
    """
    return NUMBERS[kind].pack(raw)


def unpack(kind: str, value: bytes) -> int | str | None:
    """Return a register's raw value, None where it says "not available" or nothing came.

    Numbers are read by the length received. Raises KeyError for an unknown kind.
    """
    if kind == TEXT:
        return unpack_text(value) or None
    return NUMBERS[kind].unpack_raw(value)


def unpack_text(value: bytes) -> str:
    """Return a text register's value: ASCII up to the first NUL, unreadable bytes left out."""
    return value.split(b"\x00", 1)[0].decode("ascii", errors="ignore").strip()
