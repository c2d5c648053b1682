"""The simulator and the codec against the independent victron-mk3 library, as it was recorded with the simulator.

Where the simulator still says, byte for byte, what the library accepted, the library would accept it again. What
the library understood is compared with what the unit does, and with what the codec here understands.
"""

import json
from typing import Any

import pytest

from bridge.adapters.vebus_mk3 import codec
from bridge.adapters.vebus_mk3 import variables as var
from bridge.adapters.vebus_mk3.frames import Frame, FrameDecoder
from bridge.adapters.vebus_mk3.messages import Ac, Config, Dc, Leds, Lines, SlotReply, Version, Winmon
from bridge.adapters.vebus_mk3.readings import ac_values, config_values, dc_values, led_values
from bridge.adapters.vebus_mk3.simulator import VeBusSimulator
from bridge.adapters.vebus_mk3.variables import VariableInfo, info_from
from bridge.datastore.clock import ManualClock
from tests.adapters.vebus_mk3.record_foreign import RECORD, SYSTEM

STEPS: list[dict[str, Any]] = json.loads(RECORD.read_text(encoding="ascii"))
UNDERSTOOD = {step["step"]: step["understood"] for step in STEPS}
ASKED = [bytes.fromhex(exchange["asked"]) for step in STEPS for exchange in step["exchanges"]]


def data_of(frame: bytes) -> bytes:
    (found,) = FrameDecoder().receive(frame, 0.0)
    assert isinstance(found, Frame)
    return found.data


def replies(step: str) -> list[Any]:
    """What the codec makes of the answers of a step."""
    (found,) = (one for one in STEPS if one["step"] == step)
    return [
        codec.parse(data_of(bytes.fromhex(frame)))
        for exchange in found["exchanges"]
        for frame in exchange["replied"]
    ]


def newest(step: str, kind: type) -> Any:
    return [message for message in replies(step) if isinstance(message, kind)][-1]


@pytest.fixture
def infos() -> dict[int, VariableInfo | None]:
    """The scales that were told in the library's handshake."""
    found: dict[int, VariableInfo | None] = {}
    for exchange in STEPS[0]["exchanges"]:
        asked = data_of(bytes.fromhex(exchange["asked"]))
        if asked[2:3] == bytes((Winmon.RAM_INFO,)) and exchange["replied"]:
            reply = codec.parse(data_of(bytes.fromhex(exchange["replied"][0])))
            assert isinstance(reply, SlotReply)
            found[asked[3]] = info_from(asked[3], reply.data)
    return found


def test_the_simulator_still_says_what_the_library_accepted() -> None:
    simulator = VeBusSimulator(ManualClock(), **SYSTEM)
    for step in STEPS:
        for exchange in step["exchanges"]:
            asked = data_of(bytes.fromhex(exchange["asked"]))
            said = [simulator.interface.wrap(reply).hex() for reply in simulator.interface.answers(asked)]
            assert said == exchange["replied"], f"{step['step']}: {exchange['asked']}"
    assert len(ASKED) > 30


def test_the_library_understood_what_the_unit_does() -> None:
    unit = VeBusSimulator(ManualClock(), **SYSTEM).unit
    dc, power = UNDERSTOOD["dc"], UNDERSTOOD["power"]
    assert dc["dc_voltage"] == pytest.approx(unit.battery_v)
    assert dc["dc_current_from_charger"] == pytest.approx(unit.battery_a, abs=0.05)
    assert power["ac_mains_power"] == pytest.approx(unit.mains_w(0))
    assert power["ac_inverter_power"] == pytest.approx(unit.output_w(0))
    assert power["dc_power"] == pytest.approx(unit.dc_w(0))
    for phase in (1, 2, 3):
        ac = UNDERSTOOD[f"ac {phase}"]
        assert (ac["ac_phase"], ac["ac_num_phases"]) == (phase, 3 if phase == 1 else 0)
        assert ac["ac_mains_voltage"] == pytest.approx(unit.mains_v(phase - 1))
        assert ac["device_state"] == unit.state
    assert (UNDERSTOOD["leds"]["on"], UNDERSTOOD["leds"]["blink"]) == unit.leds
    for mode, bits in ((1, 1), (2, 2), (3, 3), (4, 0)):
        config = UNDERSTOOD[f"config {mode}"]
        assert config["switch_register"] & 3 == bits
        assert config["actual_current_limit"] == 12.5
        assert config["remote_panel_detected"]
    assert UNDERSTOOD["config maximum"]["actual_current_limit"] == 50.0
    assert not UNDERSTOOD["config released"]["remote_panel_detected"]


def test_the_codec_understands_what_the_library_understood(infos: dict[int, VariableInfo | None]) -> None:
    assert set(infos) == {0, 1, 2, 3, 4, 5, 7, 8, 14, 15, 16}
    dc, theirs = dc_values(newest("dc", Dc), infos.get, 1), UNDERSTOOD["dc"]
    assert dc["/Dc/0/Voltage"] == pytest.approx(theirs["dc_voltage"])
    assert dc["/Dc/0/Current"] == pytest.approx(
        theirs["dc_current_from_charger"] - theirs["dc_current_to_inverter"]
    )
    assert dc["/Ac/Out/L1/F"] == pytest.approx(theirs["ac_inverter_frequency"], abs=0.01)
    for phase in (1, 2, 3):
        ac, theirs = ac_values(newest(f"ac {phase}", Ac), infos.get), UNDERSTOOD[f"ac {phase}"]
        assert ac[f"/Ac/ActiveIn/L{phase}/V"] == pytest.approx(theirs["ac_mains_voltage"])
        assert ac[f"/Ac/ActiveIn/L{phase}/I"] == pytest.approx(theirs["ac_mains_current"])
        assert ac[f"/Ac/ActiveIn/L{phase}/F"] == pytest.approx(theirs["ac_mains_frequency"], abs=0.01)
        assert ac[f"/Ac/Out/L{phase}/V"] == pytest.approx(theirs["ac_inverter_voltage"])
        assert ac[f"/Ac/Out/L{phase}/I"] == pytest.approx(theirs["ac_inverter_current"])
    words, theirs = newest("power", SlotReply).words(), UNDERSTOOD["power"]
    powers = [
        infos[n].value(word) for n, word in zip((var.DC_W, var.MAINS_W, var.OUTPUT_W), words, strict=True)
    ]
    # the library turns the sign of the mains itself
    assert powers == [theirs["dc_power"], -theirs["ac_mains_power"], theirs["ac_inverter_power"]]
    assert newest("version", Version).number == UNDERSTOOD["version"]["version"]
    assert newest("lines", Lines).flags == UNDERSTOOD["lines"]["flags"]
    leds = newest("leds", Leds)
    assert (leds.on, leds.blink) == (UNDERSTOOD["leds"]["on"], UNDERSTOOD["leds"]["blink"])
    assert led_values(leds)["/Leds/Mains"] == UNDERSTOOD["leds"]["on"] & 1
    for name in ("config 1", "config 2", "config 3", "config 4", "config maximum", "config released"):
        config, theirs = newest(name, Config), UNDERSTOOD[name]
        shown = config_values(config)
        assert shown["/Ac/In/1/CurrentLimit"] == pytest.approx(theirs["actual_current_limit"])
        assert shown["/Ac/In/1/CurrentLimitMin"] == pytest.approx(theirs["minimum_current_limit"])
        assert shown["/Ac/In/1/CurrentLimitMax"] == pytest.approx(theirs["maximum_current_limit"])
        assert config.switches == theirs["switch_register"]
        assert config.panel_detected == theirs["remote_panel_detected"]
        assert config.limit_settable == theirs["current_limit_overridden_by_panel"]


@pytest.mark.parametrize(
    "frame",
    [
        codec.encode_address(0),
        codec.encode_info(0),
        codec.encode_info(1),
        codec.encode_info(2),
        codec.encode_info(3),
        codec.encode_info(5),
        codec.encode_leds(),
        codec.encode_version(),
        codec.encode_lines(),
        codec.encode_lines(4),
        codec.encode_state(1, 125),
        codec.encode_state(2, 125),
        codec.encode_state(3, 125),
        codec.encode_state(4, 125),
        codec.encode_state(3, codec.LIMIT_MAXIMUM),
        codec.encode_winmon("X", Winmon.READ_RAM, (14, 15, 16)),
    ],
    ids=bytes.hex,
)
def test_what_the_bridge_sends_is_what_the_library_sends(frame: bytes) -> None:
    assert frame in ASKED
