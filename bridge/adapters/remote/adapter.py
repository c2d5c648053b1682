"""The adapter of devices that another bridge has: shows what that bridge says, and hands on what is asked.

All rules stay with the far bridge: it keeps set-points, ends leases and counts wear. What is declared here
lets a head-end refuse at once what the far bridge would refuse.
"""

import asyncio
import contextlib
import logging
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace

from bridge.adapters.base import Adapter
from bridge.adapters.remote.far_bridge import FarDevice, named
from bridge.adapters.remote.link import FarLink, link_for
from bridge.adapters.remote.options import RemoteOptions
from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec, Safe
from bridge.datastore.values import Identity, LinkState, Outcome, Path, Value
from bridge.exchange.about import About
from bridge.exchange.command import Command, CommandReply
from bridge.register_maps.catalogue import shipped_folder

_log = logging.getLogger(__name__)

_GROUP = "far bridge"
#: A command must begin at the far bridge within this time; a reply is waited for longer.
_BEGIN_WITHIN_S = 3.0
#: A command whose reply does not come is sent again, under the same id: the far bridge knows it by that.
_SEND_AGAIN_S = 1.5
_MAP = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")


class RemoteAdapter(Adapter):
    """One device of a far bridge."""

    command_deadline_s = 15.0

    def __init__(self, device: Device, options: RemoteOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock
        self._link: FarLink | None = None
        self._about: About | None = None
        self._shown: set[Path] = set()
        self._until = float("-inf")
        self._stirred = asyncio.Event()
        self._pending: dict[str, asyncio.Future[CommandReply]] = {}
        self._told_at: dict[Path, float] = {}
        self._session: str | None = None
        self._as_of = 0.0
        self._was_cut = False

    async def run(self) -> None:
        """Show the far device until cancelled."""
        # nothing is known yet but what the site leases: those points are taken to be there until told
        known = [PointSpec(path, writable=True) for path in self._options.lease]
        self._device.declare(known, [GroupSpec(_GROUP, self._options.stale_after)], [(_GROUP,)])
        self._about = None
        async with link_for(self, self._options, self._clock) as self._link:
            self.told({})
            try:
                while True:
                    self._stirred.clear()
                    due = self._until if self._until > self._clock.monotonic() else float("inf")
                    await event_or_time(self._clock, self._stirred, due)
                    if self._until <= self._clock.monotonic():
                        self._lapse()
            finally:
                self._link = None

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        """Hand a batch to the far bridge and wait for what becomes of it."""
        link = self._link
        now = self._clock.monotonic()
        if link is None or not link.connected or now >= self._until:
            return dict.fromkeys(changes, Outcome.OFFLINE)
        if link.bridge.session is None or not link.bridge.clock.known:
            return dict.fromkeys(changes, Outcome.OFFLINE)
        name = secrets.token_hex(12)
        before = link.bridge.clock.far(now + _BEGIN_WITHIN_S)
        command = Command(name, changes, link.bridge.session, before, sender=self._device.name)
        reply = self._pending[name] = asyncio.get_running_loop().create_future()
        sent = False
        try:
            while not reply.done() and self._clock.monotonic() < deadline:
                sent = await link.send(self._options.device, command, int(_BEGIN_WITHIN_S)) or sent
                with contextlib.suppress(TimeoutError):
                    async with self._clock.timeout(_SEND_AGAIN_S):
                        await asyncio.wait([reply])
                if not sent and self._clock.monotonic() - now >= _BEGIN_WITHIN_S:
                    return dict.fromkeys(changes, Outcome.OFFLINE)
        finally:
            del self._pending[name]
        if not reply.done():
            return dict.fromkeys(changes, Outcome.TIMED_OUT)
        return self._settled(changes, reply.result())

    async def expired(self, paths: tuple[Path, ...]) -> bool:
        """Leave the end of leases to the far bridge where they are its own, else set the safe value there."""
        far = {spec.path: spec.lease for spec in (self._about.points if self._about else ())}
        safe: dict[Path, Value] = {}
        for path in paths:
            lease = self._device.spec(path).lease
            if lease is not None and lease != far.get(path) and not isinstance(lease.safe, Safe):
                safe[path] = lease.safe
        if not safe:
            return True
        outcomes = await self.command(safe, self._clock.monotonic() + self.command_deadline_s)
        return all(outcome in (Outcome.CONFIRMED, Outcome.ADJUSTED) for outcome in outcomes.values())

    # -- for the link ------------------------------------------------------------------------------

    def told(self, changed: Mapping[str, Collection[int]]) -> None:
        """Show what the far bridge has said."""
        link = self._link
        if link is None:
            return
        self._until = link.bridge.believed_until(self._options.stale_after)
        self._stirred.set()
        if link.bridge.session != self._session:
            self._session = link.bridge.session
            self._told_at.clear()
        far = link.bridge.devices.get(self._options.device)
        if self._until <= self._clock.monotonic():
            self._lapse()
        elif far is None:
            self._hide(LinkState.SILENT, f"the far bridge has no device {self._options.device}")
        elif far.alive:
            self._show(link, far, changed.get(self._options.device, ()))
        else:  # not alive any more, and not yet told to be silent: it is
            self._hide(LinkState.SILENT if far.link is LinkState.ONLINE else far.link, far.words)

    def cut(self) -> None:
        """Show that the broker cannot be reached, unless what was said may still be believed."""
        self._was_cut = True
        if self._until <= self._clock.monotonic():
            self._lapse()

    def replied(self, reply: CommandReply) -> None:
        """Hand a reply to the command that waits for it."""
        waiting = self._pending.get(reply.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    # -- inside ------------------------------------------------------------------------------------

    def _show(self, link: FarLink, far: FarDevice, changed: Collection[int]) -> None:
        about = link.bridge.about(self._options.device)
        if about is None:
            return  # what it is will come at once: it is kept by the broker
        if not self._take_about(about):
            return
        values = named(about, far.values)
        gone = self._shown - values.keys()
        if gone:
            self._let_go(gone)
        if self._shown:
            fresh = {place: far.values[place] for place in changed if place in far.values}
            values = named(about, fresh)
        as_of = link.bridge.as_of or 0.0
        if self._shown and as_of == self._as_of:
            return  # nothing new has come, and the values are as old as they are
        self._as_of = as_of
        values = {path: one for path, one in values.items() if self._told_at.get(path, as_of) <= as_of}
        self._shown.update(values)
        self._device.publish(_GROUP, values)
        self._device.set_link(far.link, far.words)

    def _take_about(self, about: About) -> bool:
        """Declare what the device is; False where it is not the one that is wanted."""
        who = about.identity or Identity()
        if self._options.serial is not None and who.serial != self._options.serial:
            self._hide(LinkState.WRONG_DEVICE, f"the far bridge has {who.serial or 'no serial'} there")
            return False
        if about is not self._about:
            self._about = about
            self._shown.clear()
            self._device.forget()
            self._declare(about)
            learnt = replace(who, product=self._map(about))
            if learnt != self._device.identity:
                self._device.learn(learnt)
        return True

    def _map(self, about: About) -> str:
        """Return the map that serves the device, empty where this bridge does not have it."""
        name = about.map or ""
        if _MAP.fullmatch(name) and (shipped_folder() / f"{name}.yaml").is_file():
            return name
        if self._options.map is None:
            _log.warning(
                "device=%s the far bridge serves it with the map %s, which is not here: name a `map` for it",
                self._device.name, name or "of a file of its own",
            )  # fmt: skip
        return ""

    def _declare(self, about: About, without: Collection[Path] = ()) -> None:
        points = [_here(spec) for spec in about.points if spec.path not in without]
        self._device.declare(points, [GroupSpec(_GROUP, self._options.stale_after)], [(_GROUP,)])

    def _let_go(self, gone: Collection[Path]) -> None:
        """Make single points stale at once: what is declared anew has no value."""
        if self._about is not None:
            self._declare(self._about, gone)
            self._declare(self._about)
        self._shown.difference_update(gone)

    def _hide(self, state: LinkState, words: str = "") -> None:
        self._shown.clear()
        self._device.set_link(state, words)
        self._device.forget()

    def _lapse(self) -> None:
        """Believe nothing any more: the far bridge has not been heard for too long."""
        connected = self._link is not None and self._link.connected
        state = LinkState.SILENT if connected else LinkState.PORT_MISSING
        if not connected and not self._was_cut:
            state = LinkState.STARTING
        if self._shown or self._device.link is not state:
            self._hide(state)

    def _settled(self, changes: Mapping[Path, Value], reply: CommandReply) -> Mapping[Path, Outcome]:
        if reply.reason:
            _log.info("device=%s the far bridge says: %s", self._device.name, reply.reason)
        link = self._link
        if link is not None and self._shown and link.bridge.session == reply.session:
            values = {path: one for path, one in reply.values.items() if path in self._shown}
            self._told_at.update(dict.fromkeys(values, reply.at))
            if values and self._clock.monotonic() < self._until:
                self._device.publish(_GROUP, values)
        found = {path: reply.outcomes.get(path, Outcome.REFUSED) for path in changes}
        return {path: Outcome.TIMED_OUT if one is Outcome.PENDING else one for path, one in found.items()}


def _here(spec: PointSpec) -> PointSpec:
    """Return a point as it is declared here: what a device forgets is sent again by the far bridge alone."""
    return replace(spec, refresh_s=None, after_restart=False)
