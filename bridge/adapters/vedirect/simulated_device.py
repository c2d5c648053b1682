"""A simulated device itself, without its line: registers and text labels that agree."""

import abc
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.simulated_registers import Raw, Register, RegisterBank
from bridge.datastore.clock import Clock

_HISTORY_MAX = 200_000
#: Longest text of a register that any device was seen to send.
_TEXT_MAX = 32
#: Bits 15 and 14 of a version word: 01 says application.
_APPLICATION = 0x4000
#: Old firmware lets its text return "several seconds" after the last HEX frame (VE.Direct Protocol 3.33).
TEXT_RETURNS_S = 4.0


@dataclass(frozen=True, slots=True)
class Truth:
    """From monotonic `time` on, register (number) or label (text) `source` was `value`, raw as sent."""

    time: float
    source: int | str
    value: Raw


@dataclass(frozen=True, slots=True)
class Nameplate:
    """What a device says it is. firmware: 0x0342 is version 3.42.

    Raises ValueError for a serial or name that no device can send.
    """

    product_id: int
    name: str
    serial: str
    firmware: int

    def __post_init__(self) -> None:
        checked_text("name", self.name)
        checked_text("serial", self.serial)
        if not 0 < self.firmware < _APPLICATION:
            raise ValueError(f"firmware: found {self.firmware:#x}, expected a version such as 0x0156")

    @property
    def version_word(self) -> int:
        """The version as ping and version replies carry it."""
        return _APPLICATION | self.firmware

    @property
    def extended_version(self) -> int:
        """The version in 24 bits; the last byte says that it is an official one."""
        return self.firmware << 8 | 0xFF


@dataclass(frozen=True, slots=True)
class Habits:
    """How a product uses its line.

    flood: registers sent unasked in turn, twenty a second. every_second: registers sent each second.
    on_change: registers told once a second when they have changed; where awake_s is given, only for so
    long after a HEX frame of the host. quiet_s: text stays away this long after such a frame.
    interrupts: HEX frames cut into text blocks.
    """

    flood: Sequence[int] = ()
    every_second: Sequence[int] = ()
    on_change: Sequence[int] = ()
    awake_s: float | None = None
    quiet_s: float = 0.0
    interrupts: bool = False


class SimulatedDevice(abc.ABC):
    """One device. Everything it says comes from here, and every change of it goes into `history`."""

    #: Registers of which the fault `clamp` puts less in force than asked.
    clamped: frozenset[int] = frozenset()
    #: Writes (register, value) that no bridge may make, besides those of every device.
    forbidden: frozenset[tuple[int, int]] = frozenset()

    def __init__(
        self, clock: Clock, nameplate: Nameplate, table: Mapping[int, Register], habits: Habits
    ) -> None:
        self._clock = clock
        self.nameplate = nameplate
        self.habits = habits
        #: The serial number it shows.
        self.serial = nameplate.serial
        #: Changes of what is true; the oldest are dropped after a long time.
        self.history: deque[Truth] = deque(maxlen=_HISTORY_MAX)
        #: Text blocks in the order in which they are sent, labels as the real device orders them.
        self.blocks: Sequence[Mapping[str, str]] = ()
        #: Registers whose value has changed since the device last told.
        self.untold: set[int] = set()
        self.registers = RegisterBank(table, self._changed)
        self._said: Mapping[str, str] = {}
        self._booted = clock.monotonic()
        self._show(reg.PRODUCT_ID, 0xFE << 24 | nameplate.product_id << 8)
        self._show(reg.APP_VERSION, nameplate.extended_version)
        self._show(reg.MODEL, nameplate.name)

    @property
    def uptime_s(self) -> int:
        """Seconds since it started."""
        return int(self._clock.monotonic() - self._booted)

    def restart(self) -> None:
        """Start anew: uptime zero, volatile registers forgotten."""
        self._booted = self._clock.monotonic()
        self.registers.restart()

    def commanded(self, register: int, raw: Raw) -> None:
        """Follow a SET that was put in force; what it changes shows at once."""
        self._obey(register, raw)
        self.measure(0.0)

    def measure(self, seconds: float) -> None:
        """Let time pass for what is simulated, and bring registers and labels up to date."""
        self._show(reg.SERIAL, self.serial)
        self._show(reg.UPTIME, self.uptime_s)
        self._advance(seconds)
        self.blocks = self._labels()
        said = {label: value for block in self.blocks for label, value in block.items()}
        now = self._clock.monotonic()
        self.history.extend(
            Truth(now, label, value) for label, value in said.items() if self._said.get(label) != value
        )
        self._said = said

    def _obey(self, register: int, raw: Raw) -> None:  # noqa: B027 - most registers only hold a value
        """Do what a written register makes the device do."""

    @abc.abstractmethod
    def _advance(self, seconds: float) -> None:
        """Let `seconds` pass and put the measured registers."""

    @abc.abstractmethod
    def _labels(self) -> Sequence[Mapping[str, str]]:
        """Return the text blocks that say what the registers hold."""

    def _show(self, register: int, raw: Raw) -> None:
        """Put a measured value, where this product has the register."""
        if register in self.registers:
            self.registers.put(register, raw)

    def _show_all(self, measured: Mapping[int, Raw]) -> None:
        for register, raw in measured.items():
            self._show(register, raw)

    def _changed(self, register: int, raw: Raw) -> None:
        self.untold.add(register)
        self.history.append(Truth(self._clock.monotonic(), register, raw))


def checked_text(what: str, text: str) -> str:
    """Return a text a device can send; raises ValueError for another."""
    if not (0 < len(text) <= _TEXT_MAX and text.isascii() and text.isprintable() and ":" not in text):
        raise ValueError(
            f"{what}: found {text!r}, expected 1 to {_TEXT_MAX} ASCII characters without a colon"
        )
    return text
