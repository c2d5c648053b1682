"""What a person reads when a bus cannot be opened: what was found, what was expected, what to do."""

import errno

import can
import pytest

from bridge.adapters.can.faults import is_busy, is_fatal, lost, refused
from bridge.adapters.can.options import CanOptions, bus_key
from bridge.adapters.line_faults import (
    LineFault,
    LineLost,
    PortDenied,
    PortMissing,
    PortUnusable,
)


def options(interface: str, channel: str, **more: object) -> CanOptions:
    return CanOptions(adapter="can", interface=interface, channel=channel, **more)


SOCKETCAN = options("socketcan", "can0")
SLCAN = options("slcan", "/dev/ttyACM0")
GS_USB = options("gs_usb", "0")
MULTICAST = options("udp_multicast", "239.74.163.2")


class NoBackendError(ValueError):
    """As pyusb names the lack of libusb."""


def caused(fault: Exception, cause: Exception) -> Exception:
    fault.__cause__ = cause
    return fault


#: What python-can raises, what it becomes, and what its reader is told to do.
REFUSED = [
    (SOCKETCAN, OSError(errno.EAFNOSUPPORT, "Address family not supported"), PortUnusable, "modprobe can_raw"),
    (SOCKETCAN, OSError(errno.ENODEV, "No such device"), PortMissing, "ip link set can0 up type can bitrate 500000"),
    (SOCKETCAN, OSError(errno.ENETDOWN, "Network is down"), PortMissing, "can0 is down: bring it up"),
    (SOCKETCAN, OSError(errno.EPERM, "Operation not permitted"), PortDenied, "permission denied"),
    (GS_USB, NoBackendError("No backend available"), PortUnusable, "apt install libusb-1.0-0"),
    (GS_USB, can.CanInterfaceNotImplementedError("Cannot import module"), PortUnusable, r"python-can\[gs-usb\]"),
    (GS_USB, can.CanInitializationError("Cannot find device 0. Devices found: 0"), PortMissing, "lsusb"),
    (GS_USB, OSError(errno.EACCES, "Access denied"), PortDenied, "udev rule"),
    (MULTICAST, can.CanInterfaceNotImplementedError("msgpack not installed"), PortUnusable, "pip install msgpack"),
    (MULTICAST, caused(can.CanInitializationError("x"), OSError(errno.ENODEV, "No such device")), PortMissing, "239"),
    (SLCAN, caused(can.CanInitializationError("x"), OSError(errno.EBUSY, "Busy")), LineFault, "in use by"),
    (SLCAN, ZeroDivisionError(), PortUnusable, "ZeroDivisionError: expected a bus that opens"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "raised", "kind", "cure"), REFUSED)
def test_refusals_say_what_to_do(
    wanted: CanOptions, raised: Exception, kind: type[LineFault], cure: str
) -> None:
    fault = refused(wanted, raised)
    assert isinstance(fault, kind)
    with pytest.raises(kind, match=cure):
        raise fault
    assert "\n" not in str(fault)
    assert wanted.channel in str(fault)


@pytest.mark.parametrize(
    ("raised", "fatal", "busy"),
    [
        (OSError(errno.EIO, "Input/output error"), True, False),
        (caused(can.CanOperationError("x"), OSError(errno.ENETDOWN, "down")), True, False),
        (caused(can.CanOperationError("x"), OSError(errno.ENOBUFS, "No buffer space")), True, True),
        (can.CanTimeoutError("x"), True, True),
        (can.CanOperationError("Cannot operate on a closed bus"), True, False),
        (caused(can.CanOperationError("x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")), False, False),
        (ValueError("invalid literal"), False, False),
        (IndexError("string index out of range"), False, False),
        (can.CanOperationError("could not unpack received message"), False, False),
    ],
)
def test_what_ends_a_bus_and_what_does_not(raised: Exception, fatal: bool, busy: bool) -> None:
    assert (is_fatal(raised), is_busy(raised)) == (fatal, busy)


def test_a_bus_taken_down_is_told_how_to_bring_it_up() -> None:
    fault = lost(SOCKETCAN, OSError(errno.ENETDOWN, "Network is down"))
    assert isinstance(fault, LineLost)
    assert "sudo ip link set can0 up type can bitrate 500000" in str(fault)


@pytest.mark.parametrize(
    ("interface", "channel"),
    [
        ("slcan", "/dev/serial/by-id/usb-CANable-if00"),
        ("slcan", "socket://192.168.1.31:4001"),
        ("socketcan", "can0"),
        ("gs_usb", "0"),
        ("socketcand", "gateway.local/can0"),
        ("socketcand", "192.168.1.31:29536/vcan0"),
        ("virtual", "any name"),
        ("udp_multicast", "239.74.163.2:43113"),
    ],
)
def test_channels_as_each_interface_spells_them(interface: str, channel: str) -> None:
    assert options(interface, channel).channel == channel


@pytest.mark.parametrize(
    ("interface", "channel", "expected"),
    [
        ("slcan", "can0", "a device path such as"),
        ("slcan", "/dev/ttyACM0@115200", "a device path such as"),
        ("socketcan", "/dev/ttyACM0", "a network interface such as can0"),
        ("socketcan", "", "at least 1 character"),
        ("gs_usb", "first", "the adapter's number"),
        ("socketcand", "192.168.1.31", "HOST:PORT/BUS"),
        ("socketcand", "192.168.1.31:0/can0", "HOST:PORT/BUS"),
        ("udp_multicast", "somewhere", "a multicast group"),
        ("can", "can0", "socketcan"),
    ],
)
def test_channels_that_are_misspelt(interface: str, channel: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        options(interface, channel)


def test_an_impossible_bit_rate() -> None:
    with pytest.raises(ValueError, match="one of 10000, 20000"):
        options("slcan", "/dev/ttyACM0", bitrate=400_000)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (options("slcan", "/dev/ttyACM0"), options("slcan", "/dev/../dev/ttyACM0"), True),
        (options("slcan", "/dev/ttyACM0"), options("slcan", "/dev/ttyACM1"), False),
        (options("slcan", "socket://Gateway:4001"), options("slcan", "SOCKET://gateway:4001/"), True),
        (options("socketcan", "can0"), options("socketcan", "can1"), False),
        (options("gs_usb", "0"), options("gs_usb", "00"), True),
        (options("socketcand", "HOST/can0"), options("socketcand", "host:29536/can0"), True),
        (options("udp_multicast", "239.74.163.2"), options("udp_multicast", "239.74.163.2:43113"), True),
        (options("virtual", "a"), options("socketcan", "a"), False),
    ],
)
def test_one_bus_has_one_key(one: CanOptions, other: CanOptions, same: bool) -> None:
    assert (bus_key(one) == bus_key(other)) is same
