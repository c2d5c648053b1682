"""Whose turn it is: every inverter once in a period, spread over it, and at once when somebody asks."""

import asyncio
import math
from collections.abc import Sequence

from bridge.datastore.clock import Clock

#: An inverter whose power is not known yet is asked again this soon: power needs two answers.
SECOND_S = 30.0
#: The radio breathes this long between two polls.
PAUSE_S = 0.2


class Turns:
    """The due times of `count` inverters, monotonic; all are due at the start."""

    def __init__(self, clock: Clock, count: int, period_s: float) -> None:
        self._clock = clock
        self._period_s = period_s
        self._began = clock.monotonic()
        self._due = [-math.inf] * count
        self.stirred = asyncio.Event()

    def next_due(self, among: Sequence[int]) -> tuple[int, float] | None:
        """Return the inverter whose turn is next, and when; None where there is none to ask."""
        if not among:
            return None
        index = min(among, key=lambda each: (self._due[each], each))
        return index, self._due[index]

    def polled(self, index: int, *, soon: bool) -> None:
        """Give an inverter its next turn: its place in the period, or soon."""
        now = self._clock.monotonic()
        if soon:
            self._due[index] = now + min(SECOND_S, self._period_s)
            return
        place = self._began + self._period_s * index / len(self._due)
        periods = math.floor((now + self._period_s / 2 - place) / self._period_s) + 1
        self._due[index] = place + periods * self._period_s

    def now(self, index: int | None = None) -> None:
        """Make it the turn of one inverter, or of all."""
        for each in range(len(self._due)) if index is None else (index,):
            self._due[each] = -math.inf
        self.stirred.set()
