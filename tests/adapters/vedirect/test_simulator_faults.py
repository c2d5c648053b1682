"""How the simulated charger misbehaves, fault by fault, and that it recovers."""

import itertools

import pytest

from bridge.adapters.vedirect.codec import HexError, HexFrame, TextBlock, TextError
from bridge.adapters.vedirect.hex import encode_get, encode_ping, encode_set
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock
from tests.adapters.vedirect.simulator_bench import LIMIT, MODE, benches


@pytest.fixture
async def bench():
    """Make simulators that play until the test ends."""
    async with benches() as make:
        yield make


async def heard_during(made, seconds):
    """What arrives from now on, without the tail of what was under way."""
    await made.clock.advance(0.2)
    since = made.clock.monotonic()
    await made.clock.advance(seconds)
    return [message for time, message in made.wire.messages if time >= since]


def texts(messages):
    return [m for m in messages if isinstance(m, TextBlock)]


async def is_well(made):
    """Text, asynchronous frames and replies come, without errors."""
    await made.clock.advance(1.2)
    messages = await heard_during(made, 2.5)
    assert not [m for m in messages if isinstance(m, TextError | HexError)]
    assert len(texts(messages)) in (2, 3)
    assert len([m for m in messages if isinstance(m, HexFrame)]) > 40
    assert len(await made.ask(encode_ping())) == 1


async def test_silent(bench):
    made = await bench()
    made.simulator.misbehave("silent")
    assert await heard_during(made, 5.0) == []
    assert await made.ask(encode_set(MODE, b"\x04")) == []
    assert made.simulator.executed == []
    assert len(made.simulator.received) == 1
    made.simulator.misbehave("well")
    await is_well(made)


async def test_deaf(bench):
    made = await bench()
    made.simulator.misbehave("deaf")
    assert await made.ask(encode_set(MODE, b"\x04")) == []
    assert made.simulator.executed == []
    assert len(texts(await heard_during(made, 3.0))) == 3
    made.simulator.misbehave("well")
    await is_well(made)


async def test_no_text(bench):
    made = await bench()
    made.simulator.misbehave("no_text")
    messages = await heard_during(made, 3.0)
    assert texts(messages) == []
    assert len(messages) > 50
    assert len(await made.ask(encode_ping())) == 1
    made.simulator.misbehave("well")
    await is_well(made)


@pytest.mark.parametrize("fault", ["drop", "flip"])
async def test_noise_in_both_directions(bench, fault):
    """A hundredth of all bytes: most things get through, some do not, nothing wrong is believed."""
    made = await bench()
    made.simulator.misbehave(fault, "0.01")
    replies = [len(await made.ask(encode_get(MODE))) for _ in range(60)]
    assert 20 < sum(replies) < 60
    errors = [m for m in made.wire.heard((TextError, HexError)) if m]
    assert errors
    unread = [r for r in made.simulator.received if isinstance(r.message, HexError)]
    assert unread
    made.simulator.misbehave("well")
    await is_well(made)


@pytest.mark.parametrize(("fault", "argument", "seconds"), [("delay", "0.3", 0.3), ("late", "", 0.7)])
async def test_replies_that_come_later(bench, fault, argument, seconds):
    """The command is obeyed at once; only its reply is late."""
    made = await bench()
    made.simulator.misbehave(fault, argument)
    assert await made.ask(encode_set(MODE, b"\x04"), wait=seconds) == []
    assert [done.in_force for done in made.simulator.executed] == [4]
    (reply,) = await made.ask(b"", wait=0.3)
    assert (reply.command, reply.value) == (8, b"\x04")
    made.simulator.misbehave("well")
    await is_well(made)


async def test_half_frame(bench):
    """One block is torn by the pause; what was true during it is not sent afterwards as if it were new."""
    made = await bench()
    made.simulator.misbehave("half_frame", "20")
    messages = await heard_during(made, 25.0)
    assert [m for m in messages if isinstance(m, TextError)]
    assert len(texts(messages)) in (4, 5)
    times = [time for time, _ in made.wire.bytes]
    assert max(later - sooner for sooner, later in itertools.pairwise(times)) > 19.9
    await is_well(made)


async def test_die_and_come_back(bench):
    made = await bench()
    await made.clock.advance(0.5)
    made.simulator.misbehave("die")
    await made.clock.advance(1.5)
    assert not made.wire.plugged
    assert made.wire.decoder.inside
    assert await heard_during(made, 2.0) == []
    made.simulator.misbehave("well")
    await made.clock.advance(0.2)
    assert made.wire.plugged
    await is_well(made)


@pytest.mark.parametrize(
    ("argument", "flags", "value"),
    [("", 2, b""), ("02", 2, b""), ("04", 4, b"\x78\x00"), ("4", 4, b"\x78\x00")],
)
async def test_refuse(bench, argument, flags, value):
    made = await bench()
    made.simulator.misbehave("refuse", argument)
    (reply,) = await made.ask(encode_set(LIMIT, b"\x50\x00"))
    assert (reply.flags, reply.value) == (flags, value)
    assert await made.value(LIMIT) == 120
    assert made.simulator.flash_writes == 0


@pytest.mark.parametrize(("argument", "shown"), [("", 120), ("echo", 80)])
async def test_ignore_set(bench, argument, shown):
    made = await bench()
    made.simulator.misbehave("ignore_set", argument)
    assert await made.put(LIMIT, 80) == (0, shown)
    assert await made.value(LIMIT) == 120
    assert [done.in_force for done in made.simulator.executed] == [120]
    made.simulator.misbehave("well")
    assert await made.put(LIMIT, 80) == (0, 80)


async def test_clamp(bench):
    made = await bench()
    made.simulator.misbehave("clamp", "7.5")
    assert await made.put(LIMIT, 100) == (0, 75)
    assert await made.value(LIMIT) == 75
    assert await made.put(LIMIT, 60) == (0, 60)


async def test_framing(bench):
    made = await bench()
    made.simulator.misbehave("framing", "2")
    for _ in range(2):
        (reply,) = await made.ask(encode_set(LIMIT, b"\x50\x00"))
        assert (reply.command, reply.payload) == (4, b"\xaa\xaa")
    assert await made.value(LIMIT) == 120
    made.simulator.misbehave("framing")
    for _ in range(5):
        (reply,) = await made.ask(encode_ping())
        assert reply.command == 4
    made.simulator.misbehave("well")
    await is_well(made)


async def test_reboot(bench):
    made = await bench()
    await made.clock.advance(10.0)
    await made.put(MODE, 4, size=1)
    made.simulator.misbehave("reboot")
    assert await heard_during(made, 1.7) == []
    await is_well(made)
    assert await made.value(MODE) == 1
    assert await made.value(0x0120) < 9


async def test_other_device(bench):
    made = await bench(serial="SIM1")
    made.simulator.misbehave("other_device", "SIM2")
    assert {block.fields["SER#"] for block in texts(await heard_during(made, 3.0))} == {"SIM2"}
    assert bytes.fromhex("53494D32") in (await made.ask(encode_get(0x010A)))[0].value
    assert made.simulator.serial == "SIM2"
    made.simulator.misbehave("well")
    assert {block.fields["SER#"] for block in texts(await heard_during(made, 3.0))} == {"SIM1"}


def test_every_fault_can_begin():
    simulator = ChargerSimulator(ManualClock())
    for fault in simulator.faults:
        assert fault.help
        simulator.misbehave(fault.name)
    assert simulator.faults[-1].name == "well"


@pytest.mark.parametrize(
    ("fault", "argument"),
    [
        ("explode", ""),
        ("", ""),
        ("silent", "now"),
        ("reboot", "now"),
        ("well", "please"),
        ("drop", "2"),
        ("drop", "much"),
        ("flip", "-0.1"),
        ("flip", "nan"),
        ("delay", "inf"),
        ("refuse", "01"),
        ("ignore_set", "80"),
        ("other_device", "a:b"),
    ],
)
def test_faults_that_cannot_begin(fault, argument):
    with pytest.raises(ValueError, match=r"found .* expected"):
        ChargerSimulator(ManualClock()).misbehave(fault, argument)
