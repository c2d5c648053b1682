"""What an ended change leaves behind: a held set-point, a lease, or the end of one."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from bridge.datastore.changes import Change
from bridge.datastore.clock import Clock
from bridge.datastore.commands import Commander
from bridge.datastore.holds import SetPoints, SpecOf
from bridge.datastore.leases import Leases
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import Memory
from bridge.datastore.values import Outcome, Path, Value


class Wishes:
    """The held and leased set-points of one device, kept in step with what becomes of its changes."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        memory: Memory,
        resume_within_s: float,
        spec_of: SpecOf,
        value_of: Callable[[Path], Value | None],
    ) -> None:
        self.held = SetPoints(name, clock, memory, resume_within_s)
        self.leases = Leases(name, clock, memory)
        self._spec_of = spec_of
        self._value_of = value_of

    def __len__(self) -> int:
        return len(self.held) + len(self.leases)

    def resume(self, serial: str) -> None:
        """Take up what was saved for the device of this serial."""
        self.held.resume(serial, self._spec_of)
        self.leases.resume(serial)

    def stir(self) -> None:
        """Look again what is due, as when the link has come back."""
        self.held.stir()
        self.leases.stir()

    def keep(self, spec: PointSpec, value: Value) -> None:
        """Hold a value that is in force, where the point is one to be held."""
        if spec.held:
            self.held.confirmed(spec, value)

    async def open_leases(self, paths: Collection[Path]) -> None:
        """Open the leases of points about to be set; returns when they are saved as open."""
        await self.leases.open([spec for path in paths if (spec := self._spec_of(path)) is not None])

    def change_ended(self, change: Change, outcome: Outcome) -> None:
        """Take note of what became of a change. What a link feeds is a reading, and nobody's wish to keep."""
        spec = self._spec_of(change.path)
        if spec is None:
            return
        if spec.lease is not None:
            self.leases.settled(spec, outcome)
        elif spec.heartbeat and outcome is Outcome.CONFIRMED:
            self.leases.heartbeat(change.path, change.value, self._spec_of)
        elif spec.held and not change.overtaken and change.origin.kind != "link":
            self._hold(spec, change, outcome)

    def off_failed(self, path: Path, value: Value) -> None:
        """Let go of a held value once somebody wanted the equipment off: nothing may switch it on again."""
        spec = self._spec_of(path)
        held = self.held.held(path)
        if spec is not None and held is not None and spec.is_off(value) and not spec.is_off(held):
            self.held.end(path, "switching off was asked for and did not get through")

    async def run(
        self,
        adapter: Commander,
        send: Callable[[Mapping[Path, Value]], Collection[Path]],
        may_end_leases: Callable[[], bool],
    ) -> None:
        """Refresh what the device forgets and end leases in time, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.held.run(self._spec_of, send))
            group.create_task(self.leases.run(adapter, self._spec_of, may_end_leases))

    def _hold(self, spec: PointSpec, change: Change, outcome: Outcome) -> None:
        """Keep what the device has put in force as the owner's wish."""
        in_force = self._value_of(spec.path)
        if change.origin.kind == "hold":
            self.held.resent(spec, change.value, outcome, in_force)
        elif outcome is Outcome.CONFIRMED:
            same = in_force is not None and spec.same(in_force, change.value)
            self.held.confirmed(spec, in_force if same and in_force is not None else change.value)
        elif outcome is Outcome.ADJUSTED and in_force is not None:
            self.held.confirmed(spec, in_force)
        elif outcome is Outcome.ADJUSTED:
            self.held.end(spec.path, "the device put another value in force and does not tell which")
        elif outcome is not Outcome.SUPERSEDED:
            self.off_failed(spec.path, change.value)
