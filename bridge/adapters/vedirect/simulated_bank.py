"""The battery behind a simulated monitor: what flows, what is left, and what has happened to it."""

import random
from dataclasses import dataclass

from bridge.adapters.vedirect.simulated_load import Levels

#: A and how they hold: mostly drawn, sometimes charged.
_CURRENTS_A = (-6.0, -2.4, -11.5, 8.0, -0.8, 14.0)
_SHORTEST_S, _LONGEST_S = 60.0, 600.0
#: Volts of a 24 V bank: empty, and what a full one has more; ohms inside.
_EMPTY_V, _SPAN_V, _RESISTANCE_OHM = 24.2, 2.4, 0.02
_STARTS_AT = 0.95
_STARTER_V = 12.7
_TEMPERATURE_C = 21.0


@dataclass(slots=True)
class Past:
    """History of a battery: charges in mAh, voltages in mV, energies in kWh, times in seconds."""

    deepest: float = 0.0
    last: float = 0.0
    drawn: float = 0.0
    cycles: int = 0
    lowest_mv: int = 0
    highest_mv: int = 0
    starter_lowest_mv: int = 0
    starter_highest_mv: int = 0
    since_full_s: float = 0.0
    synchronisations: int = 0
    low_alarms: int = 0
    high_alarms: int = 0
    out_kwh: float = 0.0
    in_kwh: float = 0.0


class Bank:
    """The battery. `current_a`, `battery_v`, `starter_v` and `temperature_c` may be set by a test."""

    def __init__(self, capacity_ah: float, nominal_v: float, dice: random.Random) -> None:
        self._capacity_ah = capacity_ah
        self._scale = nominal_v / 24.0
        self._dice = dice
        self._profile = Levels(dice, _CURRENTS_A, _SHORTEST_S, _LONGEST_S)
        self._offset_a = 0.0
        #: True current, A, positive into the battery; None: as the profile goes.
        self.current_a: float | None = None
        #: Voltage, V; None: as charge and current make it.
        self.battery_v: float | None = None
        #: Second voltage, V.
        self.starter_v = _STARTER_V
        #: Battery temperature, °C; None: no sensor.
        self.temperature_c: float | None = _TEMPERATURE_C
        #: Ah drawn since it was full, never positive.
        self.consumed_ah = (_STARTS_AT - 1.0) * capacity_ah
        self.past = Past()
        self.current = self.voltage = 0.0

    @property
    def charged(self) -> float:
        """State of charge, 0 to 1."""
        return max(0.0, 1.0 + self.consumed_ah / self._capacity_ah)

    def resize(self, capacity_ah: float) -> None:
        """Take another capacity; what was drawn stays drawn."""
        self._capacity_ah = capacity_ah

    def synchronise(self) -> None:
        """Call the battery full."""
        self.consumed_ah = 0.0
        self.past.since_full_s = 0.0

    def zero(self) -> None:
        """Call what flows now nothing."""
        self._offset_a = -self._true_a

    @property
    def _true_a(self) -> float:
        return self._profile.value if self.current_a is None else self.current_a

    def advance(self, seconds: float) -> bool:
        """Let time pass; True when the battery has become full by charging."""
        self._profile.advance(seconds)
        self.current = self._true_a + self._offset_a
        wavering = self._dice.uniform(-0.004, 0.004) if self.battery_v is None else 0.0
        inner = (_EMPTY_V + _SPAN_V * self.charged + self._true_a * _RESISTANCE_OHM) * self._scale
        self.voltage = (inner if self.battery_v is None else self.battery_v) + wavering
        was_full = self.consumed_ah == 0.0
        self.consumed_ah = min(0.0, self.consumed_ah + self.current * seconds / 3600.0)
        self._remember(seconds)
        if self.consumed_ah < 0.0 or was_full or not seconds:
            return False
        self.past.synchronisations += 1
        self.past.cycles += 1
        self.past.since_full_s = 0.0
        return True

    def _remember(self, seconds: float) -> None:
        past, millivolts, starter = self.past, round(self.voltage * 1000), round(self.starter_v * 1000)
        past.last = self.consumed_ah * 1000
        past.deepest = min(past.deepest, past.last)
        past.since_full_s += seconds
        past.lowest_mv = min(past.lowest_mv or millivolts, millivolts)
        past.highest_mv = max(past.highest_mv, millivolts)
        past.starter_lowest_mv = min(past.starter_lowest_mv or starter, starter)
        past.starter_highest_mv = max(past.starter_highest_mv, starter)
        kwh = self.voltage * self.current * seconds / 3.6e6
        if self.current < 0:
            past.drawn += self.current * seconds / 3.6
            past.out_kwh -= kwh
        else:
            past.in_kwh += kwh
