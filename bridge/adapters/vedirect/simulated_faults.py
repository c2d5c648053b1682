"""How a simulated VE.Direct device misbehaves on request."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

from bridge.adapters.base import Fault
from bridge.adapters.vedirect.hex import Flags
from bridge.adapters.vedirect.simulated_device import checked_text

#: What the fault `late` adds to every reply: more than any reader should wait.
LATE_S = 0.7
_HALF_FRAME_S = 1.0

FAULTS = (
    Fault("silent", "send nothing at all and obey nothing"),
    Fault("deaf", "ignore HEX frames while text goes on"),
    Fault("no_text", "send no text blocks"),
    Fault("drop", "lose each byte of either direction with this probability (0.01)"),
    Fault("flip", "turn one bit of each byte of either direction with this probability (0.01)"),
    Fault("delay", "send replies this many seconds later (0.3)"),
    Fault("late", "send replies 0.7 s later, when nobody waits for them any more"),
    Fault("half_frame", "stop once in the middle of a text block for this many seconds (1)"),
    Fault("die", "stop in the middle of a text block and take the port away"),
    Fault("refuse", "answer each SET with these flags: 02 or 04 (02)"),
    Fault("ignore_set", "acknowledge each SET and keep the old value; `echo`: show the new one in the reply"),
    Fault("clamp", "put at most this much of a limit in force and say so in the reply: A, V or Ah (5)"),
    Fault("framing", "answer every frame, or only the next so many, with a framing error"),
    Fault("reboot", "restart once: two seconds of silence, volatile settings forgotten"),
    Fault("other_device", "be another device, of this serial number (SIM9999OTHER)"),
    Fault("well", "end all faults; a port that was taken away comes back"),
)


@dataclass(slots=True)
class Mischief:
    """The faults in force."""

    silent: bool = False
    deaf: bool = False
    no_text: bool = False
    drop: float = 0.0
    flip: float = 0.0
    delay_s: float = 0.0
    half_frame_s: float = 0.0
    die: bool = False
    refuse: Flags | None = None
    ignore_set: bool = False
    echo: bool = False
    clamp: float | None = None
    framing: float = 0
    serial: str | None = None
    _dice: random.Random = field(default_factory=random.Random)

    def begin(self, name: str, argument: str) -> None:
        """Put a fault in force; raises ValueError for an unknown name or a bad argument."""
        start = _STARTS.get(name)
        if start is None:
            known = " ".join(fault.name for fault in FAULTS)
            raise ValueError(f"fault: found {name!r}, expected one of {known}")
        start(self, argument.strip())

    def end(self) -> None:
        """End all faults."""
        calm = Mischief()
        for entry in fields(self):
            if entry.name != "_dice":
                setattr(self, entry.name, getattr(calm, entry.name))

    def spoil(self, data: bytes) -> bytes:
        """Lose and turn bits of what passes the line."""
        if not self.drop and not self.flip:
            return data
        kept = (byte for byte in data if not self._chance(self.drop))
        return bytes(
            byte ^ (1 << self._dice.randrange(8)) if self._chance(self.flip) else byte for byte in kept
        )

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self._dice.random() < probability


def _set(attribute: str) -> Callable[[Mischief, str], None]:
    def start(mischief: Mischief, argument: str) -> None:
        if argument:
            raise ValueError(f"fault {attribute}: found {argument!r}, expected no argument")
        setattr(mischief, attribute, True)

    return start


def _number(
    name: str, attribute: str, default: float, highest: float = 3600.0
) -> Callable[[Mischief, str], None]:
    def start(mischief: Mischief, argument: str) -> None:
        try:
            value = float(argument) if argument else default
        except ValueError:
            value = -1.0
        if not (0 <= value <= highest or value == default):
            raise ValueError(f"fault {name}: found {argument!r}, expected a number from 0 to {highest:g}")
        setattr(mischief, attribute, value)

    return start


def _late(mischief: Mischief, argument: str) -> None:
    _number("late", "delay_s", LATE_S)(mischief, argument)


def _nothing(_mischief: Mischief, argument: str) -> None:
    """Leave all to the simulator itself: a restart is over at once."""
    if argument:
        raise ValueError(f"fault reboot: found {argument!r}, expected no argument")


def _refuse(mischief: Mischief, argument: str) -> None:
    flags = {"02": Flags.NOT_SUPPORTED, "04": Flags.PARAMETER}.get((argument or "02").zfill(2))
    if flags is None:
        raise ValueError(f"fault refuse: found {argument!r}, expected 02 or 04")
    mischief.refuse = flags


def _ignore_set(mischief: Mischief, argument: str) -> None:
    if argument not in ("", "echo"):
        raise ValueError(f"fault ignore_set: found {argument!r}, expected nothing or echo")
    mischief.ignore_set, mischief.echo = True, argument == "echo"


def _other_device(mischief: Mischief, argument: str) -> None:
    mischief.serial = checked_text("fault other_device", argument or "SIM9999OTHER")


def _well(mischief: Mischief, argument: str) -> None:
    if argument:
        raise ValueError(f"fault well: found {argument!r}, expected no argument")
    mischief.end()


_STARTS: Mapping[str, Callable[[Mischief, str], None]] = {
    "silent": _set("silent"),
    "deaf": _set("deaf"),
    "no_text": _set("no_text"),
    "drop": _number("drop", "drop", 0.01, highest=1.0),
    "flip": _number("flip", "flip", 0.01, highest=1.0),
    "delay": _number("delay", "delay_s", 0.3),
    "late": _late,
    "half_frame": _number("half_frame", "half_frame_s", _HALF_FRAME_S),
    "die": _set("die"),
    "refuse": _refuse,
    "ignore_set": _ignore_set,
    "clamp": _number("clamp", "clamp", 5.0),
    "framing": _number("framing", "framing", float("inf")),
    "reboot": _nothing,
    "other_device": _other_device,
    "well": _well,
}
