"""The adapter of a BMS on CAN: takes its seat on the channel, sends the set, takes set-points."""

import asyncio
import logging
import math
import re
from collections.abc import Mapping, Sequence

from bridge import __version__
from bridge.adapters.base import Adapter
from bridge.adapters.can.channel import Seat, seat_on
from bridge.adapters.can.counters import CAN_GROUP
from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can_bms.bms import Bms, View
from bridge.adapters.can_bms.charging import Charging
from bridge.adapters.can_bms.names import (
    ENABLE,
    FOREIGN,
    HEARTBEAT,
    INVERTER_AGE,
    PHASE,
    SOURCE_AGE,
    SOURCE_PHASE,
)
from bridge.adapters.can_bms.neighbours import FOREIGN_GONE_S, Neighbours
from bridge.adapters.can_bms.options import CanBmsOptions
from bridge.adapters.can_bms.phases import Phase
from bridge.adapters.can_bms.points import (
    ALIVE_WHEN,
    BMS,
    CHARGE,
    FRAMES,
    GROUPS,
    IDENTITY,
    SET,
    frame_path,
    specs_of,
)
from bridge.adapters.can_bms.sender import Sender
from bridge.adapters.can_bms.telling import Telling, frames_of
from bridge.adapters.line_faults import LineFault
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.refusals import ValueRefused
from bridge.datastore.values import Identity, LinkState, Outcome, Path, Value

_log = logging.getLogger(__name__)

#: How long the bus is listened to before the first frame: another BMS speaks every second or two.
LISTEN_FIRST_S = 3.0
#: Phases end at a moment: the look at them comes just after it.
_AFTER_S = 0.001
#: How soon a channel that is being opened anew is looked at again.
_REOPENED_S = 0.1


class CanBmsAdapter(Adapter):
    """One BMS towards an inverter."""

    def __init__(self, device: Device, options: CanBmsOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock
        self._dialect = DIALECTS[options.dialect]
        self._bms = Bms(options, clock.monotonic, device.fed_at, self._lease_s)
        self._charging = Charging(self._bms.charger)
        self._sender = Sender(clock, self._dialect, self._set, self._transmit, self._show)
        self._seat: Seat | None = None
        self._enabled, self._left = True, False
        self._heartbeat: Value | None = None
        self._encoded_of: Telling | None = None
        self._encoded: Mapping[int, CanFrame] = {}
        self._quiet_until = math.inf
        self._neighbours = Neighbours(self._dialect, clock.monotonic)
        self._farewell: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Take a seat on the channel and send there until cancelled.

        Raises PortUnusable for a channel that another device has with another bit rate.
        """
        device = self._device
        device.declare(specs_of(self._options, self._bms.battery), GROUPS, ALIVE_WHEN)
        self._introduce()
        try:
            async with seat_on(
                self._options,
                self._clock,
                device.name,
                self._heard,
                self._lost,
                self._restored,
                device.count_error,
            ) as seat:
                self._seat = seat
                await seat.up.wait()
                self._listen_first()
                await self._sender.run(self._wakes_in_s)
        except LineFault:
            device.set_link(LinkState.PORT_MISSING)
            raise
        finally:
            self._seat = None
            self._sender.fall_silent()
            if self._farewell is not None:
                self._farewell.cancel()

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Refuse what exceeds the battery's caps, unless a link brings it, and contradictory settings."""
        for path, value in changes.items():
            fault = None if path in self._device.fed else self._bms.battery.fault(path, value)
            if fault is not None:
                raise ValueRefused(path, fault)
        self._charging.check(changes)

    async def command(
        self,
        changes: Mapping[Path, Value],
        deadline: float,  # noqa: ARG002 - the desk ends what takes longer
    ) -> Mapping[Path, Outcome]:
        """Take a batch; confirmed when the frames on the bus carry it.

        While nothing is being sent it is confirmed as what the next set will say, and so is what a link
        brings, which goes out with the next regular frame.
        """
        if self._is_down:
            return dict.fromkeys(changes, Outcome.OFFLINE)
        outcomes = dict.fromkeys(changes, Outcome.CONFIRMED)
        settings = self._charging.take(changes)
        self._bms.take(
            {path: value for path, value in changes.items() if path not in settings and path != ENABLE}
        )
        self._heartbeat = changes.get(HEARTBEAT, self._heartbeat)
        if ENABLE in changes and not self._switch(on=changes[ENABLE] != 0):
            outcomes[ENABLE] = Outcome.REFUSED
        self._sender.stir()
        carried = None if changes.keys() <= self._device.fed else self._sender.press()
        if carried is not None and not await carried.done and self._is_down:
            outcomes |= {path: Outcome.OFFLINE for path in changes if path != ENABLE}
        self._show()
        return outcomes

    async def expired(self, paths: tuple[Path, ...]) -> bool:  # noqa: ARG002 - ages are judged at every frame
        """Do nothing: the end of a lease is where the phases begin."""
        return True

    async def leave(self) -> None:
        """Say twice that no current is allowed, then be silent."""
        self._farewell, self._left = self._say_farewell(), True
        await asyncio.wait([self._farewell])

    # -- the bus -------------------------------------------------------------------------------------

    def _transmit(self, frames: Sequence[CanFrame]) -> "asyncio.Future[int]":
        if self._seat is not None:
            return self._seat.send(frames)
        nowhere: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        nowhere.set_result(0)
        return nowhere

    def _heard(self, frame: CanFrame) -> None:
        known = self._neighbours.foreign
        if self._neighbours.hear(frame):
            self._meet_foreign(frame, first=not known)

    def _meet_foreign(self, frame: CanFrame, *, first: bool) -> None:
        """Fall silent at once: two BMS on one bus make an inverter believe either."""
        name = self._device.name
        if self._farewell is not None:
            self._farewell.cancel()
        if self._options.observe:
            if first:
                _log.info("device=%s another BMS is on the bus (frame %03X)", name, frame.id)
        elif self._enabled:
            self._enabled = False
            self._sender.fall_silent()
            self._device.keep(ENABLE, 0)
            self._device.count_error()
            _log.error(
                "device=%s another BMS sends on this bus (frame %s): silent from now on; expected to be the "
                "only one; take the other one off the bus, or this device out of the site, wait %g s and "
                "write 1 to %s",
                name, frame, FOREIGN_GONE_S, ENABLE,
            )  # fmt: skip
        else:
            return
        self._sender.stir()

    def _lost(self, _: LineFault) -> None:
        if self._device.link is LinkState.PORT_MISSING:
            return
        self._quiet_until = math.inf
        self._sender.fall_silent()
        if self._device.link is LinkState.ONLINE:
            self._show()
        self._device.set_link(LinkState.PORT_MISSING)
        self._device.count_error()

    def _restored(self) -> None:
        if self._device.link is LinkState.PORT_MISSING:
            self._device.set_link(LinkState.STARTING)
            self._listen_first()

    def _listen_first(self) -> None:
        self._quiet_until = self._clock.monotonic() + LISTEN_FIRST_S
        self._sender.stir()

    @property
    def _is_down(self) -> bool:
        return self._seat is None or self._device.link is LinkState.PORT_MISSING

    # -- what is sent --------------------------------------------------------------------------------

    @property
    def _may_send(self) -> bool:
        """True where frames may leave at all, whatever is known of the battery."""
        seat = self._seat
        return (
            seat is not None
            and seat.up.is_set()
            and self._enabled
            and not self._left
            and not self._options.observe
            and self._clock.monotonic() >= self._quiet_until
        )

    def _set(self) -> Mapping[int, CanFrame]:
        return self._frames(self._bms.view()) if self._may_send else {}

    def _frames(self, view: View) -> Mapping[int, CanFrame]:
        """Return the set by id; it is encoded anew only when it says something else."""
        if view.told is None:
            return {}
        if view.told != self._encoded_of:
            frames = frames_of(view.told, self._dialect, self._bms.battery, self._options.name)
            self._encoded_of, self._encoded = view.told, {frame.id: frame for frame in frames}
        return self._encoded

    def _switch(self, *, on: bool) -> bool:
        """Enable or disable; False where another BMS is on the bus."""
        if on and self._neighbours.foreign and not self._options.observe:
            _log.warning(
                "device=%s not enabled: another BMS was heard in the last %g s, expected to be the only one; "
                "take it off the bus and write %s again after that time",
                self._device.name, FOREIGN_GONE_S, ENABLE,
            )  # fmt: skip
            return False
        if on and not self._enabled:
            self._bms.start_anew()
        if on and self._farewell is not None:
            self._farewell.cancel()
        if not on and self._enabled:
            self._farewell = self._say_farewell()
        self._enabled = on
        return True

    def _say_farewell(self) -> "asyncio.Task[None]":
        """Fall silent but for the last set, with no current allowed."""
        told = self._bms.zero() if self._sender.sending else None
        frames = () if told is None else frames_of(told, self._dialect, self._bms.battery, self._options.name)
        return self._sender.farewell(frames)

    def _wakes_in_s(self) -> float:
        if self._seat is not None and not self._seat.up.is_set():
            return _REOPENED_S
        listening = self._quiet_until - self._clock.monotonic()
        ends = self._bms.view().ends_in_s + _AFTER_S
        return min(ends, listening) if listening > 0 else ends

    # -- what is shown -------------------------------------------------------------------------------

    def _introduce(self) -> None:
        serial = self._options.serial or re.sub(r"[^A-Za-z0-9_]", "_", self._device.name).upper()
        product = f"BMS towards an inverter ({self._options.dialect})"
        self._device.learn(Identity(serial, "", None, product, __version__))
        held = self._device.held(ENABLE)
        self._enabled = held is None or held != 0
        self._charging.resume(self._device)
        identity = {"/Serial": serial, "/ProductName": product, "/FirmwareVersion": __version__}
        self._device.publish(IDENTITY, identity)

    def _show(self) -> None:
        """Publish what is in force, while the channel is open."""
        if self._seat is None or self._is_down:
            return
        view = self._bms.view()
        sending = self._may_send and view.told is not None
        publish = self._device.publish
        publish(SET, self._bms.shown(view))
        shown = self._frames(view) if self._options.observe or sending else {}
        publish(
            FRAMES, {frame_path(i): shown[i].data.hex() if i in shown else None for i in self._dialect.sends}
        )
        publish(CAN_GROUP.name, self._seat.counters.values())
        if self._charging.there:
            publish(CHARGE, self._charging.values())
        phase = Phase.OBSERVE if self._options.observe else view.phase if sending else Phase.STOPPED
        publish(
            BMS,
            {
                PHASE: int(phase),
                SOURCE_PHASE: int(view.phase),
                SOURCE_AGE: None if view.age_s is None else round(view.age_s, 1),
                ENABLE: int(self._enabled),
                HEARTBEAT: self._heartbeat,
                FOREIGN: int(self._neighbours.foreign),
                INVERTER_AGE: self._neighbours.inverter_age_s,
            },
        )

    def _lease_s(self, path: Path) -> float:
        lease = self._device.spec(path).lease
        return self._options.watchdog if lease is None else lease.seconds
