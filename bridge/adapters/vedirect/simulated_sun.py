"""The sky over a simulated solar charger: days that pass, a sun behind clouds, and what each day brought."""

import math
import random
import struct
from collections import deque
from dataclasses import dataclass

from bridge.adapters.vedirect.simulated_load import Levels

DAY_S = 86400.0
#: Days a charger remembers besides today.
_REMEMBERED = 30
_DAYS_A_CYCLE = 365
_SUNRISE_H, _SUNSET_H = 6.0, 18.0
_CLOUDS = (0.95, 0.8, 0.55, 0.3)
#: Steps in which a long time is followed, so that a fast sun still rises and sets.
STEP_S = 60.0


class Sky:
    """Time of day and the light that comes through. `hour` is 0 to 24, `days` counts midnights."""

    def __init__(self, start_hour: float, dice: random.Random) -> None:
        self._seconds = start_hour * 3600.0
        self._clouds = Levels(dice, _CLOUDS, 120.0, 1800.0)
        self.days = 0

    @property
    def hour(self) -> float:
        """Time of day."""
        return self._seconds / 3600.0

    @property
    def light(self) -> float:
        """Part of the panels' peak power that the sky allows now."""
        if not _SUNRISE_H < self.hour < _SUNSET_H:
            return 0.0
        height = math.sin(math.pi * (self.hour - _SUNRISE_H) / (_SUNSET_H - _SUNRISE_H))
        return float(height**1.3 * self._clouds.value)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._clouds.advance(seconds)
        self._seconds += seconds
        if self._seconds >= DAY_S:
            self._seconds -= DAY_S
            self.days += 1


@dataclass(slots=True)
class Day:
    """What one day brought. Powers in W, energies in kWh, times in seconds."""

    sequence: int
    yield_kwh: float = 0.0
    load_kwh: float = 0.0
    highest_w: float = 0.0
    highest_v: float = 0.0
    lowest_v: float = 0.0
    highest_pv_v: float = 0.0
    highest_a: float = 0.0
    bulk_s: float = 0.0
    absorption_s: float = 0.0
    float_s: float = 0.0

    def note(self, battery_v: float, current_a: float, pv_v: float, pv_w: float) -> None:
        """Keep the extremes."""
        self.highest_w = max(self.highest_w, pv_w)
        self.highest_v = max(self.highest_v, battery_v)
        self.lowest_v = min(self.lowest_v or battery_v, battery_v)
        self.highest_pv_v = max(self.highest_pv_v, pv_v)
        self.highest_a = max(self.highest_a, current_a)

    def record(self) -> bytes:
        """Return the 34 bytes of registers 0x1050 to 0x106E ("VE.Direct Protocol BlueSolar..." rev 18)."""
        return struct.pack(
            "<BIIHHBBBBBHHHIHHH",
            0,
            round(self.yield_kwh * 100),
            round(self.load_kwh * 100),
            round(self.highest_v * 100),
            round(self.lowest_v * 100),
            *(0, 0, 0, 0, 0),
            *(int(self.bulk_s / 60), int(self.absorption_s / 60), int(self.float_s / 60)),
            round(self.highest_w),
            round(self.highest_a * 10),
            round(self.highest_pv_v * 100),
            self.sequence,
        )


class Diary:
    """The days a charger remembers, today first, and its total since it was new."""

    def __init__(self, days_before: int, peak_w: float, dice: random.Random) -> None:
        self.days: deque[Day] = deque(maxlen=_REMEMBERED + 1)
        for sequence in range(days_before):
            part = dice.uniform(0.3, 0.9)
            day = Day(
                sequence, part * peak_w * 0.006, 0.1, part * peak_w, 14.4, 12.3, 21.5, part * peak_w / 14
            )
            day.bulk_s, day.absorption_s, day.float_s = 7200.0 / part, 5400.0, 9000.0 * part
            self.days.appendleft(day)
        self.days.appendleft(Day(days_before))
        self.total_kwh = sum(day.yield_kwh for day in self.days)

    @property
    def today(self) -> Day:
        """The day that is not over."""
        return self.days[0]

    @property
    def yesterday(self) -> Day:
        """The day before, an empty one where there was none."""
        return self.days[1] if len(self.days) > 1 else Day(0)

    def harvest(self, kwh: float) -> None:
        """Count energy from the panels."""
        self.today.yield_kwh += kwh
        self.total_kwh += kwh

    def turn_page(self) -> None:
        """Begin another day."""
        self.days.appendleft(Day((self.today.sequence + 1) % _DAYS_A_CYCLE))

    def total_record(self) -> bytes:
        """Return the 19 bytes of register 0x104F, by the same document."""
        return struct.pack(
            "<BBBBBBIIHHB",
            *(0, 0, 0, 0, 0, 0),
            round(self.total_kwh * 100),
            round(self.total_kwh * 100),
            round(max(day.highest_pv_v for day in self.days) * 100),
            round(max(day.highest_v for day in self.days) * 100),
            len(self.days),
        )
