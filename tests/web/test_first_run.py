"""From an empty directory to a served charger, in a browser, as a new user would."""

import asyncio
import contextlib
import os
import random
import re
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.adapters.vedirect.simulator import ChargerSimulator

from .browsing import PATIENCE_S, Visitor, modbus
from .chromium import WALK_S, chromium, run

READ_VOLTAGE = "03 3000 0001"


def free_port() -> int:
    """Return a port that nobody has, below those that the system hands out by itself."""
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as asking:
            asking.bind(("127.0.0.1", port))
            return port


@contextlib.asynccontextmanager
async def set_up(folder: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `inverter-bridge setup` in an empty directory of its own."""
    home = folder / "home"
    home.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", "setup", "--listen", f"127.0.0.1:{port}",
        cwd=home, env={**os.environ, "HOME": str(home), "STATE_DIRECTORY": str(folder / "state")},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S * 3):
            await process.wait()


async def address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S * 3):
        line = (await process.stdout.readline()).decode()
    found = re.search(r"http://\S+", line)
    assert found is not None, line
    return found[0]


@pytest.mark.timeout(WALK_S + 120)
async def test_the_whole_way(tmp_path: Path) -> None:
    chromium()
    link, port, serving = tmp_path / "charger", free_port(), free_port()
    simulator = ChargerSimulator()
    playing = asyncio.create_task(simulator.run(link))
    try:
        async with set_up(tmp_path, port) as process:
            url = await address(process)
            told = await run(
                "first_run",
                tmp_path,
                url=url,
                base=f"http://127.0.0.1:{port}",
                port=str(link),
                modbus=serving,
                password="correct horse",
            )
            unit = re.search(r"unit: (\d+)", told["site"])
            assert unit is not None
            async with asyncio.timeout(PATIENCE_S):
                while len(reply := await modbus(serving, READ_VOLTAGE, int(unit[1]))) != 4:
                    await asyncio.sleep(0.1)
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
    assert reply[:2] == bytes.fromhex("03 02")
    assert told["serious"] == told["faults"] == []
    assert told["judged"] == 2  # each page of it, in two widths
    assert "adapter: vedirect" in told["site"]
    assert "the same twice" in told["mistyped"]
    assert "online" in told["overview"]
    assert "no such page" in told["again"]
    assert (tmp_path / "home" / "site.yaml").exists()
    assert stat.S_IMODE((tmp_path / "state" / "passwords.json").stat().st_mode) == 0o600


async def test_the_address_works_once_and_is_needed(tmp_path: Path) -> None:
    async with set_up(tmp_path, free_port()) as process:
        url = await address(process)
        base, _, token = url.rpartition("/setup/")
        async with Visitor(base) as stranger:
            assert (await stranger.get("/setup/guess"))[0] == 403
            assert (await stranger.get("/"))[0] == 303
            assert (await stranger.post("/look", {"modbus": "502"}))[0] == 401
            assert (await stranger.post("/finish", {"text": "devices:\n"}))[0] == 401
        async with Visitor(base) as owner:
            assert (await owner.get(f"/setup/{token}"))[0] == 303
            assert (await owner.get("/"))[0] == 200
        async with Visitor(base) as thief:
            status, page = await thief.get(f"/setup/{token}")
            assert status == 403
            assert "used already" in page
    assert list((tmp_path / "home").iterdir()) == []


async def test_it_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("devices:\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", "setup", cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S * 3):
        _, said = await process.communicate()
    assert process.returncode == 1
    assert "is there already" in said.decode()
