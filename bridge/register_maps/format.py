"""A register map as data: what stands at which address, read from which points and written to which.

Everything is immutable and holds no values of a device, so one loaded map serves any number of units.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from bridge.register_maps.packing import ONE
from bridge.register_maps.types import U16, Raw, RegisterType, Value

#: Registers in a row that the stock client reads across on TCP (dbus-modbus-client: (overhead + 1) // 2).
HOLE_MAX = 31
#: Registers of the most that one request reads (Modbus application protocol 1.1b3, 6.3).
READ_MAX = 125
ADDRESS_MAX = 0xFFFF


class Kind(enum.StrEnum):
    """What a map is for."""

    NATIVE = "native"  # serves a family's devices in their own shape
    CLIENT = "client"  # polls foreign Modbus equipment, and serves it again
    PERSONA = "persona"  # imitates a device that stock clients know
    BRIDGE = "bridge"  # unit 247


class Table(enum.StrEnum):
    """The four tables of Modbus."""

    HOLDING = "holding"
    INPUT = "input"
    COILS = "coils"
    DISCRETE = "discrete"


class Stale(enum.StrEnum):
    """What registers of a stale, not essential point serve."""

    EXCEPTION = "exception"  # a read that touches them answers 0B
    INVALID = "invalid"  # the invalid pattern
    HOLD = "hold"  # what they held
    ZERO = "zero"


class Missing(enum.StrEnum):
    """What a sum does while one of its sources is stale."""

    FAIL = "fail"  # the whole view answers 0B
    ZERO = "zero"  # the source counts as nothing
    HOLD = "hold"  # the last whole sum stays, also over a restart: the rule of energies


@dataclass(frozen=True, slots=True)
class SourcePoint:
    """A point that feeds a register: of the unit's own device unless `device` names another."""

    path: str
    device: str | None = None
    negate: bool = False

    def __str__(self) -> str:
        return self.path if self.device is None else f"{self.device}:{self.path}"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from: the first of `points` that the device has, or their sum."""

    points: tuple[SourcePoint, ...]
    total: bool = False
    missing: Missing = Missing.FAIL


@dataclass(frozen=True, slots=True)
class WriteRule:
    """What may be written: an inclusive range, a list of values, or (both None) anything the type holds."""

    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Value, ...] | None = None

    def allows(self, value: Value) -> bool:
        """True for a value within the rule."""
        if self.choices is not None:
            return value in self.choices
        if self.minimum is None or self.maximum is None:
            return True
        return not isinstance(value, str) and self.minimum <= value <= self.maximum


@dataclass(frozen=True, slots=True)
class Switch:
    """How a point is shown by one bit.

    A coil (`on` one value) reads 0 only at `off`; a discrete input with `off` None reads 1 only at `on`.
    """

    on: tuple[Value, ...] = (1,)
    off: Value | None = 0

    def reads(self, value: Value) -> bool:
        """Return the bit of a value."""
        return value in self.on if self.off is None else value != self.off


#: No table of accepted numbers; one object for all registers without one.
NO_NUMBERS: Mapping[int, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Register:
    """One entry of a register table.

    path: the name it is published under. source: the point behind it, None for constants and fillers.
    invalid: raws that mean no value; None for the type's own pattern, empty for `none`. value: a constant.
    alias: another reading of registers that belong to another entry; it is never encoded. switch: set on a
    coil's mirror, which is 0 or 1. block: what works the value out of all sources. poll, info, form: for
    clients.
    """

    table: Table
    address: int
    type: RegisterType
    path: str | None = None
    source: Source | None = None
    scale: Fraction = ONE
    write: WriteRule | None = None
    accept: Mapping[int, int] = field(default_factory=lambda: NO_NUMBERS)
    invalid: tuple[Raw, ...] | None = None
    value: Value | None = None
    stale: Stale | None = None
    form: str | None = None
    switch: Switch | None = None
    block: str | None = None
    alias: bool = False
    self_clearing: bool = False
    poll: bool = True
    info: bool = False
    line: int = 0
    column: int = 0

    @property
    def length(self) -> int:
        """Registers it takes."""
        return self.type.length

    @property
    def end(self) -> int:
        """The address after its last register."""
        return self.address + self.type.length


@dataclass(frozen=True, slots=True, eq=False)
class Coil:
    """One coil or discrete input; `mirror` is the holding register that shows a coil to stock clients."""

    table: Table
    address: int
    path: str
    source: Source
    switch: Switch
    write: bool = False
    mirror: int | None = None
    line: int = 0
    column: int = 0

    @property
    def end(self) -> int:
        """The address after it."""
        return self.address + 1

    def mirrored(self) -> Register | None:
        """Return its mirror as a register, None without one."""
        if self.mirror is None:
            return None
        return Register(
            Table.HOLDING,
            self.mirror,
            U16,
            path=self.path,
            source=self.source,
            write=WriteRule(choices=(0, 1)) if self.write else None,
            switch=self.switch,
            line=self.line,
            column=self.column,
        )


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """How the device presents itself to Victron clients; see dbus-modbus-client `device.py`."""

    vendor_id: str = "bridge"
    vendor_name: str = ""
    product_id: int | None = None
    product_name: str = ""
    role: str = ""
    instance: int | None = None
    min_timeout_s: float | None = None
    access: Table = Table.HOLDING
    hole_max: int = HOLE_MAX
    fast: tuple[str, ...] = ()
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Detect:
    """The model register by which clients know the device."""

    address: int
    type: RegisterType
    values: Mapping[int | str, str]
    methods: tuple[str, ...] = ()
    units: tuple[int, ...] = ()
    rates: tuple[int, ...] = ()
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class RegisterMap:
    """A loaded map; `registers` hold the mirrors of its coils too, each table in address order."""

    name: str
    title: str
    kind: Kind
    registers: tuple[Register, ...]
    coils: tuple[Coil, ...] = ()
    device: DeviceInfo = DeviceInfo()
    detect: Detect | None = None
    stale: Stale = Stale.INVALID
    constants: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    file: str = ""

    @property
    def has_status(self) -> bool:
        """True where the status block is served at 0xFE00."""
        return self.kind in (Kind.NATIVE, Kind.CLIENT)

    @property
    def writable(self) -> bool:
        """True when anything in it can be written."""
        return any(r.write for r in self.registers) or any(c.write for c in self.coils)
