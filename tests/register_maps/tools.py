"""What the tests of the tools' files share: maps with every type, and registers with values in them."""

import random
from collections.abc import Iterator

from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap
from bridge.register_maps.packing import decode, encode, value_of
from bridge.register_maps.snippets import TOOLS
from bridge.register_maps.snippets_values import Readable, Target, readables
from bridge.register_maps.types import BitType, EnumType, FloatType, IntegerType, MappedType, Value
from tests.register_maps.plant import loaded

SHIPPED = Catalogue().names()
TARGET = Target("192.168.1.9", 1502, 20)

EVERY_TYPE = """
    title: Every type
    device: {role: battery}
    registers:
      - {address: 0x3000, type: u16, scale: 100, path: /Dc/0/Voltage}
      - {address: 0x3001, type: s16, scale: 10, path: /Dc/0/Current}
      - {address: 0x3002, type: u32b, scale: 1/3600, path: /Ac/Energy/Forward}
      - {address: 0x3004, type: u32l, path: /Counts/U32l}
      - {address: 0x3006, type: s32b, scale: 1000, path: /Dc/0/Power}
      - {address: 0x3008, type: s32l, path: /Counts/S32l, write: [-1000, 1000]}
      - {address: 0x300A, type: u64b, path: /Counts/U64b}
      - {address: 0x300E, type: s64l, scale: 0.1, path: /Counts/S64l}
      - {address: 0x3012, type: f32b, path: /Ac/Power}
      - {address: 0x3014, type: f32l, scale: 1000, path: /Ac/L1/Power}
      - {address: 0x3016, type: e16, path: /Mode, values: {on: 1, off: 4}, accept: {0: 4}, write: true}
      - {address: 0x3017, type: mapu16, path: /Port, values: {5: 252, 7: 0.5}}
      - {address: 0x3018, type: bit, bit: 3, path: /Alarms/Overload}
      - {address: 0x3019, type: version, path: /HardwareVersion}
      - {address: 0x301A, type: ve_version, path: /FirmwareVersion}
      - {address: 0x301C, type: text, length: 4, path: /Serial}
      - {address: 0x3020, type: text, length: 4, little: true, path: /CustomName}
      - {address: 0x3024, type: hexstr, length: 2, path: /Mac}
      - {address: 0x3026, type: u16, scale: 10, path: /Settings/ChargeCurrentLimit, write: [0, 60]}
      - {address: 0x3027, type: u16, path: /Actions/Reset, write: {values: [1]}, self_clearing: true}
      - {address: 0x3028, type: s16, scale: 10, path: /Settings/Shift, write: [-20, 20]}
      - {address: 0x3029, type: u32b, scale: 100, path: /Settings/Wide, write: [0, 40000000]}
      - {address: 0x302B, type: u16, path: /Oddly/Invalid, invalid: [0, 7]}
      - {address: 0x302C, type: u16, path: /Always/There, invalid: none}
      - {address: 0x3100, type: u16, path: /Soc, table: input}
    coils:
      - {address: 0, path: /Mode, on: 1, off: 4, mirror: 0x3080}
      - {address: 3, path: /Relay/0/State, mirror: 0x3081, write: false}
    discrete_inputs: [{address: 7, path: /Alarms/HighVoltage, on: [1, 2]}]
"""


def every_type() -> RegisterMap:
    return loaded(EVERY_TYPE)


def shipped(name: str) -> RegisterMap:
    found = Catalogue().load(name).map
    assert found is not None
    return found


def made(tool: str, found: RegisterMap) -> str:
    return TOOLS[tool](found, TARGET)


def words_of(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)]


def held(found: RegisterMap, seed: int) -> Iterator[tuple[Readable, list[int], Value | None]]:
    """Give every point with registers that hold a random value, or none, and what they say by our codec."""
    dice = random.Random(seed)
    for item in readables(found):
        register = item.register
        data = encode(register.type, _value(item, dice), register.scale, register.invalid)
        yield item, words_of(data), decode(register.type, data, register.scale, register.invalid)


def _value(item: Readable, dice: random.Random) -> Value | None:
    kind = item.register.type
    if dice.random() < 0.2:
        return None
    match kind:
        case IntegerType():
            low, high = max(kind.minimum, -(1 << 53)), min(kind.maximum, 1 << 53)
            return value_of(kind, item.register.scale, dice.randint(low, high))
        case FloatType():
            return dice.uniform(-5000, 5000)
        case EnumType():
            return dice.choice([*kind.values.values(), 9])
        case MappedType():
            return dice.choice([*kind.values.values()])
        case BitType():
            return dice.choice([kind.set, kind.unset])
    return {"version": 0x2110, "ve_version": 0x01_0A_FF, "hexstr": "801E10AF"}.get(kind.name, "AB-12é")
