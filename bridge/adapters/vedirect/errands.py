"""The frames of one command: each written, read back, and given up when a newer wish has overtaken it."""

import copy
from collections.abc import Callable, Mapping

from bridge.adapters.line import LineLost
from bridge.adapters.vedirect.access import Answer, Errand, RegisterAccess
from bridge.adapters.vedirect.hexlink import GivenUp, NoReply, Priority, Rejected
from bridge.adapters.vedirect.register import Register
from bridge.datastore.clock import Clock
from bridge.datastore.values import Outcome, Path, Value

#: Silence after a command's last progress that ends it: three tries of 500 ms.
PATIENCE_S = 1.5
#: A device that lives says something at least once a second; silent for longer, the line is dead.
DEAD_AFTER_S = 1.25


class Errands:
    """What one command needs of the line. `changes` are its points and the values asked for.

    wanted: the newest value asked for of a point (`Device.wanted`). heard_since: whether any valid frame
    came after a monotonic time, which tells a deaf device from a dead line.
    """

    def __init__(
        self,
        access: RegisterAccess,
        clock: Clock,
        changes: Mapping[Path, Value],
        wanted: Callable[[Path], Value | None],
        heard_since: Callable[[float], bool],
    ) -> None:
        self.changes = changes
        self._access = access
        self._clock = clock
        self.wanted = wanted
        self._heard_since = heard_since
        self._off = False

    async def put(
        self, register: Register, raw: int, *, off: bool = False, unless: Callable[[], bool] = lambda: False
    ) -> Answer | Outcome:
        """Write a register and read it back: the device's answer, or the outcome that ends the command.

        off: goes out before everything else that waits. unless: asked before each try; True gives up.
        A refusal (flags) comes back as the answer to the write; an acknowledged value is believed only
        as far as the reading that follows it.
        """
        self._off = off
        started = self._clock.monotonic()
        try:
            answer = await self._access.set(
                register, raw, self._errand(started, lambda: self._overtaken() or unless())
            )
            if not answer.ok:
                return answer
            try:
                return await self._access.get(register, self._errand(self._clock.monotonic(), lambda: False))
            except NoReply:
                return answer if answer.raw == raw else Outcome.TIMED_OUT
        except (NoReply, GivenUp, Rejected, LineLost) as fault:
            return self._outcome(fault)

    async def look(self, register: Register) -> Answer | Outcome:
        """Read a register on behalf of the command."""
        started = self._clock.monotonic()
        try:
            return await self._access.get(register, self._errand(started, self._overtaken))
        except (NoReply, GivenUp, Rejected, LineLost) as fault:
            return self._outcome(fault)

    async def act(self, register: Register) -> Answer | Outcome:
        """Write to a command register once: what acts each time it is heard is never sent again."""
        errand = Errand(Priority.COMMAND, self._clock.monotonic() + PATIENCE_S, self._overtaken, tries=1)
        try:
            return await self._access.act(register, errand)
        except (NoReply, GivenUp, Rejected, LineLost) as fault:
            return self._outcome(fault)

    def only(self, *paths: Path) -> "Errands":
        """Return the part of the command that concerns these points."""
        part = copy.copy(self)
        part.changes = {path: value for path, value in self.changes.items() if path in paths}
        return part

    def _errand(self, started: float, unwanted: Callable[[], bool]) -> Errand:
        return Errand(Priority.OFF if self._off else Priority.COMMAND, started + PATIENCE_S, unwanted)

    def _overtaken(self) -> bool:
        return any(self.wanted(path) != value for path, value in self.changes.items())

    def _outcome(self, fault: Exception) -> Outcome:
        if isinstance(fault, GivenUp):
            return Outcome.SUPERSEDED
        if isinstance(fault, Rejected):
            return Outcome.REFUSED
        if isinstance(fault, NoReply) and self._heard_since(self._clock.monotonic() - DEAD_AFTER_S):
            return Outcome.TIMED_OUT
        return Outcome.OFFLINE
