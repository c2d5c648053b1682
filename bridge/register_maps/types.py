"""Register types: raw numbers and texts to register bytes and back.

Names, layouts and meaning follow dbus-modbus-client 1.83 `register.py`. Bytes are big-endian as on the wire,
two a register; types ending in `l` put the low word first, each word still big-endian. A *raw* is what stands
in the registers before any scale; `invalid` is the raw that means "no value" unless a map says otherwise.
"""

import codecs
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, TypeAlias

#: What stands in registers, before any scale.
Raw: TypeAlias = int | float | str
#: What a point holds, in its path's unit of measure.
Value: TypeAlias = int | float | str

#: Beta byte of a Victron version that marks a release (VEReg_ver).
_RELEASE = 0xFF


class RegisterType(Protocol):
    """One way of writing a raw into registers."""

    @property
    def name(self) -> str:
        """The type as map files spell it."""

    @property
    def length(self) -> int:
        """Registers it takes."""

    @property
    def invalid(self) -> Raw:
        """The raw that means no value, unless the map names another."""

    def pack(self, raw: Raw) -> bytes | None:
        """Return the registers of a raw; None when it does not fit the type."""

    def unpack(self, data: bytes) -> Raw | None:
        """Return the raw of `2 * length` bytes; None for bytes that are none of this type."""


def swap_words(data: bytes) -> bytes:
    """Return the registers in opposite order, each still high byte first."""
    return b"".join(data[i : i + 2] for i in range(len(data) - 2, -1, -2))


def swap_bytes(data: bytes) -> bytes:
    """Return each register's two bytes exchanged."""
    swapped = bytearray(data)
    swapped[0::2], swapped[1::2] = data[1::2], data[0::2]
    return bytes(swapped)


@dataclass(frozen=True, slots=True)
class IntegerType:
    """u16 to u64l and s16 to s64l."""

    name: str
    length: int
    signed: bool = False
    low_word_first: bool = False

    @property
    def minimum(self) -> int:
        """Smallest raw."""
        return -(1 << (16 * self.length - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest raw."""
        return (1 << (16 * self.length - (1 if self.signed else 0))) - 1

    @property
    def invalid(self) -> int:
        """0xFF.. for unsigned, 0x7F.. for signed types."""
        return self.maximum

    def pack(self, raw: Raw) -> bytes | None:
        """Return the registers; None outside the type."""
        if not isinstance(raw, int) or not self.minimum <= raw <= self.maximum:
            return None
        data = raw.to_bytes(2 * self.length, "big", signed=self.signed)
        return swap_words(data) if self.low_word_first else data

    def unpack(self, data: bytes) -> int:
        """Return the number."""
        return int.from_bytes(swap_words(data) if self.low_word_first else data, "big", signed=self.signed)


@dataclass(frozen=True, slots=True)
class FloatType:
    """f32b and f32l: IEEE 754 single precision."""

    name: str
    low_word_first: bool = False
    length: int = 2

    @property
    def invalid(self) -> float:
        """NaN."""
        return math.nan

    def pack(self, raw: Raw) -> bytes | None:
        """Return the registers; None for what single precision cannot hold."""
        if isinstance(raw, str):
            return None
        try:
            data = struct.pack(">f", raw)
        except OverflowError:
            return None
        if math.isinf(struct.unpack(">f", data)[0]):
            return None
        return swap_words(data) if self.low_word_first else data

    def unpack(self, data: bytes) -> float | None:
        """Return the number; None for infinities, which no measurement is."""
        number: float = struct.unpack(">f", swap_words(data) if self.low_word_first else data)[0]
        return None if math.isinf(number) else number


@dataclass(frozen=True, slots=True)
class TextType:
    """Text of two bytes a register, padded with NULs; `little` puts each register's low byte first."""

    length: int
    little: bool = False
    encoding: str = "ascii"
    name: str = "text"

    @property
    def invalid(self) -> str:
        """NULs."""
        return ""

    def pack(self, raw: Raw) -> bytes | None:
        """Return the registers, a longer text cut at a character; what the encoding lacks becomes `?`."""
        data = _cut(str(raw).rstrip("\0"), self.encoding, 2 * self.length)
        data = data.ljust(2 * self.length, b"\0")
        return swap_bytes(data) if self.little else data

    def unpack(self, data: bytes) -> str | None:
        """Return the text without its trailing NULs; None when it is not of the encoding."""
        try:
            return (swap_bytes(data) if self.little else data).rstrip(b"\0").decode(self.encoding)
        except UnicodeDecodeError:
            return None


def _cut(text: str, encoding: str, size: int) -> bytes:
    """Encode the characters that fit wholly into `size` bytes."""
    data = text.encode(encoding, "replace")
    return data if len(data) <= size else data[:size].decode(encoding, "ignore").encode(encoding)


@dataclass(frozen=True, slots=True)
class HexType:
    """Hexadecimal digits, four a register, always upper case as the stock client shows them."""

    length: int
    little: bool = False
    name: str = "hexstr"

    @property
    def invalid(self) -> str:
        """All zeros."""
        return "0" * (4 * self.length)

    def pack(self, raw: Raw) -> bytes | None:
        """Return the registers of digits (or of a whole number); None for other texts and too many digits."""
        digits = (f"{raw:X}" if isinstance(raw, int) else str(raw)).zfill(4 * self.length)
        if len(digits) != 4 * self.length or not digits.isascii() or not digits.isalnum():
            return None
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            return None
        return swap_bytes(data) if self.little else data

    def unpack(self, data: bytes) -> str:
        """Return the digits."""
        return (swap_bytes(data) if self.little else data).hex().upper()


@dataclass(frozen=True, slots=True)
class EnumType:
    """e16: a number with names; numbers without a name pass through both ways."""

    values: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    name: str = "e16"
    length: int = 1

    @property
    def invalid(self) -> int:
        """0xFFFF."""
        return 0xFFFF

    def pack(self, raw: Raw) -> bytes | None:
        """Return the register; None outside 16 bits."""
        return U16.pack(raw)

    def unpack(self, data: bytes) -> int:
        """Return the number."""
        return U16.unpack(data)


@dataclass(frozen=True, slots=True)
class MappedType:
    """mapu16: a table from raw to published number; a raw that is not in it means no value."""

    values: Mapping[int, int | float]
    name: str = "mapu16"
    length: int = 1

    @property
    def invalid(self) -> int:
        """0xFFFF, or the highest raw that the table leaves free."""
        return next(raw for raw in range(0xFFFF, -1, -1) if raw not in self.values)

    def raw_of(self, value: Value) -> int | None:
        """Return the raw that publishes a value, None when there is none."""
        return next((raw for raw, published in self.values.items() if published == value), None)

    def pack(self, raw: Raw) -> bytes | None:
        """Return the register; None outside 16 bits."""
        return U16.pack(raw)

    def unpack(self, data: bytes) -> int:
        """Return the raw, before the table."""
        return U16.unpack(data)


@dataclass(frozen=True, slots=True)
class BitType:
    """Bit `bit` of a block of registers, counted from the low bit of the first; a raw is 0 or 1."""

    bit: int
    set: int = 1
    unset: int = 0
    name: str = "bit"

    @property
    def length(self) -> int:
        """Registers up to and including the one that holds the bit."""
        return 1 + self.bit // 16

    @property
    def mask(self) -> int:
        """The bit within its own register."""
        return 1 << (self.bit % 16)

    @property
    def invalid(self) -> int:
        """A clear bit: a bit has no pattern to spare."""
        return 0

    def pack(self, raw: Raw) -> bytes | None:
        """Return the block with this bit alone."""
        if raw not in (0, 1):
            return None
        return bytes(2 * (self.length - 1)) + (self.mask if raw else 0).to_bytes(2, "big")

    def unpack(self, data: bytes) -> int:
        """Return 1 when the bit is set."""
        return 1 if int.from_bytes(data[-2:], "big") & self.mask else 0


@dataclass(frozen=True, slots=True)
class VersionType:
    """EM24 version: top nibble, second nibble and low byte as decimals; 0x2110 is `2.1.16`."""

    name: str = "version"
    length: int = 1

    @property
    def invalid(self) -> int:
        """0xFFFF."""
        return 0xFFFF

    def pack(self, raw: Raw) -> bytes | None:
        """Return the register of a number or of `major.minor.build`."""
        if isinstance(raw, str):
            parts = _numbers(raw, 10)
            if parts is None or len(parts) > 3:
                return None
            major, minor, build = (*parts, 0, 0, 0)[:3]
            if major > 0xF or minor > 0xF or build > 0xFF:
                return None
            raw = major << 12 | minor << 8 | build
        return U16.pack(raw)

    def unpack(self, data: bytes) -> str | int:
        """Return the version as text; 0xFFFF, which is none, as the number."""
        number = U16.unpack(data)
        if number == self.invalid:
            return number
        return f"{number >> 12}.{number >> 8 & 0xF}.{number & 0xFF}"


@dataclass(frozen=True, slots=True)
class VeVersionType:
    """Victron version (VEReg_ver): major, minor and beta in bytes 1 to 3, beta 0xFF for a release.

    The raw is `major << 16 | minor << 8 | beta`, as the stock client publishes it; a text such as `1.0a`,
    `v3.42` or `1.13~beta-2`, digits hexadecimal, is taken too.
    """

    name: str = "ve_version"
    length: int = 2

    @property
    def invalid(self) -> int:
        """0xFFFFFF."""
        return 0xFFFFFF

    def pack(self, raw: Raw) -> bytes | None:
        """Return the registers; None for a number of more than 24 bits or a text that is no version."""
        if isinstance(raw, str):
            release, _, beta = raw.strip().removeprefix("v").partition("~")
            parts = _numbers(release, 16)
            stage = _numbers(beta.removeprefix("beta-"), 16) if beta else [_RELEASE]
            if parts is None or stage is None or len(parts) != 2 or len(stage) != 1:
                return None
            if max(*parts, *stage) > 0xFF:
                return None
            raw = parts[0] << 16 | parts[1] << 8 | stage[0]
        if not isinstance(raw, int) or not 0 <= raw <= 0xFFFFFF:
            return None
        return raw.to_bytes(4, "big")

    def unpack(self, data: bytes) -> int:
        """Return bytes 1 to 3 as one number."""
        return int.from_bytes(data[1:4], "big")


def _numbers(text: str, base: int) -> list[int] | None:
    """Read dotted numbers; None when a part is no plain number."""
    parts = text.split(".")
    if not all(part.isascii() and part.isalnum() and len(part) <= 4 for part in parts):
        return None
    try:
        return [int(part, base) for part in parts]
    except ValueError:
        return None


U16 = IntegerType("u16", 1)

#: Types that need nothing but their name.
PLAIN_TYPES: Mapping[str, RegisterType] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            U16,
            IntegerType("s16", 1, signed=True),
            IntegerType("u32b", 2),
            IntegerType("u32l", 2, low_word_first=True),
            IntegerType("s32b", 2, signed=True),
            IntegerType("s32l", 2, signed=True, low_word_first=True),
            IntegerType("u64b", 4),
            IntegerType("u64l", 4, low_word_first=True),
            IntegerType("s64b", 4, signed=True),
            IntegerType("s64l", 4, signed=True, low_word_first=True),
            FloatType("f32b"),
            FloatType("f32l", low_word_first=True),
            VersionType(),
            VeVersionType(),
        )
    }
)

#: Every type of the format.
TYPE_NAMES = frozenset({*PLAIN_TYPES, "text", "hexstr", "e16", "mapu16", "bit"})

#: Encodings of text; others could take more bytes a character or write marks before the text.
ENCODINGS = frozenset({"ascii", "latin-1", "utf-8"})


def is_encoding(name: str) -> bool:
    """True for an encoding that text registers may use, in any of its spellings."""
    try:
        return codecs.lookup(name).name in {codecs.lookup(known).name for known in ENCODINGS}
    except (LookupError, ValueError):
        return False
