"""Captured devices as scripted far ends, for the tests of the products."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.vedirect.text import encode_block
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from tests.adapters.vedirect.rig import Rig
from tests.adapters.vedirect.scripted import ScriptedDevice

VECTORS = {
    vector["name"]: vector
    for vector in json.loads(
        (Path(__file__).parents[2] / "data" / "vedirect" / "vectors.json").read_text(encoding="utf-8")
    )
}
SMARTSOLAR = bytes.fromhex(VECTORS["smartsolar_75-15_capture"]["hex_bytes"])
BMV712 = bytes.fromhex(VECTORS["bmv712_main_block_capture"]["hex_bytes"])
ORION = bytes.fromhex(VECTORS["orion_xs_capture_checksum_is_CR"]["hex_bytes"])
PHOENIX = bytes.fromhex(VECTORS["phoenix_text"]["hex_bytes"])

BMV_SERIAL = "HQ1719ABCDE"
#: The second block of a BMV: no product id, own checksum.
HISTORY = {
    "H1": "-102738", "H2": "-6673", "H3": "-25000", "H4": "41", "H5": "2", "H6": "-4120300", "H7": "21010",
    "H8": "29110", "H9": "86400", "H10": "12", "H11": "3", "H12": "1", "H15": "11", "H16": "14021",
    "H17": "11050", "H18": "13240",
}  # fmt: skip


def u8(value: int) -> bytes:
    return value.to_bytes(1, "little")


def u16(value: int) -> bytes:
    return value.to_bytes(2, "little", signed=value < 0)


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little", signed=value < 0)


#: What a BMV-712 answers to HEX: the captured text in its registers.
BMV_REGISTERS = {
    0x010A: BMV_SERIAL.encode(), 0x010B: b"BMV-712 Smart\0", 0x0120: u32(5000),
    0xED8D: u16(2646), 0xED8C: u32(-6032), 0xED8F: u16(-60), 0xED8E: u16(-160), 0x0FFF: u16(9370),
    0x0FFE: u16(435), 0xEEFF: u32(-67), 0xED7D: u16(3), 0x031E: u16(0), 0x034E: u8(0), 0x034F: u8(2),
    0x0300: u32(-1027), 0x0303: u32(41), 0x0310: u32(11050), 0x0311: u32(13240), 0x1000: u16(200),
}  # fmt: skip
PHOENIX_REGISTERS = {
    0x0120: u32(5000), 0x0200: u8(2), 0x0201: u8(9), 0x0207: u32(0), 0x031C: u16(0), 0x031E: u16(0),
    0xED8D: u16(2560), 0x2200: u16(23001), 0x2201: u16(5), 0x2205: u32(120), 0x034E: u8(0), 0x034F: u8(4),
    0x2202: u8(230), 0x2203: u16(800),
}  # fmt: skip
SOLAR_REGISTERS = {
    0x0120: u32(5000), 0x0200: u8(1), 0x0201: u8(0), 0x010A: b"HQ1942K7LJ8", 0xEDD5: u16(1245), 0xED8F: u16(0),
    0xEDBB: u16(1), 0xEDBC: u32(0), 0xEDB3: u8(0), 0xEDDA: u8(0), 0xEDF0: u16(150), 0xEDDF: u16(150),
    0xEDAB: u8(0x81), 0xEDA8: u8(1), 0xEDAD: u16(0), 0xEDDC: u32(3), 0xEDDD: u32(5), 0xEDD3: u32(0),
    0xEDF7: u16(1440),
}  # fmt: skip


def block(fields: Mapping[str, str]) -> bytes:
    return encode_block(fields)


def rig_of(
    monkeypatch: pytest.MonkeyPatch,
    *blocks: bytes,
    clock: ManualClock | None = None,
    state: StateStore | None = None,
    device: ScriptedDevice | None = None,
    options: Mapping[str, Any] | None = None,
    **how: Any,
) -> Rig:
    """A bridge on a scripted device; `rig.simulator` is the device."""
    clock = clock or (device.clock if device else ManualClock())
    far = device or ScriptedDevice(clock, *blocks, **how)
    return Rig(monkeypatch, clock=clock, simulator=far, state=state, options=options)
