"""Sunrise and sunset against the foreign library's own figures, and where there are none."""

from datetime import UTC, date, datetime, timedelta

import pytest
from astral import Observer
from astral.sun import sunrise, sunset

from bridge.adapters.sun import Daylight, Sun

PLACES = {
    "Utrecht": (52.1, 5.2),
    "Quito": (-0.2, -78.5),
    "Sydney": (-33.9, 151.2),
    "Anadyr": (64.7, 177.5),
    "Honolulu": (21.3, -157.9),
}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("day", [date(2026, month, 20) for month in (1, 3, 6, 9, 12)])
def test_the_day_begins_and_ends_as_the_almanac_says(place: str, day: date) -> None:
    latitude, longitude = PLACES[place]
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() - longitude * 240
    light = Sun(latitude, longitude).daylight(noon)
    assert light is not None
    observer = Observer(latitude, longitude)
    for found, almanac in ((light.begins, sunrise), (light.ends, sunset)):
        # The library counts days by UTC: of three days' events the nearest is meant.
        meant = [almanac(observer, day + timedelta(days=n)).timestamp() for n in (-1, 0, 1)]
        assert min(abs(found - each) for each in meant) < 120


@pytest.mark.parametrize(
    ("now", "day", "rise", "fall"),
    [
        # An almanac's figures for Utrecht, to the minute.
        ("2026-06-21 12:00", True, None, "2026-06-21 20:03"),
        ("2026-12-21 12:00", True, None, "2026-12-21 15:30"),
        ("2026-12-21 20:00", False, "2026-12-22 07:46", None),
        ("2026-12-21 02:00", False, "2026-12-21 07:45", None),
    ],
)
def test_next_events(now: str, day: bool, rise: str | None, fall: str | None) -> None:
    sun = Sun(*PLACES["Utrecht"])
    assert (sun.daylight(at(now)) is not None) is day
    for expected, found in ((rise, sun.next_sunrise(at(now))), (fall, sun.next_sunset(at(now)))):
        if expected is not None:
            assert found is not None
            assert abs(found - at(expected)) < 120


def test_by_day_the_next_sunrise_is_now_and_by_night_there_is_no_sunset() -> None:
    sun = Sun(*PLACES["Utrecht"])
    assert sun.next_sunrise(at("2026-06-21 12:00")) == at("2026-06-21 12:00")
    assert sun.next_sunset(at("2026-06-21 00:00")) is None


def test_offsets_move_both_ends() -> None:
    plain, moved = Sun(52.1, 5.2), Sun(52.1, 5.2, sunrise_offset_s=-300, sunset_offset_s=600)
    noon = at("2026-03-20 12:00")
    one, other = plain.daylight(noon), moved.daylight(noon)
    assert one is not None
    assert other == Daylight(one.begins - 300, one.ends + 600)


def test_offsets_that_leave_no_day() -> None:
    assert (
        Sun(64.7, 5.2, sunrise_offset_s=7200, sunset_offset_s=-7200).daylight(at("2026-12-21 12:00")) is None
    )


def test_a_polar_summer_has_no_gap() -> None:
    sun = Sun(69.6, 18.9)
    begin = at("2026-06-01 00:00")
    assert all(sun.daylight(begin + 60 * minute) is not None for minute in range(0, 20 * 1440, 7))
    end = sun.next_sunset(begin)
    assert end is not None
    assert "2026-07-20" < datetime.fromtimestamp(end, UTC).date().isoformat() < "2026-08-01"


def test_a_polar_night_has_an_end() -> None:
    sun = Sun(69.6, 18.9)
    now = at("2026-12-21 11:00")
    assert sun.daylight(now) is None
    rise = sun.next_sunrise(now)
    assert rise is not None
    assert "2027-01-10" < datetime.fromtimestamp(rise, UTC).date().isoformat() < "2027-01-20"


@pytest.mark.parametrize("place", [(90.0, 0.0), (-90.0, 0.0), (0.0, 180.0), (0.0, -180.0), (-89.9, 42.0)])
def test_odd_places_have_days_and_nights_too(place: tuple[float, float]) -> None:
    sun = Sun(*place)
    days = [sun.daylight(at("2026-01-01 00:00") + 86400 * n) is not None for n in range(365)]
    assert any(days)
    assert sun.next_sunrise(at("2026-01-01 00:00")) is not None
