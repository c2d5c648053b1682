"""A bridge that is killed outright, a real process on a pseudo-terminal: the unit ends as its owner expects."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bridge.adapters.pty import PtyLine
from bridge.adapters.vebus_mk3.simulator import VeBusSimulator
from bridge.datastore.clock import SystemClock
from tests.house.wire import PATIENCE_S, Master

MODE = 0x3010
CHARGER_ONLY, ON, OFF = 1, 3, 4
#: Ten times the pace of a real line: nothing here is about time.
BYTES_PER_S = 2400.0


class Owner:
    """A unit on its wall, and the bridge that comes and goes on its line."""

    def __init__(self, simulator: VeBusSimulator, folder: Path) -> None:
        self.simulator = simulator
        self.unit = simulator.unit
        self._folder = folder
        self._process: Process | None = None

    async def begin(self) -> Master:
        """Start the bridge; a client of it once it knows the unit."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", "run", str(self._folder / "site.yaml")),
            stdout=DEVNULL,
            stderr=PIPE,
        )
        assert self._process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"serving=tcp" not in (line := await self._process.stderr.readline()):
                assert line, f"the bridge ended: {await self._process.wait()}"
        self._told = asyncio.create_task(self._process.stderr.read())
        return Master(int(line.rsplit(b":", 1)[1]), 10)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
            await self._told

    async def nobody_talks(self) -> None:
        """Wait until the line has been idle for long enough that the interface speaks by itself, twice."""
        for _ in range(2):
            carried = self.simulator.line_bytes
            await self.until(lambda carried=carried: self.simulator.line_bytes > carried)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await asyncio.sleep(0.01)


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    simulator, link = VeBusSimulator(latency=0.0), tmp_path / "mk3"
    (tmp_path / "site.yaml").write_text(
        f'state: "{tmp_path / "state"}"\n'
        'listeners: [{tcp: "127.0.0.1:0"}]\n'
        f'devices:\n  multi: {{adapter: vebus_mk3, port: "{link}", unit: 10}}\n'
    )
    async with PtyLine(SystemClock(), simulator.hear, link, BYTES_PER_S) as line:
        playing = asyncio.create_task(simulator.play(line))
        found = Owner(simulator, tmp_path)
        try:
            yield found
        finally:
            await found.kill()
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing


async def told(master: Master, mode: int | None) -> None:
    """Wait until the bridge shows the unit's mode, and command another one if wished."""
    await master.until(MODE, ON)
    if mode is not None:
        assert await master.settled(MODE, mode) == 0


@pytest.mark.parametrize("commanded", [None, ON, CHARGER_ONLY, OFF])
async def test_killed_and_started_again(owner: Owner, commanded: int | None) -> None:
    async with await owner.begin() as master:
        await told(master, commanded)
        if commanded is None:
            await owner.until(lambda: not owner.unit.panel)  # released: it follows its own switches
    await owner.kill()
    ran, mode, sent = owner.unit.running, owner.unit.remote_mode, len(owner.simulator.commands)
    assert ran == (commanded != OFF)
    await owner.nobody_talks()
    assert owner.unit.running == ran
    async with await owner.begin() as master:
        await master.until(MODE, mode)
        assert owner.unit.running == ran
        assert owner.unit.remote_mode == mode
        assert len(owner.simulator.commands) == sent  # it is in force, so nothing is said again


@pytest.mark.parametrize("commanded", [None, ON, OFF])
async def test_the_front_switch_is_used_while_the_bridge_is_dead(owner: Owner, commanded: int | None) -> None:
    """Before a command the unit needs no bridge to start; after one it waits for its panel, the bridge."""
    async with await owner.begin() as master:
        await told(master, commanded)
        if commanded is None:
            await owner.until(lambda: not owner.unit.panel)
    await owner.kill()
    mode = owner.unit.remote_mode
    owner.simulator.misbehave("front", "off")
    assert not owner.unit.running
    owner.simulator.misbehave("front", "on")
    await owner.nobody_talks()
    assert owner.unit.running == (commanded is None)
    async with await owner.begin() as master:
        await master.until(MODE, mode)
        if commanded != OFF:
            await owner.until(lambda: owner.unit.running)
        assert owner.unit.remote_mode == mode
        assert owner.unit.running == (commanded != OFF)
