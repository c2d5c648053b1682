"""A running bridge that keeps a history and writes to its owner: asked through its door, backed up meanwhile."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge.cli import main
from bridge.cli.errors import CommandFailed
from bridge.outlets import history_site
from bridge.outlets.history_batch import Batch
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import HistoryFile
from bridge.outlets.history_reader import HistoryReader
from tests.house.test_first_light import LIMIT, ready
from tests.house.test_reception import asked
from tests.outlets.test_notify_post import receiving

Make = Callable[..., Any]
POWER = "/Dc/0/Power"


async def test_it_takes_down_and_is_set_right(boathouse: Make) -> None:
    house = await boathouse(start=False)
    house.site.write_text(
        house.site.read_text() + "timezone: UTC\noutlets: {history: {write: 10 s}, audit: }\n"
    )
    await house.start()
    async with house.master() as master:
        await ready(house, master)
    reader = HistoryReader(house.folder / "state" / "history.sqlite", Calendar("UTC"))
    steps: list[Any] = []
    async with asyncio.timeout(50):
        while not steps:  # asking writes what has been taken down; the first sample takes its time
            with contextlib.suppress(CommandFailed):
                steps = await asked(house, "energy_set", of="charger", path=POWER, kwh=7.5)
            await asyncio.sleep(0.2)
    assert steps[0]["before"] == 0
    assert await reader.lifetime("charger", POWER) >= 7.5
    with pytest.raises(CommandFailed, match="knows no device 'charget'"):
        await asked(house, "energy_wipe", of="charget")
    await asked(house, "energy_wipe", of="charger")
    await house.stop()
    assert ("charger", POWER, "W") in reader.read_known()
    lines = [json.loads(line) for line in (house.folder / "state" / "audit.jsonl").read_text().splitlines()]
    operations = [line for line in lines if line["event"] == "operation"]
    assert operations[-1]["operation"] == "energy_wipe"
    assert operations[-1]["arguments"] == {"of": "charger"}


class Full(HistoryFile):
    """A history on a disk that has no room for one more page; SQLite itself says so."""

    def write(self, batch: Batch, now: float) -> None:
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        self._database.execute(f"PRAGMA max_page_count={pages}")
        super().write(batch, now)


async def test_a_full_disk_stops_the_history_and_no_command(
    boathouse: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(history_site, "HistoryFile", Full)
    house = await boathouse(start=False)
    house.site.write_text(house.site.read_text() + "outlets: {history: {sample: 1 s, write: 10 s}}\n")
    await house.start()
    async with house.master() as master:
        await ready(house, master)
        async with asyncio.timeout(50):
            while "cannot be written" not in caplog.text:
                with contextlib.suppress(CommandFailed):
                    await asked(house, "energy_wipe", of="charger")
                await asyncio.sleep(0.2)
        for tenths in (60, 80):
            assert await master.settled(LIMIT, tenths) == 0
            assert (await master.read(LIMIT)).words == [tenths]
        sets = [heard.raw[6:12] for heard in house.simulator.received if heard.raw.startswith(b":8F0ED")]
        assert sets == [b"003C00", b"005000"]
        with pytest.raises(CommandFailed, match="cannot be written now"):
            await asked(house, "energy_wipe", of="charger")


async def test_it_sends_a_test_to_its_owner(boathouse: Make) -> None:
    async with receiving() as (receiver, at):
        house = await boathouse(start=False)
        house.site.write_text(house.site.read_text() + f'outlets: {{notify: {{url: "{at}/topic"}}}}\n')
        await house.start()
        (step,) = await asked(house, "notify_test")
        assert step["status"] == 200
        assert json.loads(receiver.got[0][1])["title"] == "site: test"


async def test_doctor_sends_it_too(boathouse: Make, capsys: pytest.CaptureFixture[str]) -> None:
    async with receiving() as (receiver, at):
        house = await boathouse(start=False)
        house.site.write_text(house.site.read_text() + f'outlets: {{notify: {{url: "{at}/topic"}}}}\n')
        await house.start()
        await asyncio.to_thread(main, ["doctor", str(house.site), "--json"])
        found = json.loads(capsys.readouterr().out)
        assert [one for one in found if one["check"] == "notify"] == []
        assert json.loads(receiver.got[0][1])["title"] == "site: test"
    await asyncio.to_thread(main, ["doctor", str(house.site), "--json"])  # nobody receives any more
    (unsent,) = [one for one in json.loads(capsys.readouterr().out) if one["check"] == "notify"]
    assert "a test message did not arrive" in unsent["found"]
