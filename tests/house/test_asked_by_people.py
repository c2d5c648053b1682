"""`status`, `log` and `doctor` as a person on the bridge's machine uses them, beside a running bridge."""

import asyncio
import importlib
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from bridge import __version__
from bridge.cli import main
from bridge.datastore.values import LinkState
from bridge.logs import start_logging
from tests.doctor.boxes import Box
from tests.house.conftest import Boathouse
from tests.house.test_first_light import ready
from tests.house.wire import PATIENCE_S

Make = Callable[..., Any]


async def running(boathouse: Make) -> Boathouse:
    """A running house whose site file names the port that it really has."""
    house: Boathouse = await boathouse()
    house.site.write_text(house.site.read_text().replace("127.0.0.1:0", f"127.0.0.1:{house.port}"))
    return house


async def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command line in a thread, as the house lives on this loop."""
    async with asyncio.timeout(PATIENCE_S):
        status = await asyncio.to_thread(main, arguments)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out + captured.err


async def test_status_tells_what_no_register_can(boathouse: Make, capsys: pytest.CaptureFixture[str]) -> None:
    house = await running(boathouse)
    async with house.master() as master:
        await ready(house, master)
        status, out = await asked(capsys, "status", "--site", str(house.site))
        assert status == 0
        assert "listener  connections by address\nlan       127.0.0.1 (" in out
        status, out = await asked(capsys, "status", "--site", str(house.site), "--json")
    rows = {row["device"]: row for row in json.loads(out)}
    assert rows.keys() == {"charger", "bridge"}
    (lan,) = rows["bridge"]["listeners"]
    assert (lan["listener"], lan["serving"], lan["peers"].keys()) == ("lan", True, {"127.0.0.1"})
    assert [told["device"] for told in rows["bridge"]["devices"]] == ["bridge", "charger"]


@pytest.mark.parametrize(
    ("link", "words", "shown"),
    [
        (LinkState.ASLEEP, "until 07:42", "asleep until 07:42"),
        (LinkState.NIGHT, "", "night"),
        (LinkState.ASLEEP, "wakes on AC", "asleep: wakes on AC"),
        (LinkState.SILENT, "no inverter answers: is the coordinator in reach?", "silent: see below"),
    ],
)
async def test_links_in_plain_words(
    boathouse: Make, capsys: pytest.CaptureFixture[str], link: LinkState, words: str, shown: str
) -> None:
    house = await running(boathouse)
    device = house.house.datastore.add("shed")  # nobody's: what the test says of it stays
    device.set_link(link, words)
    status, out = await asked(capsys, "status", "--site", str(house.site))
    assert status == 0
    (row,) = (line for line in out.splitlines() if line.startswith("-     shed"))
    assert f"  {shown}  " in row
    assert (f"\nshed: {words}\n" in out) == (shown == "silent: see below")


async def test_log_levels_are_seen_and_changed(boathouse: Make, capsys: pytest.CaptureFixture[str]) -> None:
    house = await running(boathouse)
    logger, root = logging.getLogger("bridge"), logging.getLogger()
    before, level, handlers = logger.level, root.level, root.handlers[:]
    try:
        start_logging("warning", {})
        site = ("--site", str(house.site))
        assert await asked(capsys, "log", *site) == (0, "everything else: warning\ncharger: warning\n")
        assert (await asked(capsys, "log", "debug", "charger", *site))[1] == "charger: debug from now on\n"
        assert await asked(capsys, "log", *site) == (0, "everything else: warning\ncharger: debug\n")
        _, out = await asked(capsys, "status", *site)
        assert out.endswith("log: warning, charger debug\n")
        status, out = await asked(capsys, "log", "loud", *site)
        assert (status, "found the level 'loud'" in out) == (1, True)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logger.setLevel(before)


async def test_a_bridge_that_is_well(
    boathouse: Make,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box = Box(tmp_path_factory.mktemp("machine") / "box")
    box.having(account=box.machine.account.__class__("me", os.geteuid(), frozenset({os.getegid()})))
    monkeypatch.setattr(importlib.import_module("bridge.cli.doctor"), "MACHINE", lambda: box.machine)
    house = await running(boathouse)
    async with house.master() as master:
        await ready(house, master)
    assert await asked(capsys, "doctor", str(house.site)) == (0, "nothing to do\n")
    monkeypatch.setattr("bridge.doctor.running.__version__", "99.0")
    status, out = await asked(capsys, "doctor", str(house.site))
    assert status == 1
    assert out.startswith(f"bridge: version {__version__} runs, and 99.0 is installed")
    await house.stop()
    status, out = await asked(capsys, "doctor", str(house.site))
    assert (status, "no bridge of" in out) == (1, True)
