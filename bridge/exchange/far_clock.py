"""How old a moment on another machine's monotonic clock can be at most, without trusting any wall clock.

A question is answered with the far clock's reading, so that reading is not older than the question. From
there both clocks run on, and may part by what poor crystals do. The bound errs to the old side only.
"""

#: Rate by which two machines' clocks may differ; crystals are ten times better, a slewing clock is not.
DRIFT = 5e-4
#: Far times are rounded to milliseconds on the wire.
_ROUNDED_S = 0.001


class FarClock:
    """What is known of one run of the clock of one bridge."""

    def __init__(self) -> None:
        self._asked_at = 0.0
        self._far_at: float | None = None

    @property
    def known(self) -> bool:
        """True once a question was answered."""
        return self._far_at is not None

    def answered(self, asked_at: float, far_at: float) -> None:
        """Take an answer: the far clock showed `far_at` at some time after local `asked_at`."""
        if self._far_at is None or asked_at > self.earliest(far_at):
            self._asked_at, self._far_at = asked_at, far_at

    def earliest(self, far_at: float) -> float:
        """Return the earliest local time at which the far clock can have shown `far_at`, -inf if unknown."""
        if self._far_at is None:
            return float("-inf")
        passed = far_at - self._far_at
        return self._asked_at + passed - DRIFT * abs(passed) - _ROUNDED_S

    def far(self, local: float) -> float:
        """Return what the far clock shows at a local time, at most. Raises ValueError while unknown."""
        if self._far_at is None:
            raise ValueError("the far clock has not answered yet")
        return self._far_at + (local - self._asked_at) * (1 + DRIFT)

    def contradicted(self, far_at: float, now: float) -> bool:
        """True where the far time is yet to come: one of the machines has slept, and nothing known holds."""
        return self.earliest(far_at) > now

    def forget(self) -> None:
        """Know nothing, as when the far side has begun a new run."""
        self._far_at = None
