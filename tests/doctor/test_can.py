"""CAN interfaces: there, up, at the rate of the bus. What `ip` says has the shape of `ip -details -json`, written by hand."""

import json

import pytest

from bridge.doctor.can import interfaces
from tests.doctor.boxes import Box

SITE = "devices:\n  pack: {adapter: can_battery, interface: socketcan, channel: can0, dialect: pylontech, unit: 30}\n"
SLCAN = SITE.replace("socketcan", "slcan").replace("can0", "/dev/ttyACM0")
UP, DOWN = "0x400c1", "0x40080"


def ip(rate: int = 500_000, state: str = "ERROR-ACTIVE") -> str:
    return json.dumps(
        [
            {
                "ifindex": 3, "ifname": "can0", "flags": ["NOARP", "UP", "LOWER_UP", "ECHO"], "mtu": 16,
                "operstate": "UP", "link_type": "can",
                "linkinfo": {
                    "info_kind": "can",
                    "info_data": {
                        "state": state, "berr_counter": {"tx": 0, "rx": 0}, "restart_ms": 0,
                        "bittiming": {"bitrate": rate, "sample_point": "0.875", "tq": 125, "sjw": 1, "brp": 1},
                        "clock": 8000000,
                    },
                },
            }
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "told", "words"),
    [
        (UP, ip(), []),
        (UP, "", []),
        (UP, "{", []),
        (UP, '[{"linkinfo": {"info_kind": "vcan"}}]', []),
        (DOWN, ip(), ["can0 of device pack is down", "sudo ip link set can0 up type can bitrate 500000"]),
        (UP, ip(250_000), ["can0 of device pack runs at 250000 bit/s, the site file says 500000"]),
        (UP, ip(state="BUS-OFF"), ["is bus-off", "120 ohm"]),
        (UP, ip(state="ERROR-PASSIVE"), ["is error-passive"]),
    ],
)
def test_an_interface(box: Box, flags: str, told: str, words: list[str]) -> None:
    box.link("can0", type="280", flags=flags)
    box.having(ip=lambda _: told)
    lines = box.told(interfaces, SITE)
    assert len(lines) == bool(words)
    assert [word for word in words if word not in lines[0]] == []


def test_none_is_looked_for_where_none_is_named(box: Box) -> None:
    assert box.told(interfaces, SLCAN) == []
    assert box.told(interfaces) == []


def test_an_interface_that_is_not_there(box: Box) -> None:
    assert "plug the adapter in" in box.told(interfaces, SITE)[0]
    box.on_usb("1-1", ("1d50", "606f", ""))
    assert "sudo modprobe gs_usb" in box.told(interfaces, SITE)[0]
    box.link("can1", type="280")
    assert "name one of can1 in `channel:`" in box.told(interfaces, SITE)[0]


def test_an_interface_that_is_not_there_in_a_container(box: Box) -> None:
    box.contain()
    assert "network_mode: host" in box.told(interfaces, SITE)[0]


def test_an_interface_of_another_kind(box: Box) -> None:
    box.link("can0", type="1", flags=UP)
    box.link("can1", type="280", flags=UP)
    assert "can0 of device pack is no CAN interface -> name one of can1" in box.told(interfaces, SITE)[0]
