"""Day and night over one roof: when inverters can answer, and how a person is told when they will again."""

import enum
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from bridge.adapters.apsystems.inverter_energy import Moment
from bridge.adapters.apsystems.options import ApsystemsOptions
from bridge.adapters.sun import Sun

#: Around sunrise and sunset clouds decide who is awake: silence then is sleep, not a fault.
EDGE_S = 3600.0
_DAY_S = 86_400.0


class Phase(enum.Enum):
    """What the hour says of silent inverters."""

    NIGHT = "night"  # they sleep and are not asked
    EDGE = "edge"  # they are asked, and may sleep
    DAY = "day"  # they are awake


class Daytime:
    """The sun and the calendar of a roof. Without a location any silence may be the night's."""

    def __init__(self, options: ApsystemsOptions) -> None:
        self._always = options.always_day
        self._zone: tzinfo | None = None if options.timezone is None else ZoneInfo(options.timezone)
        self._sun: Sun | None = None
        if options.location is not None:
            self._sun = Sun(
                *options.location,
                sunrise_offset_s=options.sunrise_offset,
                sunset_offset_s=options.sunset_offset,
            )

    @property
    def has_sun(self) -> bool:
        """True where the site says where the roof is."""
        return self._sun is not None

    def phase(self, wall: float) -> Phase:
        """Return what a moment is."""
        if self._sun is None:
            return Phase.EDGE
        light = self._sun.daylight(wall)
        if light is None:
            return Phase.EDGE if self._always else Phase.NIGHT
        inner = self._sun.daylight(wall - EDGE_S) and self._sun.daylight(wall + EDGE_S)
        return Phase.DAY if inner else Phase.EDGE

    def moment(self, wall: float, monotonic: float) -> Moment:
        """Return a moment as the energy book wants it."""
        local = self._local(wall)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        light = None if self._sun is None else self._sun.daylight(wall)
        began = midnight if light is None else max(midnight, light.begins)
        return Moment(wall, monotonic, local.date(), began)

    def next_midnight(self, wall: float) -> float:
        """Return when the date changes next, in wall seconds."""
        local = self._local(wall)
        tomorrow = local.date() + timedelta(days=1)
        return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=local.tzinfo).timestamp()

    def next_sunrise(self, wall: float) -> float | None:
        """Return when inverters are asked again; None without a location, or where the night has no end."""
        if self._sun is None:
            return None
        light = self._sun.daylight(wall)
        return self._sun.next_sunrise(wall if light is None else light.ends + 1.0)

    def next_sunset(self, wall: float) -> float | None:
        """Return when the next night begins; None without a location."""
        if self._sun is None:
            return None
        sunrise = self._sun.next_sunrise(wall)
        return None if sunrise is None else self._sun.next_sunset(sunrise + 1.0)

    def until(self, wall: float) -> str:
        """Say for a person how long the night goes on."""
        if self._sun is None:
            return "no inverter answers, and without `location` the bridge cannot tell whether it is night"
        light = self._sun.daylight(wall)
        if light is not None and wall - light.begins < EDGE_S:
            return "the inverters have not woken yet"
        sunrise = self.next_sunrise(wall)
        return "no sunrise to come" if sunrise is None else f"until {self.clock(sunrise, wall)}"

    def clock(self, then: float, now: float) -> str:
        """Write a moment for a person: the time, with the date where it is more than a day away."""
        return self._local(then).strftime("%H:%M" if abs(then - now) < _DAY_S else "%d %b %H:%M")

    def _local(self, wall: float) -> datetime:
        return datetime.fromtimestamp(wall, UTC).astimezone(self._zone)
