"""The sky over simulated inverters: half a sine from sunrise to sunset, every day the same.

Closed forms throughout, so that a year costs no more than the questions asked in it.
"""

import math

from bridge.datastore.clock import Clock

DAY_S = 86_400.0
#: Light, as a part of noon's, at which inverters wake and fall asleep.
WAKES_AT = 0.02


class SimulatedSun:
    """Simulated time and light.

    speed: simulated seconds in a second. hour: of day at the start, in h; None follows the clock's UTC day.
    sunrise, sunset: in h of that day. Raises ValueError for impossible hours or speeds.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        speed: float = 1.0,
        hour: float | None = None,
        sunrise: float = 6.0,
        sunset: float = 20.0,
    ) -> None:
        if not 0 <= sunrise < sunset <= 24 or not 0 < speed <= 100_000:
            raise ValueError(
                f"found sunrise {sunrise:g} h, sunset {sunset:g} h, speed {speed:g}, expected 0 <= sunrise < "
                "sunset <= 24 and a speed above 0 up to 100000"
            )
        if hour is not None and not 0 <= hour < 24:
            raise ValueError(f"hour: found {hour:g}, expected 0 to 24")
        self._clock = clock
        self._speed = speed
        self._began = clock.monotonic()
        now = clock.now()
        self._base = now if hour is None else now // DAY_S * DAY_S + hour * 3600
        self._rise_s, self._length_s = sunrise * 3600, (sunset - sunrise) * 3600
        margin = math.asin(WAKES_AT) / math.pi * self._length_s
        #: Seconds of the day at which inverters wake and fall asleep.
        self.wakes_s = self._rise_s + margin
        self.sleeps_s = self._rise_s + self._length_s - margin

    def time(self) -> float:
        """Simulated time now, in seconds; days begin at multiples of 86400."""
        return self._base + (self._clock.monotonic() - self._began) * self._speed

    def light(self, time: float) -> float:
        """Light at a time, 0 to 1."""
        part = (time % DAY_S - self._rise_s) / self._length_s
        return math.sin(math.pi * part) if 0 < part < 1 else 0.0

    def is_day(self, time: float) -> bool:
        """True while inverters are awake."""
        return self.wakes_s <= time % DAY_S < self.sleeps_s

    def next_turn(self, time: float) -> tuple[float, bool]:
        """Return when inverters next wake (True) or fall asleep (False), later than `time`."""
        midnight = time // DAY_S * DAY_S
        turns = (
            (midnight + self.wakes_s, True),
            (midnight + self.sleeps_s, False),
            (midnight + DAY_S + self.wakes_s, True),
        )
        return next(turn for turn in turns if turn[0] > time)

    def light_seconds(self, begin: float, end: float) -> float:
        """Return the light between two times of one day, summed over its seconds; both while it is day."""
        scale = self._length_s / math.pi
        first = (begin % DAY_S - self._rise_s) / scale
        return scale * (math.cos(first) - math.cos(first + (end - begin) / scale))
