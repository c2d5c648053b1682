"""Ways to reset a module: what a site may say, and what is said where a wire cannot be moved."""

import asyncio
import os
import sys
import termios
from collections.abc import AsyncIterator

import gpiod
import pytest

from bridge.adapters.apsystems import reset
from bridge.adapters.apsystems.radio import SERIAL_SETTINGS
from bridge.adapters.apsystems.radio_faults import ResetFault
from bridge.adapters.apsystems.reset import GpioReset, ModemReset, parse_reset
from bridge.adapters.line import Line, open_line
from bridge.datastore.clock import ManualClock, SystemClock


@pytest.mark.parametrize(
    ("written", "chip", "line"),
    [
        (18, "/dev/gpiochip0", 18),
        (0, "/dev/gpiochip0", 0),
        ("gpiochip4:18", "/dev/gpiochip4", 18),
        ("/dev/gpiochip4:18", "/dev/gpiochip4", 18),
    ],
)
def test_gpio_lines(written: int | str, chip: str, line: int) -> None:
    found = parse_reset(written)
    assert isinstance(found, GpioReset)
    assert (str(found.chip), found.line) == (chip, line)


@pytest.mark.parametrize("written", ["dtr", "rts"])
def test_modem_lines(written: str) -> None:
    found = parse_reset(written)
    assert isinstance(found, ModemReset)
    assert found.pin == written


def test_no_wire() -> None:
    assert parse_reset(None) is None


@pytest.mark.parametrize("written", [-1, 5000, True, "18", "gpiochip:1", "cts", ""])
def test_what_is_no_wire(written: int | str) -> None:
    with pytest.raises(ValueError, match="expected a line of gpiochip0 such as 18"):
        parse_reset(written)


@pytest.fixture
async def terminal() -> AsyncIterator[Line]:
    """A line on a pseudo-terminal, which has no modem lines."""
    master, slave = os.openpty()
    line = await open_line(os.ttyname(slave), SERIAL_SETTINGS, SystemClock())
    yield line
    line.close()
    os.close(slave)
    os.close(master)


async def pulse(wire: reset.Reset, line: Line) -> None:
    await wire.pulse(line, ManualClock())


async def test_a_chip_that_is_not_there(terminal: Line) -> None:
    with pytest.raises(ResetFault, match=r"line 18 of /dev/gpiochip999 unusable .*, expected a free line"):
        await pulse(GpioReset("gpiochip999", 18), terminal)


async def test_a_gpio_line_goes_low_then_high_and_is_given_back(
    terminal: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wire itself is missing on a test machine; the settings asked for are the library's own."""
    moved: list[object] = []

    class Taken:
        def set_value(self, line: int, value: object) -> None:
            moved.append((line, value))

        def release(self) -> None:
            moved.append("released")

    def request_lines(path: str, consumer: str, config: dict[int, gpiod.LineSettings]) -> Taken:
        moved.append((path, config[18].direction, config[18].output_value))
        return Taken()

    monkeypatch.setattr(gpiod, "request_lines", request_lines)
    monkeypatch.setattr(reset, "HELD_S", 0.0)
    monkeypatch.setattr(reset, "LISTENS_AFTER_S", 0.0)
    await GpioReset("gpiochip0", 18).pulse(terminal, SystemClock())
    low, high = gpiod.line.Value.INACTIVE, gpiod.line.Value.ACTIVE
    assert moved == [("/dev/gpiochip0", gpiod.line.Direction.OUTPUT, low), (18, high), "released"]


async def test_without_the_package(terminal: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod.line", None)
    with pytest.raises(ResetFault, match=r"found no package gpiod.*pip install 'inverter-bridge\[gpio\]'"):
        await pulse(GpioReset("gpiochip0", 18), terminal)


async def test_a_port_without_modem_lines(terminal: Line) -> None:
    with pytest.raises(ResetFault, match="found no RTS on port"):
        await pulse(ModemReset("rts"), terminal)


async def test_a_modem_line_is_asserted_and_released(terminal: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    began = clock.monotonic()
    moved: list[tuple[float, int, bytes]] = []

    def ioctl(_: int, request: int, bits: bytes) -> None:
        moved.append((clock.monotonic() - began, request, bits))

    with monkeypatch.context() as patched:
        patched.setattr(reset.fcntl, "ioctl", ioctl)  # no port of a test machine has modem lines
        pulsing = asyncio.create_task(ModemReset("dtr").pulse(terminal, clock))
        await clock.advance(2.4)
        assert not pulsing.done()
        await clock.advance(0.2)
        await pulsing
    dtr = termios.TIOCM_DTR.to_bytes(4, sys.byteorder)
    assert moved == [(0.0, termios.TIOCMBIS, dtr), (0.5, termios.TIOCMBIC, dtr)]
