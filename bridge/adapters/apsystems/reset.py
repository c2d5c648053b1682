"""Ways to reset a coordinator that hears nothing any more: its RST pin on a GPIO line, or on DTR or RTS.

RST is low while the module is held in reset: 500 ms, and 2 s until it listens again.
"""

import asyncio
import contextlib
import fcntl
import importlib
import re
import struct
import termios
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Protocol

from bridge.adapters.apsystems.radio_faults import ResetFault
from bridge.adapters.line import Line
from bridge.datastore.clock import Clock

HELD_S = 0.5
LISTENS_AFTER_S = 2.0

_CHIP = "gpiochip0"
_GPIO = re.compile(r"(?:/dev/)?(?P<chip>gpiochip\d+):(?P<line>\d+)")
_PINS = {"dtr": termios.TIOCM_DTR, "rts": termios.TIOCM_RTS}


class Reset(Protocol):
    """A wire to the module's RST pin."""

    async def pulse(self, line: Line, clock: Clock) -> None:
        """Hold the module in reset for a moment, and wait until it listens. Raises ResetFault."""


class GpioReset:
    """RST on a line of a GPIO chip, as on a Raspberry Pi. Needs the `gpiod` package."""

    def __init__(self, chip: str, line: int) -> None:
        self.chip = Path("/dev") / chip
        self.line = line

    async def pulse(self, line: Line, clock: Clock) -> None:  # noqa: ARG002 - the wire is no part of the line
        """Pull the GPIO line low, then high, and give it back."""
        gpiod = await self._library()
        settings = gpiod.LineSettings(
            direction=gpiod.line.Direction.OUTPUT, output_value=gpiod.line.Value.INACTIVE
        )

        with self._explained():
            taken = await asyncio.to_thread(
                gpiod.request_lines,
                str(self.chip),
                consumer="inverter-bridge",
                config={self.line: settings},
            )
        try:
            await clock.sleep(HELD_S)
            with self._explained():
                await asyncio.to_thread(taken.set_value, self.line, gpiod.line.Value.ACTIVE)
            await clock.sleep(LISTENS_AFTER_S)
        finally:
            await asyncio.to_thread(taken.release)

    async def _library(self) -> ModuleType:
        try:
            await asyncio.to_thread(importlib.import_module, "gpiod.line")
            return await asyncio.to_thread(importlib.import_module, "gpiod")
        except ImportError as fault:
            raise ResetFault(
                "reset_gpio: found no package gpiod, expected it for resets by wire: "
                "pip install 'inverter-bridge[gpio]'"
            ) from fault

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as fault:
            raise ResetFault(
                f"reset_gpio: found line {self.line} of {self.chip} unusable ({fault}), expected a free line "
                "that this user may drive: is the number right, is the user in group gpio, does another "
                "program hold it"
            ) from fault


class ModemReset:
    """RST on a modem line of the serial adapter, `dtr` or `rts`: asserted holds the module in reset."""

    def __init__(self, pin: str) -> None:
        self.pin = pin

    async def pulse(self, line: Line, clock: Clock) -> None:
        """Assert the pin, then release it; opening a port asserts both, so the release is what starts it."""
        bits = struct.pack("I", _PINS[self.pin])
        self._set(line, termios.TIOCMBIS, bits)
        await clock.sleep(HELD_S)
        self._set(line, termios.TIOCMBIC, bits)
        await clock.sleep(LISTENS_AFTER_S)

    def _set(self, line: Line, operation: int, bits: bytes) -> None:
        try:
            # A line has no door for its modem pins yet.
            fcntl.ioctl(line._descriptor, operation, bits)
        except OSError as fault:
            raise ResetFault(
                f"reset_gpio: found no {self.pin.upper()} on port {line.port} ({fault}), expected a serial "
                "adapter with modem lines: name a GPIO line instead, or leave the key out"
            ) from fault


def parse_reset(value: int | str | None) -> Reset | None:
    """Read the site's `reset_gpio`: 18, `gpiochip4:18`, `dtr`, `rts`; None for no wire. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, int):
        if not isinstance(value, bool) and 0 <= value < 1024:
            return GpioReset(_CHIP, value)
    elif value in _PINS:
        return ModemReset(value)
    elif found := _GPIO.fullmatch(value):
        return GpioReset(found["chip"], int(found["line"]))
    raise ValueError(
        f"reset_gpio: found {value!r}, expected a line of gpiochip0 such as 18, a chip and line such as "
        "gpiochip4:18, or dtr or rts of the serial adapter"
    )
