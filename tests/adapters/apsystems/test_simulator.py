"""The simulated coordinator and inverters themselves: captures to the byte, a day's truth, ports and faults."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import zigpy_znp.commands as c
import zigpy_znp.config as conf
import zigpy_znp.types as t
from zigpy_znp.api import ZNP

from bridge.adapters.apsystems import codec
from bridge.adapters.apsystems.ecu import Ecu
from bridge.adapters.apsystems.frames import MtFrame
from bridge.adapters.apsystems.messages import Answer, Delivery
from bridge.adapters.apsystems.models import Model
from bridge.adapters.apsystems.radio import SERIAL_SETTINGS, Radio
from bridge.adapters.apsystems.simulated_replies import RawPanel, RawState, poll_reply
from bridge.adapters.apsystems.simulated_sun import SimulatedSun
from bridge.adapters.apsystems.simulated_tcp import TcpWire
from bridge.adapters.apsystems.simulator import BYTES_PER_S, ApsystemsSimulator
from bridge.adapters.line import PortBusy, open_line
from bridge.datastore.clock import ManualClock, SystemClock
from tests.adapters.apsystems.radio_rig import DS3, QS1, YC600, YC600_AT, Rig
from tests.adapters.apsystems.vectors import VECTORS, decoded, frames, mt, payload

#: Far beyond what any of this takes, also on a machine that does ten other things.
BOUND_S = 40.0
ROOT = Path(__file__).parents[3]
ECU = Ecu.parse("D8A3011B9780")

#: Raw numbers of captured answers, read off them by hand.
CAPTURED = {
    "D08": (
        Model.YC600,
        RawState(12608, 1018, 0xF441D, 1241, [RawPanel(1817, 129, 24900), RawPanel(1812, 131, 25195)]),
    ),
    "D09": (
        Model.QS1,
        RawState(
            26848, 1003, 0xF4193, 1208,
            [RawPanel(1666, 193, 113464), RawPanel(1676, 199, 117993),
             RawPanel(1679, 217, 130334), RawPanel(1695, 202, 121191)],
        ),
    ),
    "D10": (
        Model.DS3,
        RawState(33673, 0x0C39, 5001, 855, [RawPanel(1703, 411, 92228419), RawPanel(1714, 496, 102315610)], 351),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_answers_to_the_byte(name: str) -> None:
    model, state = CAPTURED[name]
    assert poll_reply(model, decoded(name)["serial"], state).hex() == payload(name).hex()


def test_another_state_is_another_answer() -> None:
    model, state = CAPTURED["D10"]
    other = codec.decode_reply(poll_reply(model, DS3, replace(state, seconds=5)), model)
    assert isinstance(other, codec.InverterReading)
    assert (other.serial, other.seconds) == (DS3, 5)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (frames("D01")[0], [bytes.fromhex("FE0166050062")]),
        (frames("D02")[2], [frames("D02")[3]]),
        (frames("D02")[4], [frames("D02")[n] for n in (5, 6, 7)]),
        (frames("D03")[2], [frames("D03")[3]]),
        (frames("D02")[0], [frames("D02")[1]]),
        (frames("D05")[0], [frames("D12")[2]]),  # before state 09
        (bytes.fromhex("FE052132010400000013"), [bytes.fromhex("FE03600002213272")]),
        (bytes.fromhex("FE022710AABB24"), [MtFrame(0x6710, b"\xaa\xbb").encode()]),
    ],
    ids=["write", "register", "start", "ping", "reset", "refused", "unknown", "loopback"],
)
def test_captured_answers_of_the_module(asked: bytes, answered: list[bytes]) -> None:
    simulator = ApsystemsSimulator(ManualClock())
    assert [later.frame.encode() for later in simulator.coordinator.handle(mt(asked))] == answered


async def test_an_answer_on_the_line_is_framed_as_captured() -> None:
    """Everything of the captured message but what it measures, its time, and its signal."""
    async with Rig(inverters="408000038812/yc600/0x4436") as rig:
        await rig.is_ready()
        await rig.clock.advance(1)  # the confirmation of the start's broadcast passes
        heard = await rig.result(
            rig.radio.raw("2401364414140600" + "31000F13" + codec.poll_request(ECU).hex())
        )
        assert heard[:2] == ["FE0164010064", "FE034480001431E2"]
        assert heard[2] == frames("D08")[2].hex().upper()
        message, captured = bytes.fromhex(heard[3]), frames("D08")[3]
        assert len(message) == len(captured)
        assert message[:13] == captured[:13]
        assert (message[19:28], message[-4:-1]) == (captured[19:28], captured[-4:-1])


def test_a_day_of_one_inverter_is_the_area_under_its_curve() -> None:
    clock = ManualClock(now=1_700_006_400.0)  # 00:00 UTC
    simulator = ApsystemsSimulator(clock, hour=-1)
    inverter = simulator.inverter(YC600)
    summed = 0.0
    sun = simulator.sun
    for minute in range(24 * 60):
        time = sun.time() + minute * 60 + 30
        summed += sum(panel.rating_w for panel in inverter.panels) * sun.light(time) / 60 * sun.is_day(time)
    asyncio.run(clock.advance(86_400))
    inverter.advance()
    assert inverter.ever_wh == pytest.approx(summed, rel=0.001)
    assert inverter.power_ups == 1


def test_looking_often_or_seldom_makes_no_difference() -> None:
    truths = []
    for step in (500.0, 40_000.0):
        clock = ManualClock()
        simulator = ApsystemsSimulator(clock, hour=3.0)
        for _ in range(round(200_000 / step)):
            asyncio.run(clock.advance(step))
            for inverter in simulator.inverters:
                inverter.advance()
        truths.append([inverter.ever_wh for inverter in simulator.inverters])
    assert truths[0] == pytest.approx(truths[1])


def test_a_restart_and_a_dusk_begin_counters_anew_and_lose_nothing_that_was_delivered() -> None:
    clock = ManualClock()
    simulator = ApsystemsSimulator(clock, hour=12.0)
    inverter = simulator.inverter(QS1)
    before = inverter.ever_wh
    assert before > 0
    simulator.misbehave("restart", QS1)
    assert inverter.seconds == 0
    assert inverter.panels[0].since_power_up_ws == 0
    assert inverter.ever_wh == pytest.approx(before)
    asyncio.run(clock.advance(86_400))
    inverter.advance()
    assert inverter.ever_wh > before
    assert inverter.power_ups == 2


def test_in_the_dark_nothing_is_delivered() -> None:
    clock = ManualClock()
    simulator = ApsystemsSimulator(clock, hour=12.0)
    inverter = simulator.inverter(QS1)
    simulator.misbehave("dark")
    before = inverter.ever_wh
    asyncio.run(clock.advance(3600))
    inverter.advance()
    assert (inverter.ever_wh, inverter.awake) == (before, False)
    simulator.misbehave("well")
    assert (inverter.seconds, inverter.awake) == (0, True)


@pytest.mark.parametrize(
    ("model", "serial", "wraps"), [(QS1, QS1, True), (DS3, DS3, True), (YC600, YC600, False)]
)
def test_seconds_wrap_where_they_are_short(model: str, serial: str, wraps: bool) -> None:
    clock = ManualClock()
    simulator = ApsystemsSimulator(clock, hour=10.0)
    simulator.misbehave("wrap", f"{serial}=65530")
    inverter = simulator.inverter(serial)
    assert inverter.seconds == 65530
    asyncio.run(clock.advance(10))
    inverter.advance()
    assert inverter.seconds == (4 if wraps else 65540)


def test_the_sun_runs_at_its_own_speed() -> None:
    clock = ManualClock()
    sun = SimulatedSun(clock, speed=3600.0, hour=5.0)
    assert [sun.light(sun.time()), sun.is_day(sun.time())] == [0.0, False]
    asyncio.run(clock.advance(8))
    assert sun.time() % 86_400 == pytest.approx(13 * 3600, abs=0.01)
    assert sun.light(sun.time()) == pytest.approx(1.0)


@pytest.mark.parametrize("fault", ApsystemsSimulator.faults, ids=lambda fault: fault.name)
async def test_every_fault_begins_and_ends(fault: codec.Reason) -> None:
    """After any fault, in daylight, all is as before: the radio starts and an inverter answers."""
    async with Rig() as rig:
        rig.simulator.misbehave(fault.name)
        await rig.clock.advance(1)
        rig.simulator.misbehave("well")
        rig.simulator.misbehave("firmware", "community")
        for inverter in rig.simulator.inverters:
            inverter.paired_to = ECU.reversed_id
        await rig.is_ready(within_s=120)
        answer = await rig.result(rig.radio.poll(YC600_AT, YC600))
        assert answer.delivery is Delivery.ANSWERED
        assert answer.attempts == 1


@pytest.mark.parametrize(
    ("fault", "argument"),
    [
        ("nonsense", ""), ("drop", "2"), ("drop", "x"), ("night", "dark"), ("frozen", "solid"),
        ("restart", "1"), ("firmware", "mine"), ("wrap", "x"), ("chunks", "-1"),
    ],
)  # fmt: skip
def test_impossible_faults(fault: str, argument: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        ApsystemsSimulator(ManualClock()).misbehave(fault, argument)


@pytest.mark.parametrize(
    "wish",
    [
        {"inverters": "408000158215"}, {"inverters": "408000158215/yc700/0x103A"}, {"inverters": "x/qs1/3A10"},
        {"inverters": "408000158215/yc600/0"}, {"ecu": "x"}, {"decoys": 99}, {"tcp": 99999}, {"rating": 0},
        {"hour": 24.0}, {"speed": 0.0}, {"sunrise": 20.0, "sunset": 6.0}, {"firmware": "mine"},
    ],
)  # fmt: skip
def test_impossible_simulators(wish: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="found"):
        ApsystemsSimulator(ManualClock(), **wish)  # type: ignore[arg-type]


# -- ports, in real time -------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def played(simulator: ApsystemsSimulator, link: Path) -> AsyncIterator[None]:
    playing = asyncio.create_task(simulator.run(link))
    try:
        async with asyncio.timeout(BOUND_S):
            await simulator.playing.wait()
        yield
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing


def quick() -> ApsystemsSimulator:
    simulator = ApsystemsSimulator()
    simulator.coordinator.up_after_s = 0.05
    return simulator


async def ask_over(port: str) -> Answer:
    """Start a radio on a port, ask one inverter until it answers, and go.

    A machine that does ten other things may take longer than a radio waits: then it asks again.
    """
    clock = SystemClock()
    radio = Radio("roof", ECU, clock)
    line = await open_line(port, SERIAL_SETTINGS, clock)
    session = asyncio.create_task(radio.session(line))
    try:
        async with asyncio.timeout(BOUND_S):
            while True:
                await radio.ready()
                answer = await radio.poll(YC600_AT, YC600)
                if answer.delivery is Delivery.ANSWERED:
                    return answer
    finally:
        session.cancel()
        await asyncio.gather(session, return_exceptions=True)
        line.close()


@pytest.mark.parametrize("chunks", [0, 5])
async def test_over_a_pseudo_terminal(tmp_path: Path, chunks: int) -> None:
    simulator = quick()
    simulator.mischief.chunks = chunks
    async with played(simulator, tmp_path / "radio"):
        answer = await ask_over(str(tmp_path / "radio"))
    assert answer.heard is not None
    assert codec.reply_serial(answer.heard.data) == YC600


@pytest.mark.parametrize("chunks", [0, 5])
async def test_over_tcp_twice(chunks: int) -> None:
    simulator = quick()
    simulator.mischief.chunks = chunks
    async with TcpWire(SystemClock(), simulator.hear, 0, BYTES_PER_S) as wire:
        playing = asyncio.create_task(simulator.play(wire))
        for _ in range(2):
            answer = await ask_over(f"socket://127.0.0.1:{wire.port}")
            assert answer.heard is not None
            assert codec.reply_serial(answer.heard.data) == YC600
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing


async def test_a_tcp_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            await ApsystemsSimulator(tcp=taken.getsockname()[1]).run(tmp_path / "radio")
    assert not (tmp_path / "radio").is_symlink()


async def test_the_port_is_taken_alone(tmp_path: Path) -> None:
    clock = SystemClock()
    async with played(quick(), tmp_path / "radio"):
        line = await open_line(str(tmp_path / "radio"), SERIAL_SETTINGS, clock)
        with pytest.raises(PortBusy, match="expected to have it alone"):
            await open_line(str(tmp_path / "radio"), SERIAL_SETTINGS, clock)
        line.close()


async def test_a_foreign_host_finds_it_and_reads_an_inverter(tmp_path: Path) -> None:
    """zigpy-znp as it is, on its own transport, with its own detection."""
    simulator = quick()
    link = str(tmp_path / "radio")
    async with played(simulator, tmp_path / "radio"), asyncio.timeout(BOUND_S):
        znp = ZNP(conf.CONFIG_SCHEMA({"device": {"path": link}}))
        await znp.connect(test_port=True)
        assert int(znp.capabilities) == int.from_bytes(bytes.fromhex(decoded("D03")["capabilities"]), "big")
        assert znp.version == 3.0
        for item in frames("D01")[1:]:
            znp._uart.write(item)  # its own command for this sends other bytes
            await znp.wait_for_response(c.SAPI.ZBWriteConfiguration.Rsp(partial=True))
        znp._uart.write(frames("D02")[2])
        await znp.wait_for_response(c.AF.Register.Rsp(partial=True))
        await znp.request_callback_rsp(
            request=c.SAPI.ZBStartReq.Req(),
            callback=c.ZDO.StateChangeInd.Callback(State=t.DeviceState.StartedAsCoordinator),
        )
        answer = znp.wait_for_response(c.AF.IncomingMsg.Callback(partial=True, SrcAddr=YC600_AT))
        await znp.request(
            c.AF.DataRequest.Req(
                DstAddr=YC600_AT, DstEndpoint=0x14, SrcEndpoint=0x14, ClusterId=6, TSN=1,
                Options=c.af.TransmitOptions.NONE, Radius=15, Data=codec.poll_request(ECU),
            ),
            RspStatus=t.Status.SUCCESS,
        )  # fmt: skip
        reading = codec.decode_reply(bytes((await answer).Data), Model.YC600)
        assert isinstance(reading, codec.InverterReading)
        assert reading.serial == YC600
        await znp.disconnect()


def test_nothing_of_the_radio_library_is_imported_before_a_radio_opens() -> None:
    code = (
        "import sys; from bridge.adapters.apsystems import codec, radio, simulator; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules} "
        "& {'zigpy', 'zigpy_znp', 'serialx', 'aiohttp', 'cryptography', 'gpiod'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


def test_every_vector_is_used() -> None:
    assert sorted(VECTORS) == [f"D{n:02}" for n in range(1, 14)]
