"""Commands that come over MQTT: each is done once or not at all, in time or not at all, and answered.

An id is remembered until its time is over, and a command whose time is over does not begin: so a message that
comes twice, or late, changes nothing, and whoever asks again under the same id hears what has become of it.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.store import Datastore
from bridge.datastore.values import Origin, Outcome, Path, Quality, Value, WriteRequest
from bridge.exchange.command import Command, CommandReply

_log = logging.getLogger(__name__)

#: The furthest that the end of a command's time may lie ahead, in seconds. Ids are remembered for as long.
FURTHEST_S = 60.0
#: The longest that an outcome is waited for; what is under way then is `pending`.
_OUTCOME_WITHIN_S = 12.0
#: Ids remembered, and commands under way; more at once is no owner's doing.
_IDS_MOST, _UNDER_WAY_MOST = 20_000, 100


@dataclass(slots=True)
class _Done:
    """A command that has begun. `forget_at`: monotonic time from which on it is too late for it."""

    forget_at: float
    reply: "asyncio.Task[CommandReply]"


class CommandRoom:
    """Does the commands of one run of the bridge."""

    def __init__(self, datastore: Datastore, clock: Clock) -> None:
        self._datastore = datastore
        self._clock = clock
        self._began = clock.now()
        self._known: OrderedDict[tuple[str, str], _Done] = OrderedDict()
        self._under_way = 0

    async def close(self) -> None:
        """Wait for no outcome any more; what devices have been told stays told."""
        tasks = [done.reply for done in self._known.values() if not done.reply.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def apply(self, device: str, command: Command, session: str) -> CommandReply:
        """Do a command, or say why not; for one that has come before, say what has become of it."""
        known = self._known.get((device, command.id))
        if known is None:
            now = self._clock.monotonic()
            left_s = self._left_s(command, session, now)
            fault, outcome = self._fault(device, command, left_s)
            if left_s is None or fault:
                return self._refused(command, session, outcome, fault)
            origin = Origin("mqtt", command.sender)
            task = asyncio.create_task(self._write(device, command, session, origin))
            known = self._known[(device, command.id)] = _Done(now + FURTHEST_S + 1.0, task)
        await asyncio.wait([known.reply])
        if known.reply.cancelled():
            return self._refused(command, session, Outcome.OFFLINE, "the bridge is stopping")
        return known.reply.result()

    def _left_s(self, command: Command, session: str, now: float) -> float | None:
        """Return how long a command may still begin, None for one of another run of the bridge."""
        left = []
        if command.session is not None or command.before is not None:
            if command.session != session or command.before is None:
                return None
            left.append(command.before - now)
        if command.until is not None:
            left.append(command.until - self._clock.now())
        return min(left)

    def _fault(self, device: str, command: Command, left_s: float | None) -> tuple[str, Outcome]:
        self._forget()
        if device not in self._datastore.devices:
            return f"found no device {device[:40]}", Outcome.REFUSED
        if left_s is None:
            return "it was meant for an earlier run of the bridge, nothing was done", Outcome.REFUSED
        if left_s < 0:
            return f"it came {-left_s:.1f} s too late, nothing was done", Outcome.REFUSED
        if left_s > FURTHEST_S:
            return (
                f"its time ends in {left_s:.0f} s, expected {FURTHEST_S:.0f} s at most, nothing was done",
                Outcome.REFUSED,
            )
        if command.session is None and command.until is not None and not self._is_of_this_run(command.until):
            return (
                f"the bridge has only just begun and cannot tell whether it has come before: ask again in "
                f"{command.until - self._clock.now():.0f} s, nothing was done",
                Outcome.BUSY,
            )
        if self._under_way >= _UNDER_WAY_MOST or len(self._known) >= _IDS_MOST:
            return "too many commands are under way, nothing was done", Outcome.BUSY
        return "", Outcome.CONFIRMED

    def _is_of_this_run(self, until: float) -> bool:
        """True for a command that cannot have been sent before this run began, whose ids are not known."""
        return until - FURTHEST_S > self._began

    def _forget(self) -> None:
        now = self._clock.monotonic()
        over = [key for key, done in self._known.items() if done.forget_at < now and done.reply.done()]
        for key in over:
            del self._known[key]

    async def _write(self, device: str, command: Command, session: str, origin: Origin) -> CommandReply:
        found = self._datastore.devices[device]
        self._under_way += 1
        try:
            request = WriteRequest(command.changes, origin)
            outcomes = await found.write(request, _OUTCOME_WITHIN_S)
        except WriteRefusal as refusal:
            return self._refused(command, session, Outcome.REFUSED, str(refusal))
        finally:
            self._under_way -= 1
        values = _values(found, command.changes)
        return CommandReply(command.id, session, self._clock.monotonic(), outcomes, values)

    def _refused(self, command: Command, session: str, outcome: Outcome, reason: str) -> CommandReply:
        outcomes = dict.fromkeys(command.changes, outcome)
        return CommandReply(command.id, session, self._clock.monotonic(), outcomes, reason=reason)


def _values(device: Device, changes: Mapping[Path, Value]) -> dict[Path, Value | None]:
    """Return what the points are now, those alone that may be believed."""
    readings = {path: device.reading(path) for path in changes if device.has(path)}
    return {path: one.value for path, one in readings.items() if one.quality is not Quality.STALE}
