"""`energy` and `history` on a history that was taken down before."""

import csv
import io
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.outlets.history_rig import Rig, running

SITE = 'state: state\ntimezone: UTC\nlisteners: [{tcp: "127.0.0.1:0"}]\ndevices: {}\noutlets: {history: }\n'
#: The day on which the rig begins.
DAY = ("--from", "2023-11-14", "--to", "2023-11-16")


@pytest.fixture
async def site(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "site.yaml").write_text(SITE)
    async with running(Rig(tmp_path / "state" / "history.sqlite")) as rig:
        await rig.flow(3600, 100)
        rig.pump.publish("slow", {"/Dc/0/Voltage": 12.5})
        await rig.clock.advance(20)
    return tmp_path / "site.yaml"


async def test_energy_of_a_day(site: Path, command: Command) -> None:
    done = command("energy", "show", "pump", *DAY, "--site", str(site))
    assert done.status == 0, done.err
    period, kwh, *_ = done.out.splitlines()[1].split()
    assert (period, float(kwh)) == ("2023-11-14", pytest.approx(0.105, abs=0.0011))  # believed for 5 s more
    assert "best" in done.out


async def test_energy_as_json(site: Path, command: Command) -> None:
    found = command(
        "energy", "show", "pump", "/Ac/Power", "--by", "year", "--json", "--site", str(site)
    ).objects
    assert [one["period"] for one in found["periods"]] == ["2023"]
    assert found["lifetime"] == pytest.approx(0.105, abs=0.0011)


async def test_samples_as_csv(site: Path, command: Command) -> None:
    done = command("history", "export", "pump:/Ac/*", "--samples", "minutes", *DAY, "--site", str(site))
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["time"], row["device"], row["path"], row["average"]) for row in rows] == [
        ("2023-11-14T22:00:00Z", "pump", "/Ac/Power", "3600"),
        ("2023-11-14T22:01:00Z", "pump", "/Ac/Power", "3600"),
    ]
    whole = site.parent / "all.csv"
    assert (
        command("history", "export", "--samples", "days", "--out", str(whole), "--site", str(site)).status
        == 0
    )
    assert whole.read_text().count("2023-11-14T00:00:00Z,pump,") == 2


async def test_the_points_there_are(site: Path, command: Command) -> None:
    assert command("history", "list", "--site", str(site)).out.splitlines() == [
        "pump:/Ac/Power W",
        "pump:/Dc/0/Voltage V",
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("energy", "show", "tank"), 1, "knows no energy of 'tank'"),
        (("energy", "show", "pump", "/Soc"), 1, "no point pump:/Soc"),
        (("energy", "show", "pump", "--from", "yesterday"), 2, "expected a day such as 2026-03-29"),
        (("energy", "set", "pump", "/Ac/Power", "5"), 1, "no bridge of"),
        (("energy", "set", "pump", "/Ac/Power", "5", "--day", "14.11."), 2, "expected a day such as"),
        (("energy", "wipe", "pump", "--yes"), 1, "no bridge of"),
    ],
)
async def test_faults(
    site: Path, command: Command, arguments: tuple[str, ...], status: int, said: str
) -> None:
    done = command(*arguments, "--site", str(site))
    assert done.status == status
    assert said in done.err


async def test_a_site_without_a_history(site: Path, command: Command) -> None:
    site.write_text(SITE.replace("outlets: {history: }\n", ""))
    assert "keeps no history" in command("history", "list", "--site", str(site)).err
    site.write_text(SITE)
    (site.parent / "state" / "history.sqlite").unlink()
    assert "found no history" in command("history", "list", "--site", str(site)).err
