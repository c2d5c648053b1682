"""The VE.Bus codec against byte-exact vectors, both ways."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.vebus_mk3 import codec, messages
from bridge.adapters.vebus_mk3.frames import Frame, FrameDecoder
from bridge.adapters.vebus_mk3.variables import VariableInfo, info_from, variable_info

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "vebus" / "vectors.json").read_text(encoding="ascii")
)
INFOS = {
    0: (0x7F9C, 0),
    1: (0x8064, 0),
    2: (0x7F9C, 0),
    3: (0x7F9C, 0),
    4: (0x7F9C, 0),
    5: (0x800A, 0),
    7: (0x7857, 0x100),
    8: (0x7C2F, 0),
    14: (0xFFFF, 0),
    15: (0xFFFF, 0),
    16: (0xFFFF, 0),
}

#: What the host sends: the vector's name and how the codec makes it.
SENT = {
    "address_set_0": lambda: codec.encode_address(0),
    "varinfo_request_0": lambda: codec.encode_winmon("Y", messages.Winmon.RAM_INFO, (0, 0)),
    "dc_request": lambda: codec.encode_info(0),
    "state_on_max": lambda: codec.encode_state(3, codec.LIMIT_MAXIMUM),
    "state_charger_only_12.5": lambda: codec.encode_state(1, 125),
    "interface_set_3": lambda: codec.encode_lines(3),
    "power_request": lambda: codec.encode_winmon("X", messages.Winmon.READ_RAM, (14, 15, 16)),
}


def message_of(vector: dict[str, Any]) -> messages.Message:
    (frame,) = FrameDecoder().receive(bytes.fromhex(vector["hex"]), 0.0)
    assert isinstance(frame, Frame)
    assert frame.leds is None
    return codec.parse(frame.data)


def infos_of(vector: dict[str, Any]) -> dict[int, VariableInfo]:
    words = {
        **INFOS,
        **{int(k): (int(s, 16), int(o, 16)) for k, (s, o) in vector.get("variable_info", {}).items()},
    }
    found = {number: variable_info(number, scale, offset) for number, (scale, offset) in words.items()}
    return {number: info for number, info in found.items() if info is not None}


def decoded(vector: dict[str, Any]) -> dict[str, Any]:
    """A reply in the words and units of the vectors."""
    message, infos = message_of(vector), infos_of(vector)
    match message:
        case messages.Dc():
            frequency = infos[7].frequency(message.period)
            return {
                "dc_voltage": infos[4].value(message.voltage),
                "dc_current_to_inverter": infos[5].value(message.to_inverter),
                "dc_current_from_charger": infos[5].value(message.from_charger),
                "ac_inverter_frequency": round(frequency or 0.0, 2),
            }
        case messages.Ac():
            return {
                "ac_phase": message.phase,
                "ac_num_phases": message.phases,
                "device_state": message.state,
                "ac_mains_voltage": infos[0].value(message.mains_voltage),
                "ac_mains_current": infos[1].value(message.mains_current) * message.mains_factor,
                "ac_inverter_voltage": infos[2].value(message.inverter_voltage),
                "ac_inverter_current": infos[3].value(message.inverter_current) * message.inverter_factor,
                "ac_mains_frequency": round(infos[8].frequency(message.period) or 0.0, 2),
            }
        case messages.Config():
            return {
                "last_active_ac_input": message.active_input,
                "current_limit_overridden_by_panel": message.limit_settable,
                "digital_multi_control_dedicated": message.multi_control,
                "num_ac_inputs": message.inputs,
                "remote_panel_detected": message.panel_detected,
                "minimum_current_limit": message.minimum_da / 10,
                "maximum_current_limit": message.maximum_da / 10,
                "actual_current_limit": message.actual_da / 10,
                "switch_register": f"0x{message.switches:02X}",
            }
        case messages.Leds():
            return {
                "on": message.on,
                "blink": message.blink,
                "alarms_byte": message.alarms,
                "error_byte": message.error,
            }
        case messages.SlotReply(code=messages.WinmonReply.RAM):
            dc, mains, output = message.words()
            return {
                "dc_power": infos[14].value(dc),
                "ac_mains_power": -infos[15].value(mains),
                "ac_inverter_power": infos[16].value(output),
            }
        case messages.SlotReply(code=messages.WinmonReply.SCALE):
            info = codec_info(vector["decoded"]["id"], message)
            return {
                "id": vector["decoded"]["id"],
                "signed": info.signed,
                "scale": round(info.multiplier / info.divisor, 9),
                "offset": info.offset,
            }
    raise AssertionError(message)


def codec_info(variable: int, message: messages.SlotReply) -> VariableInfo:
    info = info_from(variable, message.data)
    assert info is not None
    return info


def test_every_vector_is_run() -> None:
    assert len(VECTORS) == 15
    assert {v["name"] for v in VECTORS if v["direction"] == "to_device"} == set(SENT)


@pytest.mark.parametrize("name", sorted(SENT))
def test_sent(name: str) -> None:
    (vector,) = [v for v in VECTORS if v["name"] == name]
    assert SENT[name]().hex() == vector["hex"]


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS if v["direction"] == "from_device"],
    ids=lambda vector: vector["name"],
)
def test_received(vector: dict[str, Any]) -> None:
    assert decoded(vector) == pytest.approx(vector["decoded"], abs=1e-9)


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        (0x7F9C, 0, VariableInfo(False, divisor=100)),
        (0x8064, 0, VariableInfo(True, divisor=100)),
        (0x800A, 0, VariableInfo(True, divisor=10)),
        (0x7857, 0x0100, VariableInfo(False, divisor=1961, offset=256)),
        (0x7C2F, 0, VariableInfo(False, divisor=977)),
        (0x7F38, 0, VariableInfo(False, divisor=200)),
        (0xFFFF, 0, VariableInfo(True)),
        (0x0001, 0xFFFE, VariableInfo(False, offset=-2)),
        (0x0004, 0x8000, VariableInfo(False, bit=3)),
        (0x0000, 0, None),
        (0x8000, 0, None),  # divides by zero in the known library
        (0x0011, 0x8000, None),  # there is no bit 16
    ],
)
def test_scales(scale: int, offset: int, expected: VariableInfo | None) -> None:
    assert variable_info(6, scale, offset) == expected


@pytest.mark.parametrize("variable", [1, 3])
def test_currents_are_signed_whatever_the_unit_declares(variable: int) -> None:
    info = variable_info(variable, 0x7F9C, 0)
    assert info is not None
    assert info.value((-350 & 0xFFFF).to_bytes(2, "little")) == -3.5


def test_charge_current_has_24_bits() -> None:
    info = variable_info(5, 0x8064, 0)
    assert info is not None
    assert info.value((70_000).to_bytes(3, "little")) == 700.0
    assert info.value((-70_000 & 0xFFFFFF).to_bytes(3, "little")) == -700.0


@pytest.mark.parametrize("raw", [0x00, 0xFF])
def test_no_period_is_no_frequency(raw: int) -> None:
    assert VariableInfo(False, divisor=1961, offset=256).frequency(raw) is None


def test_bit_variable() -> None:
    assert VariableInfo(False, bit=3).value(b"\x08\x00") == 1.0
    assert VariableInfo(False, bit=3).value(b"\xf7\x00") == 0.0


@pytest.mark.parametrize("kind", [6, 8, 9, 255])
def test_frames_that_act_on_units_are_never_made(kind: int) -> None:
    with pytest.raises(ValueError, match="act on the units"):
        codec.encode_info(kind)


@pytest.mark.parametrize(("mode", "limit"), [(0, 0), (5, 0), (3, -1), (3, 0x8001)])
def test_impossible_states_are_never_made(mode: int, limit: int) -> None:
    with pytest.raises(ValueError, match="S: found"):
        codec.encode_state(mode, limit)


def test_the_interface_setup_moves_no_switch() -> None:
    frame = codec.encode_interface_setup()
    assert frame[:-1].hex() == "09ff53000000019000" + "01"
    assert frame[7] & 0x10
