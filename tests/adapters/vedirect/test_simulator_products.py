"""What holds for every simulated product: label sets and HEX frames as captured, faults, records."""

import asyncio
import inspect
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.vedirect.codec import HexError, HexFrame, TextBlock, TextError
from bridge.adapters.vedirect.hex import encode_get, encode_ping, encode_set
from bridge.adapters.vedirect.simulated_dcdc import DcDcSimulator
from bridge.adapters.vedirect.simulated_inverter import InverterSimulator
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.adapters.vedirect.simulated_solar import SolarChargerSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock
from tests.adapters.vedirect.simulator_bench import MODE, UPTIME, Bench, benches

DATA = Path(__file__).parents[2] / "data" / "vedirect"
VECTORS = {vector["name"]: vector for vector in json.loads((DATA / "vectors.json").read_text("ascii"))}


@dataclass(frozen=True)
class Case:
    """A simulated product, the captured stream of its kind, and a u16 setting to write to."""

    kind: Any
    vector: str | None
    setting: int
    before: int
    asked: int
    clamp: str
    clamped: int
    options: dict[str, Any] = field(default_factory=dict)
    flood: bool = False
    blocks: int = 1


CASES = {
    "ip22": Case(
        ChargerSimulator, "ip22_24-12_seed_capture_text_then_async", 0xEDF0, 120, 80, "7.5", 75, flood=True
    ),
    "inverter": Case(InverterSimulator, "phoenix_text", 0x0230, 23000, 23500, "225", 22500),
    "mppt": Case(SolarChargerSimulator, "smartsolar_75-15_capture", 0xEDF0, 150, 80, "7.5", 75),
    "bmv": Case(BatteryMonitorSimulator, "bmv712_main_block_capture", 0x1000, 200, 400, "300", 300, blocks=2),
    "smartshunt": Case(
        BatteryMonitorSimulator, None, 0x1000, 200, 400, "300", 300, {"product_id": 0xA389}, blocks=2
    ),
    "orion": Case(DcDcSimulator, "orion_xs_capture_checksum_is_CR", 0xEDF0, 500, 80, "7.5", 75),
    "ip43": Case(ChargerSimulator, None, 0xEDF0, 500, 400, "30", 300, {"product_id": 0xA341}),
}
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@pytest.fixture
async def bench():
    """Make simulators that play until the test ends."""
    async with benches() as make:

        async def product(case, **more):
            return await make(case.kind, **(case.options | more))

        yield product


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.vector])
async def test_labels_as_captured(bench, name):
    """The first block carries just the labels of the real device, in its order, in its form of numbers."""
    case = CASES[name]
    captured = VECTORS[case.vector]["expected"]["text"][0]
    made = await bench(case)
    await made.clock.advance(1.5)
    sent = made.wire.heard(TextBlock)[0].fields
    assert list(sent) == list(captured)
    for label in ("PID", "FW", "FWE", "BMV", "MON", "HC#", "T"):
        if label in captured:
            assert sent[label] == captured[label]
    for label in ("OR", "SER#"):
        if label in captured:
            assert len(sent[label]) == len(captured[label])


async def test_labels_of_a_smartshunt(bench):
    """As read from one of firmware 4.14: no relay, no serial number, and a history block of its own."""
    made = await bench(CASES["smartshunt"])
    await made.clock.advance(1.5)
    main, history = (list(block.fields) for block in made.wire.heard(TextBlock)[:2])
    assert " ".join(main) == "PID V I P CE SOC TTG Alarm AR BMV FW MON"
    assert " ".join(history) == "H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 H15 H16 H17 H18"


@pytest.mark.parametrize(
    ("vector", "name", "options", "request_frame"),
    [
        ("ping_reply_v1.16", "mppt", {"firmware": 0x0116}, encode_ping()),
        ("product_id_reply_bmv712", "bmv", {}, b":451\n"),
        ("get_max_current_reply_15A", "mppt", {}, encode_get(0xEDF0)),
        ("get_max_current_reply_15A", "ip22", {"maximum_current": 15}, encode_get(0xEDF0)),
        ("bmv_set_capacity_0_refused", "bmv", {}, encode_set(0x1000, b"\x00\x00")),
        *(("frame_error", name, {}, b":8F0ED0012C044\n") for name in CASES),
        *(("unsupported_command_reply", name, {}, b":253\n") for name in CASES),
    ],
)
async def test_replies_as_in_the_vectors(bench, vector, name, options, request_frame):
    made = await bench(CASES[name], **options)
    await made.ask(request_frame)
    assert bytes.fromhex(VECTORS[vector]["hex_bytes"]) in made.wire.stream


@pytest.mark.parametrize(
    ("vector", "name", "options", "register", "in_force"),
    [
        ("set_max_current_10A", "ip22", {}, 0xEDF0, 100),
        ("set_max_current_30A", "orion", {}, 0xEDF0, 300),
        ("charger_off", "ip22", {}, MODE, 4),
        ("charger_off", "mppt", {}, MODE, 4),
        ("charger_off", "inverter", {}, MODE, 4),
        ("charger_off", "orion", {}, MODE, 4),
        ("charger_on", "mppt", {}, MODE, 1),
        ("network_mode_external_control", "mppt", {}, 0x200E, 5),
        ("network_mode_external_control", "ip22", {"link_control": True}, 0x200E, 5),
        ("charge_current_limit_12.5A_volatile", "mppt", {}, 0x2015, 125),
    ],
)
async def test_requests_of_the_vectors_are_obeyed(bench, vector, name, options, register, in_force):
    made = await bench(CASES[name], **options)
    (reply,) = await made.ask(bytes.fromhex(VECTORS[vector]["hex_bytes"]))
    assert (reply.command, reply.register, reply.flags) == (8, register, 0)
    assert await made.value(register) == in_force


@EVERY
async def test_it_says_that_it_is_simulated(bench, case):
    made = await bench(case)
    name, serial = [(await made.ask(encode_get(register)))[0].value for register in (0x010B, 0x010A)]
    assert name.startswith(b"SIMULATED ")
    assert serial.startswith(b"SIM")
    assert serial.decode() == made.simulator.serial
    assert (await made.text()).get("SER#", made.simulator.serial) == made.simulator.serial


@EVERY
async def test_its_own_serial_and_name(bench, case):
    made = await bench(case, serial="SIM1", name="Bench 1")
    values = [(await made.ask(encode_get(register)))[0].value for register in (0x010A, 0x010B)]
    assert values == [b"SIM1", b"Bench 1"]
    for wrong in ({"serial": "a:b"}, {"name": ""}):
        with pytest.raises(ValueError, match=r"found .* expected"):
            case.kind(ManualClock(), **(case.options | wrong))


@EVERY
async def test_text_comes_once_a_second(bench, case):
    made = await bench(case)
    await made.clock.advance(10.5)
    assert len(made.wire.heard(TextBlock)) == 11 * case.blocks
    assert made.wire.heard((TextError, HexError)) == []
    assert bool(made.wire.heard(HexFrame)) == case.flood


@EVERY
async def test_a_set_is_carried_out_and_on_record(bench, case):
    made = await bench(case)
    assert await made.value(case.setting) == case.before
    assert await made.put(case.setting, case.asked) == (0, case.asked)
    assert await made.value(case.setting) == case.asked
    (executed,) = made.simulator.executed
    assert (executed.register, executed.asked, executed.in_force) == (case.setting, case.asked, case.asked)
    assert [t.value for t in made.simulator.history if t.source == case.setting] == [case.asked]
    assert [heard.message.command for heard in made.simulator.received] == [7, 8, 7]


@EVERY
async def test_what_is_sent_is_in_the_history(bench, case):
    """The record an observer judges by: at each block's time, its values were the newest true ones."""
    made = await bench(case)
    await made.clock.advance(15.0)
    history = list(made.simulator.history)
    for time, block in [(t, m) for t, m in made.wire.messages if isinstance(m, TextBlock)]:
        for label, value in block.fields.items():
            truths = [truth.value for truth in history if truth.source == label and truth.time <= time]
            assert value in truths[-2:]


def registers_of(simulator):
    return [register for register in range(0x10000) if register in simulator.registers]


@EVERY
async def test_every_register_answers_in_its_width(bench, case):
    """Also after two days at a fast pace: no measurement outgrows its type, none changes its width."""
    fast = {"day_speed", "charge_speed", "speed"} & set(inspect.signature(case.kind).parameters)
    made = await bench(case, **dict.fromkeys(fast, 3600.0))
    widths = {}
    for hours in (0.0, 20.0, 28.0):
        await made.clock.advance(hours)
        for register in registers_of(made.simulator):
            flags, value = made.simulator.registers.get(register)
            assert flags in (0, 2, 4), f"{register:04X}"
            if not flags and register not in (0x010C,):
                assert widths.setdefault(register, len(value)) == len(value), f"{register:04X}"
    assert len(widths) > 20


@EVERY
@pytest.mark.parametrize("frame", [b":055\n", b":64F\n", b":70400004A\n", b":804000049\n", b":8000200FD4E\n"])
async def test_forbidden_frames_are_recorded_and_not_obeyed(bench, case, frame):
    made = await bench(case)
    assert await made.ask(frame) == []
    assert len(made.simulator.forbidden) == 1
    assert made.simulator.executed == []
    assert len(await made.ask(encode_ping())) == 1


@EVERY
@pytest.mark.parametrize(
    ("fault", "argument", "flags", "shown", "obeyed"),
    [
        ("refuse", "02", 2, b"", False),
        ("refuse", "04", 4, "before", False),
        ("ignore_set", "", 0, "before", False),
        ("ignore_set", "echo", 0, "asked", False),
        ("clamp", "clamp", 0, "clamped", True),
        ("silent", "", None, None, False),
        ("deaf", "", None, None, False),
        ("framing", "1", None, b"", False),
        ("no_text", "", 0, "asked", True),
    ],
)
async def test_faults_of_writes(bench, case, fault, argument, flags, shown, obeyed):
    made = await bench(case)
    made.simulator.misbehave(fault, case.clamp if argument == "clamp" else argument)
    answer = await made.ask(encode_set(case.setting, case.asked.to_bytes(2, "little")))
    if fault in ("silent", "deaf"):
        assert answer == []
    elif fault == "framing":
        assert [(reply.command, reply.payload) for reply in answer] == [(4, b"\xaa\xaa")]
    else:
        (reply,) = answer
        value = shown if isinstance(shown, bytes) else getattr(case, shown).to_bytes(2, "little")
        assert (reply.command, reply.flags, reply.value) == (8, flags, value)
    made.simulator.misbehave("well")
    after = (case.clamped if fault == "clamp" else case.asked) if obeyed else case.before
    assert await made.value(case.setting) == after


@EVERY
@pytest.mark.parametrize("fault", ["silent", "no_text", "half_frame 5", "die", "drop 0.05", "flip 0.05"])
async def test_faults_of_the_line(bench, case, fault):
    """Each does harm while it lasts, and text is whole again after it."""
    made = await bench(case)
    await made.clock.advance(0.5)
    made.simulator.misbehave(*fault.split())
    since = made.clock.monotonic() + 0.2
    await made.clock.advance(6.2)
    whole = len(made.wire.heard(TextBlock, since))
    assert whole < 6 * case.blocks
    assert made.wire.plugged == (fault != "die")
    made.simulator.misbehave("well")
    await made.clock.advance(2.5)
    assert made.wire.plugged
    since = made.clock.monotonic()
    await made.clock.advance(3.2)
    assert len(made.wire.heard(TextBlock, since)) >= 3 * case.blocks
    assert made.wire.heard((TextError, HexError), since) == []


@EVERY
async def test_reboot_and_other_device(bench, case):
    made = await bench(case)
    await made.clock.advance(10.0)
    made.simulator.misbehave("reboot")
    await made.clock.advance(0.2)
    since = made.clock.monotonic()
    await made.clock.advance(1.7)
    assert made.wire.heard((TextBlock, HexFrame), since) == []
    await made.clock.advance(1.5)
    assert await made.value(UPTIME) < 9
    made.simulator.misbehave("other_device", "SIM2")
    (reply,) = await made.ask(encode_get(0x010A))
    assert (reply.value, made.simulator.serial) == (b"SIM2", "SIM2")


@EVERY
async def test_the_same_seed_makes_the_same_bytes(bench, case):
    streams = []
    for seed in (3, 3, 4):
        made = await bench(case, seed=seed)
        made.simulator.misbehave("flip", "0.01")
        await made.clock.advance(5.0)
        streams.append(made.wire.stream)
    assert streams[0] == streams[1] != streams[2]


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(CASES)),
    writes=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(
                lambda register, value: encode_set(register, value),
                st.sampled_from([0x0200, 0x0202, 0x200E, 0x2015, 0xEDAB, 0xEDF0, 0xEDF1, 0x1000, 0x1029])
                | st.integers(0x0005, 0xFFFF),
                st.binary(max_size=5).filter(lambda value: value[:1] != b"\xfd"),
            ),
        ),
        max_size=12,
    ),
)
async def test_any_bytes_and_any_writes_leave_it_itself(name, writes):
    """Whatever is sent to a device, it goes on: text is whole, and the next good request is answered."""
    case = CASES[name]
    made = Bench(ManualClock(), case.kind, **case.options)
    task = asyncio.create_task(made.simulator.play(made.wire))
    try:
        await made.clock.advance(0.0)
        for data in writes:
            made.simulator.hear(data)
            await made.clock.advance(0.4)
        await made.clock.advance(6.0)
        made.simulator.hear(b"\n")
        assert [m.command for m in await made.ask(encode_ping())] == [5]
        since = made.clock.monotonic()
        await made.clock.advance(3.0)
        assert not task.done()
        assert len(made.wire.heard(TextBlock, since)) >= 2 * case.blocks
        assert made.wire.heard((TextError, HexError)) == []
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
