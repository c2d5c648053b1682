"""Sunrise and sunset at a place, for equipment that lives by the sun.

A day is the solar one, from midnight to midnight of the sun at that place, so that it needs no time zone and
nothing is special about the date line. Accurate to a minute or so, except where the sun grazes the horizon.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from astral import Observer
from astral.sun import elevation, noon

#: The sun's upper edge is on the horizon: half its disc and the refraction of the air, in degrees.
_HORIZON = -0.833
_HALF_DAY_S = 43_200.0
#: To this many seconds a sunrise is looked for.
_PRECISION_S = 5.0
#: The longest polar night, and some.
_SEARCH_DAYS = 200


@dataclass(frozen=True, slots=True)
class Daylight:
    """From sunrise to sunset, in wall seconds. Where the sun does not set, one ends as the next begins."""

    begins: float
    ends: float


class Sun:
    """The sun over one place. Offsets in seconds move sunrise and sunset: negative ones are earlier."""

    def __init__(
        self,
        latitude: float,
        longitude: float,
        *,
        sunrise_offset_s: float = 0.0,
        sunset_offset_s: float = 0.0,
    ) -> None:
        self._observer = Observer(latitude, longitude)
        self._sunrise_offset_s = sunrise_offset_s
        self._sunset_offset_s = sunset_offset_s
        self._daylight_of = lru_cache(maxsize=8)(self._found)

    def daylight(self, now: float) -> Daylight | None:
        """Return the daylight that a moment lies in, None in the night."""
        for day in self._days(now, -1, 2):
            found = self._daylight_of(day)
            if found is not None and found.begins <= now < found.ends:
                return found
        return None

    def next_sunrise(self, now: float) -> float | None:
        """Return when it is day next; `now` itself by day, None where nothing but night comes."""
        if self.daylight(now) is not None:
            return now
        for day in self._days(now, -1, _SEARCH_DAYS):
            found = self._daylight_of(day)
            if found is not None and found.begins > now:
                return found.begins
        return None

    def next_sunset(self, now: float) -> float | None:
        """Return when the present day ends; None in the night, and where the sun does not set within days."""
        current = self.daylight(now)
        for _ in range(_SEARCH_DAYS):
            if current is None:
                return None
            following = self.daylight(current.ends + 1.0)
            if following is None:
                return current.ends
            current = following
        return None

    def _days(self, now: float, first: int, after_last: int) -> list[date]:
        today = datetime.fromtimestamp(now, UTC).date()
        return [today + timedelta(days=number) for number in range(first, after_last)]

    def _found(self, day: date) -> Daylight | None:
        middle = noon(self._observer, day, tzinfo=UTC).timestamp()
        if self._height(middle) <= _HORIZON:
            return None
        rise = self._crossing(middle - _HALF_DAY_S, middle)
        fall = self._crossing(middle + _HALF_DAY_S, middle)
        begins = (middle - _HALF_DAY_S) if rise is None else rise + self._sunrise_offset_s
        ends = (middle + _HALF_DAY_S) if fall is None else fall + self._sunset_offset_s
        # Solar noons are up to half a minute more than a day apart: a sun that does not set leaves no gap.
        ends += 60.0 if fall is None else 0.0
        return Daylight(begins, ends) if begins < ends else None

    def _crossing(self, low: float, high: float) -> float | None:
        """Return when the sun crosses the horizon between a midnight and a noon; None where it stays up."""
        if self._height(low) > _HORIZON:
            return None
        while abs(high - low) > _PRECISION_S:
            middle = (low + high) / 2
            if self._height(middle) > _HORIZON:
                high = middle
            else:
                low = middle
        return high

    def _height(self, moment: float) -> float:
        return elevation(self._observer, datetime.fromtimestamp(moment, UTC), with_refraction=False)
