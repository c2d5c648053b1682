"""What an MK3 interface says, as values; numbers stay raw until `variables.py` gives them their scale."""

import enum
from dataclasses import dataclass


class Winmon(enum.IntEnum):
    """Commands inside W, X, Y and Z."""

    VERSION_LOW = 0x05
    VERSION_HIGH = 0x06
    CHARGE_STATE = 0x0E
    READ_RAM = 0x30
    READ_SETTING = 0x31
    SETTING_INFO = 0x35
    RAM_INFO = 0x36


class WinmonReply(enum.IntEnum):
    """Codes of their replies; others are kept as numbers."""

    UNKNOWN_COMMAND = 0x80
    VERSION_LOW = 0x82
    VERSION_HIGH = 0x83
    RAM = 0x85
    SETTING = 0x86
    SETTING_SCALE = 0x89
    SETTING_OFFSET = 0x8A
    SETTING_DEFAULT = 0x8B
    SETTING_MINIMUM = 0x8C
    SETTING_MAXIMUM = 0x8D
    SCALE = 0x8E
    OFFSET = 0x8F
    NO_RAM = 0x90
    NO_SETTING = 0x91
    CHARGE_STATE = 0x94


class DeviceState(enum.IntEnum):
    """State of an AC frame; old firmware sends junk here."""

    DOWN = 0
    STARTUP = 1
    OFF = 2
    SLAVE = 3
    INVERTING = 4
    HALF_WAVE = 5
    SEARCHING = 6
    POWER_ASSIST = 7
    BYPASS = 8
    CHARGE = 9


class Led(enum.IntFlag):
    """Bits of the LED bytes."""

    MAINS = 0x01
    ABSORPTION = 0x02
    BULK = 0x04
    FLOAT = 0x08
    INVERTER = 0x10
    OVERLOAD = 0x20
    LOW_BATTERY = 0x40
    TEMPERATURE = 0x80


class Line(enum.IntFlag):
    """Bits of `H`, lines that the interface pulls low. Bit 2 is undocumented and set at power-up."""

    PANEL_DETECT = 0x01
    STANDBY = 0x02
    UNKNOWN_2 = 0x04


class Switch(enum.IntFlag):
    """Bits of the switch register."""

    REMOTE_CHARGE = 0x01
    REMOTE_INVERT = 0x02
    FRONT_UP = 0x04
    FRONT_DOWN = 0x08
    CHARGE = 0x10
    INVERT = 0x20
    ONBOARD_REMOTE = 0x40
    GENERATOR = 0x80


@dataclass(frozen=True, slots=True)
class Version:
    """`V`: the interface's version, and the address it has selected (a letter before the first)."""

    number: int
    selected: int


@dataclass(frozen=True, slots=True)
class AddressSet:
    """`A`: the device that Winmon commands go to."""

    address: int


@dataclass(frozen=True, slots=True)
class Lines:
    """`H`: the lines pulled low, bits of `Line`."""

    flags: int


@dataclass(frozen=True, slots=True)
class Leds:
    """`L`: bits of `Led` lit and blinking, alarm bits, error byte."""

    on: int
    blink: int
    alarms: int
    error: int


@dataclass(frozen=True, slots=True)
class StateTaken:
    """`S`: the interface has taken mode and limit, which does not prove that the unit obeys."""


@dataclass(frozen=True, slots=True)
class Dc:
    """`F 0`: raw variables 4, 5, 5 and 7."""

    voltage: bytes
    to_inverter: bytes
    from_charger: bytes
    period: int


@dataclass(frozen=True, slots=True)
class Ac:
    """`F 1` to `F 4`: raw variables 0, 1, 2, 3 and 8 of a phase.

    phases: how many the system has, told by L1 alone (else 0). mains_factor, inverter_factor: units that
    share the phase, by which the currents are multiplied.
    """

    phase: int
    phases: int
    state: int
    mains_factor: int
    inverter_factor: int
    mains_voltage: bytes
    mains_current: bytes
    inverter_voltage: bytes
    inverter_current: bytes
    period: int


@dataclass(frozen=True, slots=True)
class UnitInfo:
    """`F 7`: a unit's own number, its type, and (from address 0) the addresses in use, one bit each."""

    number: bytes
    type: int
    addresses: int


@dataclass(frozen=True, slots=True)
class Config:
    """`F 5`: AC input limit in 0.1 A and its range, and bits of `Switch`."""

    active_input: int
    limit_settable: bool
    multi_control: bool
    inputs: int
    panel_detected: bool
    minimum_da: int
    maximum_da: int
    actual_da: int
    switches: int


@dataclass(frozen=True, slots=True)
class SlotReply:
    """Reply to a Winmon command: its slot letter, code and data."""

    slot: str
    code: int
    data: bytes

    def words(self) -> tuple[bytes, ...]:
        """Return the data in words of two bytes; an odd byte at the end is left out."""
        return tuple(self.data[i : i + 2] for i in range(0, len(self.data) - 1, 2))


@dataclass(frozen=True, slots=True)
class Boot:
    """The interface has started."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything else, such as frames of other panels."""

    data: bytes


Message = (
    Version
    | AddressSet
    | Lines
    | Leds
    | StateTaken
    | Dc
    | Ac
    | UnitInfo
    | Config
    | SlotReply
    | Boot
    | Unknown
)
