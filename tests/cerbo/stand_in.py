"""A stand-in for the modules of dbus-modbus-client that a class file imports, written from its behaviour.

It keeps what a class file can notice of v1.83: constructors and their defaults, value = raw / scale, invalid
numbers, truncation when writing, packing of registers across holes, the order of a device's start, the table of a
group kept only for the first group of a kind. D-Bus is a dictionary.
"""

# ruff: noqa: N801 - classes are called as the client calls them

import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from bridge.datastore.values import Value
from bridge.register_maps.image import UnitImage

NAMES = ("device", "probe", "register", "victron_regs")


class Reply:
    def __init__(self, answer: bytes | int) -> None:
        self.answer = answer

    def isError(self) -> bool:
        return isinstance(self.answer, int)

    @property
    def registers(self) -> list[int]:
        assert isinstance(self.answer, bytes)
        return list(struct.unpack(f">{len(self.answer) // 2}H", self.answer))


class ImageModbus:
    """A Modbus client whose far end is an image; writes are kept as the changes that they mean."""

    method = "tcp"
    hole_max = 31

    def __init__(self, image: UnitImage) -> None:
        self.image = image
        self.reads: list[tuple[str, int, int]] = []
        self.changes: list[dict[str, Value]] = []

    def read_registers(self, address: int, count: int, access: str) -> Reply:
        self.reads.append((access, address, count))
        return Reply(self.image.read_registers(access, address, count))

    def write_registers(self, address: int, words: list[int]) -> None:
        data = struct.pack(f">{len(words)}H", *words)
        self.changes.append(dict(self.image.decode_registers(address, data).changes))


class Reg:
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(
        self, base, count, name=None, text=None, write=False, max_age=None, onchange=None, access=None
    ):
        self.base, self.count, self.name, self.text = base, count, name, text
        self.write, self.max_age, self.access, self.value = write, max_age, access, None

    def update(self, value):
        self.value = value
        return True

    def words(self, fmt, value):
        return list(struct.unpack(f">{self.count}H", struct.pack(fmt, value)))

    def shown(self):
        return self.value

    def isvalid(self):
        return self.value is not None

    def __int__(self):
        return int(self.value)


class Reg_num(Reg):
    count = 1
    wire = ">H"
    low_first = False
    whole = int

    def __init__(self, base, name=None, scale=1, text=None, write=False, invalid=(), **kwargs):
        super().__init__(base, type(self).count, name, text, write, **kwargs)
        self.scale = float(scale) if scale != 1 else self.whole(scale)
        self.invalid = list(invalid) if isinstance(invalid, (list, tuple)) else [invalid]

    def set_raw_value(self, val):
        return self.update(type(self.scale)(val / self.scale))

    def decode(self, values):
        ordered = values[::-1] if self.low_first else values
        (raw,) = struct.unpack(self.wire, struct.pack(f">{self.count}H", *ordered))
        return self.update(None) if raw in self.invalid else self.set_raw_value(raw)

    def encode(self):
        words = self.words(self.wire, self.whole(self.value * self.scale))
        return words[::-1] if self.low_first else words


def _numbers() -> dict[str, type]:
    made: dict[str, type] = {}
    for kind, wire, count in (("u16", "H", 1), ("s16", "h", 1), ("u32", "I", 2), ("s32", "i", 2),
                              ("u64", "Q", 4), ("s64", "q", 4), ("f32", "f", 2)):  # fmt: skip
        for end in ("",) if count == 1 else ("b", "l"):
            whole = float if kind == "f32" else int
            made[f"Reg_{kind}{end}"] = type(
                f"Reg_{kind}{end}",
                (Reg_num,),
                {"wire": f">{wire}", "count": count, "low_first": end == "l", "whole": whole},
            )
    return made


NUMBERS = _numbers()


class Reg_e16(Reg):
    def __init__(self, base, name, enum, **kwargs):
        super().__init__(base, 1, name, **kwargs)
        self.enum = enum
        if self.write is True:
            self.write = [member.value for member in enum]

    def decode(self, values):
        known = {member.value for member in self.enum}
        return self.update(self.enum(values[0]) if values[0] in known else values[0])

    def encode(self):
        return [self.value]


class Reg_text(Reg):
    def __init__(self, base, count, name=None, little=False, encoding=None, **kwargs):
        super().__init__(base, count, name, **kwargs)
        self.encoding = encoding or "ascii"
        self.fmt = f"{'<' if little else '>'}{count}H"

    def decode(self, values):
        return self.update(struct.pack(self.fmt, *values).rstrip(b"\0").decode(self.encoding))

    def encode(self):
        return list(struct.unpack(self.fmt, self.value.encode(self.encoding).ljust(2 * self.count, b"\0")))


class Reg_hexstr(Reg):
    def __init__(self, base, count, name=None, little=False, upper=False, **kwargs):
        super().__init__(base, count, name, **kwargs)
        self.fmt = f"{'<' if little else '>'}{count}H"

    def decode(self, values):
        return self.update(struct.pack(self.fmt, *values).hex().upper())


class Reg_mapu16(NUMBERS["Reg_u16"]):  # type: ignore[misc]
    def __init__(self, base, name, tab, *args, **kwargs):
        super().__init__(base, name, *args, **kwargs)
        self.tab = tab

    def decode(self, values):
        return self.update(self.tab.get(values[0]))


class Reg_bit(Reg):
    def __init__(self, base, *args, bit, set=1, unset=0, **kwargs):
        super().__init__(base, 1 + bit // 16, *args, **kwargs)
        self.bit, self.set, self.unset = bit, set, unset

    def decode(self, values):
        return self.update(self.set if values[self.bit // 16] >> self.bit % 16 & 1 else self.unset)


class VEReg_ver(Reg):
    def __init__(self, base, name):
        super().__init__(base, 2, name)

    def decode(self, values):
        return self.update(struct.unpack("4B", struct.pack(">2H", *values)))

    def shown(self):
        return self.value[1] << 16 | self.value[2] << 8 | self.value[3]


class Dbus(dict):
    def add_path(self, path, value, **_):
        if path in self:
            raise ValueError(f"{path} is there already")
        self[path] = value


class ModbusDevice:
    vendor_id: Any = None
    productid: Any
    min_timeout = 0.1
    fast_regs: Any = ("/Ac/L1/Power", "/Ac/L2/Power", "/Ac/L3/Power", "/Ac/Power")
    default_access = "holding"
    reg_hole_max: Any = None

    def __init__(self, modbus, model):
        self.modbus, self.model = modbus, model
        self.info: dict[str, Any] = {}
        self.info_regs: list[Any] = []
        self.data_regs: list[Any] = []
        self.dbus = Dbus()

    def read(self, first, count, access):
        reply = self.modbus.read_registers(first, count, access or self.default_access)
        if reply.isError():
            raise RuntimeError(f"{access} {first:#x}+{count}: exception {reply.answer}")
        return reply.registers

    def pack_regs(self, regs):
        hole_max = self.modbus.hole_max if self.reg_hole_max is None else self.reg_hole_max
        tables: dict[str, list[Any]] = {}
        for reg in regs:
            tables.setdefault(reg.access or self.default_access, []).append(reg)
        groups = []
        for access, found in tables.items():
            found.sort(key=lambda reg: reg.base)
            for number, reg in enumerate(found):
                last = found[number - 1]
                fits = number and reg.base + reg.count - groups[-1][0].base <= 125
                if not fits or reg.base - last.base - last.count > hole_max:
                    groups.append(Group(None if number else access))
                groups[-1].append(reg)
        return groups

    def init(self):
        self.device_init()
        self.read_info()
        assert "/ProductId" not in self.info, "shown as %X, which a register is not"
        for path in ("/Mgmt/ProcessName", "/DeviceInstance", "/Connected", "/Role"):
            self.dbus.add_path(path, 1)
        for path, value in (
            ("/ProductId", self.productid),
            ("/ProductName", self.productname),
            ("/Model", self.model),
        ):
            self.dbus.add_path(path, value)
        for reg in self.info.values():
            self.dbus[reg.name] = reg.shown()
        self.groups = self.pack_regs(self.data_regs)
        for reg in self.data_regs:
            self.dbus[reg.name] = None
        self.device_init_late()

    def read_info(self):
        for reg in self.info_regs:
            reg.decode(self.read(reg.base, reg.count, reg.access))
            self.info[reg.name] = reg

    def device_init(self): ...

    def device_init_late(self): ...

    def update(self):
        for group in self.groups:
            first = group[0].base
            values = self.read(first, group[-1].base + group[-1].count - first, group.access)
            for reg in group:
                if reg.max_age == float("inf"):
                    continue  # never due
                reg.decode(values[reg.base - first : reg.base - first + reg.count])
                self.dbus[reg.name] = reg.shown()

    def set_value(self, path, value):
        """What a D-Bus SetValue does; False where it is refused."""
        reg = next(reg for reg in self.data_regs if reg.name == path)
        rule = reg.write
        if not rule or (isinstance(rule, list) and value not in rule):
            return False
        if isinstance(rule, tuple) and not rule[0] <= value <= rule[1]:
            return False
        reg.value = value
        self.modbus.write_registers(reg.base, reg.encode())
        return True

    def get_ident(self):
        return f"{self.vendor_id}_{self.info['/Serial'].value}"


class Group(list):
    def __init__(self, access):
        super().__init__()
        self.access = access


class CustomName:
    def device_init_late(self):
        super().device_init_late()
        self.dbus.add_path("/CustomName", "")


class ModelRegister:
    def __init__(self, reg, models, **given):
        self.reg, self.models = reg, models
        self.methods, self.units, self.rates = (given.get(key, []) for key in ("methods", "units", "rates"))

    def probe(self, modbus):
        access = self.reg.access or next(iter(self.models.values()))["handler"].default_access
        reply = modbus.read_registers(self.reg.base, self.reg.count, access)
        if reply.isError():
            return None
        self.reg.decode(reply.registers)
        found = self.models.get(self.reg.value)
        return found and found["handler"](modbus, found["model"])


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(contents)
    return module


@contextmanager
def client() -> Iterator[list[ModelRegister]]:
    """The client's modules, importable; gives the device types that class files register."""
    types: list[ModelRegister] = []
    registers = {c.__name__: c for c in (Reg, Reg_num, Reg_e16, Reg_text, Reg_hexstr, Reg_mapu16, Reg_bit)}
    modules = {
        "device": _module("device", ModbusDevice=ModbusDevice, CustomName=CustomName),
        "probe": _module("probe", ModelRegister=ModelRegister, add_handler=types.append),
        "register": _module("register", **registers, **NUMBERS),
        "victron_regs": _module("victron_regs", VEReg_ver=VEReg_ver),
    }
    before = {name: sys.modules.get(name) for name in NAMES}
    sys.modules.update(modules)
    try:
        yield types
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def run(text: str, file: str = "class_file.py") -> dict[str, Any]:
    """Execute a class file; call it inside `client()`."""
    names: dict[str, Any] = {"__name__": file.removesuffix(".py")}
    exec(compile(text, file, "exec"), names)
    return names
