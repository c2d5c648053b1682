"""The history: averages, gaps, thinning, energies by day, restarts, damage and full disks."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.datastore.operations import OperationFault
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.outlets.history import HistoryPlan
from bridge.outlets.history_file import HistoryFault, HistoryFile, Retention
from bridge.outlets.history_reader import PeriodEnergy, summary
from tests.outlets.history_rig import NOON, Rig, running

POWER, ENERGY = "/Ac/Power", "/Ac/Energy/Forward"


def rows(rig: Rig, table: str, path: str = POWER) -> list[tuple[float, ...]]:
    """(seconds since the start, believed for, average, low, high, last) of each sample."""
    found = rig.reader.rows(table, NOON - 10**6, NOON + 10**9, lambda device, its: its == path)
    return [
        (at - NOON, round(seconds, 2), *(round(one, 3) for one in figures))
        for at, _, _, _, seconds, *figures in found
    ]


async def test_averages_are_over_time(tmp_path: Path) -> None:
    async with running(Rig(tmp_path / "h")) as rig:
        await rig.flow(100, 8)
        await rig.flow(200, 4)
    assert rows(rig, "raw") == [(0, 10, 120, 100, 200, 200), (10, 2, 200, 200, 200, 200)]
    assert rows(rig, "minutes") == [(0, 12, pytest.approx(133.333), 100, 200, 200)]


async def test_what_is_stale_is_a_gap(tmp_path: Path) -> None:
    async with running(Rig(tmp_path / "h")) as rig:
        await rig.flow(100, 1)
        await rig.clock.advance(59)  # believed for 5 s after it was heard
        rig.pump.publish("live", {POWER: None})
        await rig.clock.advance(4)
        await rig.flow(300, 6)
    assert [(start, low) for start, _, _, low, _, _ in rows(rig, "raw")] == [(0, 100), (60, 300)]
    assert rows(rig, "raw")[0][1] == pytest.approx(5, abs=1.1)
    assert rows(rig, "raw")[1][1] == pytest.approx(6)


async def test_a_value_that_stays_is_there_in_every_period(tmp_path: Path) -> None:
    async with running(Rig(tmp_path / "h")) as rig:
        rig.pump.publish("slow", {"/Dc/0/Voltage": 12.5})
        await rig.clock.advance(35)
    assert [row[:3] for row in rows(rig, "raw", "/Dc/0/Voltage")] == [
        (0, 10, 12.5), (10, 10, 12.5), (20, 10, 12.5), (30, 5, 12.5)
    ]  # fmt: skip


async def test_age_thins(tmp_path: Path) -> None:
    kept = Retention(raw_s=120, minutes_s=3600, quarters_s=7200)
    async with running(Rig(tmp_path / "h", kept=kept), freshness=False) as rig:
        rig.pump.publish("slow", {"/Dc/0/Voltage": 12.5})
        for _ in range(6 * 60):
            await rig.clock.advance(60)
        for _ in range(10):  # each transaction thins an hour
            await rig.clock.advance(60)
            await rig.history._done(lambda file: None)
    oldest = {
        table: rows(rig, table, "/Dc/0/Voltage")[0][0] for table in ("raw", "minutes", "quarters", "days")
    }
    end = 370 * 60
    assert oldest["raw"] >= end - 120 - 60
    assert end - 3600 - 120 <= oldest["minutes"] <= end - 3600
    assert end - 7200 - 1800 <= oldest["quarters"] <= end - 7200 + 900
    assert oldest["days"] == -22 * 3600


async def test_what_is_taken(tmp_path: Path) -> None:
    plan = HistoryPlan(include=("*:/Dc/*", "tank:*"), exclude=("*/Current",))
    rig = Rig(tmp_path / "h", plan=plan)
    tank = rig.datastore.add("tank")
    tank.declare([PointSpec("/Level", "%"), PointSpec("/Name", text=True)], [GroupSpec("all", None)], ())
    async with running(rig):
        rig.pump.publish("slow", {"/Dc/0/Voltage": 12.5, "/Dc/0/Current": 2.0, POWER: 25.0, "/Name": "Pump"})
        tank.publish("all", {"/Level": 70})
        await rig.clock.advance(20)
    assert rig.reader.read_known() == [
        ("pump", "/Dc/0/Power", "W"),
        ("pump", "/Dc/0/Voltage", "V"),
        ("tank", "/Level", "%"),
    ]


async def test_energy_is_power_over_time(tmp_path: Path) -> None:
    async with running(Rig(tmp_path / "h")) as rig:
        await rig.flow(3600, 100)
        await rig.flow(-1800, 50)
    (flow,) = rig.reader.read_flows("pump", POWER, "day", NOON, NOON + 1000)
    assert flow.forward_kwh == pytest.approx(0.1)
    assert flow.reverse_kwh == pytest.approx(0.025)
    assert flow.average_w == pytest.approx((360000 - 90000) / 150)
    assert (flow.peak_w, flow.peak_reverse_w) == (3600, 1800)


async def test_a_charger_that_tells_volts_and_amps_has_energy(tmp_path: Path) -> None:
    async with running(Rig(tmp_path / "h")) as rig:
        rig.pump.publish("slow", {"/Dc/0/Voltage": 12.0, "/Dc/0/Current": 30.0})
        await rig.clock.advance(100)
        rig.pump.publish("slow", {"/Dc/0/Voltage": None})
        await rig.clock.advance(100)
    (flow,) = rig.reader.read_flows("pump", "/Dc/0/Power", "day", NOON, NOON + 1000)
    assert flow.forward_kwh == pytest.approx(0.01)


async def test_a_counter_goes_on_over_restarts(tmp_path: Path) -> None:
    async with running(Rig(tmp_path / "h")) as rig:
        for kwh in (500.0, 500.5, 501.0):
            rig.pump.publish("slow", {ENERGY: kwh})
            await rig.clock.advance(60)
    async with running(Rig(tmp_path / "h", now=NOON + 7200)) as rig:
        rig.pump.publish("slow", {ENERGY: 503.0})
        await rig.clock.advance(60)
    days = await rig.reader.energy("pump", "total", "day", NOON, NOON + 86400)
    assert [kwh for _, kwh in days] == [pytest.approx(1.0), pytest.approx(2.0)]
    assert await rig.reader.lifetime("pump", ENERGY) == pytest.approx(3.0)


async def test_a_spike_is_not_counted_but_told(tmp_path: Path) -> None:
    async with running(Rig(tmp_path / "h")) as rig:
        for kwh in (500.0, 99999.0, 500.1):
            rig.pump.publish("slow", {ENERGY: kwh})
            await rig.clock.advance(30)
    assert [(leap.device, leap.path, leap.before, leap.after) for leap in rig.leaps] == [
        ("pump", ENERGY, 500, 99999)
    ]
    assert await rig.reader.lifetime("pump", ENERGY) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("night", "hours"),
    [
        (datetime(2026, 3, 28, 22, 0, tzinfo=UTC), 23),  # clocks go forward on the 29th in Stockholm
        (datetime(2026, 10, 24, 21, 0, tzinfo=UTC), 25),  # and back on the 25th of October
    ],
)
async def test_days_on_which_clocks_change(tmp_path: Path, night: datetime, hours: int) -> None:
    rig = Rig(tmp_path / "h", night.timestamp(), "Europe/Stockholm", HistoryPlan(60, 3600.0))
    rig.pump.declare([PointSpec(POWER, "W")], [GroupSpec("slow", None)], ())
    async with running(rig, freshness=False):
        rig.pump.publish("slow", {POWER: 1000.0})
        for _ in range(28):
            await rig.clock.advance(3600)
    found = rig.reader.read_flows("pump", POWER, "day", night.timestamp(), night.timestamp() + 28 * 3600)
    assert [round(flow.forward_kwh, 6) for flow in found] == [1, hours, 27 - hours]
    name = found[1].period
    (whole,) = (day for day in rig.calendar.days(night.timestamp() + 7200, night.timestamp() + 7201))
    assert rig.calendar.midnight(whole + 1) - rig.calendar.midnight(whole) == hours * 3600
    (series,) = rig.reader.read_series(
        "pump", POWER, rig.calendar.midnight(whole), rig.calendar.midnight(whole + 1), 1
    )
    assert (series.average, name) == (1000, f"{night.year}-{night.month:02}-{night.day + 1}")


async def test_months_years_and_figures(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "h", datetime(2025, 12, 31, 23, 0, tzinfo=UTC).timestamp())
    start = rig.clock.now()
    rig.pump.declare([PointSpec(POWER, "W")], [GroupSpec("slow", None)], ())
    async with running(rig, freshness=False):
        rig.pump.publish("slow", {POWER: 1000.0})
        for _ in range(3):
            await rig.clock.advance(3600)
    ends = start, start + 86400 * 40
    assert await rig.reader.energy("pump", "total", "month", *ends) == [
        ("2025-12", pytest.approx(1)), ("2026-01", pytest.approx(2))
    ]  # fmt: skip
    years = await rig.reader.energy("pump", "total", "year", *ends)
    assert [one.period for one in years] == ["2025", "2026"]
    found = summary(years)
    assert (found.total, found.average) == (pytest.approx(3), pytest.approx(1.5))
    assert found.best == PeriodEnergy("2026", pytest.approx(2))
    assert found.worst == PeriodEnergy("2025", pytest.approx(1))
    assert summary([]).best is None


async def test_a_clock_that_is_set_disturbs_no_energy(tmp_path: Path) -> None:
    async with running(Rig(tmp_path / "h")) as rig:
        await rig.flow(3600, 30)
        rig.clock.jump(-3600)
        await rig.flow(3600, 30)
        rig.clock.jump(7200)
        await rig.flow(3600, 40)
    assert await rig.reader.lifetime("pump", POWER) == pytest.approx(0.1)


async def test_a_series_in_as_many_stretches_as_wanted(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "h")
    rig.pump.declare([PointSpec(POWER, "W")], [GroupSpec("slow", None)], ())
    async with running(rig, freshness=False):
        for minute in range(60):
            rig.pump.publish("slow", {POWER: float(minute)})
            await rig.clock.advance(60)
    whole = await rig.reader.series("pump", POWER, NOON, NOON + 3600, 1)
    assert [(one.time, round(one.average, 3), one.low, one.high) for one in whole] == [(NOON, 29.5, 0, 59)]
    parts = await rig.reader.series("pump", POWER, NOON, NOON + 3600, 4)
    assert [(one.time - NOON, round(one.average)) for one in parts] == [
        (0, 7),
        (900, 22),
        (1800, 37),
        (2700, 52),
    ]
    fine = await rig.reader.series("pump", POWER, NOON + 600, NOON + 660, 500)
    assert {(one.low, one.high) for one in fine} == {(10, 10)}
    assert len(fine) == 6
    assert await rig.reader.series("pump", POWER, NOON - 9000, NOON - 8000, 10) == []


async def test_questions_that_have_no_answer(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "h")
    with pytest.raises(HistoryFault, match="found no history"):
        await rig.reader.known()
    async with running(rig):
        await rig.clock.advance(20)
    with pytest.raises(HistoryFault, match="no point pump:/Soc"):
        await rig.reader.series("pump", "/Soc", NOON, NOON + 10)
    with pytest.raises(HistoryFault, match="no energy of 'pump'"):
        await rig.reader.energy("pump", "total", "day", NOON, NOON + 10)
    with pytest.raises(HistoryFault, match="found the span 'week'"):
        await rig.reader.energy("pump", POWER, "week", NOON, NOON + 10)


# -- disks ------------------------------------------------------------------------------------------


class FullAtTimes(HistoryFile):
    """A file on a disk that is full while `full` is set; SQLite itself says so."""

    full = False

    def write(self, batch: object, now: float) -> None:
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        self._database.execute(f"PRAGMA max_page_count={pages if self.full else 1 << 30}")
        super().write(batch, now)  # type: ignore[arg-type]


async def test_a_full_disk_loses_nothing_and_is_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files: list[FullAtTimes] = []

    def open_file() -> HistoryFile:
        files.append(FullAtTimes(rig.path, rig.calendar, Retention(1e9, 1e9, 1e9)))
        return files[-1]

    rig = Rig(tmp_path / "h", open_file=open_file)
    rig.pump.declare([PointSpec(f"/Power/{n}", "W") for n in range(60)], [GroupSpec("slow", None)], ())
    async with running(rig):
        files[0].full = True
        for _ in range(5):
            rig.pump.publish("slow", {f"/Power/{n}": 3600.0 for n in range(60)})
            await rig.clock.advance(60)
        with pytest.raises(HistoryFault, match="cannot be written"):
            await asyncio.wrap_future(rig.history._writer.ask(lambda file: None))
        files[0].full = False
    assert "running on" in caplog.text
    assert "can be written again" in caplog.text
    assert await rig.reader.lifetime("pump", "/Power/59") == pytest.approx(0.3)
    assert len(rows(rig, "minutes", "/Power/59")) == 5


async def test_a_file_that_cannot_be_opened_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path / "missing" / "h")
    rig.history._writer._retry_s = 0.01
    rig.history.start()
    rig.pump.publish("slow", {ENERGY: 500.0, "/Dc/0/Voltage": 12.0})
    await rig.clock.advance(30)
    async with asyncio.timeout(20):
        while "cannot be written" not in caplog.text:
            await asyncio.sleep(0.01)
    rig.pump.publish("slow", {ENERGY: 500.5})
    (tmp_path / "missing").mkdir()
    await rig.opened()
    rig.pump.publish("slow", {ENERGY: 501.0})
    await rig.history.stop()
    assert await rig.reader.lifetime("pump", ENERGY) == pytest.approx(0.5)
    assert rows(rig, "minutes", "/Dc/0/Voltage") != []


async def test_a_damaged_file_is_put_aside_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "h").write_bytes(b"no database at all, " * 500)
    async with running(Rig(tmp_path / "h")) as rig:
        await rig.flow(3600, 10)
    assert "damaged" in caplog.text
    assert [path.name.partition("-")[0] for path in tmp_path.glob("h.damaged-*")] == ["h.damaged"]
    assert await rig.reader.lifetime("pump", POWER) == pytest.approx(0.01)


async def test_days_are_saved_from_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "h"
    async with running(Rig(path)) as rig:
        for _ in range(30):
            await rig.flow(3600, 60)
    with sqlite3.connect(path) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name='raw'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with path.open("r+b") as file:  # a page of the samples, as a worn memory card loses one
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    async with running(Rig(path, now=NOON + 7200)) as rig:
        await rig.flow(3600, 100)
    assert await rig.reader.lifetime("pump", POWER) == pytest.approx(1.9)


@pytest.mark.parametrize("number", [1, 2], ids=["table", "index"])
async def test_a_name_that_is_no_text_any_more_is_damage(tmp_path: Path, number: int) -> None:
    path = tmp_path / "h"
    async with running(Rig(path)) as rig:
        await rig.flow(3600, 60)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    database.close()
    written = path.read_bytes()
    places = [at for at in range(len(written)) if written.startswith(b"pump/Ac/Power", at)]
    assert len(places) == 2
    spoilt = bytearray(written)
    spoilt[places[number - 1]] = 0xC8
    path.write_bytes(spoilt)
    async with running(Rig(path, now=NOON + 7200)) as rig:
        await rig.flow(3600, 100)
    assert list(tmp_path.glob("h.damaged-*"))
    assert await rig.reader.lifetime("pump", POWER) >= 0.1


def test_a_text_encoding_that_nobody_wrote_is_damage(tmp_path: Path) -> None:
    rig, path = Rig(tmp_path / "h"), tmp_path / "h"
    HistoryFile(path, rig.calendar, Retention(1, 1, 1)).close()
    with path.open("r+b") as file:  # SQLite's file format, 1.3: the encoding in bytes 56 to 59
        file.seek(59)
        file.write(b"\x02")
    HistoryFile(path, rig.calendar, Retention(1, 1, 1)).close()
    assert list(tmp_path.glob("h.damaged-*"))


@pytest.mark.parametrize(
    ("wanted", "byte"),
    [(b"TABLE series", 0xC8), (b"heard REAL", 0x30), (b"device TEXT", 0x30)],
    ids=["schema", "position", "series"],
)
def test_a_spoilt_schema_is_damage(tmp_path: Path, wanted: bytes, byte: int) -> None:
    rig, path = Rig(tmp_path / "h"), tmp_path / "h"
    HistoryFile(path, rig.calendar, Retention(1, 1, 1)).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    database.close()
    whole = path.read_bytes()
    place = whole.index(wanted)
    path.write_bytes(whole[:place] + bytes((byte,)) + whole[place + 1 :])
    HistoryFile(path, rig.calendar, Retention(1, 1, 1)).close()
    assert list(tmp_path.glob("h.damaged-*"))


@pytest.mark.parametrize(
    "statement",
    ["PRAGMA user_version=-7", "PRAGMA user_version=0", "DROP TABLE series"],
    ids=["below zero", "zero", "no table"],
)
def test_what_no_version_has_written_is_damage(tmp_path: Path, statement: str) -> None:
    rig = Rig(tmp_path / "h")
    HistoryFile(tmp_path / "h", rig.calendar, Retention(1, 1, 1)).close()
    with sqlite3.connect(tmp_path / "h") as database:
        database.execute(statement)
    database.close()
    HistoryFile(tmp_path / "h", rig.calendar, Retention(1, 1, 1)).close()
    assert list(tmp_path.glob("h.damaged-*"))


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "h") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    rig = Rig(tmp_path / "h")
    with pytest.raises(HistoryFault, match="found schema 99"):
        HistoryFile(tmp_path / "h", rig.calendar, Retention(1, 1, 1))
    with sqlite3.connect(tmp_path / "h") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (99,)
    database.close()


# -- people -----------------------------------------------------------------------------------------


async def test_energies_are_set_and_wiped(tmp_path: Path) -> None:
    async with running(Rig(tmp_path / "h")) as rig:
        await rig.flow(3600, 20)
        operations = rig.history.operations()

        async def asked(do: str, **arguments: object) -> dict[str, object]:
            (step,) = [dict(step) async for step in operations[do](arguments)]
            return step

        assert (await asked("energy_set", of="pump", path=POWER, kwh=5, day="2023-11-14"))[
            "before"
        ] == pytest.approx(0.02)
        await asked("energy_set", of="pump", path=POWER, kwh=1000)
        assert await rig.reader.lifetime("pump", POWER) == pytest.approx(1005)
        assert await rig.reader.energy("pump", POWER, "day", NOON, NOON + 60) == [("2023-11-14", 5.0)]
        for wrong, said in (
            ({"of": "pump", "path": "/Soc", "kwh": 1}, "no point pump:/Soc"),
            ({"of": "pump", "path": POWER, "kwh": "much"}, "expected a number of kWh"),
            ({"of": "pump", "path": POWER, "kwh": 1, "day": "14.11."}, "found the day '14.11.'"),
        ):
            with pytest.raises(OperationFault, match=said):
                await asked("energy_set", **wrong)
        assert (await asked("energy_wipe", of="pump", path=POWER, first="2023-11-14"))["days"] == 1
        assert await rig.reader.lifetime("pump", POWER) == pytest.approx(1000)
        assert (await asked("energy_wipe", of="pump"))["days"] == 1
        with pytest.raises(OperationFault, match="no device 'pmup'"):
            await asked("energy_wipe", of="pmup")
