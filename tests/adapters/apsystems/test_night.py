"""Day, edge and night over a roof, and how they are told."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from bridge.adapters.apsystems.night import Daytime, Phase
from bridge.adapters.apsystems.options import ApsystemsOptions
from tests.adapters.apsystems.roof_rig import EQUATOR, INVERTERS, utc


def daytime(**options: Any) -> Daytime:
    given = {"adapter": "apsystems", "port": "p", "inverters": INVERTERS, "timezone": "UTC", **options}
    return Daytime(ApsystemsOptions.model_validate(given))


@pytest.mark.parametrize(
    ("hour", "phase"),
    [
        *((0.0, Phase.NIGHT), (5.9, Phase.NIGHT), (6.0, Phase.EDGE), (6.9, Phase.EDGE), (7.1, Phase.DAY)),
        *((12.0, Phase.DAY), (17.0, Phase.DAY), (17.2, Phase.EDGE), (18.0, Phase.EDGE), (18.2, Phase.NIGHT)),
    ],
)
def test_phases_of_a_day(hour: float, phase: Phase) -> None:
    assert daytime(location=EQUATOR).phase(utc(hour)) is phase


@pytest.mark.parametrize(
    ("options", "hour", "phase"),
    [
        ({"location": EQUATOR, "always_day": True}, 0.0, Phase.EDGE),
        ({"location": EQUATOR, "always_day": True}, 12.0, Phase.DAY),
        ({"location": None}, 0.0, Phase.EDGE),
        ({"location": None}, 12.0, Phase.EDGE),
        ({"location": EQUATOR, "sunrise_offset": "-30 min"}, 5.6, Phase.EDGE),
        ({"location": EQUATOR, "sunset_offset": "30 min"}, 18.4, Phase.EDGE),
        ({"location": EQUATOR, "sunset_offset": "-30 min"}, 17.7, Phase.NIGHT),
    ],
)
def test_what_the_site_says_of_it(options: dict[str, Any], hour: float, phase: Phase) -> None:
    assert daytime(**options).phase(utc(hour)) is phase


@pytest.mark.parametrize(
    ("zone", "hour", "today", "began"),
    [
        ("UTC", 12.0, date(2026, 6, 15), utc(5.95)),
        ("Europe/Amsterdam", 21.9, date(2026, 6, 15), utc(-2.0)),
        ("Europe/Amsterdam", 22.1, date(2026, 6, 16), utc(22.0)),
        ("America/Los_Angeles", 6.5, date(2026, 6, 14), utc(5.95)),
        ("America/Los_Angeles", 7.5, date(2026, 6, 15), utc(7.0)),  # midnight there comes after sunrise here
    ],
)
def test_the_day_of_the_energy_book(zone: str, hour: float, today: date, began: float) -> None:
    moment = daytime(location=EQUATOR, timezone=zone).moment(utc(hour), 5.0)
    assert (moment.wall, moment.monotonic, moment.today) == (utc(hour), 5.0, today)
    assert moment.day_began == pytest.approx(began, abs=300)


def test_midnights_around_a_change_of_the_clock() -> None:
    amsterdam = daytime(timezone="Europe/Amsterdam")
    before = datetime(2026, 10, 24, 22, 30, tzinfo=UTC).timestamp()  # 00:30 of the day with 25 hours
    assert amsterdam.next_midnight(before) - before == 24.5 * 3600


@pytest.mark.parametrize(
    ("options", "hour", "text"),
    [
        ({"location": EQUATOR}, 22.0, "until 05:57"),
        ({"location": EQUATOR, "timezone": "Europe/Amsterdam"}, 22.0, "until 07:57"),
        ({"location": EQUATOR}, 6.1, "the inverters have not woken yet"),
        ({"location": EQUATOR}, 17.9, "until 05:57"),
        ({"location": (75.0, 15.0), "timezone": "UTC"}, 24 * 190.0, "until 06 Feb 10:"),
        ({"location": None}, 22.0, "without `location`"),
    ],
)
def test_how_a_person_is_told(options: dict[str, Any], hour: float, text: str) -> None:
    assert text in daytime(**options).until(utc(hour))
