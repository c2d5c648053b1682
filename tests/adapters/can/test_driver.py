"""What a driver makes of python-can's messages and refusals, on buses that say just one thing."""

import errno
from typing import Any

import can
import pytest
from can.interfaces.slcan import slcanBus

from bridge.adapters.can import driver as driver_module
from bridge.adapters.can.driver import Driver, ErrorFrame, Garbled, Ignored, NotSent
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions
from bridge.adapters.line_faults import LineLost

SOC = CanFrame(0x355, bytes.fromhex("58005e00"))


class OneThing:
    """A bus whose `recv` returns or raises one thing, and whose `send` does so too."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self.waits: list[float] = []
        self.flushed = 0

    def recv(self, timeout: float) -> Any:
        self.waits.append(timeout)
        return self.said()

    def send(self, message: can.Message, timeout: float) -> None:
        self.waits.append(timeout)
        self.said()

    def flush(self) -> None:
        self.flushed += 1

    def said(self) -> Any:
        if isinstance(self.thing, Exception):
            raise self.thing
        return self.thing


def driver(interface: str, thing: Any) -> tuple[Driver, OneThing]:
    channel = {"gs_usb": "0", "socketcan": "can0", "slcan": "/dev/x"}[interface]
    bus = OneThing(thing)
    return Driver(CanOptions(adapter="can", interface=interface, channel=channel), bus), bus  # type: ignore[arg-type]


def message(**more: Any) -> can.Message:
    return can.Message(**{"arbitration_id": 0x355, "is_extended_id": False, "data": SOC.data, **more})


@pytest.mark.parametrize(
    ("interface", "said", "heard"),
    [
        ("socketcan", message(), SOC),
        ("socketcan", message(is_rx=False), SOC),  # from another program of this computer
        ("gs_usb", message(), SOC),
        ("gs_usb", message(is_rx=False), None),  # our own, come back
        ("socketcan", None, None),
        ("gs_usb", None, None),
        ("socketcan", message(is_extended_id=True), Ignored()),
        ("socketcan", message(is_remote_frame=True, data=None), Ignored()),
        ("socketcan", message(is_fd=True), Ignored()),
        ("socketcan", message(arbitration_id=0x40, is_error_frame=True), ErrorFrame(True)),
        ("socketcan", message(arbitration_id=0x100, is_error_frame=True), ErrorFrame(False)),
        ("socketcan", message(arbitration_id=0x04, is_error_frame=True), ErrorFrame(None)),
    ],
)
def test_what_is_heard(interface: str, said: can.Message | None, heard: object) -> None:
    assert driver(interface, said)[0].receive() == heard


def test_interfaces_that_would_ask_without_a_pause_are_asked_and_left_alone() -> None:
    polled, bus = driver("gs_usb", None)
    polled.receive()
    assert bus.waits == [0]
    waiting, bus = driver("socketcan", None)
    waiting.receive()
    assert bus.waits == [driver_module.RECEIVE_S]


@pytest.mark.parametrize(
    ("raised", "kind", "flushed"),
    [
        (ValueError("invalid literal"), Garbled, 1),
        (IndexError("string index"), Garbled, 1),
        (OSError(errno.EIO, "Input/output error"), LineLost, 0),
        (can.CanOperationError("Cannot operate on a closed bus"), LineLost, 0),
    ],
)
def test_what_cannot_be_heard(raised: Exception, kind: type[Exception], flushed: int) -> None:
    made, bus = driver("slcan", raised)
    with pytest.raises(kind):
        made.receive()
    assert bus.flushed == flushed


def test_noise_without_the_end_of_a_line_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "RECEIVE_S", 0.0)
    bus = slcanBus("loop://", sleep_after_open=0, timeout=0)
    made = Driver(CanOptions(adapter="can", interface="slcan", channel="/dev/x"), bus)
    bus.serialPortOrig.reset_input_buffer()
    for _ in range(driver_module.LINE_MAX // 1024):  # the stand-in for a line holds no more than 4096 at once
        bus.serialPortOrig.write(b"x" * 1024)
        assert made.receive() is None
    bus.serialPortOrig.write(b"x")
    with pytest.raises(Garbled):
        made.receive()
    bus.serialPortOrig.write(b"t355458005E00\r")
    assert made.receive() == SOC
    bus.shutdown()


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (OSError(errno.ENOBUFS, "No buffer space available"), NotSent),
        (can.CanTimeoutError("timed out"), NotSent),
        (OSError(errno.ENETDOWN, "Network is down"), LineLost),
        (OSError(errno.ENXIO, "No such device"), LineLost),
    ],
)
def test_what_cannot_be_sent(raised: Exception, kind: type[Exception]) -> None:
    made, bus = driver("socketcan", raised)
    with pytest.raises(kind):
        made.send(SOC)
    assert bus.waits == [driver_module.SEND_S]
