"""The simulated charger in advanced time: does it send and answer what a real one does?"""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from bridge.adapters.pty import BYTES_PER_S_19200
from bridge.adapters.vedirect.codec import HexError, HexFrame, TextBlock, TextError, VeDirectDecoder
from bridge.adapters.vedirect.hex import encode_get, encode_ping, encode_product_id, encode_set
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock
from tests.adapters.vedirect.simulator_bench import LIMIT, LIMIT_MAX, MODE, UPTIME, MemoryWire, benches

DATA = Path(__file__).parents[2] / "data" / "vedirect"


@pytest.fixture
async def bench():
    """Make simulators that play until the test ends."""
    async with benches() as make:
        yield make


def cadence(messages, seconds):
    """How often each asynchronous register comes, in frames a second."""
    counts = Counter(m.register for m in messages if isinstance(m, HexFrame) and m.command == 0xA)
    return {register: count / seconds for register, count in counts.items()}


async def test_it_sends_what_a_real_one_sends(bench):
    """Labels and their order, text once a second, and the cadence of the flood, against the capture."""
    real = VeDirectDecoder().receive((DATA / "ip22-a334-stream.bin").read_bytes(), 0.0)
    made = await bench()
    await made.clock.advance(52.9)
    messages = [message for _, message in made.wire.messages]
    assert not [m for m in messages if isinstance(m, TextError | HexError)]
    blocks, real_blocks = ([m for m in which if isinstance(m, TextBlock)] for which in (messages, real))
    assert {tuple(b.fields) for b in blocks} == {tuple(b.fields) for b in real_blocks}
    assert abs(len(blocks) - len(real_blocks)) <= 1
    told, real_told = cadence(messages, 52.9), cadence(real, 52.9)
    for register in (0x2009, 0x200E, 0x0120, 0xEE16):
        assert told[register] == pytest.approx(real_told[register], rel=0.05)
    often = {register for register, rate in real_told.items() if rate > 0.2}
    assert often <= set(told)
    widths = {m.register: len(m.value) for m in real if isinstance(m, HexFrame)}
    sent = {m.register: len(m.value) for m in messages if isinstance(m, HexFrame)}
    assert sent == {register: widths[register] for register in sent}
    size = sum(len(data) for _, data in made.wire.bytes)
    assert size == pytest.approx((DATA / "ip22-a334-stream.bin").stat().st_size, rel=0.1)


async def test_bytes_leave_at_19200_baud(bench):
    made = await bench()
    await made.clock.advance(5.0)
    line_free = 0.0
    for time, data in made.wire.bytes:
        assert time - len(data) / BYTES_PER_S_19200 >= line_free - 1e-9
        line_free = time
    first, _ = made.wire.bytes[0]
    assert first - 1000.0 == pytest.approx(16 / BYTES_PER_S_19200)


async def test_no_frame_cuts_into_a_text_block(bench):
    """Requests at every moment of a second: every block stays whole, every request is answered."""
    made = await bench()
    replies = 0
    for _ in range(40):
        replies += len(await made.ask(encode_get(MODE), wait=0.125))
    await made.clock.advance(1.0)
    data = b"".join(data for _, data in made.wire.bytes)
    for block in data.split(b"\r\nPID")[1:]:
        assert b":" not in block[: block.index(b"Checksum\t")]
    assert replies >= 39
    assert len(made.wire.heard(HexFrame)) > 40


@pytest.mark.parametrize(
    "name",
    ["frame_error", "async_state_float", "unsupported_command_reply"],
)
async def test_replies_as_captured(bench, name):
    """What provokes a captured frame gets just these bytes."""
    vectors = {vector["name"]: vector for vector in json.loads((DATA / "vectors.json").read_text("ascii"))}
    wire = bytes.fromhex(vectors[name]["hex_bytes"])
    made = await bench(charge_speed=600.0)
    if name == "frame_error":
        made.simulator.hear(b":8F0ED0012C044\n")
    elif name == "unsupported_command_reply":
        made.simulator.hear(b":253\n")
    await made.clock.advance(120.0 if name == "async_state_float" else 0.3)
    assert wire in b"".join(data for _, data in made.wire.bytes)


async def test_reply_to_a_get_as_captured(bench):
    made = await bench(maximum_current=15)
    await made.ask(b":7F0ED0071\n")
    assert b":7F0ED009600DB\n" in b"".join(data for _, data in made.wire.bytes)


@pytest.mark.parametrize(
    ("request_frame", "command", "payload"),
    [
        (encode_ping(), 5, "4243"),
        (b":352\n", 1, "4243"),
        (encode_product_id(), 1, "34A3"),
        (b":253\n", 3, "0200"),
        (b":A4B\n", 4, "AAAA"),
        (b":154\n", 5, "4243"),
        (b":155\n", 4, "AAAA"),
        (b":70002004c\n", 4, "AAAA"),
        (encode_get(0x1234), 7, "341201"),
        (encode_set(0x1234, b"\x00"), 8, "341201"),
        (encode_set(0xED8D, b"\x00\x00"), 8, "8DED02"),
        (encode_set(0xEDDF, b"\x00\x00"), 8, "DFED02"),
        (encode_set(0xEDF7, b"\x40\x0b"), 8, "F7ED02"),
        (encode_set(0x2015, b"\x40\x00"), 8, "152001"),
        (encode_get(0xEDEC), 7, "ECED00FFFF"),
        (encode_get(0x0100), 7, "0001000034A3FE"),
        (encode_get(0x010A), 7, "0A0100" + b"SIM2230A334".hex().upper()),
    ],
)
async def test_replies(bench, request_frame, command, payload):
    made = await bench()
    (reply,) = await made.ask(request_frame)
    assert (reply.command, reply.payload.hex().upper()) == (command, payload)


@pytest.mark.parametrize(
    ("maximum", "asked", "flags", "shown", "in_force"),
    [
        (12.0, 120, 0, 120, 120),
        (12.0, 30, 0, 30, 30),
        (12.0, 29, 4, 30, 120),
        (12.0, 0, 4, 30, 120),
        (12.0, 121, 4, 120, 120),
        (60.0, 256, 0, 256, 256),
        (60.0, 600, 0, 600, 600),
        (60.0, 29, 4, 30, 600),
    ],
)
async def test_current_limit(bench, maximum, asked, flags, shown, in_force):
    """0.1 A from a quarter of the nominal current up; beyond, the nearest valid value with flag 4, and no wear."""
    made = await bench(maximum_current=maximum)
    assert await made.value(LIMIT_MAX) == round(maximum * 10)
    assert await made.put(LIMIT, asked) == (flags, shown)
    assert await made.value(LIMIT) == in_force
    assert made.simulator.flash_writes == (flags == 0)
    (executed,) = made.simulator.executed
    assert (executed.register, executed.asked, executed.in_force) == (LIMIT, asked, in_force)
    assert executed.flags == flags


async def test_current_follows_the_limit_and_the_mode(bench):
    made = await bench()
    await made.clock.advance(3.0)
    assert await made.value(0xED8C) == pytest.approx(12000, abs=50)
    assert await made.put(LIMIT, 40) == (0, 40)
    await made.clock.advance(1.2)
    block = made.wire.heard(TextBlock)[-1]
    assert (int(block.fields["I"]), block.fields["CS"]) == (pytest.approx(4000, abs=100), "3")
    assert await made.put(MODE, 4, size=1) == (0, 4)
    await made.clock.advance(1.2)
    block = made.wire.heard(TextBlock)[-1]
    assert (block.fields["I"], block.fields["CS"]) == ("0", "0")
    assert (await made.value(0x0201), await made.value(0x0207)) == (0, 4)
    assert await made.put(MODE, 1, size=1) == (0, 1)
    await made.clock.advance(1.2)
    assert made.wire.heard(TextBlock)[-1].fields["CS"] == "3"
    assert made.simulator.flash_writes == 1
    assert await made.put(MODE, 3, size=1) == (4, 4)


async def test_charge_goes_through_its_stages(bench):
    made = await bench(charge_speed=600.0)
    await made.clock.advance(120.0)
    states = [block.fields["CS"] for block in made.wire.heard(TextBlock)]
    assert list(dict.fromkeys(states)) == ["3", "4", "5"]
    volts = [int(block.fields["V"]) for block in made.wire.heard(TextBlock)]
    assert max(volts) == pytest.approx(28800, abs=30)
    assert volts[-1] == pytest.approx(27600, abs=30)
    assert len(set(volts[-20:])) > 1


async def test_what_is_sent_is_in_the_history(bench):
    """The record an observer judges by: at each block's time, its values were the newest true ones."""
    made = await bench()
    for raw in (100, 50, 70):
        await made.put(LIMIT, raw)
        await made.clock.advance(3.0)
    history = list(made.simulator.history)
    assert [t.value for t in history if t.source == LIMIT] == [100, 50, 70]
    for time, block in [(t, m) for t, m in made.wire.messages if isinstance(m, TextBlock)]:
        for label, value in block.fields.items():
            truths = [truth.value for truth in history if truth.source == label and truth.time <= time]
            assert value in truths[-2:]  # one may have changed while the block was on its way


async def test_requests_are_on_record(bench):
    made = await bench()
    await made.ask(encode_get(MODE))
    await made.ask(b":155\n")
    first, second = made.simulator.received
    assert (first.raw, first.message.register) == (b":70002004C\n", MODE)
    assert isinstance(second.message, HexError)
    assert 1000.0 <= first.time < second.time


@pytest.mark.parametrize("frame", [b":055\n", b":64F\n", b":70400004A\n", b":804000049\n", b":8000200FD4E\n"])
async def test_forbidden_frames_are_recorded_and_not_obeyed(bench, frame):
    made = await bench()
    assert await made.ask(frame) == []
    assert len(made.simulator.forbidden) == 1
    assert made.simulator.executed == []
    assert await made.value(MODE) == 1


async def test_mode_survives_a_restart_only_where_it_is_kept(bench):
    for persistent in (False, True):
        made = await bench(persistent_mode=persistent)
        await made.put(MODE, 4, size=1)
        await made.put(LIMIT, 50)
        made.simulator.misbehave("reboot")
        await made.clock.advance(3.0)
        assert await made.value(UPTIME) in (2, 3)
        assert await made.value(MODE) == (4 if persistent else 1)
        assert await made.value(LIMIT) == 50
        assert made.simulator.flash_writes == 1 + persistent


async def test_link_control_is_forgotten_after_a_minute(bench):
    made = await bench(link_control=True)
    assert await made.put(0x200E, 5, size=1) == (0, 5)
    assert await made.put(0x2015, 45) == (0, 45)
    await made.clock.advance(2.0)
    assert await made.value(0xED8F) == pytest.approx(45, abs=1)
    await made.clock.advance(62.0)
    assert await made.value(0x200E) == 0
    assert await made.value(0xED8F) == pytest.approx(120, abs=1)
    assert made.simulator.flash_writes == 0


async def test_without_flood_only_text_and_replies(bench):
    made = await bench(product_id=0xA30A)
    await made.ask(encode_ping())
    await made.clock.advance(5.0)
    assert [m.command for m in made.wire.heard(HexFrame)] == [5]
    assert "T" not in made.wire.heard(TextBlock)[0].fields


async def test_asked_too_fast_it_loses_requests_and_stays_itself(bench):
    made = await bench()
    assert 0 < len(await made.ask(encode_get(MODE) * 500, wait=6.0)) <= 32
    await made.clock.advance(1.0)
    assert await made.value(MODE) == 1


async def test_it_can_play_again_on_another_wire():
    clock = ManualClock()
    simulator = ChargerSimulator(clock)
    for _ in range(2):
        wire = MemoryWire(clock)
        task = asyncio.create_task(simulator.play(wire))
        await clock.advance(2.5)
        assert simulator.playing.is_set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not simulator.playing.is_set()
        assert len(wire.heard(TextBlock)) == 3
        assert not wire.heard((TextError, HexError))


async def test_the_same_seed_makes_the_same_bytes(bench):
    streams = []
    for seed in (3, 3, 4):
        made = await bench(seed=seed)
        made.simulator.misbehave("flip", "0.01")
        await made.clock.advance(5.0)
        streams.append(b"".join(data for _, data in made.wire.bytes))
    assert streams[0] == streams[1] != streams[2]


@pytest.mark.parametrize(
    "options",
    [
        {"product_id": 0xA053},
        {"maximum_current": 60.1},
        {"maximum_current": 0},
        {"serial": ""},
        {"serial": "SIM:1"},
        {"name": "é"},
        {"name": "x" * 33},
    ],
)
def test_impossible_chargers(options):
    with pytest.raises(ValueError, match=r"found .* expected"):
        ChargerSimulator(ManualClock(), **options)
