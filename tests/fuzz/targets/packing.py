"""Registers of every type: values to bytes and back, held to exact arithmetic of its own."""

import math
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction

from bridge.register_maps.packing import decode, encode
from bridge.register_maps.types import (
    PLAIN_TYPES,
    BitType,
    EnumType,
    HexType,
    MappedType,
    RegisterType,
    TextType,
    Value,
)
from tests.fuzz.target import Run, Target

_TYPES: tuple[RegisterType, ...] = (
    *PLAIN_TYPES.values(),
    EnumType({"on": 1, "off": 4}),
    MappedType({0: 0, 1: 0.5, 7: -3}),
    BitType(0),
    BitType(15),
    BitType(20),
    TextType(1),
    TextType(4),
    TextType(4, little=True, encoding="latin-1"),
    TextType(3, encoding="utf-8"),
    HexType(2),
    HexType(2, little=True),
)
_SCALES = tuple(map(Fraction, ("1", "10", "100", "1000", "0.1", "1/3", "2", "0.001", "1000000", "7/11")))
#: Registers, word order and sign of whole numbers, as the format describes them.
_WHOLE = {
    name: (int(name[1:3]) // 16, name.endswith("l"), name[0] == "s")
    for name in PLAIN_TYPES
    if name[0] in "us"
}
Encode = Callable[..., bytes]


def _value(data: bytes) -> Value | None:
    """Return a value that somebody might publish; its first byte says of which kind."""
    kind, rest = (data[0], data[1:]) if data else (0, b"")
    match kind % 6:
        case 0:
            return int.from_bytes(rest[:10], "big", signed=True)
        case 1:
            return float(struct.unpack(">d", rest[:8].ljust(8, b"\0"))[0])
        case 2:
            return int.from_bytes(rest[:3], "big", signed=True) / 100
        case 3:
            return rest.decode("utf-8", "replace")
        case 4:
            return (int.from_bytes(rest[:2], "big") + 0.5) / 10
    return None


class Packing:
    """The promise, for an encoder."""

    def __init__(self, encoder: Encode = encode) -> None:
        self._encode = encoder

    def __call__(self, data: bytes) -> None:
        """Hold one value, and one row of registers, to all that is promised."""
        if len(data) < 3:
            return
        kind = _TYPES[data[0] % len(_TYPES)]
        scale = _SCALES[data[1] % len(_SCALES)] if kind.name[0] in "usf" else Fraction(1)
        value = _value(data[2:])
        packed = self._encode(kind, value, scale)
        nothing = self._encode(kind, None, scale)
        assert len(packed) == len(nothing) == 2 * kind.length
        if kind.name != "bit":
            assert decode(kind, nothing, scale) is None
        if kind.name in _WHOLE:
            self._whole(kind, value, scale, packed, nothing)
        elif kind.name in ("f32b", "f32l"):
            _real(kind, value, scale, packed, nothing)
        elif kind.name == "text":
            _text(kind, value, packed)
        self._back(kind, scale, data[2:].ljust(2 * kind.length, b"\0")[: 2 * kind.length])

    def _whole(
        self, kind: RegisterType, value: Value | None, scale: Fraction, packed: bytes, nothing: bytes
    ) -> None:
        length, low_first, signed = _WHOLE[kind.name]
        bits = 16 * length
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        words = [packed[i : i + 2] for i in range(0, len(packed), 2)]
        found = int.from_bytes(b"".join(reversed(words) if low_first else words), "big", signed=signed)
        if value is None or isinstance(value, str) or not math.isfinite(value):
            assert packed == nothing
            return
        raw = round(Fraction(repr(value)) * scale)
        if not low <= raw < high:  # the highest is the mark of no value
            assert packed == nothing, f"{value} wrapped to {found}"
            return
        assert found == raw
        shown = decode(kind, packed, scale)
        assert isinstance(shown, int | float)
        # a float holds 53 bits: beyond them the last ones are lost
        margin = 1 / (2 * scale) + abs(Fraction(repr(value))) / (1 << 50)
        assert abs(Fraction(shown) - Fraction(repr(value))) <= margin

    def _back(self, kind: RegisterType, scale: Fraction, registers: bytes) -> None:
        """What registers say is written back as the same registers, where it is a value at all."""
        shown = decode(kind, registers, scale)
        if shown is None:
            return
        assert isinstance(shown, int | float | str)
        again = self._encode(kind, shown, scale)
        same = decode(kind, again, scale)
        exact = not isinstance(shown, float) or abs(shown * scale) < 1 << 50
        if exact and kind.name not in ("f32b", "f32l"):
            assert same == shown, f"{registers.hex()} is {shown}, which becomes {again.hex()}"


def _real(kind: RegisterType, value: Value | None, scale: Fraction, packed: bytes, nothing: bytes) -> None:
    if packed == nothing:
        finite = not (value is None or isinstance(value, str)) and math.isfinite(value)
        assert not finite or abs(Fraction(repr(value)) * scale) > Fraction(3.4e38)
        return
    assert value is not None
    assert not isinstance(value, str)
    shown = decode(kind, packed, scale)
    assert isinstance(shown, int | float)
    assert math.isfinite(shown)
    assert (
        abs(Fraction(shown) - Fraction(value)) <= abs(Fraction(value)) / (1 << 22) + Fraction(2e-45) / scale
    )


def _text(kind: RegisterType, value: Value | None, packed: bytes) -> None:
    shown = decode(kind, packed)
    written = "" if value is None else str(value).rstrip("\0")
    if shown is None:
        assert not written or not packed.strip(b"\0")
        return
    assert isinstance(shown, str)
    assert isinstance(kind, TextType)
    plain = written.encode(kind.encoding, "replace").decode(kind.encoding)
    assert plain.startswith(shown) or shown == plain.rstrip("\0")[: len(shown)]


def _make() -> Run:
    return Packing()


def _seeds() -> Iterator[bytes]:
    for number in range(len(_TYPES)):
        for kind in range(6):
            yield bytes((number, (number + kind) % len(_SCALES), kind)) + b"\x12\x34\x56\x78\x9a"
        yield bytes((number, 0, 3)) + "Größe 10~b.1é".encode()
    for value in (0.575, -0.0, 65534.5, 65535.5, 3.4e38, 1e-45, 2**63, math.inf, math.nan):
        for number in (0, 1, 2, 5, 9, 10):
            yield bytes((number, 2, 1)) + struct.pack(">d", value)


TARGETS = (
    Target(
        "packing",
        "any value in any type: exact rounding, never wrapped, the invalid pattern for what does not fit",
        _make,
        24,
        _seeds,
        (b"\x7f\xff", b"\xff\xff", b"\x80\x00", b"\x7f\xf0\0\0\0\0\0\0"),
    ),
)
