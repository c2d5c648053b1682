import asyncio
import itertools
import logging
import socket

import pytest

from bridge.adapters.line import Line, LineLost, PortBusy, PortDenied, PortMissing, PortUnusable, open_line
from bridge.adapters.reconnect import (
    JITTER,
    RESTART_CAP_S,
    RETRY_CAP_S,
    RETRY_FIRST_S,
    RUNS_WELL_S,
    SETTLED_S,
    Backoff,
    LineState,
    Reconnect,
    supervise,
)
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState
from tests.adapters.far_ends import BOUND_S, SETTINGS, Terminal, until

PORT = "/dev/ttyUSB0"


def no_chance() -> float:
    return 0.0


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def device(clock):
    return Datastore(clock, StateStore()).add("charger")


@pytest.fixture
async def running():
    """Start tasks that end with the test."""
    tasks = []

    def start(coroutine):
        task = asyncio.create_task(coroutine)
        tasks.append(task)
        return task

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Plug:
    """A port that opens as `opens` says, one by one: with a fault, or (None) a line whose far end is kept."""

    def __init__(self, clock, opens=()):
        self.clock = clock
        self.opens = list(opens)
        self.attempts = []
        self.far_end = None
        self.far_ends = []

    async def open(self) -> Line:
        self.attempts.append(self.clock.monotonic())
        fault = self.opens.pop(0) if self.opens else None
        if fault is not None:
            raise fault
        near, self.far_end = socket.socketpair()
        self.far_ends.append(self.far_end)
        near.setblocking(False)
        return Line(near.detach(), PORT)

    def pull(self) -> None:
        self.far_end.close()


@pytest.fixture
def plugged(clock):
    """Make ports that are gone when the test is."""
    plugs = []

    def make(*opens) -> Plug:
        plugs.append(Plug(clock, opens))
        return plugs[-1]

    yield make
    for plug in plugs:
        for far_end in plug.far_ends:
            far_end.close()


async def listen(line: Line) -> None:
    while True:
        await line.read()


def pauses(attempts):
    return [round(b - a, 3) for a, b in itertools.pairwise(attempts)]


def told(caplog):
    return [record.message for record in caplog.records if record.name == "bridge.adapters.reconnect"]


# -- back-off ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chance", "expected"),
    [
        (0.0, [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]),
        (1.0, [length * (1 - JITTER) for length in (0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)]),
    ],
)
def test_pauses_double_up_to_the_cap_and_chance_only_shortens_them(chance, expected):
    backoff = Backoff(RETRY_FIRST_S, RETRY_CAP_S, lambda: chance)
    assert [backoff.pause() for _ in expected] == pytest.approx(expected)
    backoff.reset()
    assert backoff.pause() == pytest.approx(expected[0])
    assert backoff.longest() == pytest.approx(expected[-1])
    assert backoff.pause() == pytest.approx(expected[-1])


# -- reconnecting --------------------------------------------------------------------------------------


async def test_unplugged_and_replugged_under_the_same_link(clock, device, running, tmp_path):
    link = tmp_path / "charger"
    terminal = Terminal(link)
    heard = bytearray()

    async def session(line: Line) -> None:
        while True:
            heard.extend(await line.read())

    reconnect = Reconnect(device, clock, lambda: open_line(str(link), SETTINGS, clock), session)
    running(reconnect.run())
    await until(lambda: reconnect.state is LineState.OPEN)
    assert device.link is LinkState.STARTING
    terminal.say(b"before")
    await until(lambda: heard == b"before")

    terminal.unplug()
    await until(lambda: reconnect.state is LineState.WAITING)
    assert device.link is LinkState.PORT_MISSING
    await clock.advance(RETRY_FIRST_S)  # the link leads nowhere now
    await until(lambda: reconnect.state is LineState.WAITING)

    successor = Terminal(link)
    await clock.advance(RETRY_CAP_S)
    await until(lambda: reconnect.state is LineState.OPEN)
    assert device.link is LinkState.STARTING
    successor.say(b" and after")
    await until(lambda: heard == b"before and after")
    successor.unplug()


async def test_a_missing_port_is_looked_for_with_growing_pauses(clock, device, plugged, running):
    plug = plugged(*[PortMissing(PORT, "no such port")] * 8)
    reconnect = Reconnect(device, clock, plug.open, listen, no_chance)
    running(reconnect.run())
    await clock.advance(0)
    assert device.link is LinkState.PORT_MISSING
    assert reconnect.state is LineState.WAITING
    await clock.advance(30)
    assert pauses(plug.attempts) == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert reconnect.state is LineState.OPEN
    assert device.link is LinkState.STARTING


@pytest.mark.parametrize("kind", [PortBusy, PortDenied, PortUnusable])
async def test_what_only_a_person_can_mend_is_tried_at_the_cap(clock, device, plugged, running, kind):
    plug = plugged(*[kind(PORT, "no")] * 3)
    running(Reconnect(device, clock, plug.open, listen, no_chance).run())
    await clock.advance(14.9)
    assert device.link is LinkState.PORT_MISSING
    await clock.advance(0.2)
    assert pauses(plug.attempts) == [RETRY_CAP_S] * 3
    assert device.link is LinkState.STARTING


async def test_a_fault_is_logged_once_when_it_begins_and_once_when_it_ends(
    clock, device, plugged, running, caplog
):
    caplog.set_level(logging.INFO, "bridge.adapters.reconnect")
    plug = plugged(None, *[PortMissing(PORT, "no such port; plug it in")] * 3)
    reconnect = Reconnect(device, clock, plug.open, listen, no_chance)
    running(reconnect.run())
    await clock.advance(10)
    plug.pull()
    await until(lambda: reconnect.state is LineState.WAITING)
    await clock.advance(10)
    lost, missing, again = told(caplog)
    assert lost.startswith(f'device=charger fault=line_lost reason="port {PORT}: ')
    assert missing == f'device=charger fault=port_missing reason="port {PORT}: no such port; plug it in"'
    assert again == f"device=charger port={PORT} open again down_s=4.0"  # 0.2 + 0.4 + 0.8 + 1.6, and settled
    assert device.status().errors == 1


async def test_a_port_that_opens_and_fails_at_once_is_one_fault(clock, device, plugged, running, caplog):
    """As a serial server does that accepts and hangs up while its port is taken."""
    caplog.set_level(logging.INFO, "bridge.adapters.reconnect")
    plug = plugged()
    links = []
    device.link_changed.connect(links.append)
    reconnect = Reconnect(device, clock, plug.open, listen, no_chance)
    running(reconnect.run())
    for attempt in range(1, 9):
        await until(
            lambda attempt=attempt: len(plug.attempts) == attempt and reconnect.state is LineState.OPEN
        )
        plug.pull()
        await until(lambda: reconnect.state is LineState.WAITING)
        await clock.advance(RETRY_CAP_S if attempt > 5 else 0.2 * 2 ** (attempt - 1))
    assert pauses(plug.attempts) == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert links == [LinkState.PORT_MISSING]
    assert len(told(caplog)) == 1

    await clock.advance(SETTLED_S)
    assert links == [LinkState.PORT_MISSING, LinkState.STARTING]
    assert len(told(caplog)) == 2
    plug.pull()
    await until(lambda: reconnect.state is LineState.WAITING)
    await clock.advance(RETRY_FIRST_S)
    assert reconnect.state is LineState.OPEN  # a port that was well is tried quickly again
    assert len(told(caplog)) == 3  # and its next fault is told again


async def test_settling_leaves_what_the_session_has_found(clock, device, plugged, running):
    async def session(line: Line) -> None:
        device.set_link(LinkState.WRONG_DEVICE)
        await listen(line)

    plug = plugged(PortMissing(PORT, "no such port"), None)
    running(Reconnect(device, clock, plug.open, session, no_chance).run())
    await clock.advance(RETRY_FIRST_S + SETTLED_S + 0.1)
    assert device.link is LinkState.WRONG_DEVICE


async def test_what_is_no_fault_of_the_line_goes_up_and_closes_it(clock, device, plugged):
    lines = []

    async def failing(line: Line) -> None:
        lines.append(line)
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        await Reconnect(device, clock, plugged().open, failing).run()
    assert lines[0].lost


async def test_a_session_that_returns_ends_the_run(clock, device, plugged):
    async def session(line: Line) -> None:
        return

    async with asyncio.timeout(BOUND_S):
        await Reconnect(device, clock, plugged().open, session).run()


async def test_cancelling_closes_the_line(clock, device, plugged, running):
    plug = plugged()
    task = running(Reconnect(device, clock, plug.open, listen).run())
    await clock.advance(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    plug.far_end.settimeout(BOUND_S)
    assert await asyncio.to_thread(plug.far_end.recv, 1) == b""


# -- supervising ---------------------------------------------------------------------------------------


class Failing:
    """A device that fails each time it has run for as long as `runs` says."""

    def __init__(self, clock, runs, failure):
        self.clock, self.runs, self.failure = clock, list(runs), failure
        self.starts = []

    async def run(self) -> None:
        self.starts.append(self.clock.monotonic())
        await self.clock.sleep(self.runs.pop(0) if self.runs else 0)
        if self.failure is not None:
            raise self.failure


def grouped():
    return ExceptionGroup("tasks", [ValueError("one"), ExceptionGroup("inner", [KeyError("two")])])


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ValueError("found 3,\nexpected 4"), "ValueError: found 3, expected 4"),
        (grouped(), "ValueError: one / KeyError: 'two'"),
        (LineLost(PORT, "gone"), f"LineLost: port {PORT}: gone"),
        (asyncio.CancelledError(), "it was cancelled from inside"),
        (None, "it ended by itself"),
    ],
)
async def test_a_failing_device_is_started_again_and_its_failure_said_in_one_line(
    clock, running, caplog, failure, words
):
    caplog.set_level(logging.INFO, "bridge.adapters.reconnect")
    failing = Failing(clock, [], failure)
    running(supervise("charger", clock, failing.run, no_chance))
    await clock.advance(0.6)
    assert len(failing.starts) == 2
    assert caplog.records[0].levelno == logging.ERROR
    assert caplog.records[0].message == f'device=charger restart_in_s=0.5 failed="{words}"'
    assert caplog.records[0].exc_info is None


async def test_the_traceback_is_for_debugging(clock, running, caplog):
    caplog.set_level(logging.DEBUG, "bridge.adapters.reconnect")
    running(supervise("charger", clock, Failing(clock, [], ValueError("x")).run, no_chance))
    await clock.advance(0.1)
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.DEBUG]


async def test_restarts_back_off_to_the_cap_and_begin_anew_after_a_good_minute(clock, running):
    failing = Failing(clock, [0] * 9 + [RUNS_WELL_S], ValueError("x"))
    running(supervise("charger", clock, failing.run, no_chance))
    await clock.advance(300)
    assert pauses(failing.starts)[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, RESTART_CAP_S]
    assert (
        pauses(failing.starts)[8:]
        == [RESTART_CAP_S, RUNS_WELL_S + 0.5, 1.0, 2.0, 4.0, 8.0, 16.0][: len(pauses(failing.starts)) - 8]
    )
    assert len(failing.starts) >= 12


async def test_a_failing_device_stops_no_other_and_cancelling_ends_both(clock, running):
    well = []

    async def neighbour() -> None:
        while True:
            await clock.sleep(1)
            well.append(clock.monotonic())

    async def house() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(supervise("charger", clock, Failing(clock, [], ValueError("x")).run))
            group.create_task(supervise("shunt", clock, neighbour))

    task = running(house())
    await clock.advance(100)
    assert len(well) == 100
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
