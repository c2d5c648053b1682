"""The history when power goes: a killed process, and a log that ends at any byte."""

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from bridge.outlets.energy_book import Position
from bridge.outlets.history_batch import Batch, Sample, Series
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import HistoryFile
from tests.power_cuts import BEGUN_KWH, COUNTER, KEPT, POWER, Found, look, storm


def test_kill_9_again_and_again(tmp_path: Path) -> None:
    report = storm(tmp_path / "h.sqlite", cuts=5, pause_s=0.4)
    assert report.wrong == []
    assert report.cuts == 5
    assert report.commits >= 5


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with twenty commits in its log, none of them in the file itself."""
    folder = tmp_path_factory.mktemp("cut")
    file = HistoryFile(folder / "h", Calendar("UTC"), KEPT)
    counter, power = Series("meter", COUNTER, "kWh"), Series("meter", POWER, "W")
    for number in range(20):
        batch = Batch([Sample(power, number * 10, 10.0, 3600.0, 3600.0, 3600.0, 3600.0)])
        batch.energy(power, 0).forward += 0.01
        batch.energy(counter, 0).forward += 0.01 if number else 0.0
        batch.positions[counter] = Position(BEGUN_KWH + number * 0.01, float(number))
        file.write(batch, 0.0)
    for ending in ("", "-wal"):
        shutil.copyfile(folder / f"h{ending}", folder / f"copy{ending}")
    file.close()
    return folder / "copy"


@pytest.mark.parametrize("seed", range(40))
def test_a_log_that_ends_at_any_byte(cut_short: Path, tmp_path: Path, seed: int) -> None:
    log = cut_short.with_name("copy-wal").read_bytes()
    end = random.Random(seed).randrange(len(log)) if seed else len(log)
    shutil.copyfile(cut_short, tmp_path / "h")
    (tmp_path / "h-wal").write_bytes(log[:end])
    found = look(tmp_path / "h")
    assert isinstance(found, Found), found
    assert found.counted == pytest.approx(max(0.0, found.position - BEGUN_KWH))
    assert found.summed == pytest.approx(found.raw_summed)
    if not seed:
        assert found.summed == pytest.approx(0.2)


def test_the_check_finds_what_is_wrong(cut_short: Path, tmp_path: Path) -> None:
    shutil.copyfile(cut_short, tmp_path / "h")
    shutil.copyfile(cut_short.with_name("copy-wal"), tmp_path / "h-wal")
    with sqlite3.connect(tmp_path / "h") as database:
        database.execute("UPDATE energy SET forward = forward * 2")
    database.close()
    found = look(tmp_path / "h")
    assert isinstance(found, Found)
    assert found.counted != pytest.approx(found.position - BEGUN_KWH)
    assert found.summed != pytest.approx(found.raw_summed)
