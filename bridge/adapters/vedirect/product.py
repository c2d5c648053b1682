"""How a VE.Direct product is described: which label and which register feeds which point.

A product's own file (`ac_charger.py`) holds its tables; the register map of the same product
(`maps/bluesmart_charger.yaml`) says where the points stand in Modbus.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.adapters.vedirect.errands import Errands
from bridge.adapters.vedirect.register import Register, seconds
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Outcome, Path, Value
from bridge.datastore.wear import Wear

#: Group of the main text blocks (those that name the device), which come once a second.
TEXT = "text"
#: Group of text blocks without a product id: the history of battery monitors.
MORE_TEXT = "more text"
#: Group that any valid HEX frame renews; it carries no points.
ASYNC = "async"
#: Group of what never changes while the device is the same, and of the line's counters.
IDENTITY = "identity"
LINE = "line"

TEXT_STALE_S = 5.0


Decode = Callable[[str], Mapping[Path, Value | None]]
#: Makes further points of a batch; the function tells the newest usable value of points outside it.
Derive = Callable[[Mapping[Path, Value | None], Callable[[Path], Value | None]], Mapping[Path, Value | None]]


@dataclass(frozen=True, slots=True)
class TextField:
    """A text label and the points made of its value.

    reports: the label tells what this register holds, and is taken as a report of it.
    """

    label: str
    decode: Decode
    reports: Register | None = None

    @property
    def paths(self) -> frozenset[Path]:
        """The points it feeds."""
        return frozenset(self.decode(""))


class Control(Protocol):
    """What a product does beyond its tables: the rules and frames of its commands."""

    @property
    def should_be_off(self) -> bool:
        """True where the owner has switched the equipment off."""

    def reported(self, register: Register, raw: int | str | None) -> bool:
        """Take a value the device has reported; True where the control has published it itself."""

    def check(self, changes: Mapping[Path, Value]) -> None:
        """See `Adapter.check`."""

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        """See `Adapter.wears`."""

    async def apply(self, errands: Errands) -> Mapping[Path, Outcome]:
        """Execute the batch of `errands`; see `Adapter.command`."""

    async def release(self, paths: Collection[Path], errands: Errands) -> bool:
        """Hand leased points back to the device's own rule; False when it has not heard."""

    async def keep(self, errands: Callable[[], Errands | None]) -> None:
        """Send again what the device forgets by itself, until cancelled; `errands` are made when due."""

    def leaving(self) -> Collection[Path]:
        """Return the points that must be released before the bridge stops."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product class: its tables, declared points, and who executes its commands.

    mode, uptime: the registers that tell a restart from a change made at the device; a product without a
    mode has nothing that a restart would undo. derive: points made of others, such as alarms of bits.
    """

    name: str
    text: tuple[TextField, ...]
    registers: tuple[Register, ...]
    points: tuple[PointSpec, ...]
    mode: Register | None
    uptime: Register
    control: Callable[[Device, Clock], Control]
    #: Registers that are written and never read.
    written: tuple[Register, ...] = ()
    derive: Derive = lambda batch, value_of: {}  # noqa: ARG005 - most products derive nothing

    @property
    def groups(self) -> tuple[GroupSpec, ...]:
        """All groups in which its points are published."""
        return (
            GroupSpec(TEXT, TEXT_STALE_S),
            GroupSpec(MORE_TEXT, TEXT_STALE_S),
            GroupSpec(ASYNC, TEXT_STALE_S),
            GroupSpec(IDENTITY, None),
            GroupSpec(LINE, None),
            *(GroupSpec(register.group, register.stale_after_s) for register in self.registers),
        )

    @property
    def alive_when(self) -> tuple[tuple[str, ...], ...]:
        """Text or any HEX frame proves the device alive."""
        return ((TEXT, ASYNC),)


def number(path: Path, divisor: int = 1, *, absent: int | None = None) -> Decode:
    """Decode a decimal label into `path`; `---`, anything unreadable and the number `absent` are absent."""

    def decode(text: str) -> Mapping[Path, Value | None]:
        try:
            raw = int(text)
        except ValueError:
            return {path: None}
        if raw == absent:
            return {path: None}
        return {path: raw if divisor == 1 else raw / divisor}

    return decode


def minutes(path: Path, *, absent: int) -> Decode:
    """Decode a decimal label in minutes into `path` in seconds; `---` and `absent` (infinite) are absent."""
    plain = number(path, absent=absent)

    def decode(text: str) -> Mapping[Path, Value | None]:
        raw = plain(text)[path]
        return {path: seconds(raw) if isinstance(raw, int) else None}

    return decode


def hexadecimal(path: Path) -> Decode:
    """Decode `0x..` into `path`."""

    def decode(text: str) -> Mapping[Path, Value | None]:
        try:
            return {path: int(text, 16)}
        except ValueError:
            return {path: None}

    return decode


def switch(path: Path, on: int = 1) -> Decode:
    """Decode ON and OFF, whatever their case, into `on` and 0."""

    def decode(text: str) -> Mapping[Path, Value | None]:
        return {path: {"on": on, "off": 0}.get(text.lower())}

    return decode


def firmware(text: str) -> str:
    """Turn FW (`208`, `C208`) or FWE (`0342FF`, `020801`) into `2.08`, `C2.08`, `3.42`, `2.08-beta-1`.

    Source: VE.Direct Protocol 3.33, labels FW and FWE; FWE's last byte FF marks an official release.
    """
    digits = text.strip()
    if len(digits) > 4:
        digits = digits.zfill(6)
        head = f"{digits[:-4].lstrip('0') or '0'}.{digits[-4:-2]}"
        return head if digits[-2:].upper() == "FF" else f"{head}-beta-{digits[-2:].lstrip('0') or '0'}"
    letter = digits[:1] if digits[:1].isalpha() else ""
    digits = digits[len(letter) :].zfill(3)
    return f"{letter}{digits[:-2].lstrip('0') or '0'}.{digits[-2:]}"
