"""What can go wrong with a CAN adapter, each said so that its reader knows what to do.

python-can tells one and the same fault by very different exceptions, depending on the interface: raw
OSErrors, errors of pyserial and libusb, CanErrors around any of them. They are told apart by what stands
at the bottom.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from bridge.adapters.can.options import CanOptions
from bridge.adapters.line_faults import (
    LineFault,
    LineLost,
    PortDenied,
    PortMissing,
    PortUnusable,
    explained,
    said,
)

_NET = Path("/sys/class/net")
#: Type of a CAN interface in /sys/class/net/*/type (ARPHRD_CAN).
_ARPHRD_CAN = "280"
#: What the packages behind an interface are called, and how they are installed.
_PACKAGES = {
    "gs_usb": "the Python packages gs_usb and pyusb are missing: install them beside the bridge with "
    "pip install 'python-can[gs-usb]'",
    "udp_multicast": "the Python package msgpack is missing: install it beside the bridge with "
    "pip install msgpack",
}
_LIBUSB = "libusb is missing: expected the system's USB library; install it (sudo apt install libusb-1.0-0)"
#: Refusals of a bus that is up and only cannot take a frame at this moment.
_BUSY = frozenset({errno.ENOBUFS, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT})


def bus_name(options: CanOptions) -> str:
    """Return what a bus is called in messages."""
    return f"{options.interface} {options.channel}"


def refused(options: CanOptions, fault: BaseException) -> LineFault:
    """Turn what hindered a bus from being opened into a fault that tells its reader what to do."""
    name = bus_name(options)
    chain = list(_chain(fault))
    if any(type(link).__name__ == "NoBackendError" for link in chain):
        return PortUnusable(name, _LIBUSB)
    if any(isinstance(link, ImportError | NotImplementedError) for link in chain):
        return PortUnusable(name, _PACKAGES.get(options.interface, f"{chain[-1]}: install what is missing"))
    system = _system_error(fault)
    if system is not None and system.errno is not None:
        return _by_number(options, name, system)
    if options.interface == "gs_usb":
        return PortMissing(
            name,
            f"no candlelight adapter number {options.channel} on USB: expected one of those that lsusb "
            "shows, 0 for the first; plug it in",
        )
    words = " ".join(str(fault).split()) or type(fault).__name__
    return PortUnusable(name, f"{words}: expected a bus that opens; look at interface, channel and bitrate")


def lost(options: CanOptions, fault: BaseException) -> LineLost:
    """Return what ended a bus that was open."""
    system = _system_error(fault)
    words = said(system) if system is not None else str(fault) or type(fault).__name__
    if system is not None and system.errno == errno.ENETDOWN:
        return LineLost(bus_name(options), f"{options.channel} was taken down: {_bring_up(options)}")
    return LineLost(bus_name(options), f"lost ({words}): unplugged, switched off, or its program ended")


def is_fatal(fault: BaseException) -> bool:
    """True where the bus itself is gone, False where only what came was no frame."""
    return _system_error(fault) is not None or "closed bus" in str(fault)


def is_busy(fault: BaseException) -> bool:
    """True where a frame could not be taken now and the bus is there all the same."""
    system = _system_error(fault)
    if isinstance(fault, TimeoutError) or "timeout" in type(fault).__name__.lower():
        return True
    return system is not None and system.errno in _BUSY


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while fault is not None and seen < 20:
        yield fault
        fault, seen = fault.__cause__ or fault.__context__, seen + 1


def _system_error(fault: BaseException) -> OSError | None:
    """Return the system's own refusal behind a fault; errors of pyserial and libusb are such as well."""
    found = [link for link in _chain(fault) if isinstance(link, OSError)]
    return next((link for link in found if link.errno is not None), next(iter(found), None))


def _by_number(options: CanOptions, name: str, fault: OSError) -> LineFault:
    if options.interface in ("slcan", "socketcand"):
        return explained(name, fault)
    if fault.errno == errno.EAFNOSUPPORT:
        return PortUnusable(
            name,
            "this kernel has no CAN sockets: expected the modules can and can_raw (sudo modprobe can_raw); "
            "without them use interface: slcan or gs_usb",
        )
    if fault.errno in (errno.ENODEV, errno.ENXIO):
        found = ", ".join(_can_interfaces()) or "none"
        return PortMissing(
            name, f"no network interface {options.channel} (there now: {found}): {_bring_up(options)}"
        )
    if fault.errno == errno.ENETDOWN:
        return PortMissing(name, f"{options.channel} is down: {_bring_up(options)}")
    if fault.errno in (errno.EACCES, errno.EPERM):
        return PortDenied(
            name,
            "permission denied: expected a user who may open it; for USB adapters add a udev rule "
            "(docs/can.md), or run the service as its own user",
        )
    return PortUnusable(name, f"{said(fault)}: expected a bus that opens; look at interface and channel")


def _bring_up(options: CanOptions) -> str:
    return f"bring it up with sudo ip link set {options.channel} up type can bitrate {options.bitrate}"


def _can_interfaces() -> list[str]:
    try:
        names = sorted(os.listdir(_NET))  # noqa: PTH208 - names are wanted, not paths
    except OSError:
        return []
    return [name for name in names if _type_of(name) == _ARPHRD_CAN]


def _type_of(name: str) -> str:
    try:
        return (_NET / name / "type").read_text(encoding="ascii").strip()
    except OSError:
        return ""
