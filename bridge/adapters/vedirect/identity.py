"""Which device is on the port: accepted only after the same word three times, then never by less.

A text block's sum lets one of 256 damaged blocks pass, and phantom serial numbers from noise are a
reported field problem. So an unknown device is believed after three equal PID and SER#; a remembered
one after one block; another one than the remembered never replaces it by itself.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

#: No device has it.
NO_PRODUCT_ID = 0
#: Equal blocks that make a device known.
PROOF_BLOCKS = 3

#: Product classes by product id; source: VE.Direct Protocol 3.33 and captures. First match counts.
_CLASSES: tuple[tuple[int, int, str], ...] = (
    (0x0203, 0x0205, "battery_monitor"),
    (0x0300, 0x0300, "solar_charger"),
    (0xA040, 0xA07F, "solar_charger"),
    (0xA102, 0xA117, "solar_charger"),
    (0xA201, 0xA2FC, "inverter"),
    (0xA300, 0xA347, "ac_charger"),
    (0xA381, 0xA38B, "battery_monitor"),
    (0xA3F0, 0xA3FF, "dcdc"),
)
#: Labels that tell the class of a product id that is not listed; first match counts.
_CLASS_LABELS: tuple[tuple[str, str], ...] = (
    ("VPV", "solar_charger"),
    ("AC_OUT_V", "inverter"),
    ("SOC", "battery_monitor"),
    ("DC_IN_V", "dcdc"),
    ("CS", "ac_charger"),
    ("BMV", "battery_monitor"),
)

_NAMES = {
    0x0203: "BMV-700",
    0x0204: "BMV-702",
    0x0205: "BMV-700H",
    0xA042: "BlueSolar MPPT 75|15",
    0xA043: "BlueSolar MPPT 100|15",
    0xA04C: "BlueSolar MPPT 75|10",
    0xA053: "SmartSolar MPPT 75|15",
    0xA054: "SmartSolar MPPT 75|10",
    0xA055: "SmartSolar MPPT 100|15",
    0xA056: "SmartSolar MPPT 100|30",
    0xA057: "SmartSolar MPPT 100|50",
    0xA30A: "Blue Smart IP65 Charger 12|25",
    0xA332: "Blue Smart IP22 Charger 24|8",
    0xA334: "Blue Smart IP22 Charger 24|12",
    0xA336: "Blue Smart IP22 Charger 24|16",
    0xA381: "BMV-712 Smart",
    0xA382: "BMV-710H Smart",
    0xA383: "BMV-712 Smart Rev2",
    0xA389: "SmartShunt 500A/50mV",
    0xA38A: "SmartShunt 1000A/50mV",
    0xA38B: "SmartShunt 2000A/50mV",
    0xA3F0: "Orion XS 12V/12V-50A",
    0xA3F1: "Orion XS 1400",
}
_CLASS_NAMES = {
    "ac_charger": "Victron AC charger",
    "inverter": "Victron inverter",
    "solar_charger": "Victron solar charger",
    "battery_monitor": "Victron battery monitor",
    "dcdc": "Victron DC-DC converter",
}


class Verdict(enum.Enum):
    """What a block's sender is."""

    UNPROVEN = "unproven"  # not yet heard often enough: publish nothing
    ACCEPTED = "accepted"
    WRONG = "wrong"  # proven to be another device than the one expected


@dataclass(frozen=True, slots=True)
class Sender:
    """Product id and serial number as a text block gives them."""

    product_id: int
    serial: str


def product_class(product_id: int, labels: "frozenset[str] | set[str]") -> str | None:
    """Return the class of a product id, by its labels where the id is not listed."""
    for low, high, name in _CLASSES:
        if low <= product_id <= high:
            return name
    return next((name for label, name in _CLASS_LABELS if label in labels), None)


def product_name(product_id: int, product: str) -> str:
    """Return the name of a product id, a general one where it is not listed."""
    name = _CLASS_NAMES.get(product, "VE.Direct device")
    return _NAMES.get(product_id) or (name if product_id == NO_PRODUCT_ID else f"{name} 0x{product_id:04X}")


def is_main(fields: Mapping[str, str]) -> bool:
    """True for a block that says what sends it, which a block of history does not."""
    return "PID" in fields or "BMV" in fields


def product_id_of(fields: Mapping[str, str]) -> int | None:
    """Read PID of a text block; None where it is missing or unreadable.

    BMV-600 monitors name no product id but only their model, in label BMV: they count as `NO_PRODUCT_ID`.
    """
    if "PID" not in fields:
        return NO_PRODUCT_ID if "BMV" in fields else None
    try:
        return int(fields["PID"], 16)
    except ValueError:
        return None


def serial_of(text: str) -> str:
    """Return a serial number without what a bus name or a settings path cannot hold."""
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c == "_"))


def sender_of(fields: Mapping[str, str]) -> Sender | None:
    """Read PID and SER# of a text block; None where either is missing or unreadable."""
    product_id, serial = product_id_of(fields), serial_of(fields.get("SER#", ""))
    return Sender(product_id, serial) if product_id is not None and serial else None


class IdentityLock:
    """Judges each sender against the one expected: pinned by the site file, else remembered."""

    def __init__(self, pinned: str | None, remembered: str | None) -> None:
        self._pinned = pinned
        self._remembered = remembered
        self._accepted: Sender | None = None
        self._candidate: Sender | None = None
        self._count = 0

    @property
    def accepted(self) -> Sender | None:
        """The sender accepted since the line was opened."""
        return self._accepted

    @property
    def expected(self) -> str | None:
        """The serial number that is expected, None while any will do."""
        return self._pinned or self._remembered

    def reopened(self) -> None:
        """Begin anew on a line just opened: whoever is there must show its name first."""
        self._accepted = None
        self._candidate = None
        self._count = 0

    def judge(self, sender: Sender) -> Verdict:
        """Take one block's sender."""
        if sender == self._accepted:
            self._candidate, self._count = None, 0
            return Verdict.ACCEPTED
        if sender == self._candidate:
            self._count += 1
        else:
            self._candidate, self._count = sender, 1
        known = self._accepted is None and sender.serial == self._remembered == self.expected
        if not known and self._count < PROOF_BLOCKS:
            return Verdict.UNPROVEN
        if self.expected is not None and sender.serial != self.expected:
            return Verdict.WRONG
        self._accepted = sender
        self._remembered = sender.serial
        self._candidate, self._count = None, 0
        return Verdict.ACCEPTED
