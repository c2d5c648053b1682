"""CAN buses of a site: shared by devices that agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from bridge.adapters.base import Family
from bridge.adapters.can.options import CanOptions
from bridge.adapters.can_battery.options import FAMILY as CAN_BATTERY
from bridge.adapters.vedirect.options import FAMILY as VEDIRECT
from bridge.site.loader import load_site


class BmsOptions(CanOptions):
    """As much of a sender as these rules look at."""

    adapter: Literal["can_bms"] = Field(description="equipment family")


BMS = Family("can_bms", "A sender", BmsOptions, adapter="nowhere:Nothing", simulator="nowhere:Nothing")
FAMILIES: Mapping[str, Family] = {"can_battery": CAN_BATTERY, "can_bms": BMS, "vedirect": VEDIRECT}
BATTERY = "adapter: can_battery, dialect: pylontech"

REFUSED = [
    (
        f"a: {{{BATTERY}, interface: slcan, channel: /dev/ttyACM9}}\n"
        "  b: {adapter: can_bms, interface: slcan, channel: /dev/../dev/ttyACM9}",
        [
            "3:52: found a can_bms on /dev/../dev/ttyACM9, where the can_battery 'a' (site.yaml:2) is, "
            "give each a bus of its own: both would speak with the same ids"
        ],
    ),
    (
        "a: {adapter: can_bms, interface: socketcan, channel: can0}\n"
        f"  b: {{{BATTERY}, interface: socketcan, channel: can0}}",
        [
            "3:80: found a can_battery on can0, where the can_bms 'a' (site.yaml:2) is, "
            "give each a bus of its own: both would speak with the same ids"
        ],
    ),
    (
        f"a: {{{BATTERY}, interface: gs_usb, channel: 0}}\n  b: {{{BATTERY}, interface: gs_usb, channel: 0}}",
        [
            "3:77: found a can_battery on 0, where the can_battery 'a' (site.yaml:2) is, "
            "a bus has one battery: remove one of the two, or give each a bus of its own"
        ],
    ),
    (
        "a: {adapter: can_bms, interface: socketcan, channel: can0}\n"
        "  b: {adapter: can_bms, interface: socketcan, channel: can0, bitrate: 250000}",
        [
            "3:56: found a can_bms on can0, where the can_bms 'a' (site.yaml:2) is, "
            "give each a bus of its own: both would speak with the same ids",
            "3:71: found 250000 bit/s on can0, which 'a' (site.yaml:2) has with 500000 bit/s, "
            "a bus has one bit rate, 500000 for batteries and inverters",
        ],
    ),
    (
        "a: {adapter: vedirect, port: /dev/ttyUSB9}\n"
        f"  b: {{{BATTERY}, interface: slcan, channel: /dev/ttyUSB9}}",
        [
            "3:76: found the port '/dev/ttyUSB9', which device 'a' (site.yaml:2) has, give each a port of its own"
        ],
    ),
    (
        f"a: {{{BATTERY}, interface: slcan, channel: can0}}",
        [
            "2:76: found the text 'can0', expected a device path such as /dev/serial/by-id/usb-.., "
            "or socket://HOST:PORT"
        ],
    ),
    (
        "a: {adapter: can_battery, interface: socketcan, channel: can0}",
        [
            "2:6: found no 'dialect', expected what the battery speaks: pylontech (pylontech_new is read "
            "alike), sma, or victron"
        ],
    ),
]


@pytest.mark.parametrize(("devices", "said"), REFUSED)
def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: str, said: list[str]) -> None:
    assert problems(tmp_path, monkeypatch, devices) == said


@pytest.mark.parametrize(
    "devices",
    [
        f"a: {{{BATTERY}, interface: slcan, channel: /dev/ttyACM8}}\n"
        "  b: {adapter: can_bms, interface: slcan, channel: /dev/ttyACM9}",
        f"a: {{{BATTERY}, interface: socketcan, channel: can0}}\n"
        "  b: {adapter: can_bms, interface: socketcan, channel: can1, bitrate: 250000}",
        f"a: {{{BATTERY}, interface: gs_usb, channel: 0}}\n"
        "  b: {adapter: can_bms, interface: socketcan, channel: '0'}",
    ],
)
def test_buses_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: str) -> None:
    assert problems(tmp_path, monkeypatch, devices) == []


def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: str) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("site.yaml").write_text(f"devices:\n  {devices}\n")
    load = load_site(Path("site.yaml"), {"HOME": "/home/skipper"}, FAMILIES, lambda state, device: None)
    return [str(problem).removeprefix("site.yaml:") for problem in load.problems]
