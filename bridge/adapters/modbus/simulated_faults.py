"""How a simulated Series607 misbehaves on request."""

import random
from collections.abc import Callable, Mapping

from bridge.adapters.base import Fault
from bridge.adapters.modbus.simulated_panel import MODEL, MODEL_1000W, Panel

_DELAY_S = 0.3
#: More than any reader should wait.
_LATE_S = 1.5
_DELAY_MAX_S = 3600.0

FAULTS = (
    Fault("silent", "answer nothing"),
    Fault("drop", "lose each byte of either direction with this probability (0.01)"),
    Fault("flip", "turn one bit of each byte of either direction with this probability (0.01)"),
    Fault("delay", "answer this many seconds later (0.3)"),
    Fault("late", "answer 1.5 s later, when nobody waits for it any more"),
    Fault("noise", "send these bytes (hex) before each reply (ff00)"),
    Fault("refuse", "answer everything with this exception code (4)"),
    Fault("foreign", "answer as this unit (43)"),
    Fault("ignore_writes", "echo each write and do nothing"),
    Fault("die", "stop in the middle of a reply and take the port away"),
    Fault("f01", "panel fault: battery voltage too low"),
    Fault("f02", "panel fault: battery voltage too high"),
    Fault("f03", "panel fault: overload, which the Arduino's alarms do not show"),
    Fault("f04", "panel fault: too hot"),
    Fault("f05", "panel fault: short circuit"),
    Fault("garbage", "show this many volts (388; the register wraps at 65.536)"),
    Fault("stuck", "the button does nothing"),
    Fault("button", "press the panel's button by hand, once"),
    Fault("usb_only", "the inverter has lost its battery: the Arduino lives by its USB cable"),
    Fault("other_model", "be another product"),
    Fault("well", "end all faults; a port that was taken away comes back"),
)


class Mischief:
    """The faults in force."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._dice = random.Random(0)
        self._voltage = panel.voltage
        self._end()

    def begin(self, name: str, argument: str) -> None:
        """Put a fault in force; raises ValueError for an unknown name or a bad argument."""
        start = _STARTS.get(name)
        if start is None:
            known = " ".join(fault.name for fault in FAULTS)
            raise ValueError(f"fault: found {name!r}, expected one of {known}")
        start(self, argument.strip())

    def spoil(self, data: bytes) -> bytes:
        """Lose or turn bytes on their way."""
        if not self.drop and not self.flip:
            return data
        kept = [byte for byte in data if self._dice.random() >= self.drop]
        return bytes(
            byte ^ (1 << self._dice.randrange(8)) if self._dice.random() < self.flip else byte
            for byte in kept
        )

    def well(self, argument: str) -> None:
        """End all faults."""
        _nothing("well", argument)
        self._end()
        self._panel.fault = 0
        self._panel.stuck = False
        self._panel.nonsense = None
        self._panel.registers[MODEL] = MODEL_1000W
        if not self._panel.voltage:
            self._panel.voltage = self._voltage

    def usb_only(self, argument: str) -> None:
        """Take the battery away."""
        _nothing("usb_only", argument)
        self._voltage, self._panel.voltage = self._panel.voltage or self._voltage, 0.0
        self._panel.running = False

    def garbage(self, argument: str) -> None:
        """Show a voltage that cannot be."""
        self._panel.nonsense = _number("garbage", argument, 388.0, 999.0)

    def panel_fault(self, number: int, argument: str) -> None:
        """Let the panel show a fault."""
        _nothing(f"f0{number}", argument)
        self._panel.fault = number

    def press(self, argument: str) -> None:
        """Press the button by hand."""
        _nothing("button", argument)
        self._panel.press()

    def other_model(self, argument: str) -> None:
        """Be another product."""
        _nothing("other_model", argument)
        self._panel.registers[MODEL] = MODEL_1000W + 1

    def stuck(self, argument: str) -> None:
        """Let the button do nothing."""
        _nothing("stuck", argument)
        self._panel.stuck = True

    def _end(self) -> None:
        self.silent = self.ignore_writes = self.die = False
        self.drop = self.flip = self.delay_s = 0.0
        self.noise = b""
        self.refuse = self.unit = 0


def _nothing(name: str, argument: str) -> None:
    if argument:
        raise ValueError(f"fault {name}: found {argument!r}, expected no argument")


def _number(name: str, argument: str, default: float, highest: float) -> float:
    try:
        value = float(argument) if argument else default
    except ValueError:
        value = -1.0
    if not 0 <= value <= highest:
        raise ValueError(f"fault {name}: found {argument!r}, expected a number from 0 to {highest:g}")
    return value


def _flag(name: str) -> Callable[[Mischief, str], None]:
    def start(mischief: Mischief, argument: str) -> None:
        _nothing(name, argument)
        setattr(mischief, name, True)

    return start


def _amount(name: str, attribute: str, default: float, highest: float) -> Callable[[Mischief, str], None]:
    def start(mischief: Mischief, argument: str) -> None:
        setattr(mischief, attribute, _number(name, argument, default, highest))

    return start


def _whole(name: str, attribute: str, default: int) -> Callable[[Mischief, str], None]:
    def start(mischief: Mischief, argument: str) -> None:
        setattr(mischief, attribute, int(_number(name, argument, default, 255)))

    return start


def _noise(mischief: Mischief, argument: str) -> None:
    try:
        mischief.noise = bytes.fromhex(argument or "ff00")
    except ValueError as fault:
        raise ValueError(f"fault noise: found {argument!r}, expected hex digits") from fault


def _panel_fault(number: int) -> Callable[[Mischief, str], None]:
    return lambda mischief, argument: mischief.panel_fault(number, argument)


_STARTS: Mapping[str, Callable[[Mischief, str], None]] = {
    "silent": _flag("silent"),
    "drop": _amount("drop", "drop", 0.01, 1.0),
    "flip": _amount("flip", "flip", 0.01, 1.0),
    "delay": _amount("delay", "delay_s", _DELAY_S, _DELAY_MAX_S),
    "late": _amount("late", "delay_s", _LATE_S, _DELAY_MAX_S),
    "noise": _noise,
    "refuse": _whole("refuse", "refuse", 4),
    "foreign": _whole("foreign", "unit", 43),
    "ignore_writes": _flag("ignore_writes"),
    "die": _flag("die"),
    **{f"f0{number}": _panel_fault(number) for number in range(1, 6)},
    "garbage": Mischief.garbage,
    "stuck": Mischief.stuck,
    "button": Mischief.press,
    "usb_only": Mischief.usb_only,
    "other_model": Mischief.other_model,
    "well": Mischief.well,
}
