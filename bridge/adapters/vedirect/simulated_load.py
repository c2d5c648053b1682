"""What people and their appliances make of a simulated device: levels that hold for a while."""

import random
from collections.abc import Sequence

#: Even a steady appliance wavers a little.
_WAVER = 0.015


class Levels:
    """A quantity that keeps one of several levels for some time and then jumps to another."""

    def __init__(
        self, dice: random.Random, levels: Sequence[float], shortest_s: float, longest_s: float
    ) -> None:
        self._dice = dice
        self._levels = levels
        self._holds_s = (shortest_s, longest_s)
        self._left_s = dice.uniform(*self._holds_s)
        self._level = levels[0]
        #: The quantity now.
        self.value = self._level

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds <= 0:
            return
        self._left_s -= seconds
        if self._left_s <= 0:
            self._level = self._dice.choice(self._levels)
            self._left_s = self._dice.uniform(*self._holds_s)
        self.value = self._level * (1 + self._dice.uniform(-_WAVER, _WAVER))
