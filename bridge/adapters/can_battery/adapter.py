"""The adapter of batteries on CAN: hears its frames, and plays the inverter that some of them wait for."""

import math
from collections.abc import Mapping

from bridge.adapters.base import Adapter
from bridge.adapters.can.alarms import Latches
from bridge.adapters.can.battery_frames import BATTERY_FRAMES, HISTORY, history
from bridge.adapters.can.channel import Seat, seat_on
from bridge.adapters.can.counters import CAN_GROUP
from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can.fields import FieldValue, decode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import GX_KEEPALIVE, KEEPALIVE_PERIOD_S
from bridge.adapters.can.paths import ALARM_PATHS
from bridge.adapters.can_battery import points
from bridge.adapters.can_battery.nameplate import IDS as NAMES
from bridge.adapters.can_battery.nameplate import Nameplate
from bridge.adapters.can_battery.options import CanBatteryOptions
from bridge.adapters.can_battery.readings import READINGS
from bridge.adapters.line_faults import LineFault
from bridge.datastore.clock import Clock, event_or_time
from bridge.datastore.device import Device
from bridge.datastore.values import LinkState, Outcome, Path, Value

#: An inverter speaks every second and may skip a round: after this long it is taken for gone.
_INVERTER_GONE_S = 5.0
#: A battery speaks every second: after this long without a word another one may be on its cable.
_UNHEARD_S = 5.0
_STATUS, _PAIRS, _MODULES = 0x359, 0x35A, "modules"
_NOBODY, _BRIDGE, _ANOTHER = 0, 1, 2


class CanBatteryAdapter(Adapter):
    """One battery."""

    def __init__(self, device: Device, options: CanBatteryOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock
        self._dialect = DIALECTS[options.dialect]
        self._specs = {**BATTERY_FRAMES, HISTORY.id: history(options.history_scale_kwh)}
        self._nameplate = Nameplate(device, clock, options.serial)
        self._latches = Latches(points.SLOW_STALE_S)
        self._inverter_at = self._heard_at = -math.inf

    async def run(self) -> None:
        """Hear the battery until cancelled. Raises PortUnusable where its bus has another bit rate."""
        self._device.declare(points.POINTS, points.GROUPS, points.ALIVE_WHEN)
        try:
            async with seat_on(
                self._options,
                self._clock,
                self._device.name,
                heard=self._heard,
                lost=self._lost,
                restored=self._restored,
                erred=self._device.count_error,
            ) as seat:
                await self._every_second(seat)
        except LineFault:
            self._device.set_link(LinkState.PORT_MISSING)
            raise

    async def command(
        self,
        changes: Mapping[Path, Value],
        deadline: float,  # noqa: ARG002 - as overridden
    ) -> Mapping[Path, Outcome]:
        """Refuse everything: nothing of a battery can be written."""
        return dict.fromkeys(changes, Outcome.REFUSED)

    # -- the bus -------------------------------------------------------------------------------------

    def _lost(self, fault: LineFault) -> None:  # noqa: ARG002 - the channel has logged it
        self._device.set_link(LinkState.PORT_MISSING)
        self._nameplate.forget()

    def _restored(self) -> None:
        if self._device.link is LinkState.PORT_MISSING:
            self._device.set_link(LinkState.STARTING)

    async def _every_second(self, seat: Seat) -> None:
        """Say that there is an inverter, where nobody else does, and show how the bus is doing."""
        due = self._clock.monotonic()
        while True:
            values: dict[Path, Value | None] = {points.KEEPALIVE: self._keep_alive(seat)}
            self._device.publish(CAN_GROUP.name, values | dict(seat.counters.values()))
            now = self._clock.monotonic()
            due += KEEPALIVE_PERIOD_S
            if due <= now:  # the machine was asleep: no rounds are made good
                due = now + KEEPALIVE_PERIOD_S
            if seat.up.is_set():
                await self._clock.sleep(due - now)
            else:
                await event_or_time(self._clock, seat.up, due)
                due = self._clock.monotonic()

    def _keep_alive(self, seat: Seat) -> int:
        if self._clock.monotonic() - self._inverter_at <= _INVERTER_GONE_S and not self._options.keepalive:
            return _ANOTHER
        frames = () if self._options.keepalive is False else self._dialect.keepalive
        if not frames or not seat.up.is_set():
            return _NOBODY
        seat.send([frame for frame in frames if frame != GX_KEEPALIVE or self._device.alive])
        return _BRIDGE

    # -- the battery ---------------------------------------------------------------------------------

    def _heard(self, frame: CanFrame) -> None:
        now = self._clock.monotonic()
        if frame.id in self._dialect.inverter_speaks:
            self._inverter_at = now
        if frame.id not in self._dialect.hears:
            return
        if now - self._heard_at > _UNHEARD_S:
            self._nameplate.unheard()
        self._heard_at = now
        fields = decode(self._specs[frame.id], frame.data)
        if fields is None:
            self._device.count_error()
            return
        if frame.id in NAMES:
            self._nameplate.told(frame.id, frame.data)
        if frame.id == _PAIRS:
            self._latches.take_pairs(frame.data, now)
        elif frame.id == _STATUS:
            self._latches.take_status(frame.data, now)
        if not self._nameplate.admitted():
            if self._device.link is LinkState.WRONG_DEVICE:
                self._latches.forget()
            return
        if frame.id in (_STATUS, _PAIRS):
            self._publish_alarms(now, fields)
        self._publish(frame.id, fields)

    def _publish_alarms(self, now: float, fields: Mapping[str, FieldValue]) -> None:
        levels = self._latches.levels(now)
        self._device.publish(points.ALARMS, {ALARM_PATHS[name]: level for name, level in levels.items()})
        modules = fields.get(_MODULES)
        if isinstance(modules, int):
            self._device.publish(points.STATUS, {"/System/NrOfModulesOnline": modules})

    def _publish(self, id: int, fields: Mapping[str, FieldValue]) -> None:
        found = READINGS.get(id)
        if found is None:
            return
        group, read = found
        values = read(fields)
        self._device.publish(group, values)
        firmware = values.get("/FirmwareVersion")
        if isinstance(firmware, str):
            self._nameplate.told_firmware(firmware)
