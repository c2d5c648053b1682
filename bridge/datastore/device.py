"""One device as the rest of the house sees it: points up from its adapter, changes down to it."""

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from bridge.datastore.attempts import AttemptBook
from bridge.datastore.changes import Change
from bridge.datastore.clock import Clock
from bridge.datastore.commands import CommandDesk, Commander
from bridge.datastore.events import Signal
from bridge.datastore.holds import RESUME_WITHIN_S
from bridge.datastore.points import GroupSpec, PointTable
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.rules import checked
from bridge.datastore.spec import Lease, PointSpec
from bridge.datastore.state import Memory
from bridge.datastore.values import (
    Identity,
    LinkState,
    Origin,
    Outcome,
    Path,
    Quality,
    Reading,
    Value,
    WriteAttempt,
    WriteRequest,
    identity_from,
)
from bridge.datastore.wear import WearBudget, WearLimits
from bridge.datastore.wishes import Wishes

_log = logging.getLogger(__name__)

#: How long a device may stay unheard after its link began before it counts as silent, in seconds.
_SILENT_AFTER_S = 5.0
#: How long a lost port may stay away before what it has brought is no longer believed, in seconds. A host
#: that ends an idle connection takes the next one at once; what is unplugged stays away for longer, and a
#: Victron GX adds 5 s of its own before it drops a device.
_AWAY_S = 0.5
#: Link states that are no fault and are logged as such.
_UNEVENTFUL = frozenset({LinkState.ONLINE, LinkState.NIGHT, LinkState.STARTING})
#: What a write meets where the device cannot hear it.
_BARRIERS: Mapping[LinkState, tuple[Outcome, str]] = {
    LinkState.STARTING: (Outcome.OFFLINE, "the device has not been heard yet"),
    LinkState.SILENT: (Outcome.OFFLINE, "the device is silent"),
    LinkState.PORT_MISSING: (Outcome.OFFLINE, "the port of the device is missing"),
    LinkState.WRONG_DEVICE: (Outcome.OFFLINE, "another device is on the port"),
    LinkState.ASLEEP: (Outcome.REFUSED, "the device is asleep"),
    LinkState.NIGHT: (Outcome.REFUSED, "the device sleeps until daylight"),
}


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """What the status block serves, at one moment. Times in seconds; `age_s` None means never."""

    link: LinkState
    age_s: float | None
    attempts: int
    newest: WriteAttempt | None
    errors: int
    uptime_s: float
    wear_left: int
    set_points: int


class Device:
    """Points, link, commands, set-points and wear budget of one device.

    Adapters call `declare`, `publish`, `set_link`, `learn`, `keep`, `count_error`, `restarted`; everybody
    else reads (`reading`, `status`), listens (the signals) and writes (`write`). `leases` are the points
    the site makes leased ones, over what the adapter declares.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        memory: Memory,
        wear_limits: WearLimits | None = None,
        leases: Mapping[Path, Lease] | None = None,
        resume_within_s: float = RESUME_WITHIN_S,
    ) -> None:
        self.name = name
        self.memory = memory
        self.identity = identity_from(memory.get("identity"))
        #: Paths whose value or quality changed; told before `publish` returns.
        self.changed: Signal[Collection[Path]] = Signal(f"{name}.changed")
        #: Paths that a publication brought, whether or not they changed; told after `changed`.
        self.published: Signal[Collection[Path]] = Signal(f"{name}.published")
        self.attempted: Signal[WriteAttempt] = Signal(f"{name}.attempted")
        self.link_changed: Signal[LinkState] = Signal(f"{name}.link")
        self.learnt: Signal[Identity] = Signal(f"{name}.learnt")
        #: Paths fed by a link, which refuse every other writer; see `feed`.
        self.fed: set[Path] = set()
        #: Monotonic time of the newest write by a person or a Modbus client.
        self.owner_wrote_at = -math.inf
        self._clock = clock
        self._table = PointTable(name)
        self._link = LinkState.STARTING
        self._link_words = ""
        self._link_since = clock.monotonic()
        self._errors = 0
        self._adapter: Commander | None = None
        self._site_leases = dict(leases or {})
        self._wear = WearBudget(clock, memory, wear_limits)
        self._wishes = Wishes(name, clock, memory, resume_within_s, self._spec_or_none, self.value)
        self._attempts = AttemptBook(name, clock, self.attempted.emit)
        self._desk = CommandDesk(
            name, clock, self._spec_or_none, self._wear, self._change_ended, self._wishes.open_leases
        )

    # -- reading -----------------------------------------------------------------------------------

    @property
    def paths(self) -> Collection[Path]:
        """All declared points."""
        return self._table.points.keys()

    def spec(self, path: Path) -> PointSpec:
        """Return a point's declaration; raises KeyError for one not declared."""
        return self._table.points[path].spec

    def has(self, path: Path) -> bool:
        """True for a declared point, whatever its quality."""
        return path in self._table.points

    def reading(self, path: Path) -> Reading:
        """Return a point as it stands; raises KeyError for one not declared."""
        return self._table.reading(path, self._clock.monotonic())

    def value(self, path: Path) -> Value | None:
        """Return a point's value if it may be used now, else None."""
        return self.reading(path).value if path in self._table.points else None

    def values(self, paths: Iterable[Path]) -> list[Value | None]:
        """Return what may be used now of declared points, in their order; raises KeyError for another."""
        return self._table.values(paths, self._clock.monotonic())

    @property
    def alive_until(self) -> float:
        """Monotonic time until which the essential groups prove the device alive, its port not being lost."""
        until = self._table.alive_until
        return min(until, self._link_since + _AWAY_S) if self._link is LinkState.PORT_MISSING else until

    @property
    def alive(self) -> bool:
        """True while the essential groups are fresh."""
        return self._clock.monotonic() < self.alive_until

    @property
    def link(self) -> LinkState:
        """State of the link."""
        return self._link

    @property
    def link_words(self) -> str:
        """What a person should know about the link beside its state, as `until 07:42`; often nothing."""
        return self._link_words

    def status(self) -> LinkStatus:
        """Return what the status block serves, now."""
        now = self._clock.monotonic()
        return LinkStatus(
            link=self._link,
            age_s=self._table.alive_age(now),
            attempts=self._attempts.count,
            newest=self._attempts.newest,
            errors=self._errors,
            uptime_s=now - self._link_since if self._link is LinkState.ONLINE else 0.0,
            wear_left=self._wear.left_today,
            set_points=len(self._wishes),
        )

    # -- writing -----------------------------------------------------------------------------------

    def confirm_s(self, paths: Iterable[Path]) -> float:
        """How long a writer of these points waits for the outcome, in seconds."""
        return min((self.spec(path).confirm_s for path in paths if self.has(path)), default=0.4)

    def check(self, request: WriteRequest) -> dict[Path, Value]:
        """Return the batch with accepted alternatives replaced; raises WriteRefusal if it breaks a rule."""
        changes = checked(self.name, self._table.points, self.fed, request)
        if self._adapter is not None:
            self._adapter.check(changes)
        return changes

    async def write(self, request: WriteRequest, within_s: float | None = None) -> dict[Path, Outcome]:
        """Apply a batch; returns each change's outcome, PENDING for what is under way after `within_s`.

        Changes go on after that, also when the caller is cancelled; their outcome is told by
        `attempted`. Raises WriteRefusal when the batch breaks a rule; then nothing was done.
        """
        try:
            changes = self.check(request)
        except WriteRefusal as refusal:
            self.refuse(request, refusal.exception_code, str(refusal))
            raise
        if not changes:
            return {}
        attempts = self._attempts.begin(request, self.value)
        if request.origin.is_owner:
            self.owner_wrote_at = self._clock.monotonic()
        barrier = self._barrier()
        if barrier is not None:
            outcome, reason = barrier
            for path, value in changes.items():
                if self.spec(path).is_off(value):
                    self._desk.overrule(path, value)
                self._wishes.off_failed(path, value)
            for attempt in attempts:
                self._attempts.end(attempt, outcome, reason=reason)
            return dict.fromkeys(changes, outcome)
        waiting = self._desk.submit(changes, request.origin, request.as_of)
        for change, attempt in zip(waiting, attempts, strict=True):
            self._attempts.follow(attempt, change)
        try:
            async with self._clock.timeout(within_s):
                await asyncio.wait([change.outcome for change in waiting])
        except TimeoutError:
            pass  # what is under way goes on
        return {c.path: c.outcome.result() if c.ended else Outcome.PENDING for c in waiting}

    def refuse(self, request: WriteRequest, exception_code: int, reason: str) -> None:
        """Record a batch that was refused before anything was done."""
        for attempt in self._attempts.begin(request, self.value):
            self._attempts.end(attempt, Outcome.REFUSED, exception_code, reason)

    def feed(self, path: Path) -> None:
        """Leave a point to a link: other writers are refused from now on, and nothing is held there."""
        self.fed.add(path)
        self._wishes.held.end(path, "a link feeds the point")

    # -- for the adapter ---------------------------------------------------------------------------

    def attach(self, adapter: Commander) -> None:
        """Name who checks batches. Commands need `run`: while it does not run, writes are offline."""
        self._adapter = adapter

    def declare(
        self,
        specs: Iterable[PointSpec],
        groups: Iterable[GroupSpec],
        alive_when: Iterable[Iterable[str]],
    ) -> None:
        """Set points, groups and what proves the device alive; see `PointTable.declare`.

        Points not declared again are told as stale before they go.
        """
        leased = [self._as_leased(spec) for spec in specs]
        gone = self._table.retire(spec.path for spec in leased)
        if gone:
            self.changed.emit(gone)
        self._table.declare(leased, groups, alive_when)
        for path in self._site_leases.keys() - {spec.path for spec in leased if spec.lease is not None}:
            _log.warning(
                "device=%s lease=%s found no such writable point: the lease has no effect", self.name, path
            )
        self.changed.emit(tuple(self._table.points))

    def publish(self, group: str, values: Mapping[Path, Value | None]) -> None:
        """Take one batch of a group: `None` is absent. Listeners have heard of it on return.

        An essential group that proves the device alive brings the link ONLINE, except from NIGHT. Raises
        KeyError for a group or path that was not declared; then nothing was taken.
        """
        changed = self._table.publish(group, values, self._clock.monotonic())
        for path in values:
            if self._wishes.held.held(path) is not None and not self._desk.busy(path):
                point = self._table.points[path]
                self._wishes.held.observed(point.spec, point.value)
        silent = self._link not in (LinkState.ONLINE, LinkState.NIGHT)
        heard = self._clock.monotonic() < self._table.alive_until
        if silent and heard and self._table.is_essential(group):
            self.set_link(LinkState.ONLINE)
        if changed:
            self.changed.emit(changed)
        self.published.emit(values.keys())

    def set_link(self, link: LinkState, words: str = "") -> None:
        """Set the link's state; waiting changes end as it says when nobody hears them any more.

        words: what a person should know beside it, as `until 07:42` or `wakes on AC`.
        """
        self._link_words = words
        if link is self._link:
            return
        if self._link is LinkState.PORT_MISSING:
            self.expire()  # before its port is back, which must not make believable again what was over
        level = logging.INFO if link in _UNEVENTFUL else logging.WARNING
        _log.log(level, "device=%s link=%s was=%s", self.name, link.name.lower(), self._link.name.lower())
        self._link = link
        self._link_since = self._clock.monotonic()
        barrier = _BARRIERS.get(link)
        if barrier is not None:
            self._desk.drop_all(barrier[0])
        else:
            self._wishes.stir()
        self.link_changed.emit(link)

    def forget(self) -> None:
        """Drop all values at once, as when another device is found on the port."""
        lost = self._table.forget()
        if lost:
            self.changed.emit(lost)

    def learn(self, identity: Identity) -> None:
        """Take the device's identity, save it at once, and resume set-points saved for its serial."""
        known = self.identity
        self.identity = identity
        if identity != known:
            self.memory.put("identity", asdict(identity))
        self._wishes.resume(identity.serial)
        for path in self.fed:
            self._wishes.held.end(path, "a link feeds the point")
        self.learnt.emit(identity)

    def keep(self, path: Path, value: Value) -> None:
        """Hold a value that another point's command has put in force (a current of 0 sets the mode to off).

        Raises KeyError for a point that is not declared.
        """
        self._wishes.keep(self.spec(path), value)

    def release(self, path: Path) -> None:
        """Let go of a held value that another point's command has overtaken."""
        self._wishes.held.end(path, "overtaken by another command")

    def count_error(self, count: int = 1) -> None:
        """Count faults of the line or the protocol."""
        self._errors += count

    def wanted(self, path: Path) -> Value | None:
        """Return the newest value asked for while a change or a lease's end is under way, else None."""
        wish = self._desk.wanted(path)
        return self._wishes.leases.ending(path) if wish is None else wish

    def fed_at(self, path: Path) -> float | None:
        """Return the monotonic time at which the newest value a link handed to the adapter was true.

        It moves on while the source is heard, also when the value stays the same, and stands still when
        it is not: the age of the source is the time since. None for a point that no link feeds, and
        before the first value.
        """
        return self._desk.fed_at(path) if path in self.fed else None

    def held(self, path: Path) -> Value | None:
        """Return the held set-point, None when there is none."""
        return self._wishes.held.held(path)

    def restarted(self) -> None:
        """Send again what a restart of the device has wiped, as soon as it can be reached."""
        wiped = self._wishes.held.restarted(self._spec_or_none)
        if wiped:
            _log.info("device=%s restarted: sending again %s", self.name, ", ".join(wiped))

    async def run(self, adapter: Commander) -> None:
        """Serve commands, set-points and leases until cancelled, beside the adapter."""
        self.attach(adapter)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._desk.run(adapter))
                group.create_task(self._wishes.run(adapter, self._send_again, self._may_end_leases))
        finally:
            self._adapter = None

    # -- for the datastore -------------------------------------------------------------------------

    def expire(self) -> None:
        """Mark what has become stale, and the link with it."""
        now = self._clock.monotonic()
        lost = self._table.expire(now)
        if self._link is LinkState.PORT_MISSING and now - self._link_since >= _AWAY_S:
            lost += self._table.disbelieve()
        unheard = self._link is LinkState.STARTING and now - self._link_since > _SILENT_AFTER_S
        if self._table.alive_until <= now and (
            self._link is LinkState.ONLINE or (unheard and self._adapter is not None)
        ):
            self.set_link(LinkState.SILENT)
        if lost:
            self.changed.emit(lost)

    def next_deadline(self) -> float:
        """Return the monotonic time of the next group to become stale."""
        due = self._table.next_deadline()
        away = self._link_since + _AWAY_S if self._link is LinkState.PORT_MISSING else math.inf
        return min(due, away) if away > self._clock.monotonic() else due

    # -- inside ------------------------------------------------------------------------------------

    def _spec_or_none(self, path: Path) -> PointSpec | None:
        point = self._table.points.get(path)
        return None if point is None else point.spec

    def _as_leased(self, spec: PointSpec) -> PointSpec:
        lease = self._site_leases.get(spec.path)
        return spec if lease is None or not spec.writable else replace(spec, lease=lease)

    def _barrier(self) -> tuple[Outcome, str] | None:
        """Say what a write meets before it reaches the adapter; None when the way is free."""
        if not self._desk.serving:
            return Outcome.OFFLINE, "nobody talks to the device"
        if self._link is LinkState.ONLINE and not self.alive:
            return _BARRIERS[LinkState.SILENT]
        return _BARRIERS.get(self._link)

    def _may_end_leases(self) -> bool:
        """True unless another device would hear it; whether this one does is for the adapter to find out."""
        return self._link is not LinkState.WRONG_DEVICE

    def _send_again(self, changes: Mapping[Path, Value]) -> Collection[Path]:
        """Send held values again where nothing newer is under way; returns the points taken."""
        if self._barrier() is not None:
            return ()
        free = {path: value for path, value in changes.items() if not self._desk.busy(path)}
        self._desk.submit(free, Origin("hold"))
        return free.keys()

    def _change_ended(self, change: Change, outcome: Outcome) -> None:
        self._wishes.change_ended(change, outcome)
        self._attempts.change_ended(change, outcome)


def on_paths(
    device: Device, paths: Collection[Path], listener: Callable[[Path, Reading], None]
) -> Callable[[], None]:
    """Tell `listener` of each change of the named points; the answer disconnects it."""
    wanted = frozenset(paths)

    def changed(which: Collection[Path]) -> None:
        for path in which:
            if path in wanted:
                listener(path, device.reading(path))

    return device.changed.connect(changed)


__all__ = ["Device", "LinkStatus", "Quality", "on_paths"]
