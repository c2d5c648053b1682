"""The pitfalls of python-can that were reproduced once, numbered as they were found; on real interfaces.

slcan over a pseudo-terminal with a simulated adapter behind it, in real time: every wait is for something
to happen, none for how soon.
"""

import asyncio
import contextlib
import logging
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import can
import pytest

from bridge.adapters.can import channel as channel_module
from bridge.adapters.can import driver as driver_module
from bridge.adapters.can.bus import UNSENT_SETS_MAX
from bridge.adapters.can.channel import Seat
from bridge.adapters.can.driver import open_driver
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions
from bridge.adapters.can.simulated_adapter import SimulatedAdapter
from bridge.adapters.can.simulated_bus import Place, SimulatedBus
from bridge.adapters.line_faults import LineLost, PortBusy, PortMissing, PortUnusable
from bridge.datastore.clock import SystemClock
from tests.adapters.can.guests import PATIENCE_S, Guest, seated, until

LIMITS = CanFrame(0x351, bytes.fromhex("1402c012c012c201"))
SOC = CanFrame(0x355, bytes.fromhex("58005e00"))
HELLO = CanFrame(0x305, bytes(8))


def options(interface: str, channel: str, **more: object) -> CanOptions:
    return CanOptions(adapter="can", interface=interface, channel=channel, **more)


class Field:
    """A simulated slcan adapter on a terminal, with one node on the bus behind it."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.clock = SystemClock()
        self.bus = SimulatedBus(self.clock)
        self.heard: list[CanFrame] = []
        self.node: Place = self.bus.join(self.heard.append)
        self.adapter = SimulatedAdapter(self.clock, self.bus)
        self.spoken = 0

    @contextlib.asynccontextmanager
    async def guest(self, **more: object) -> AsyncIterator[tuple[Guest, Seat]]:
        async with seated(options("slcan", str(self.link), **more), self.clock) as (guest, seat):
            yield guest, seat

    async def ready(self) -> None:
        await until(lambda: self.adapter.open)

    async def heard_by(self, guest: Guest) -> None:
        """Say something new until the guest has heard it, and with it all that was said before."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.spoken += 1
                frame = CanFrame(LIMITS.id, self.spoken.to_bytes(8, "big"))
                for _ in range(10):
                    self.node.send(frame)
                    await asyncio.sleep(0.02)
                    if frame in guest.frames:
                        return


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Field]:
    made = Field(tmp_path / "can")
    playing = asyncio.create_task(made.adapter.run(made.link))
    try:
        await until(made.adapter.playing.is_set)
        yield made
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing


async def used_during(wait: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Return the processor time of this process, and the time that passed, in seconds."""
    began, used = time.monotonic(), time.process_time()
    await wait()
    return time.process_time() - used, time.monotonic() - began


def assert_flat(used_s: float, passed_s: float) -> None:
    """A loop without a pause uses all of a processor that it can get, a third on a machine loaded to the brim.

    Measured without one: 0.01 s in half a second. Processor time counts, not how long anything took.
    """
    assert used_s < 0.06 * passed_s + 0.08, f"{used_s:.2f} s of processor time in {passed_s:.2f} s"


# -- opening --------------------------------------------------------------------------------------------


async def test_1_opening_does_not_hold_the_loop(plant: Field) -> None:
    """slcan sleeps 2 s when it opens, unless told otherwise, and blocks while it does."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with plant.guest():
        await plant.ready()
        assert ticks > 0
    ticking.cancel()
    assert driver_module._SLEEP_AFTER_OPEN_S == 0.1


@pytest.mark.parametrize(("bitrate", "command"), [(500_000, "S6"), (250_000, "S5"), (1_000_000, "S8")])
async def test_2_the_bit_rate_is_always_set(plant: Field, bitrate: int, command: str) -> None:
    plant.bus.bitrate = bitrate
    async with plant.guest(bitrate=bitrate) as (guest, _):
        await plant.ready()
        await plant.heard_by(guest)
        assert plant.adapter.commands[:5] == ["C", command, "", "O", "O"]


async def test_2_a_bell_for_the_second_opening_is_no_harm(plant: Field) -> None:
    plant.adapter._lawicel = True
    async with plant.guest() as (guest, seat):
        await plant.ready()
        await plant.heard_by(guest)
        assert await seat.send([SOC]) == 1
        await until(lambda: plant.heard == [SOC])
        assert guest.errors == 0


@pytest.mark.parametrize("fault", ["nak", "wrong_bitrate", "bus_off"])
async def test_3_nobody_tells_that_nothing_leaves(plant: Field, fault: str) -> None:
    """Sending is no sign of life: only what is heard is."""
    async with plant.guest() as (guest, seat):
        await plant.ready()
        await plant.heard_by(guest)
        plant.adapter.misbehave(fault)
        assert await seat.send([HELLO]) == 1
        await until(lambda: any(line.startswith("t305") for line in plant.adapter.commands))
        plant.node.send(SOC)
        plant.adapter.misbehave("well")
        await plant.heard_by(guest)
        assert plant.heard == []
        assert (SOC in guest.frames) is (fault == "nak")  # its bells do not stop what others say


async def test_3_a_quiet_adapter_is_told_of_and_opened_anew(
    plant: Field, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A closed channel looks like a bus where nobody speaks; opened anew it is heard."""
    monkeypatch.setattr(channel_module, "QUIET_S", 0.5)
    async with plant.guest() as (guest, seat):
        await plant.ready()
        await plant.heard_by(guest)
        plant.adapter.misbehave("closed")
        used, passed = await used_during(lambda: until(lambda: seat.counters.reopened >= 2))
        assert_flat(used, passed)
        await plant.heard_by(guest)
        assert guest.faults == []
    assert "heard nothing for 0.5 s at 500000 bit/s" in caplog.text


async def test_4_ages_are_those_of_arrival(plant: Field) -> None:
    """Time stamps of python-can are of the wall clock and of parsing; the channel takes its own."""
    async with plant.guest() as (guest, seat):
        await plant.ready()
        before = plant.clock.monotonic()
        await plant.heard_by(guest)
        assert seat.heard_at is not None
        assert before <= seat.heard_at <= plant.clock.monotonic()


# -- losing the adapter ---------------------------------------------------------------------------------


async def test_5_unplugged_it_idles_and_comes_back(plant: Field) -> None:
    async with plant.guest() as (guest, seat):
        await plant.ready()
        await plant.heard_by(guest)
        plant.adapter.misbehave("unplug")
        await until(lambda: bool(guest.faults))
        used, passed = await used_during(lambda: until(lambda: len(guest.faults) >= 3))
        assert_flat(used, passed)
        assert isinstance(guest.faults[0], LineLost)
        assert isinstance(guest.faults[-1], PortMissing)
        assert not seat.up.is_set()
        plant.adapter.misbehave("well")
        await until(seat.up.is_set)
        await plant.ready()
        await plant.heard_by(guest)
        await until(lambda: guest.restored >= 1)


async def test_6_garbled_lines_do_not_end_hearing(plant: Field) -> None:
    async with plant.guest() as (guest, seat):
        await plant.ready()
        plant.adapter.misbehave("garbled", "0.5")
        await until(seat.up.is_set)
        async with asyncio.timeout(PATIENCE_S):
            while not (guest.errors >= 10 and len(guest.frames) >= 10):
                plant.node.send(LIMITS)
                await asyncio.sleep(0.002)
        assert seat.counters.errors == guest.errors
        assert set(guest.frames) == {LIMITS}
        assert guest.faults == []
        plant.adapter.misbehave("well")
        await plant.heard_by(guest)


async def test_6_bytes_that_are_no_text_do_not_stay_for_ever(plant: Field) -> None:
    """slcan keeps what it cannot decode and would fail on it with each further line."""
    async with plant.guest() as (guest, _):
        await plant.ready()
        await plant.heard_by(guest)
        plant.adapter.misbehave("noise")
        async with asyncio.timeout(PATIENCE_S):
            while guest.errors < 3:
                plant.node.send(LIMITS)
                await asyncio.sleep(0.01)
        plant.adapter.misbehave("well")
        await plant.heard_by(guest)
        assert guest.faults == []


async def test_6_nothing_but_damage_ends_in_a_fault_not_in_a_hot_loop(plant: Field) -> None:
    async with plant.guest() as (guest, _):
        await plant.ready()
        plant.adapter.misbehave("garbled", "1")

        async with asyncio.timeout(PATIENCE_S):
            while not guest.faults:
                plant.node.send(LIMITS)
                await asyncio.sleep(0.001)
        assert "damaged lines and not one frame" in str(guest.faults[0])
        assert "bit rate" in str(guest.faults[0])


def open_terminals() -> int:
    """How many ends of terminals this process has open."""
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            names.append(str(entry.readlink()))
    return sum(re.match(r"/dev/pts/\d+", name) is not None for name in names)


async def test_7_what_an_unplugged_adapter_raises_is_one_fault_and_all_is_closed(plant: Field) -> None:
    before = open_terminals()
    async with plant.guest() as (guest, seat):
        await plant.ready()
        await plant.heard_by(guest)
        plant.adapter.misbehave("unplug")
        async with asyncio.timeout(PATIENCE_S):
            while not guest.faults:
                await seat.send([HELLO])
                await asyncio.sleep(0.005)
        assert isinstance(guest.faults[0], LineLost)
        await until(lambda: len(guest.faults) >= 2)
        await until(lambda: open_terminals() <= before)


async def test_8_versions_are_never_asked_for(plant: Field) -> None:
    """A CANable answers with a hash that python-can takes for a frame with id 2CB."""
    async with plant.guest() as (guest, seat):
        await plant.ready()
        await plant.heard_by(guest)
        await seat.send([HELLO])
        await until(lambda: HELLO in plant.heard)
        assert not {"V", "N", "F"} & set(plant.adapter.commands)
        assert {frame.id for frame in guest.frames} == {LIMITS.id}


# -- other interfaces -----------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def multicast() -> CanOptions:
    """A group of its own for this test; skipped where this machine has no way for multicast."""
    wanted = options("udp_multicast", f"239.74.163.2:{free_port()}")
    try:
        driver = open_driver(wanted)
    except Exception as fault:
        pytest.skip(f"no multicast here: {fault}")
    try:
        driver.send(HELLO)
        if not [found for _ in range(5) if (found := driver.receive()) is not None]:
            pytest.skip("multicast does not come back here")
    except LineLost as fault:
        pytest.skip(f"no multicast here: {fault}")
    finally:
        driver.close()
    return wanted


async def test_9_multicast_brings_nothing_of_our_own_and_survives_garbage() -> None:
    wanted = await asyncio.to_thread(multicast)
    group, _, port = wanted.channel.partition(":")
    clock = SystemClock()
    other = await asyncio.to_thread(open_driver, wanted)
    try:
        async with seated(wanted, clock) as (guest, seat):
            await until(seat.up.is_set)
            assert await seat.send([HELLO]) == 1
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
                noise.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
                noise.sendto(b"\xffgarbage\x00", (group, int(port)))
            await until(lambda: guest.errors >= 1)
            await asyncio.to_thread(other.send, LIMITS)
            await until(lambda: LIMITS in guest.frames)
            assert HELLO not in guest.frames
            assert guest.faults == []
    finally:
        await asyncio.to_thread(other.close)


async def test_virtual_buses_of_one_process_hear_each_other() -> None:
    wanted = options("virtual", f"test{random.getrandbits(32)}")
    clocks = SystemClock(), SystemClock()  # two houses: each has a channel of its own
    async with seated(wanted, clocks[0]) as (guest, seat), seated(wanted, clocks[1]) as (other, theirs):
        await until(lambda: seat.up.is_set() and theirs.up.is_set())
        sent = [CanFrame(0x351, bytes([number])) for number in range(50)]
        assert await seat.send(sent) == 50
        await until(lambda: other.frames == sent)
        assert guest.frames == []


async def test_29_bit_remote_and_error_frames_are_counted_apart() -> None:
    wanted = options("virtual", f"test{random.getrandbits(32)}")
    async with seated(wanted, SystemClock()) as (guest, seat):
        await until(seat.up.is_set)
        with can.Bus(interface="virtual", channel=wanted.channel, ignore_config=True) as other:
            other.send(can.Message(arbitration_id=0x4355, is_extended_id=True, data=b"\x58\x00"))
            other.send(can.Message(arbitration_id=0x355, is_extended_id=False, is_remote_frame=True))
            other.send(can.Message(arbitration_id=0x40, is_error_frame=True, dlc=8, data=bytes(8)))
            await until(lambda: seat.counters.errors == 1)
            assert seat.counters.bus_off
            other.send(can.Message(arbitration_id=0x100, is_error_frame=True, dlc=8, data=bytes(8)))
            other.send(can.Message(arbitration_id=0x355, is_extended_id=False, data=SOC.data))
            await until(lambda: guest.frames == [SOC])
            assert not seat.counters.bus_off
            assert (seat.counters.ignored, guest.errors) == (2, 2)


async def test_frames_that_leave_have_11_bits() -> None:
    """python-can's messages have 29 bits unless it is said: no inverter would hear them."""
    wanted = options("virtual", f"test{random.getrandbits(32)}")
    async with seated(wanted, SystemClock()) as (_, seat):
        await until(seat.up.is_set)
        with can.Bus(interface="virtual", channel=wanted.channel, ignore_config=True) as other:
            await seat.send([LIMITS])
            message = await asyncio.to_thread(other.recv, PATIENCE_S)
            assert message is not None
            assert (message.arbitration_id, message.is_extended_id) == (0x351, False)
            assert bytes(message.data) == LIMITS.data


class Daemon:
    """As much of socketcand as a client sees: greeting, raw mode, frames both ways."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.clients: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"< hi >")
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                said = (await reader.readuntil(b">")).decode().strip()
                self.heard.append(said)
                if said in ("< open can0 >", "< rawmode >"):
                    writer.write(b"< ok >")
                if said == "< rawmode >":
                    self.clients.append(writer)
        writer.close()


async def test_socketcand_hears_speaks_and_idles_when_its_far_end_is_gone() -> None:
    """python-can asks a closed connection without a pause: so it is asked without waiting, and left alone."""
    daemon = Daemon()
    server = await asyncio.start_server(daemon.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with seated(options("socketcand", f"127.0.0.1:{port}/can0"), SystemClock()) as (guest, seat):
        await until(lambda: seat.up.is_set() and bool(daemon.clients))
        daemon.clients[0].write(b"< frame 351 12.34 1402c012c012c201 >< frame 0004355 12.34 5800 >")
        await until(lambda: guest.frames == [LIMITS] and seat.counters.ignored == 1)
        assert await seat.send([SOC]) == 1
        await until(lambda: "< send 355 4 58 0 5e 0 >" in daemon.heard)
        server.close()
        daemon.clients[0].close()
        used, passed = await used_during(lambda: asyncio.sleep(1))
        assert_flat(used, passed)
        async with asyncio.timeout(PATIENCE_S):
            while not guest.faults:
                await seat.send([SOC])
                await asyncio.sleep(0.01)
        await until(lambda: any(isinstance(fault, PortMissing) for fault in guest.faults))
    await server.wait_closed()


# -- speed and shape ------------------------------------------------------------------------------------


async def test_10_sets_leave_in_order_by_one_writer(plant: Field) -> None:
    async with plant.guest() as (_, seat):
        await plant.ready()
        await until(seat.up.is_set)
        for round_ in range(30):
            sent = await seat.send([CanFrame(0x351, bytes([round_, number])) for number in range(6)])
            assert sent == 6
        await until(lambda: len(plant.heard) == 180)
        assert [(f.data[0], f.data[1]) for f in plant.heard] == [(r, n) for r in range(30) for n in range(6)]
        assert seat.counters.sent == 180


async def test_10_an_adapter_that_takes_nothing_holds_nobody(
    plant: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = asyncio.Event()
    loop = asyncio.get_running_loop()
    sends: list[CanFrame] = []

    def stuck(self: object, frame: CanFrame) -> None:
        sends.append(frame)
        asyncio.run_coroutine_threadsafe(released.wait(), loop).result(PATIENCE_S)

    monkeypatch.setattr(driver_module.Driver, "send", stuck)
    async with plant.guest() as (guest, seat):
        await until(seat.up.is_set)
        first = seat.send([HELLO])
        await until(lambda: bool(sends))
        rest = [seat.send([HELLO]) for _ in range(UNSENT_SETS_MAX + 2)]
        await until(lambda: sum(one.done() for one in rest) == 2)
        await plant.heard_by(guest)  # it goes on hearing meanwhile
        released.set()
        assert await first == 1
        assert await asyncio.gather(*rest) == [0, 0] + [1] * UNSENT_SETS_MAX


async def test_11_lines_in_pieces_are_put_together(plant: Field) -> None:
    async with plant.guest() as (guest, seat):
        await plant.ready()
        await until(seat.up.is_set)
        plant.adapter.misbehave("partial", "7")
        sent = [CanFrame(0x351, bytes([number]) * 8) for number in range(24)]
        for frame in sent:
            plant.node.send(frame)
        await until(lambda: len(guest.frames) == 24)
        assert guest.frames == sent
        assert guest.errors == 0


async def test_12_the_name_leads_to_the_adapter_again_after_a_replug(plant: Field) -> None:
    """Numbers of ttyACM change with a replug; the link by serial number does not."""
    async with plant.guest() as (guest, seat):
        await plant.ready()
        await plant.heard_by(guest)
        plant.adapter.misbehave("unplug")
        await until(lambda: bool(guest.faults) and not plant.link.exists())
        taken = os.openpty()  # takes the number that has become free
        try:
            plant.adapter.misbehave("well")
            await until(seat.up.is_set)
            await plant.ready()
            await plant.heard_by(guest)
        finally:
            for end in taken:
                os.close(end)


async def test_a_port_belongs_to_one_program(plant: Field) -> None:
    async with plant.guest() as (_, seat):
        await until(seat.up.is_set)
        with pytest.raises(PortBusy, match="in use by"):
            await asyncio.to_thread(open_driver, options("slcan", str(plant.link)))


async def test_nothing_is_left_when_the_last_device_goes(plant: Field) -> None:
    async with plant.guest() as (guest, _):
        await plant.ready()
        await plant.heard_by(guest)
    await until(lambda: not plant.adapter.open)  # C was said, the port is closed
    async with plant.guest() as (guest, _):
        await plant.ready()
        await plant.heard_by(guest)


@pytest.mark.parametrize(
    "fault", ["garbled", "noise", "partial", "closed", "wrong_bitrate", "bus_off", "nak"]
)
async def test_the_processor_stays_free_whatever_the_adapter_does(plant: Field, fault: str) -> None:
    async with plant.guest() as (guest, _):
        await plant.ready()
        await plant.heard_by(guest)
        plant.adapter.misbehave(fault)

        async def a_while() -> None:
            for _ in range(10):
                plant.node.send(LIMITS)
                await asyncio.sleep(0.05)

        assert_flat(*await used_during(a_while))


# -- what cannot be opened ------------------------------------------------------------------------------


REFUSALS: list[tuple[str, str, type[Exception], str]] = [
    ("slcan", "/dev/serial/by-id/usb-none", PortMissing, "no such port"),
    ("slcan", "/dev/null", PortUnusable, "it is no serial port"),
    ("slcan", "socket://127.0.0.1:1", PortMissing, "connection refused"),
    ("socketcand", "127.0.0.1:1/can0", PortMissing, "expected socketcand to listen there"),
]


@pytest.mark.parametrize(("interface", "channel", "kind", "said"), REFUSALS)
def test_what_is_not_there(interface: str, channel: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        open_driver(options(interface, channel))


def test_python_can_is_loaded_when_a_bus_opens_and_not_before() -> None:
    """Sites without CAN start as quickly as before; so do those that only check one with CAN."""
    code = (
        "import sys\n"
        "import bridge.app, bridge.cli.main\n"
        "from bridge.site.families import InstalledFamilies\n"
        "family = InstalledFamilies()['can_battery']\n"
        "from bridge.adapters.can_battery import adapter\n"
        "assert not {'can', 'cantools', 'usb'} & set(sys.modules), sorted(sys.modules)\n"
        "import bridge.adapters.can.driver\n"
        "assert 'can' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_python_can_is_silent_in_the_log() -> None:
    assert not logging.getLogger("can").isEnabledFor(logging.ERROR)
