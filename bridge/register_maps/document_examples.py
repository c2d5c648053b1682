"""Worked examples for a map's document: whole Modbus TCP frames, made by the codec that serves them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bridge.register_maps.blocks.status import STATUS_ADDRESS
from bridge.register_maps.document_rows import exact, plain
from bridge.register_maps.format import Kind, Register, RegisterMap, Table
from bridge.register_maps.measures import unit_of_measure
from bridge.register_maps.packing import decode, encode, is_invalid, raw_of
from bridge.register_maps.types import EnumType, FloatType, IntegerType, Value

#: A value to show where a point has this unit of measure and its range allows it.
_SAMPLES: dict[str, Value] = {
    "V": 26.5,
    "A": 10,
    "W": 1250,
    "VA": 1300,
    "Hz": 50,
    "kWh": 12.5,
    "Ah": 40,
    "%": 80,
    "°C": 25,
    "s": 3600,
}
_BRIDGE_UNIT = 247
_ANY_UNIT = 20
#: Function codes (Modbus application protocol 1.1b3, section 6).
_READ = {Table.HOLDING: 3, Table.INPUT: 4}
_WRITE_COIL, _WRITE_ONE, _WRITE_MANY = 5, 6, 16
_SLOW = 5


@dataclass(frozen=True, slots=True)
class Example:
    """One request and its reply as they stand on the wire, and what they say."""

    title: str
    request: bytes
    reply: bytes
    told: str


def example_unit(loaded: RegisterMap) -> int:
    """Return the unit id that examples use: the one that clients look for first."""
    if loaded.kind is Kind.BRIDGE:
        return _BRIDGE_UNIT
    return loaded.detect.units[0] if loaded.detect is not None and loaded.detect.units else _ANY_UNIT


def examples_of(loaded: RegisterMap) -> Iterator[Example]:
    """Give a read, a read of two registers, writes and an outcome, as far as the map has them."""
    unit = example_unit(loaded)
    numbers = [r for r in loaded.registers if _is_measurement(r)]
    for length in (1, 2):
        shown = _most_telling(r for r in numbers if r.length == length and r.path)
        if shown is not None:
            yield _reading(unit, shown)
    setting = _most_telling(
        r for r in loaded.registers if r.write and r.switch is None and not r.self_clearing
    )
    if setting is not None:
        yield _writing(unit, setting)
    coil = next((c for c in loaded.coils if c.write), None)
    if coil is not None:
        pdu = bytes((_WRITE_COIL, *coil.address.to_bytes(2, "big"), 0xFF, 0x00))
        told = f"coil {coil.address} on: {coil.path} is asked to become {plain(coil.switch.on[0])}"
        yield Example("Switching on by a coil", _frame(unit, pdu), _frame(unit, pdu), told)
    if loaded.writable and loaded.has_status:
        yield from _outcome(unit, setting)


def _reading(unit: int, register: Register) -> Example:
    value = _sample(register)
    data = encode(register.type, value, register.scale, register.invalid)
    function = _READ[register.table]
    raw = raw_of(register.type, register.scale, 0 if value is None else value)
    measure = unit_of_measure(register.path or "")
    scaled = "" if register.scale == 1 else f" / {exact(register.scale)} = {_shown(register, data, measure)}"
    words = " ".join(data[i : i + 2].hex().upper() for i in range(0, len(data), 2))
    told = f"{register.path}: {words} is {plain(0 if raw is None else raw)}{scaled}"
    title = "Reading one register" if register.length == 1 else "Reading a value of two registers"
    head = function.to_bytes(1, "big")
    request = head + register.address.to_bytes(2, "big") + register.length.to_bytes(2, "big")
    return Example(
        title, _frame(unit, request), _frame(unit, head + len(data).to_bytes(1, "big") + data), told
    )


def _shown(register: Register, data: bytes, measure: str) -> str:
    value = decode(register.type, data, register.scale, register.invalid)
    return f"{'' if value is None else plain(value)} {measure}".rstrip()


def _writing(unit: int, register: Register) -> Example:
    data = encode(register.type, _sample(register), register.scale, register.invalid)
    request, reply = _write_pdus(register, data)
    shown = _shown(register, data, unit_of_measure(register.path or ""))
    told = f"{register.path} is asked to become {shown}; the reply comes when the device has confirmed it"
    return Example("Writing", _frame(unit, request), _frame(unit, reply), told)


def _write_pdus(register: Register, data: bytes) -> tuple[bytes, bytes]:
    address = register.address.to_bytes(2, "big")
    if register.length == 1:
        pdu = bytes((_WRITE_ONE,)) + address + data
        return pdu, pdu
    head = bytes((_WRITE_MANY,)) + address + register.length.to_bytes(2, "big")
    return head + len(data).to_bytes(1, "big") + data, head


def _outcome(unit: int, setting: Register | None) -> Iterator[Example]:
    """Give a write that takes longer than its reply, and the block that tells its end."""
    if setting is None:
        return
    data = encode(setting.type, _sample(setting), setting.scale, setting.invalid)
    request, _ = _write_pdus(setting, data)
    late = bytes((request[0] | 0x80, _SLOW))
    yield Example(
        "A write that takes longer",
        _frame(unit, request),
        _frame(unit, late),
        "exception 05: still under way. Nothing is lost; the status block tells how it ends",
    )
    first = STATUS_ADDRESS + 2
    block = b"\x00\x08\x00\x01" + setting.address.to_bytes(2, "big") + b"\x00\x00"
    yield Example(
        "How it ended",
        _frame(unit, b"\x03" + first.to_bytes(2, "big") + b"\x00\x04"),
        _frame(unit, b"\x03\x08" + block),
        f"attempt 8 was the newest; outcome 1, confirmed; at 0x{setting.address:04X}; no exception",
    )


def _most_telling(registers: Iterable[Register]) -> Register | None:
    """Return the first register with a unit and a scale, else the mode, else the first of all."""
    found = [register for register in registers if _sample(register) is not None]
    scaled = [r for r in found if r.scale != 1 and unit_of_measure(r.path or "")]
    return next(iter([*scaled, *(r for r in found if r.path == "/Mode"), *found]), None)


def _is_measurement(register: Register) -> bool:
    own = isinstance(register.type, IntegerType | FloatType) and not register.alias
    return own and register.value is None and register.switch is None and register.write is None


def _sample(register: Register) -> Value | None:
    """Return a value that the register can show and, where it is written, take; None without one."""
    rule = register.write
    wanted = _SAMPLES.get(unit_of_measure(register.path or ""), 1)
    candidates: list[Value | None] = [wanted, 1]
    if rule is not None and rule.choices:
        candidates = [rule.choices[0]]
    elif rule is not None:
        candidates += [rule.maximum]
    if isinstance(register.type, EnumType) and register.type.values:
        candidates = [next(iter(register.type.values.values()))]
    for value in candidates:
        if value is None or isinstance(value, str) or (rule is not None and not rule.allows(value)):
            continue
        raw = raw_of(register.type, register.scale, value)
        if raw is None or is_invalid(raw, register.type, register.invalid):
            continue
        if register.type.pack(raw) is not None:
            return value
    return None


def _frame(unit: int, pdu: bytes) -> bytes:
    """Return a Modbus TCP frame with transaction id 1 (Modbus TCP messaging guide 1.0b, section 3.1.3)."""
    return b"\x00\x01\x00\x00" + (len(pdu) + 1).to_bytes(2, "big") + unit.to_bytes(1, "big") + pdu
