"""The small immutable values that cross every door of the house."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

#: A point's name: a Victron D-Bus path such as `/Dc/0/Voltage`.
Path = str
#: What a point holds, in its path's unit of measure. `None` in a publication means absent.
Value = int | float | str


class Quality(enum.Enum):
    """Whether a point's value may be used."""

    OK = "ok"
    ABSENT = "absent"  # the device has no such value: sensor missing, phase not there
    STALE = "stale"  # not heard for its group's `stale_after`, or never


@dataclass(frozen=True, slots=True)
class Reading:
    """A point as it stands: its value (None unless `quality` is OK) and the age of its group in seconds."""

    value: Value | None
    quality: Quality
    age_s: float | None = None


class LinkState(enum.IntEnum):
    """State of a device's link, numbered as `/Link/State` and the status block serve it."""

    STARTING = 0
    ONLINE = 1
    ASLEEP = 2
    SILENT = 3
    PORT_MISSING = 4
    WRONG_DEVICE = 5
    NIGHT = 6


class Outcome(enum.IntEnum):
    """What became of one change, numbered as the status block serves it (0 is none yet)."""

    CONFIRMED = 1  # read back or acknowledged with the value asked for
    ADJUSTED = 2  # the device put another value in force
    REFUSED = 3  # the device, its sleep or a rule refused it
    OFFLINE = 4  # nobody to hear it
    SUPERSEDED = 5  # a newer change of the same point took its place
    BUSY = 6  # the wear budget or a queue is spent
    TIMED_OUT = 7  # the device lives but did not answer this
    PENDING = 8  # still under way

    @property
    def word(self) -> str:
        """The outcome as logs, JSON and pages write it."""
        return self.name.lower()

    @property
    def exception_code(self) -> int:
        """The Modbus exception code that tells this outcome; 0 for confirmed."""
        return _EXCEPTION_CODES[self]


_EXCEPTION_CODES = {
    Outcome.CONFIRMED: 0x00,
    Outcome.ADJUSTED: 0x04,
    Outcome.REFUSED: 0x04,
    Outcome.OFFLINE: 0x0B,
    Outcome.SUPERSEDED: 0x06,
    Outcome.BUSY: 0x06,
    Outcome.TIMED_OUT: 0x0B,
    Outcome.PENDING: 0x05,
}

#: Kinds of origin behind which a person or a Modbus client stands.
_OWNERS = frozenset({"modbus", "cli", "web", "mqtt"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for a change: `kind` is modbus, cli, web, mqtt, link, automation, hold or lease."""

    kind: str
    peer: str = ""

    @property
    def is_owner(self) -> bool:
        """True where automations must step back after this write."""
        return self.kind in _OWNERS

    def __str__(self) -> str:
        return f"{self.kind}:{self.peer}" if self.peer else self.kind


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One batch of changes, checked whole before anything is done.

    `changes` stand in the order in which they are applied (address order for Modbus). `unit` and
    `addresses` say through which Modbus unit and wire address each came, where it did; `address` is the
    request's own, which is all that is known of one refused before its changes were. `as_of` is the
    monotonic time at which each value was true, where a link says so.
    """

    changes: Mapping[Path, Value]
    origin: Origin
    unit: int | None = None
    addresses: Mapping[Path, int] = field(default_factory=dict)
    address: int | None = None
    as_of: Mapping[Path, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WriteAttempt:
    """The end of one attempted change; every attempt makes exactly one of these.

    `time` is wall time at its start, `duration_s` monotonic. `old` is the point's value at the start.
    `exception_code` is the Modbus code the outcome stands for (0 when confirmed).
    """

    time: float
    device: str
    origin: Origin
    unit: int | None
    address: int | None
    path: Path | None
    old: Value | None
    new: Value | None
    outcome: Outcome
    duration_s: float
    exception_code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device is, as learnt from it: `product` is the family's product class."""

    serial: str = ""
    product: str = ""
    product_id: int | None = None
    product_name: str = ""
    firmware: str = ""


def identity_from(saved: object) -> Identity | None:
    """Return an identity as saved; None for none or one that cannot be read."""
    if not isinstance(saved, dict):
        return None
    texts = [saved.get(name, "") for name in ("serial", "product", "product_name", "firmware")]
    product_id = saved.get("product_id")
    if not all(isinstance(text, str) for text in texts) or not isinstance(product_id, int | None):
        return None
    serial, product, product_name, firmware = texts
    return Identity(serial, product, product_id, product_name, firmware)
