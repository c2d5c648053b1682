"""The book of attempted changes: every one is counted when it begins and told when it ends."""

from collections.abc import Callable

from bridge.datastore.changes import Change
from bridge.datastore.clock import Clock
from bridge.datastore.values import Outcome, Path, Value, WriteAttempt, WriteRequest


class Attempt:
    """A change somebody asked for, until its end is told."""

    __slots__ = ("address", "new", "old", "path", "request", "started", "time")

    def __init__(self, request: WriteRequest, path: Path | None, old: Value | None, clock: Clock) -> None:
        self.request = request
        self.path = path
        self.address = request.address if path is None else request.addresses.get(path, request.address)
        self.old = old
        self.new = None if path is None else request.changes.get(path)
        self.time = clock.now()
        self.started = clock.monotonic()


class AttemptBook:
    """The attempts of one device; `told` hears of each one's end, exactly once."""

    def __init__(self, device: str, clock: Clock, told: Callable[[WriteAttempt], None]) -> None:
        self._device = device
        self._clock = clock
        self._told = told
        self._waiting: dict[Change, list[Attempt]] = {}
        self._newest: Attempt | None = None
        #: Attempts of any origin since the start.
        self.count = 0
        #: The newest attempt as it stands, PENDING while under way.
        self.newest: WriteAttempt | None = None

    def begin(self, request: WriteRequest, value_of: Callable[[Path], Value | None]) -> list[Attempt]:
        """Count a batch, one attempt a path; a batch without paths counts once."""
        begun = [Attempt(request, path, value_of(path), self._clock) for path in request.changes]
        begun = begun or [Attempt(request, None, None, self._clock)]
        self.count += len(begun)
        self._newest = begun[-1]
        self.newest = self._event(begun[-1], Outcome.PENDING, Outcome.PENDING.exception_code, "")
        return begun

    def follow(self, attempt: Attempt, change: Change) -> None:
        """End an attempt when its change ends."""
        self._waiting.setdefault(change, []).append(attempt)

    def change_ended(self, change: Change, outcome: Outcome) -> None:
        """End the attempts that share a change."""
        for attempt in self._waiting.pop(change, ()):
            self.end(attempt, outcome)

    def end(
        self, attempt: Attempt, outcome: Outcome, exception_code: int | None = None, reason: str = ""
    ) -> None:
        """Tell what became of an attempt; the exception code is the outcome's own unless given."""
        code = outcome.exception_code if exception_code is None else exception_code
        event = self._event(attempt, outcome, code, reason)
        if self._newest is attempt:
            self.newest = event
        self._told(event)

    def _event(self, attempt: Attempt, outcome: Outcome, code: int, reason: str) -> WriteAttempt:
        return WriteAttempt(
            time=attempt.time,
            device=self._device,
            origin=attempt.request.origin,
            unit=attempt.request.unit,
            address=attempt.address,
            path=attempt.path,
            old=attempt.old,
            new=attempt.new,
            outcome=outcome,
            duration_s=self._clock.monotonic() - attempt.started,
            exception_code=code,
            reason=reason,
        )
