"""Who is who on the air: the ECU's identity, serial numbers and short addresses in all their spellings."""

import re
from dataclasses import dataclass
from typing import Self

#: Identities that known programs ship with. Two programs with one of them in radio range collide.
DEFAULT_IDS = frozenset({"D8A3011B9780", "D6B3011B9780"})
#: Addresses no inverter can have: the coordinator's own, and "everybody".
COORDINATOR, EVERYBODY = 0x0000, 0xFFFF

_ID = re.compile(r"[0-9A-Fa-f]{12}")
_SERIAL = re.compile(r"[0-9]{12}")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]{1,4}")
_WIRE_ORDER = re.compile(r"[0-9A-Fa-f]{4}")


@dataclass(frozen=True, slots=True)
class Ecu:
    """An ECU's identity: 12 hexadecimal characters. Inverters remember the one they were paired to."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an identity; raises ValueError for anything but 12 hexadecimal characters."""
        if not _ID.fullmatch(text):
            raise ValueError(
                f"ecu_id: found {text!r}, expected 12 hexadecimal characters such as D8A3011B9780"
            )
        return cls(text.upper())

    @property
    def is_default(self) -> bool:
        """True for an identity that other programs use unless told otherwise."""
        return self.text in DEFAULT_IDS

    @property
    def reversed_id(self) -> bytes:
        """The six bytes that stand for the ECU inside payloads."""
        return bytes.fromhex(self.text)[::-1]

    @property
    def ieee_wire(self) -> bytes:
        """The coordinator's IEEE address as it goes over the serial line."""
        return b"\xff\xff" + self.reversed_id

    @property
    def ieee(self) -> str:
        """The IEEE address as people write it, `D8:A3:01:1B:97:80:FF:FF`."""
        return self.ieee_wire[::-1].hex(":").upper()

    @property
    def pan_wire(self) -> bytes:
        """The PAN as it goes over the serial line: the first two bytes in writing order."""
        return bytes.fromhex(self.text)[:2]

    @property
    def short_wire(self) -> bytes:
        """What pairing message 2 calls the ECU's short address."""
        return self.pan_wire[::-1]

    @property
    def short(self) -> int:
        """The same as a number; never an inverter's address."""
        return int.from_bytes(self.short_wire, "little")

    def may_be_inverter(self, short: int) -> bool:
        """False for the addresses that no inverter can have: 0000, FFFF and the ECU's own."""
        return 0 < short < EVERYBODY and short != self.short


def parse_serial(text: str) -> bytes:
    """Return the six bytes (BCD as printed) of a serial number; raises ValueError."""
    if not _SERIAL.fullmatch(text):
        raise ValueError(
            f"serial: found {text!r}, expected the 12 digits of the inverter's label, in quotes, as "
            '"408000158215"'
        )
    return bytes.fromhex(text)


def parse_short(value: int | str) -> int:
    """Return a short address: a number, `0x103A`, or `3A10` in wire order as other programs print it.

    Raises ValueError for another spelling and for addresses no inverter can have.
    """
    found = -1
    if isinstance(value, int):
        found = value
    elif _NUMBER.fullmatch(value):
        found = int(value, 16)
    elif _WIRE_ORDER.fullmatch(value):
        found = int.from_bytes(bytes.fromhex(value), "little")
    if not COORDINATOR < found < EVERYBODY:
        raise ValueError(
            f"address: found {value!r}, expected 0x0001 to 0xFFFE, or four characters in wire order, as "
            "3A10 for 0x103A"
        )
    return found


def short_text(short: int) -> str:
    """Return the spelling of a short address that the bridge uses everywhere: `0x103A`."""
    return f"0x{short:04X}"
