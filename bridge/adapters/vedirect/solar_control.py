"""Commands of a solar charger: those of every charger, its load output, and leave to be switched at all.

MPPTs before firmware 1.42 obey their mode register only after bit 1 of register 0x0202 has been set once
since they were powered up (VE.Direct Protocol BlueSolar and SmartSolar MPPT, revision 18).
"""

import re
from collections.abc import Callable, Collection, Mapping

from bridge.adapters.vedirect.charging import LIMIT, MODE, ChargerControl
from bridge.adapters.vedirect.errands import Errands
from bridge.adapters.vedirect.every_product import UPTIME
from bridge.adapters.vedirect.link_control import LinkControl
from bridge.adapters.vedirect.register import Register
from bridge.adapters.vedirect.set_points import SetPoint, SetPointControl
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Outcome, Path, Value
from bridge.datastore.wear import Wear

REMOTE_CONTROL = Register(0x0202, "/Device/RemoteControl", "u32")
#: Bit 1: switching on and off is taken from this port.
_SWITCHING = 0x02
_OBEYS_SINCE = (1, 42)


class SolarControl:
    """Hands each change to whom it concerns: the charger's rules, or the load's."""

    def __init__(
        self, device: Device, clock: Clock, mode: Register, limit: Register, maximum: Register, load: SetPoint
    ) -> None:
        self._device = device
        self._charger = ChargerControl(device, mode, limit, maximum, LinkControl(device, clock))
        self._load = SetPointControl(device, (load,))
        self._allowed = False
        self._uptime: int | None = None

    @property
    def should_be_off(self) -> bool:
        """True where the owner has switched the charger off."""
        return self._charger.should_be_off

    def reported(self, register: Register, raw: int | str | None) -> bool:
        """Take mode, limit, load control, and the uptime that tells a restart."""
        if register == UPTIME and isinstance(raw, int):
            if self._uptime is not None and raw < self._uptime:
                self._allowed = False
            self._uptime = raw
        return self._load.reported(register, raw) or self._charger.reported(register, raw)

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Refuse what the charger's rules refuse."""
        self._charger.check(self._part(changes, self._is_chargers))

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        """Say what would be written to flash: another current limit, another load control."""
        return {
            **self._charger.wears(self._part(changes, self._is_chargers)),
            **self._load.wears(self._part(changes, self._is_loads)),
        }

    async def apply(self, errands: Errands) -> Mapping[Path, Outcome]:
        """Execute the charger's part and then the load's, unless the first was not confirmed."""
        outcomes = dict.fromkeys(errands.changes, Outcome.REFUSED)
        charger, load = (
            tuple(filter(whose, errands.changes)) for whose in (self._is_chargers, self._is_loads)
        )
        if charger:
            denied = await self._ask_leave(errands, charger)
            if denied is not None:
                return {**outcomes, **dict.fromkeys(charger, denied)}
            outcomes.update(await self._charger.apply(errands.only(*charger)))
        if load and all(outcomes[path] is Outcome.CONFIRMED for path in charger):
            outcomes.update(await self._load.apply(errands.only(*load)))
        return outcomes

    async def release(self, paths: Collection[Path], errands: Errands) -> bool:
        """Hand back what the charger has lent."""
        return await self._charger.release(paths, errands)

    async def keep(self, errands: Callable[[], Errands | None]) -> None:
        """Send again what the charger forgets by itself."""
        await self._charger.keep(errands)

    def leaving(self) -> Collection[Path]:
        """Return what the charger must get back before the bridge stops."""
        return self._charger.leaving()

    # -- inside ------------------------------------------------------------------------------------

    def _is_loads(self, path: Path) -> bool:
        return path in self._load.paths

    def _is_chargers(self, path: Path) -> bool:
        return path not in self._load.paths

    @staticmethod
    def _part(changes: Mapping[Path, Value], whose: Callable[[Path], bool]) -> Mapping[Path, Value]:
        return {path: value for path, value in changes.items() if whose(path)}

    async def _ask_leave(self, errands: Errands, paths: Collection[Path]) -> Outcome | None:
        """Let old firmware be switched from this port; an outcome where it did not answer."""
        if self._allowed or not {MODE, LIMIT} & set(paths) or not self._is_old():
            return None
        answer = await errands.put(REMOTE_CONTROL, _SWITCHING, off=True)
        if isinstance(answer, Outcome):
            return answer
        self._allowed = True
        return None

    def _is_old(self) -> bool:
        """True for firmware that must be told; one that tells no version is taken for new."""
        identity = self._device.identity
        found = re.fullmatch(r"[A-Z]?(\d+)\.(\d+).*", identity.firmware if identity else "")
        return found is not None and (int(found[1]), int(found[2])) < _OBEYS_SINCE
