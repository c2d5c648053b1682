"""What a simulated charger does to its battery: bulk, absorption, float, and how voltage follows current."""

import random
from dataclasses import dataclass

OFF, BULK, ABSORPTION, FLOAT = 0, 3, 4, 5

#: A 24 V lead-acid bank as a wall charger meets it; other voltages scale with it.
_NOMINAL_V = 24.0
_CAPACITY_AH = 60.0
_EMPTY_V, _FULL_V = 24.4, 28.9
_RESISTANCE_OHM = 0.12
#: Absorption ends when the current has fallen to this part of the charger's maximum.
_TAIL = 0.08
_LOAD_IN_FLOAT_A = 0.3
#: Measured values move a little even when nothing happens.
_NOISE_V, _NOISE_A = 0.012, 0.03


@dataclass(frozen=True, slots=True)
class Stage:
    """The voltages the charger aims at."""

    absorption_v: float
    float_v: float


class Charge:
    """The battery behind the charger. `voltage` V, `current` A and `state` (CS) hold until `advance`."""

    def __init__(self, nominal_v: float, maximum_a: float, dice: random.Random) -> None:
        self._scale = nominal_v / _NOMINAL_V
        self._maximum_a = maximum_a
        self._dice = dice
        self._charged = 0.5
        self.state = BULK
        self.voltage = self._resting_v
        self.current = 0.0

    @property
    def _resting_v(self) -> float:
        return (_EMPTY_V + (_FULL_V - _EMPTY_V) * self._charged) * self._scale

    @property
    def _resistance(self) -> float:
        # A bigger charger stands before a bigger battery.
        return _RESISTANCE_OHM * self._scale * 12.0 / self._maximum_a

    def restart(self) -> None:
        """Begin again in bulk, as a charger does that comes back to life."""
        self.state = BULK

    def advance(self, seconds: float, limit_a: float, stage: Stage, *, on: bool) -> None:
        """Let time pass with at most `limit_a` A allowed."""
        if not on:
            self.state, current = OFF, 0.0
            voltage = self._resting_v
        else:
            if self.state == OFF:
                self.state = BULK
            target = stage.float_v if self.state == FLOAT else stage.absorption_v
            wanted = max(0.0, (target - self._resting_v) / self._resistance)
            if self.state == FLOAT:  # the battery is full: what flows is the load's
                wanted = _LOAD_IN_FLOAT_A
            current = min(wanted, limit_a)
            voltage = target if current < limit_a else self._resting_v + current * self._resistance
            self._next_state(current, limit_a)
            self._charged = min(1.0, self._charged + current * seconds / 3600 / self._capacity)
        self.voltage = max(0.0, voltage + self._dice.uniform(-_NOISE_V, _NOISE_V))
        self.current = max(0.0, current + self._dice.uniform(-_NOISE_A, 0.0)) if current else 0.0

    def draw(self, current: float, seconds: float) -> None:
        """Take from the battery what the charger does not bring, A."""
        self._charged = max(0.0, self._charged - current * seconds / 3600 / self._capacity)

    @property
    def _capacity(self) -> float:
        return _CAPACITY_AH * self._maximum_a / 12.0

    def _next_state(self, current: float, limit_a: float) -> None:
        if self.state == BULK and current < limit_a:
            self.state = ABSORPTION
        elif self.state == ABSORPTION and current < min(limit_a, _TAIL * self._maximum_a):
            self.state = FLOAT
