"""Fields of CAN frames, declared once and used both ways: bytes to values and values to bytes.

All numbers are little-endian. A field that a short frame does not carry, or that carries its invalid
marker, is None; a value never wraps: what does not fit raises when it is encoded.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

#: What a field can be: None is "not available".
FieldValue = float | int | str | bool | None

#: Values that mean "not available" by type, SMA's and MG's documents; one byte has none.
INVALID: Mapping[str, int | None] = {"H": 0xFFFF, "h": -0x8000, "I": 0xFFFFFFFF, "B": None}
_LIMITS: Mapping[str, tuple[int, int]] = {
    "H": (0, 0xFFFF),
    "h": (-0x8000, 0x7FFF),
    "I": (0, 0xFFFFFFFF),
    "B": (0, 0xFF),
}
_PADDING = " \0"


@dataclass(frozen=True, slots=True)
class Field:
    """A number: `value = raw * scale + base`, in `unit`. `code` is that of `struct`: B, H, h or I.

    marker: False where the type's invalid marker is an ordinary value. magnitude: a negative number is
    read as positive.
    """

    name: str
    offset: int
    code: str = "H"
    scale: Fraction = Fraction(1)
    unit: str = ""
    base: int = 0
    marker: bool = True
    magnitude: bool = False

    @property
    def size(self) -> int:
        """Bytes it takes."""
        return struct.calcsize(self.code)

    @property
    def end(self) -> int:
        """Offset behind its last byte."""
        return self.offset + self.size

    @property
    def invalid(self) -> int | None:
        """The raw number that means "not available", None where there is none."""
        return INVALID[self.code] if self.marker else None

    def read(self, data: bytes) -> FieldValue:
        """Return the value, None where the frame does not tell it."""
        if len(data) < self.end:
            return None
        raw: int = struct.unpack_from(f"<{self.code}", data, self.offset)[0]
        if raw == self.invalid:
            return None
        if self.magnitude:
            raw = abs(raw)
        scaled = raw * self.scale.numerator
        whole = self.scale.denominator == 1
        return scaled + self.base if whole else scaled / self.scale.denominator + self.base

    def write(self, buffer: bytearray, value: FieldValue) -> None:
        """Put the value, or what stands for a missing one; raises ValueError for one that does not fit."""
        if value is None:
            raw = self.invalid or 0
        elif isinstance(value, str) or not math.isfinite(value):
            raise ValueError(f"{self.name}: found {value!r}, expected a finite number")
        else:
            raw = round((Fraction(str(float(value))) - self.base) / self.scale)
            low, high = _LIMITS[self.code]
            if not low <= raw <= high or raw == self.invalid:
                raise ValueError(f"{self.name}: found {value:g}{self.unit}, which its field cannot carry")
        struct.pack_into(f"<{self.code}", buffer, self.offset, raw)


@dataclass(frozen=True, slots=True)
class Bit:
    """One bit: True or False. `also` is a second bit that some senders use instead; it is only read."""

    name: str
    byte: int
    bit: int
    also: int | None = None

    @property
    def end(self) -> int:
        """Offset behind its byte."""
        return self.byte + 1

    def read(self, data: bytes) -> FieldValue:
        """Return the bit, None where the frame is too short."""
        if len(data) < self.end:
            return None
        bits = 1 << self.bit | (0 if self.also is None else 1 << self.also)
        return bool(data[self.byte] & bits)

    def write(self, buffer: bytearray, value: FieldValue) -> None:
        """Set the bit; a missing one is 0."""
        if value:
            buffer[self.byte] |= 1 << self.bit


@dataclass(frozen=True, slots=True)
class Text:
    """ASCII text of `size` bytes, padded with blanks (NULs are read as well). Never None when it is there."""

    name: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Offset behind its last byte."""
        return self.offset + self.size

    def read(self, data: bytes) -> FieldValue:
        """Return the text without its padding; what is not printable ASCII is left out."""
        part = data[self.offset : self.end]
        if not part:
            return None
        return "".join(chr(byte) for byte in part if 0x20 <= byte < 0x7F).strip()

    def write(self, buffer: bytearray, value: FieldValue) -> None:
        """Put the text; raises ValueError for one that is too long or not ASCII."""
        text = "" if value is None else str(value)
        if len(text) > self.size or not text.isascii():
            raise ValueError(f"{self.name}: found {text!r}, expected at most {self.size} ASCII characters")
        buffer[self.offset : self.end] = text.ljust(self.size).encode("ascii")


AnyField = Field | Bit | Text


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """One frame: `length` is its full length, `least` the shortest that says anything at all."""

    id: int
    name: str
    fields: tuple[AnyField, ...]
    length: int = 8
    least: int = 2


def decode(spec: FrameSpec, data: bytes) -> dict[str, FieldValue] | None:
    """Return the fields by name; None for a frame shorter than its first field. Never raises."""
    if len(data) < spec.least:
        return None
    return {field.name: field.read(data) for field in spec.fields}


def encode(spec: FrameSpec, values: Mapping[str, FieldValue], *, length: int | None = None) -> bytes:
    """Return the bytes of a frame, `length` of them: shorter loses its tail, longer is padded with 0.

    A field without a value gets its invalid marker, or 0 where it has none. Numbers are rounded half to
    even. Raises ValueError for a value that its field cannot carry and for a name the frame does not have.
    """
    unknown = values.keys() - {field.name for field in spec.fields}
    if unknown:
        raise ValueError(f"frame {spec.name}: found the fields {sorted(unknown)}, which it does not have")
    wanted = spec.length if length is None else length
    buffer = bytearray(max(wanted, *(field.end for field in spec.fields), spec.length))
    for field in spec.fields:
        field.write(buffer, values.get(field.name))
    return bytes(buffer[:wanted])
