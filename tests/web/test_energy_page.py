"""Energy by day, month and year on the page, of a history that has years."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.outlets.history_batch import Batch, Energy, Series
from bridge.outlets.history_calendar import Calendar, day_of
from bridge.outlets.history_file import HistoryFile, Retention
from bridge.outlets.history_reader import SeriesPoint
from bridge.outlets.web.history_api import columns
from bridge.outlets.web.passwords import Role

from .browsing import SITE, yard
from .test_pages import page_of, words

#: Each day of these years has as many kWh as its month has a number, the first of a month ten times as many.
YEARS = (2023, 2024)
WITH_HISTORY = SITE.replace(
    "outlets:\n", 'timezone: Europe/Stockholm\noutlets:\n  history: {{include: ["charger:/Nothing"]}}\n'
)


def fill(folder: Path) -> None:
    file = HistoryFile(
        folder / "state" / "history.sqlite", Calendar("Europe/Stockholm"), Retention(1e9, 1e9, 1e9)
    )
    series = Series("charger", "/Dc/0/Power", "W")
    batch = Batch()
    day = datetime(YEARS[0], 1, 1, tzinfo=UTC)
    while day.year <= YEARS[-1]:
        kwh = float(day.month * (10 if day.day == 1 else 1))
        batch.energies[series, day_of(day.date())] = Energy(kwh, kwh / 2, 86_400.0, 1000.0, 500.0)
        day += timedelta(days=1)
    file.write(batch, day.timestamp())
    file.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "by=day&first=2024-02-01&last=2024-02-29",
            [
                "Total 76.00 kWh", "Worth 19.00 EUR", "Average day 2.62 kWh", "Best day 20.00 kWh, 2024-02-01",
                "Worst day 2.00 kWh", "Highest power 1000 W", "2024-02-29 2.000",
            ],
        ),
        ("by=day&first=2024-02-29&last=2024-02-01", ["Total 76.00 kWh"]),
        ("by=month&first=2024-01-01&last=2024-12-31", ["Best month 480.00 kWh, 2024-12", "Worst month 40.00 kWh, 2024-01"]),
        ("by=year&first=2000-01-01&last=2030-12-31", ["2023", "2024"]),
        ("by=day&first=2024-02-01&last=2024-02-29&reverse=yes", ["Total 38.00 kWh", "Highest power 500 W"]),
        ("by=day&first=2019-02-01&last=2019-02-28", ["No energy of charger was taken down in that time"]),
        ("by=month&first=2000-01-01&last=2030-01-01&compare=yes", ["Month 2023 2024", "January 40.0 40.0", "February 74.0 76.0"]),
    ],
)  # fmt: skip
async def test_any_stretch_of_time(tmp_path: Path, query: str, said: list[str]) -> None:
    (tmp_path / "state").mkdir()
    fill(tmp_path)
    async with (
        yard(tmp_path, ", price: 0.25, currency: EUR", site=WITH_HISTORY) as bridge,
        bridge.visitor() as visitor,
    ):
        await visitor.log_in(Role.VIEWER)
        page = await page_of(visitor, f"/energy?device=charger&{query}")
        for text in said:
            assert text in words(page)
        assert len(re.findall("<rect", page)) == (
            0 if "compare" in query or "No energy" in said[0] else len(re.findall(r'<th scope="row">', page))
        )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("device=nobody", 404),
        ("by=hour", 400),
        ("first=yesterday", 400),
        ("first=0001-01-01", 400),
        ("first=2024-13-01", 400),
        ("device=%3Cscript%3E", 404),
    ],
)
async def test_questions_without_an_answer(tmp_path: Path, query: str, status: int) -> None:
    async with yard(tmp_path, site=WITH_HISTORY) as bridge, bridge.visitor() as visitor:
        await visitor.log_in(Role.VIEWER)
        found, page = await visitor.get(f"/energy?{query}")
        assert found == status
        assert "<script>" not in page


def test_a_chart_has_gaps_where_nothing_was_heard() -> None:
    found = [
        SeriesPoint(0.0, 1.0, 0.0, 2.0),
        SeriesPoint(10.0, 2.0, 1.0, 3.0),
        SeriesPoint(60.0, 5.0, 5.0, 5.0),
    ]
    found.insert(2, SeriesPoint(20.0, 3.0, 3.0, 3.0))
    assert columns(found) == {
        "time": [0.0, 10.0, 20.0, 30.0, 60.0],
        "average": [1.0, 2.0, 3.0, None, 5.0],
        "minimum": [0.0, 1.0, 3.0, None, 5.0],
        "maximum": [2.0, 3.0, 3.0, None, 5.0],
    }
    assert columns([]) == {"time": [], "average": [], "minimum": [], "maximum": []}
