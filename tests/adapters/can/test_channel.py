"""One bus for all its devices: seats, losses, quiet and stuck adapters, what is counted."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

from bridge.adapters.can import channel as channel_module
from bridge.adapters.can.bus import UNSENT_SETS_MAX
from bridge.adapters.can.channel import QUIET_S, Seat
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions
from bridge.adapters.can.simulated_bus import JoinedLine, SimulatedBus
from bridge.adapters.line_faults import PortUnusable
from bridge.datastore.clock import ManualClock
from tests.adapters.can.guests import Guest, seated

LIMITS = CanFrame(0x351, bytes.fromhex("1402c012c012c201"))
HELLO = CanFrame(0x305, bytes(8))


def options(**more: object) -> CanOptions:
    return CanOptions(adapter="can", **{"interface": "virtual", "channel": "joined", **more})


class Bench:
    """A bus, its clock, and guests on it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.bus = SimulatedBus(self.clock)
        self.others: list[CanFrame] = []
        self.node = self.bus.join(self.others.append)

    @contextlib.asynccontextmanager
    async def guest(self, name: str = "pack", **more: object) -> AsyncIterator[tuple[Guest, Seat]]:
        async with seated(options(**more), self.clock, name) as (guest, seat):
            await self.clock.advance(0)
            yield guest, seat


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    monkeypatch.setattr(channel_module, "open_bus", made.bus.open)
    return made


async def test_all_devices_hear_and_share_one_bus(bench: Bench) -> None:
    async with bench.guest("pack") as (pack, seat), bench.guest("island") as (island, other):
        assert seat.up.is_set()
        assert other.up.is_set()
        bench.node.send(LIMITS)
        assert pack.frames == island.frames == [LIMITS]
        assert await seat.send([HELLO]) == 1
        assert bench.others == [HELLO]
        assert pack.frames == island.frames == [LIMITS]  # own frames are not heard, by neither
        assert bench.bus.openings == 1
        assert seat.counters is other.counters
        assert (seat.counters.received, seat.counters.sent) == (1, 1)


async def test_the_bus_stays_open_for_who_stays(bench: Bench) -> None:
    async with bench.guest("island") as (island, _):
        async with bench.guest("pack"):
            pass
        bench.node.send(LIMITS)
        assert island.frames == [LIMITS]
    bench.node.send(LIMITS)
    assert island.frames == [LIMITS]
    async with bench.guest("pack"):
        assert bench.bus.openings == 2


async def test_one_bus_has_one_bit_rate(bench: Bench) -> None:
    async with bench.guest("pack"):
        with pytest.raises(PortUnusable, match="found 250000 bit/s, but pack has it with 500000 bit/s"):
            async with bench.guest("island", bitrate=250_000):
                pass


async def test_unplugged_and_plugged_in_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with bench.guest() as (guest, seat):
        await bench.clock.advance(2)
        assert guest.restored == 1
        bench.bus.unplug()
        await bench.clock.advance(30)
        assert not seat.up.is_set()
        assert [type(fault).__name__ for fault in guest.faults[:2]] == ["LineLost", "PortMissing"]
        assert await seat.send([HELLO, HELLO]) == 0
        assert seat.counters.dropped == 2
        tries = len(guest.faults)
        assert 6 <= tries <= 20  # no busy loop: pauses grow up to 5 s
        bench.bus.replug()
        await bench.clock.advance(8)
        assert seat.up.is_set()
        assert guest.restored == 2
        bench.node.send(LIMITS)
        assert guest.frames == [LIMITS]
    said = [record.getMessage() for record in caplog.records if "joined" in record.getMessage()]
    assert [line.split('"')[0].strip() for line in said] == [
        "devices=pack fault=line_lost reason=",
        "devices=pack fault=port_missing reason=",
        "devices=pack bus=virtual joined open again",
    ]


async def test_a_late_comer_finds_the_bus_as_it_is(bench: Bench) -> None:
    async with bench.guest("pack"):
        await bench.clock.advance(2)
        async with bench.guest("island") as (late, seat):
            assert late.restored == 1
            assert seat.up.is_set()
        bench.bus.unplug()
        await bench.clock.advance(1)
        async with bench.guest("island") as (late, seat):
            assert late.restored == 0
            assert not seat.up.is_set()


async def test_a_quiet_bus_is_told_once_and_opened_anew_ever_later(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with bench.guest() as (guest, seat):
        await bench.clock.advance(QUIET_S - 1)
        assert bench.bus.openings == 1
        await bench.clock.advance(2)
        assert bench.bus.openings == 2
        await bench.clock.advance(21)
        assert bench.bus.openings == 3
        await bench.clock.advance(600)
        assert 11 <= bench.bus.openings <= 14
        assert seat.up.is_set()
        assert guest.faults == []
        bench.node.send(LIMITS)
        assert guest.frames == [LIMITS]
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "500000 bit/s" in warnings[0]
    assert "120 ohm" in warnings[0]
    assert [r.getMessage() for r in caplog.records if "heard again" in r.getMessage()]


async def test_a_far_end_that_only_listens_is_seldom_disturbed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Opening anew costs a sender frames; the log says after 10 s all the same that nobody is heard."""
    async with bench.guest() as (_, seat):
        for second in range(290):
            assert await seat.send([HELLO]) == 1
            warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
            assert len(warnings) == (second >= QUIET_S)
            await bench.clock.advance(1)
        assert bench.bus.openings == 5  # the first, and one a minute
        assert len(bench.others) == 290
    assert "heard nothing for 10 s at 500000 bit/s" in caplog.text


async def test_who_begins_to_send_later_is_seldom_disturbed_from_then_on(bench: Bench) -> None:
    async with bench.guest() as (_, seat):
        await bench.clock.advance(QUIET_S + 1)
        assert bench.bus.openings == 2  # nothing was sent yet
        await seat.send([HELLO])
        await bench.clock.advance(58)
        assert bench.bus.openings == 2
        await bench.clock.advance(2)
        assert bench.bus.openings == 3


async def test_frames_that_no_adapter_took_disturb_as_before(bench: Bench) -> None:
    async with bench.guest() as (_, seat):
        bench.bus.stick(stuck=True)
        waiting = seat.send([HELLO])
        await bench.clock.advance(QUIET_S + 1)
        assert bench.bus.openings == 2
        assert await waiting == 0


async def test_who_was_heard_and_falls_silent_is_looked_for_soon(bench: Bench) -> None:
    """A far end that can speak and does not: it is rather our adapter that is deaf."""
    async with bench.guest() as (guest, seat):
        for _ in range(30):
            await seat.send([HELLO])
            await bench.clock.advance(1)
        assert bench.bus.openings == 1
        bench.node.send(LIMITS)
        bench.bus.deafen()
        for _ in range(12):
            await seat.send([HELLO])
            await bench.clock.advance(1)
        assert bench.bus.openings == 2
        bench.node.send(LIMITS)
        assert len(guest.frames) == 2


async def test_a_closed_channel_comes_back(bench: Bench) -> None:
    """An adapter that was switched off and on has forgotten that its channel was open."""
    async with bench.guest() as (guest, seat):
        bench.node.send(LIMITS)
        bench.bus.deafen()
        bench.node.send(LIMITS)
        assert await seat.send([HELLO]) == 1  # no adapter says that nothing has left
        assert (len(guest.frames), bench.others) == (1, [])
        await bench.clock.advance(QUIET_S + 1)
        bench.node.send(LIMITS)
        assert len(guest.frames) == 2
        await seat.send([HELLO])
        assert bench.others == [HELLO]


async def test_another_bit_rate_hears_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async with bench.guest(bitrate=250_000) as (guest, _):
        for _ in range(12):
            bench.node.send(LIMITS)
            await bench.clock.advance(1)
        assert guest.frames == []
    assert "250000 bit/s" in caplog.text


async def test_bus_off_and_back(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with bench.guest() as (guest, seat):
        bench.bus.go_off(off=True)
        bench.bus.go_off(off=True)
        assert seat.counters.bus_off
        assert guest.errors == 2
        bench.node.send(LIMITS)
        assert guest.frames == []
        bench.bus.go_off(off=False)
        assert not seat.counters.bus_off
        bench.node.send(LIMITS)
        assert guest.frames == [LIMITS]
    told = [r.getMessage() for r in caplog.records if " the bus a" in r.getMessage()]
    assert [("off the bus" in line, "on the bus again" in line) for line in told] == [
        (True, False),
        (False, True),
    ]


async def test_a_frame_proves_that_the_bus_is_back(bench: Bench) -> None:
    async with bench.guest() as (_, seat):
        bench.bus.go_off(off=True)
        bench.bus.off = False  # the adapter came back by itself and said nothing
        bench.node.send(LIMITS)
        assert not seat.counters.bus_off


async def test_a_stuck_adapter_drops_the_oldest_sets(bench: Bench) -> None:
    async with bench.guest() as (_, seat):
        bench.bus.stick(stuck=True)
        sets = [seat.send([CanFrame(0x351, bytes([number])), HELLO]) for number in range(UNSENT_SETS_MAX + 3)]
        await bench.clock.advance(0)
        assert [one.result() for one in sets if one.done()] == [0, 0, 0]
        assert seat.counters.dropped == 6
        bench.bus.stick(stuck=False)
        assert await asyncio.gather(*sets) == [0, 0, 0] + [2] * UNSENT_SETS_MAX
        firsts = [frame.data[0] for frame in bench.others if frame.id == 0x351]
        assert firsts == [*range(3, UNSENT_SETS_MAX + 3)]
        assert seat.counters.sent == 2 * UNSENT_SETS_MAX


async def test_what_waits_when_the_adapter_goes_is_told_as_not_sent(bench: Bench) -> None:
    async with bench.guest() as (_, seat):
        bench.bus.stick(stuck=True)
        waiting = seat.send([HELLO])
        bench.bus.unplug()
        await bench.clock.advance(0.1)
        assert await waiting == 0


async def test_what_is_no_frame_for_us_is_counted(bench: Bench) -> None:
    async with bench.guest() as (guest, seat):
        bench.bus.garble(3)
        bench.bus.ignore()
        assert guest.errors == 3
        assert seat.counters.values() == {
            "/Can/Received": 0,
            "/Can/Sent": 0,
            "/Can/Dropped": 0,
            "/Can/Errors": 3,
            "/Can/Ignored": 1,
            "/Can/Reopened": 0,
            "/Can/BusOff": 0,
        }


async def test_one_devices_defect_does_not_deafen_the_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(frame: CanFrame) -> None:
        raise KeyError(frame.id)

    async with bench.guest("pack") as (pack, _), bench.guest("island") as (_, seat):
        seat.heard = broken
        bench.node.send(LIMITS)
        bench.node.send(LIMITS)
        assert pack.frames == [LIMITS, LIMITS]
    assert caplog.text.count("device=island frame=351#1402C012C012C201 could not be taken") == 1


async def test_a_defect_in_opening_is_told_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(channel_module, "open_bus", broken)
    async with bench.guest() as (guest, seat):
        await bench.clock.advance(1)
        assert not seat.up.is_set()
        assert isinstance(guest.faults[0], PortUnusable)
        monkeypatch.setattr(channel_module, "open_bus", bench.bus.open)
        await bench.clock.advance(10)
        assert seat.up.is_set()


async def test_own_frames_that_a_bus_brings_back_are_not_heard(bench: Bench) -> None:
    """Trap 9: udp_multicast delivers what one sends."""
    bus = {"interface": "udp_multicast", "channel": "239.74.163.2"}
    async with bench.guest(**bus) as (guest, seat):
        await seat.send([HELLO, LIMITS])
        for echo in (HELLO, LIMITS):
            bench.node.send(echo)
        assert guest.frames == []
        bench.node.send(HELLO)  # somebody else's: ours has come back already
        assert guest.frames == [HELLO]
        await seat.send([LIMITS])
        await bench.clock.advance(1.5)
        bench.node.send(LIMITS)  # too late to be an echo
        assert guest.frames == [HELLO, LIMITS]


async def test_on_other_buses_an_equal_frame_is_somebody_elses(bench: Bench) -> None:
    async with bench.guest() as (guest, seat):
        await seat.send([HELLO])
        bench.node.send(HELLO)
        assert guest.frames == [HELLO]


@pytest.mark.parametrize("frames", [0, 1, 50])
async def test_the_channel_ends_with_its_last_guest(bench: Bench, frames: int) -> None:
    async with bench.guest() as (_, seat):
        for _ in range(frames):
            seat.send([HELLO])
    assert not [task for task in asyncio.all_tasks() if "channel" in task.get_name()]


async def test_a_bus_that_fails_to_close_ends_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves waits for the end of the channel: a defect met on the way out must not begin it anew."""

    async def fails(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(JoinedLine, "close", fails)
    async with asyncio.timeout(20), bench.guest():
        pass
    assert bench.bus.openings == 1


async def test_frames_that_nobody_waits_for_any_more_do_not_keep_a_bus_open(bench: Bench) -> None:
    async with asyncio.timeout(20), bench.guest() as (_, seat):
        bench.bus.stick(stuck=True)
        seat.send([HELLO]).cancel()
    assert len(bench.others) == 0
