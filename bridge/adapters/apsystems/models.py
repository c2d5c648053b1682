"""The three models whose answers are known, as facts of one table."""

import enum
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True, slots=True)
class _Facts:
    label: str
    serial_begins: str
    panels: int
    #: Length byte of the inner frame and what follows it, in an answer to a poll.
    inner_bytes: int
    mark: bytes
    reply_bytes: int
    #: True where the inner frame carries its sum; the others carry 0000.
    summed: bool
    seconds_modulus: int
    counter_modulus: int
    wh_per_count: float


#: One count of YC600 and QS1 is 8.311 Ws.
_CLASSIC_WH = 8.311 / 3600
#: Found on a bench with a power meter, good above 150 W; another program uses 1/65535.
_DS3_WH = 1.66e-5


class Model(enum.Enum):
    """A model as a site file names it."""

    YC600 = "yc600"
    QS1 = "qs1"
    DS3 = "ds3"

    @property
    def label(self) -> str:
        """The maker's name of it."""
        return _FACTS[self].label

    @property
    def panels(self) -> int:
        """Panels it takes."""
        return _FACTS[self].panels

    @property
    def inner_bytes(self) -> int:
        """Length byte of the inner frame that answers a poll."""
        return _FACTS[self].inner_bytes

    @property
    def mark(self) -> bytes:
        """The first bytes of that frame's body."""
        return _FACTS[self].mark

    @property
    def reply_bytes(self) -> int:
        """Bytes of data of a whole answer."""
        return _FACTS[self].reply_bytes

    @property
    def summed(self) -> bool:
        """True where answers carry the inner sum."""
        return _FACTS[self].summed

    @property
    def seconds_modulus(self) -> int:
        """Where seconds since power-up begin again at 0: 18.2 h for QS1 and DS3."""
        return _FACTS[self].seconds_modulus

    @property
    def counter_modulus(self) -> int:
        """Where energy counters begin again at 0: 38.7 kWh, DS3 71 kWh a panel."""
        return _FACTS[self].counter_modulus

    @property
    def wh_per_count(self) -> float:
        """Wh of one count of an energy counter, unless the site says otherwise."""
        return _FACTS[self].wh_per_count

    @classmethod
    def of_serial(cls, serial: str) -> "Model | None":
        """Return the model that a serial number belongs to, None where it does not tell."""
        return next(
            (model for model, facts in _FACTS.items() if serial.startswith(facts.serial_begins)), None
        )


_CLASSIC = partial(
    _Facts,
    inner_bytes=0x51,
    mark=b"\xb1",
    reply_bytes=94,
    summed=False,
    counter_modulus=1 << 24,
    wh_per_count=_CLASSIC_WH,
)
_FACTS = {
    Model.YC600: _CLASSIC(label="YC600", serial_begins="40", panels=2, seconds_modulus=1 << 32),
    Model.QS1: _CLASSIC(label="QS1", serial_begins="80", panels=4, seconds_modulus=1 << 16),
    Model.DS3: _Facts(
        label="DS3",
        serial_begins="70",
        panels=2,
        inner_bytes=0x5C,
        mark=b"\xbb\xbb",
        reply_bytes=105,
        summed=True,
        seconds_modulus=1 << 16,
        counter_modulus=1 << 32,
        wh_per_count=_DS3_WH,
    ),
}
