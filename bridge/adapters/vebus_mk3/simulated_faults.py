"""How a simulated VE.Bus line misbehaves on request, and what its owner does to the unit meanwhile."""

import random
from dataclasses import dataclass, field

from bridge.adapters.base import Fault

FAULTS = (
    Fault("silent", "the interface says nothing at all"),
    Fault("deaf", "the interface lives, the units behind it answer nothing"),
    Fault("drop", "lose each byte of either direction with this probability (0.01)"),
    Fault("flip", "turn one bit of each byte of either direction with this probability (0.01)"),
    Fault("lose", "lose this byte, counted from 1, of the next reply (1)"),
    Fault("delay", "reply this many seconds later (0.1)"),
    Fault("stutter", "pause this many seconds in the middle of each reply (0.2)"),
    Fault("stray", "send this byte before each reply, hexadecimal (00)"),
    Fault("half_frame", "stop once in the middle of a reply and never send the rest"),
    Fault("die", "stop in the middle of a reply and take the port away"),
    Fault("leds", "append the LEDs to each frame whatever the host wants"),
    Fault("combined", "reply in the combined form whatever the host wants"),
    Fault("ignore_state", "acknowledge S and obey nothing"),
    Fault("reset", "the interface restarts once: address and lines forgotten"),
    Fault("front", "move the front switch: on, off, charger (off)"),
    Fault("terminals", "the remote on/off terminals: open, closed (open)"),
    Fault("mains", "the mains: off, on (off)"),
    Fault("battery", "the battery: off, on (off)"),
    Fault("load", "load on each phase in W (400)"),
    Fault("error", "show this VE.Bus error number (3)"),
    Fault("alarm", "show these alarm bits, hexadecimal (02)"),
    Fault("well", "end all faults; switches, mains and battery stay as they are"),
)


@dataclass(slots=True)
class Mischief:
    """The faults of the line that are in force."""

    silent: bool = False
    drop: float = 0.0
    flip: float = 0.0
    lose: int = 0
    delay_s: float = 0.0
    stutter_s: float = 0.0
    stray: bytes = b""
    half_frame: bool = False
    die: bool = False
    dice: random.Random = field(default_factory=random.Random)
    #: Bytes that were lost or turned.
    spoilt: int = 0

    def spoil(self, data: bytes) -> bytes:
        """Lose and turn bits of what passes the line."""
        if not self.drop and not self.flip:
            return data
        kept = bytearray()
        for byte in data:
            if self._chance(self.drop):
                self.spoilt += 1
            elif self._chance(self.flip):
                self.spoilt += 1
                kept.append(byte ^ 1 << self.dice.randrange(8))
            else:
                kept.append(byte)
        return bytes(kept)

    def end(self) -> None:
        """End all."""
        self.silent = self.half_frame = self.die = False
        self.drop = self.flip = self.delay_s = self.stutter_s = 0.0
        self.lose = 0
        self.stray = b""

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.dice.random() < probability


def number(fault: str, argument: str, default: float, highest: float = 3600.0) -> float:
    """Read a fault's number; raises ValueError for anything else."""
    try:
        value = float(argument) if argument else default
    except ValueError:
        value = -1.0
    if not 0 <= value <= highest:
        raise ValueError(f"fault {fault}: found {argument!r}, expected a number from 0 to {highest:g}")
    return value


def byte(fault: str, argument: str, default: int) -> int:
    """Read a fault's byte in hexadecimal; raises ValueError for anything else."""
    try:
        value = int(argument, 16) if argument else default
    except ValueError:
        value = -1
    if not 0 <= value <= 0xFF:
        raise ValueError(f"fault {fault}: found {argument!r}, expected 00 to FF")
    return value


def choice(fault: str, argument: str, *words: str) -> str:
    """Read one of the words of a fault, the first when there is none; raises ValueError for others."""
    word = argument or words[0]
    if word not in words:
        raise ValueError(f"fault {fault}: found {argument!r}, expected {' or '.join(words)}")
    return word
