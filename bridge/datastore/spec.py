"""PointSpec: what may be written to a point, declared by its adapter and enforced for every writer."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bridge.datastore.values import Path, Value

#: Larger whole numbers fit no register and no float; they only come from hand-written JSON.
_LARGEST = 2**64
#: Shared by all points without alternatives: a site may have thousands of them.
_NO_ALTERNATIVES: Mapping[int, int] = MappingProxyType({})


class Safe(enum.Enum):
    """What the end of a lease does where it sets no value."""

    RELEASE = "release"  # hand the point back to the device's own rule
    HOLD = "hold"  # leave the last value in force


@dataclass(frozen=True, slots=True)
class Lease:
    """A set-point that lives only while its writer keeps writing: seconds, and what comes after.

    Raises ValueError for a time that is not above zero: such a lease would never, or always, be over.
    """

    seconds: float
    safe: Value | Safe

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"lease: found {self.seconds} s, expected a time above zero")


@dataclass(frozen=True, slots=True)
class PointSpec:
    """One point as its adapter declares it. Quantities are in `unit_of_measure`.

    minimum, maximum: fixed inclusive range. minimum_from, maximum_from: points that hold the range
    learnt from the device. choices: the values allowed, with their names. accept: values taken as
    another (0 as 4). step: the device's own resolution, against which a read-back is compared.
    nonvolatile: a write wears the device's memory. off: the value that switches the equipment off,
    which never waits behind other changes and costs no wear. self_clearing: reads back 0 at once.
    refresh_s: the device forgets the value unless it is sent this often. after_restart: the device
    forgets the value when it restarts. confirm_s: how long a writer waits for the outcome.
    heartbeat: a write that changes the value renews the device's open leases.
    """

    path: Path
    unit_of_measure: str = ""
    text: bool = False
    writable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    minimum_from: Path | None = None
    maximum_from: Path | None = None
    choices: Mapping[int, str] | None = None
    accept: Mapping[int, int] = field(default_factory=lambda: _NO_ALTERNATIVES)
    step: float = 0.0
    nonvolatile: bool = False
    off: Value | None = None
    self_clearing: bool = False
    lease: Lease | None = None
    refresh_s: float | None = None
    after_restart: bool = False
    confirm_s: float = 0.4
    heartbeat: bool = False

    @property
    def held(self) -> bool:
        """True where a confirmed value is kept as the owner's wish."""
        return self.writable and not self.self_clearing and not self.heartbeat and self.lease is None

    def forgets(self, value: Value) -> bool:
        """True where the device loses a value by itself, so that a held one is sent again.

        Never one that wears its memory; switching off by a nonvolatile point is done by volatile means.
        """
        losable = self.after_restart or self.refresh_s is not None
        return losable and (not self.nonvolatile or self.is_off(value))

    def refresh_period_s(self, value: Value) -> float:
        """How often a held value is sent again, in seconds; infinity for never."""
        return self.refresh_s if self.refresh_s is not None and self.forgets(value) else math.inf

    def is_off(self, value: Value) -> bool:
        """True when `value` switches the equipment off."""
        return self.off is not None and value == self.off

    def normalise(self, value: Value) -> Value:
        """Replace an accepted alternative by the value it stands for, and whole enum values by integers."""
        if isinstance(value, str) or not _is_number(value) or not float(value).is_integer():
            return value
        if self.accept and int(value) in self.accept:
            return self.accept[int(value)]
        return int(value) if self.choices is not None or isinstance(value, bool) else value

    def fault(self, value: Value, minimum: float | None, maximum: float | None) -> str | None:
        """Say why `value` may not be written, or None; the live limits are passed in."""
        if self.text != isinstance(value, str):
            return f"{self.path}: found {_shown(value)}, expected {'text' if self.text else 'a number'}"
        if isinstance(value, str):
            if _is_text(value):
                return None
            return f"{self.path}: found {_shown(value)}, expected text without halves of characters"
        if not _is_number(value):
            return f"{self.path}: found {_shown(value)}, expected a finite number of at most 64 bits"
        if self.choices is not None:
            if value not in self.choices:
                allowed = ", ".join(f"{number} ({name})" for number, name in self.choices.items())
                return f"{self.path}: found {value:g}, expected one of {allowed}"
            return None
        if self.is_off(value):
            return None
        low = max((limit for limit in (self.minimum, minimum) if limit is not None), default=-math.inf)
        high = min((limit for limit in (self.maximum, maximum) if limit is not None), default=math.inf)
        if not low <= value <= high:
            return (
                f"{self.path}: found {value:g}, expected {low:g} to {high:g} {self.unit_of_measure}".rstrip()
            )
        return None

    def same(self, a: Value | None, b: Value | None) -> bool:
        """True when two values differ by less than half a device step."""
        if a is None or b is None or isinstance(a, str) or isinstance(b, str):
            return a == b
        return abs(a - b) < self.step / 2 if self.step else a == b


def _is_text(value: str) -> bool:
    """False for a text that no file, page or message could hold: JSON can write half a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: float) -> bool:
    return abs(value) <= _LARGEST if isinstance(value, int) else math.isfinite(value)


def _shown(value: Value) -> str:
    """The value as a message shows it: hand-written input may be of any length."""
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a number of more than 64 bits"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}.."
