"""How a simulated coordinator and the air around it misbehave on request."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.adapters.base import Fault

FAULTS = (
    Fault("frozen", "the module hears nothing; a reset by wire cures it, with `soft` one by command does"),
    Fault("crashed", "the module answers, but its network is down until it is started again"),
    Fault("firmware", "flash another firmware: stock, community, other (stock); shows at the next reset"),
    Fault("boot", "each reset stays in the boot loader this many s, or until it is told to run (120)"),
    Fault("usb", "a hard reset takes the port away for a second, as USB sticks do"),
    Fault("never_up", "the network never comes up"),
    Fault("night", "what the radio says of inverters asleep or unknown: cd, e9, silence (cd)"),
    Fault("marginal", "the next questions, this many, meet E9 (1)"),
    Fault("weak", "the next questions, this many, are confirmed and not answered (1)"),
    Fault("late", "inverters answer this many s later (3)"),
    Fault("stranger", "each answer comes with one of an inverter that nobody asked"),
    Fault("drop", "lose each byte of either direction with this probability (0.01)"),
    Fault("flip", "turn one bit of each byte of either direction with this probability (0.01)"),
    Fault("lose", "lose this byte, counted from 1, of the next frame (1)"),
    Fault("cut", "stop once after this many bytes of an answer (60)"),
    Fault("surplus", "put one surplus FF into the next answers, this many (1)"),
    Fault("filler", "send filler between frames: F8 and 4E"),
    Fault("chunks", "send in pieces of this many bytes, 20 ms apart (7)"),
    Fault("relays", "inverters are reached through this many relays (1)"),
    Fault("dark", "all light goes: inverters answer nothing, and start anew afterwards"),
    Fault("restart", "an inverter restarts once: serial number, or all"),
    Fault("wrap", "an inverter has run for this many s (65500): [serial=]seconds"),
    Fault("zero_ac", "an inverter reads AC voltage and frequency as 0: serial number, or all"),
    Fault("no_grid", "an inverter sees no grid: serial number, or all"),
    Fault("start_up", "an inverter answers before it has measured: serial number, or all"),
    Fault("repeats", "an inverter tells the same answer again: serial number, or all"),
    Fault("encrypted", "an inverter encrypts its answers: serial number, or all"),
    Fault("refuses_limit", "an inverter refuses power limits: serial number, or all"),
    Fault("deaf_rounds", "inverters do not hear this many rounds of pairing (1)"),
    Fault("forget", "an inverter forgets its pairing: serial number, or all"),
    Fault("well", "end all faults; pairings, limits and firmware stay as they are"),
)

_FILLER = (b"\xf8", b"\x4e", b"\xf8\x4e\xf8")
#: Pause between the pieces of a line that brings its bytes in pieces.
CHUNK_PAUSE_S = 0.02


@dataclass(slots=True)
class Mischief:
    """The faults of line and air that are in force."""

    drop: float = 0.0
    flip: float = 0.0
    lose: int = 0
    cut: int = 0
    surplus: int = 0
    filler: bool = False
    chunks: int = 0
    night: str = "cd"
    marginal: int = 0
    weak: int = 0
    late_s: float = 0.0
    stranger: bool = False
    relays: int = 0
    dice: random.Random = field(default_factory=random.Random)

    def spoil(self, data: bytes) -> bytes:
        """Lose and turn bits of what passes the line."""
        if not self.drop and not self.flip:
            return data
        kept = bytearray()
        for byte in data:
            if self._chance(self.drop):
                continue
            kept.append(byte ^ 1 << self.dice.randrange(8) if self._chance(self.flip) else byte)
        return bytes(kept)

    def dress(self, frame: bytes, *, answer: bool) -> bytes:
        """Spoil one outgoing frame; what hits answers of inverters alone spares others."""
        if self.lose:
            frame, self.lose = frame[: self.lose - 1] + frame[self.lose :], 0
        if answer and self.cut:
            frame, self.cut = frame[: self.cut], 0
        if answer and self.surplus:
            self.surplus -= 1
            middle = len(frame) // 2
            frame = frame[:middle] + b"\xff" + frame[middle:]
        if self.filler:
            frame = self.dice.choice(_FILLER) + frame
        return self.spoil(frame)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Cut what leaves into pieces where the line does so."""
        size = self.chunks or max(1, len(data))
        for start in range(0, len(data), size):
            yield data[start : start + size]

    def end(self) -> None:
        """End all."""
        self.drop = self.flip = self.late_s = 0.0
        self.lose = self.cut = self.surplus = self.chunks = self.marginal = self.weak = self.relays = 0
        self.filler = self.stranger = False
        self.night = "cd"

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.dice.random() < probability


def number(fault: str, argument: str, default: float, highest: float = 1_000_000.0) -> float:
    """Read a fault's number; raises ValueError for anything else."""
    try:
        value = float(argument) if argument else default
    except ValueError:
        value = -1.0
    if not 0 <= value <= highest:
        raise ValueError(f"fault {fault}: found {argument!r}, expected a number from 0 to {highest:g}")
    return value


def choice(fault: str, argument: str, *words: str) -> str:
    """Read one of the words of a fault, the first when there is none; raises ValueError for others."""
    word = argument or words[0]
    if word not in words:
        raise ValueError(f"fault {fault}: found {argument!r}, expected {' or '.join(words)}")
    return word
