"""CAN interfaces of the system that a site names: there, up, and at the rate of the bus.

Sources: Linux, Documentation/networking/can.rst; include/uapi/linux/if.h (IFF_UP); the JSON of iproute2.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from bridge.adapters.can.options import CanOptions
from bridge.doctor.finding import Case, Finding
from bridge.doctor.machine import Machine, content, entries

_CHECK = "CAN interface"
_IFF_UP = 1
#: Type of a CAN interface (ARPHRD_CAN).
_ARPHRD_CAN = "280"
#: States of a controller that mean faults on the wires.
_WIRES = frozenset({"BUS-OFF", "ERROR-PASSIVE"})
#: USB numbers of adapters with candlelight firmware, which the driver gs_usb makes an interface of.
_CANDLELIGHT = ("1d50", "606f")


def interfaces(case: Case) -> Iterator[Finding]:
    """Look at every interface once."""
    wanted: dict[str, tuple[str, CanOptions]] = {}
    for name, options in case.devices.items():
        if isinstance(options, CanOptions) and options.interface == "socketcan":
            wanted.setdefault(options.channel, (name, options))
    for channel, (name, options) in wanted.items():
        yield from _interface(case.machine, f"{channel} of device {name}", options)


def _interface(machine: Machine, called: str, options: CanOptions) -> Iterator[Finding]:
    channel, net = options.channel, machine.roots.sys / "class/net"
    bring_up = f"sudo ip link set {channel} up type can bitrate {options.bitrate}"
    if not (net / channel).exists():
        yield Finding(_CHECK, f"{called} is not there", _absent(machine, net))
        return
    if content(net / channel / "type") != _ARPHRD_CAN:
        yield Finding(_CHECK, f"{called} is no CAN interface", f"name one of {_there(net)} in `channel:`")
        return
    if not _number(content(net / channel / "flags")) & _IFF_UP:
        yield Finding(_CHECK, f"{called} is down", f"{bring_up} (for good: docs/can.md)")
        return
    rate, state = _told(machine, channel)
    if rate is not None and rate != options.bitrate:
        yield Finding(
            _CHECK,
            f"{called} runs at {rate} bit/s, the site file says {options.bitrate}",
            f"sudo ip link set {channel} down, then {bring_up}; or `bitrate: {rate}` where the bus has that",
        )
    if state in _WIRES:
        yield Finding(
            _CHECK,
            f"{called} is {state.lower()}: its frames meet faults or nobody",
            "look at CAN-H and CAN-L, at 120 ohm at both ends, and at the bit rate; then "
            f"sudo ip link set {channel} down and up again",
        )


def _absent(machine: Machine, net: Path) -> str:
    there = _there(net)
    if there:
        return f"name one of {there} in `channel:`"
    if machine.in_container:
        return "give the container the host's network, which has its CAN interfaces: network_mode: host"
    for entry in entries(machine.roots.sys / "bus/usb/devices"):
        if (content(entry / "idVendor").lower(), content(entry / "idProduct").lower()) == _CANDLELIGHT:
            return (
                "a candlelight adapter is on USB without its driver: sudo modprobe gs_usb; where the kernel "
                'has none: `interface: gs_usb, channel: "0"`'
            )
    return "plug the adapter in and load its driver; of an slcan adapter say `interface: slcan`"


def _there(net: Path) -> str:
    return ", ".join(entry.name for entry in entries(net) if content(entry / "type") == _ARPHRD_CAN)


def _told(machine: Machine, channel: str) -> tuple[int | None, str]:
    """Return bit rate and state of the controller, as far as `ip` tells them."""
    try:
        found = json.loads(machine.ip(channel))[0]["linkinfo"]["info_data"]
        rate = found.get("bittiming", {}).get("bitrate")
        return (rate if isinstance(rate, int) else None), str(found.get("state", ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None, ""


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return _IFF_UP  # not told: taken for well
