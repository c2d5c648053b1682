"""The volatile charge current of the network protocol: /Link/ChargeCurrent.

Register 0x2015 limits the current while 0x200E says external control (0x05). Nothing of it is stored; 60 s
without data and the charger goes back to its own full current. So it is a leased set-point, sent again
well inside that time, and handed back at the lease's end and when the bridge stops. Mode 0x09 (BMS) would
latch a setting in flash and is never written.

MPPT chargers have it since firmware 1.29; whether a Blue Smart obeys is not documented. So it is offered
where the device knows the register, and believed only once a current above the limit has been seen to
give way; a device that keeps charging above it is remembered as one that does not obey.
"""

import logging
from collections.abc import Callable

from bridge.adapters.vedirect.errands import Errands
from bridge.adapters.vedirect.register import Register
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.refusals import NotWritable
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.values import Outcome, Value

_log = logging.getLogger(__name__)

LINK_CURRENT = "/Link/ChargeCurrent"
ACTUAL = "/Dc/0/Current"

#: Network mode 0x200E: stand-alone, external control, and the bits of a mode another party owns.
STAND_ALONE = 0x00
EXTERNAL_CONTROL = 0x05
_EXTERNAL_BITS = 0x0C

#: The device's own time-out is 60 s; 10 to 20 s are advised.
REFRESH_S = 15.0
#: How long a first current above the limit may take to give way.
PROOF_WITHIN_S = 6.0
_LOOK_EVERY_S = 0.25
#: How far above the limit a measured current may lie, A and share.
_TOLERANCE_A, _TOLERANCE = 0.5, 0.1

LINK_CURRENT_REGISTER = Register(0x2015, LINK_CURRENT, "u16", 10, poll_s=10.0)
LINK_MODE_REGISTER = Register(0x200E, "/Device/NetworkMode", "u8", poll_s=60.0)


def link_current_spec(maximum_from: str) -> PointSpec:
    """Declare the point; `maximum_from` is the point that tells the charger's highest current."""
    return PointSpec(
        LINK_CURRENT,
        "A",
        writable=True,
        minimum=0.0,
        maximum_from=maximum_from,
        step=0.1,
        lease=Lease(60.0, Safe.RELEASE),
    )


class LinkControl:
    """Takes, keeps and hands back the control of one charger's current."""

    _OBEYS, _FORMER = "link_obeys", "link_former_mode"

    def __init__(self, device: Device, clock: Clock) -> None:
        self._device = device
        self._clock = clock
        self._known = False
        self._mode: int | None = None
        self._wish: int | None = None

    @property
    def offered(self) -> bool:
        """True where the device knows the register and has not been found to ignore it."""
        return self._known and self._device.memory.get(self._OBEYS) is not False

    def reported(self, register: Register, raw: int | str | None) -> bool:
        """Take the limit and the network mode; the latter is published by its own table row."""
        if register.id == LINK_MODE_REGISTER.id:
            self._mode = raw if isinstance(raw, int) else None
            return False
        if register.id != LINK_CURRENT_REGISTER.id:
            return False
        self._known = True
        self._publish(raw if isinstance(raw, int) else None)
        return True

    def check(self) -> None:
        """Raise NotWritable where the device does not offer the register."""
        if not self.offered:
            raise NotWritable(
                LINK_CURRENT,
                f"{LINK_CURRENT}: this device does not obey a volatile current, expected a write of its "
                "stored limit",
            )

    async def apply(self, errands: Errands, value: Value) -> Outcome:
        """Put a current in force; one that the device is seen to exceed is handed back and refused."""
        raw = round(float(value) * LINK_CURRENT_REGISTER.scale)
        outcome = await self._send(errands, raw)
        if outcome not in (Outcome.CONFIRMED, Outcome.ADJUSTED):
            return outcome
        if self._device.memory.get(self._OBEYS) is None and not await self._proves(raw):
            _log.error(
                "device=%s %s acknowledged but not obeyed: handed back, no longer offered; limit it by its "
                "stored current instead",
                self._device.name,
                LINK_CURRENT,
            )
            await self.release(errands)
            self._device.memory.put(self._OBEYS, False)  # noqa: FBT003 - a saved value
            return Outcome.REFUSED
        return outcome

    async def release(self, errands: Errands) -> bool:
        """Hand the charger back to its own rule; False when it has not heard."""
        former = self._device.memory.get(self._FORMER)
        answer = await errands.put(LINK_MODE_REGISTER, former if isinstance(former, int) else STAND_ALONE)
        if isinstance(answer, Outcome):
            return False
        self._wish = None
        if isinstance(answer.raw, int):
            self._mode = answer.raw
        self._publish(None)
        return True

    async def keep(self, errands: Callable[[], Errands | None]) -> None:
        """Send the current again inside the device's time-out, until cancelled."""
        while True:
            await self._clock.sleep(REFRESH_S)
            now = errands()
            if self._wish is not None and now is not None:
                await self._send(now, self._wish)

    @property
    def in_force(self) -> bool:
        """True while the bridge limits the charger."""
        return self._wish is not None

    async def _send(self, errands: Errands, raw: int) -> Outcome:
        """Take control and set the current; handed back at once when only half of it is accepted."""
        self._note_former()
        answer = await errands.put(LINK_MODE_REGISTER, EXTERNAL_CONTROL)
        if isinstance(answer, Outcome):
            return answer
        if not answer.ok or answer.raw != EXTERNAL_CONTROL:
            return Outcome.REFUSED
        self._mode = EXTERNAL_CONTROL
        self._wish = raw
        limited = await errands.put(LINK_CURRENT_REGISTER, raw)
        if isinstance(limited, Outcome):
            return limited
        if not limited.ok or not isinstance(limited.raw, int):
            await self.release(errands)
            return Outcome.REFUSED
        self._wish = limited.raw
        self._publish(limited.raw)
        return Outcome.CONFIRMED if limited.raw == raw else Outcome.ADJUSTED

    async def _proves(self, raw: int) -> bool:
        """Watch the current; a device never seen above its limit has proved nothing: believed so far."""
        limit = raw / LINK_CURRENT_REGISTER.scale
        allowed = limit + max(_TOLERANCE_A, _TOLERANCE * limit)
        exceeded = False
        end = self._clock.monotonic() + PROOF_WITHIN_S
        while self._clock.monotonic() < end:
            current = self._device.value(ACTUAL)
            if current is None or isinstance(current, str):
                return True
            if current <= allowed:
                if exceeded:
                    self._device.memory.put(self._OBEYS, True)  # noqa: FBT003 - a saved value
                return True
            exceeded = True
            await self._clock.sleep(_LOOK_EVERY_S)
        return False

    def _note_former(self) -> None:
        """Remember, also over a crash, the mode the charger had before the bridge took control."""
        if self._mode is not None and not self._mode & _EXTERNAL_BITS:
            self._device.memory.put(self._FORMER, self._mode)

    def _publish(self, raw: int | None) -> None:
        """Show the limit while external control is in force; otherwise there is none."""
        external = self._mode is not None and bool(self._mode & _EXTERNAL_BITS)
        shown = raw / LINK_CURRENT_REGISTER.scale if raw is not None and external else None
        self._device.publish(LINK_CURRENT_REGISTER.group, {LINK_CURRENT: shown})
