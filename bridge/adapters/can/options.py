"""Options that all CAN families share. Light: imports nothing that opens a bus."""

import os
import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from bridge.adapters.base import DeviceOptions

Interface = Literal["socketcan", "slcan", "gs_usb", "socketcand", "virtual", "udp_multicast"]

#: Bit rates that slcan adapters have a command for; the battery protocol itself knows 500 kbit/s alone.
BITRATES = (10_000, 20_000, 50_000, 100_000, 125_000, 250_000, 500_000, 750_000, 1_000_000)
#: TCP port of socketcand, UDP port of python-can's multicast bus.
SOCKETCAND_PORT, MULTICAST_PORT = 29_536, 43_113

_SOCKETCAND = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?/(?P<bus>[\w.-]+)"
)
_MULTICAST = re.compile(r"(?P<group>[0-9.]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_URL = re.compile(r"socket://[^/:]+:[0-9]{1,5}/?", re.IGNORECASE)
_PORT_MAX = 65_535
_EXPECTED: dict[Interface, tuple[re.Pattern[str], str]] = {
    "socketcan": (re.compile(r"[\w.-]{1,15}"), "the name of a network interface such as can0"),
    "slcan": (
        re.compile(rf"(?=.*/)(?!.*://)[^@\0]+|{_URL.pattern}", re.IGNORECASE),
        "a device path such as /dev/serial/by-id/usb-.., or socket://HOST:PORT",
    ),
    "gs_usb": (re.compile(r"[0-9]{1,2}"), "the adapter's number, 0 for the first one"),
    "socketcand": (_SOCKETCAND, "HOST:PORT/BUS such as 192.168.1.31:29536/can0"),
    "virtual": (re.compile(r".+"), "any name"),
    "udp_multicast": (_MULTICAST, "a multicast group such as 239.74.163.2 or 239.74.163.2:43113"),
}


class CanOptions(DeviceOptions):
    """A device on a CAN bus, and the way to that bus."""

    interface: Interface = Field(
        description="kind of CAN adapter: socketcan (a can0 of the system), slcan (a serial adapter such as "
        "CANable or Lawicel), gs_usb (candlelight firmware without a can0), socketcand (a bus of another "
        "computer); virtual and udp_multicast are for trying things out"
    )
    channel: str = Field(
        min_length=1,
        description="the bus at the adapter: can0 (socketcan), a device path or socket://HOST:PORT (slcan), "
        "the adapter's number (gs_usb), HOST:PORT/can0 (socketcand)",
    )
    bitrate: int = Field(
        default=500_000,
        description="bit rate of the bus; a socketcan bus has the one that the system gave it",
    )

    @field_validator("channel")
    @classmethod
    def _well_spelt(cls, channel: str, info: ValidationInfo) -> str:
        if "interface" not in info.data:
            return channel  # an unknown interface is told instead
        pattern, expected = _EXPECTED[info.data["interface"]]
        found = pattern.fullmatch(channel)
        port = None if found is None else found.groupdict().get("port")
        if found is None or (port is not None and not 0 < int(port) <= _PORT_MAX):
            raise ValueError(f"expected {expected}")
        return channel

    @field_validator("bitrate")
    @classmethod
    def _known(cls, bitrate: int) -> int:
        if bitrate not in BITRATES:
            raise ValueError(f"expected one of {', '.join(map(str, BITRATES))}")
        return bitrate


def socketcand_address(channel: str) -> tuple[str, int, str]:
    """Return host, port and bus of a socketcand channel. Raises ValueError for another spelling."""
    found = _SOCKETCAND.fullmatch(channel)
    if found is None:
        raise ValueError(f"found {channel!r}, expected {_EXPECTED['socketcand'][1]}")
    return found["host"].strip("[]").lower(), int(found["port"] or SOCKETCAND_PORT), found["bus"]


def multicast_address(channel: str) -> tuple[str, int]:
    """Return group and port of a multicast channel. Raises ValueError for another spelling."""
    found = _MULTICAST.fullmatch(channel)
    if found is None:
        raise ValueError(f"found {channel!r}, expected {_EXPECTED['udp_multicast'][1]}")
    return found["group"].strip("[]").lower(), int(found["port"] or MULTICAST_PORT)


def bus_key(options: CanOptions) -> str:
    """Return a name that all spellings of one bus share: links followed, ports written out."""
    channel = options.channel
    match options.interface:
        case "slcan":
            channel = channel.lower().rstrip("/") if "://" in channel else os.path.realpath(channel)
        case "gs_usb":
            channel = str(int(channel))
        case "socketcand":
            channel = "{}:{}/{}".format(*socketcand_address(channel))
        case "udp_multicast":
            channel = "{}:{}".format(*multicast_address(channel))
    return f"{options.interface} {channel}"
