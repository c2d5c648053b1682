"""Switching a charger and limiting its current, with the truth about why it is off.

A charger has no current of zero: below its minimum it can only be switched off by its mode. So the bridge
remembers, also over restarts, what switched it off. Off by current: the limit reads 0, and a later current
in range sets the current first and then switches on. Off by mode: a current is stored, the charger stays
off. Mode on ends both, and the limit shows the stored current again.
"""

import logging
from collections.abc import Callable, Collection, Mapping

from bridge.adapters.vedirect.access import Answer
from bridge.adapters.vedirect.errands import Errands
from bridge.adapters.vedirect.link_control import LINK_CURRENT, LinkControl
from bridge.adapters.vedirect.register import Register
from bridge.datastore.device import Device
from bridge.datastore.refusals import ValueRefused
from bridge.datastore.values import Outcome, Path, Value
from bridge.datastore.wear import Wear

_log = logging.getLogger(__name__)

MODE = "/Mode"
LIMIT = "/Settings/ChargeCurrentLimit"
LIMIT_MAX = "/Settings/ChargeCurrentLimitMax"
LIMIT_MIN = "/Settings/ChargeCurrentLimitMin"
ON, OFF = 1, 4

#: Share of the nominal current below which chargers are reported to refuse; shown until one has refused.
TYPICAL_MINIMUM = 0.25


class ChargerControl:
    """Executes /Mode and /Settings/ChargeCurrentLimit on one charger, and publishes both.

    What the limit shows depends on why the charger is off, so the adapter hands every reported mode,
    limit and maximum to this object instead of publishing them itself.
    """

    _BY_MODE, _BY_CURRENT, _MINIMUM = "off_by_mode", "off_by_current", "minimum_raw"

    def __init__(
        self, device: Device, mode: Register, limit: Register, maximum: Register, link: LinkControl
    ) -> None:
        self._device = device
        self._link = link
        self._mode = mode
        self._limit = limit
        self._maximum = maximum
        self._by_mode = bool(device.memory.get(self._BY_MODE))
        self._by_current = bool(device.memory.get(self._BY_CURRENT))
        minimum = device.memory.get(self._MINIMUM)
        self._minimum_raw = minimum if isinstance(minimum, int) else None
        self._maximum_raw: int | None = None
        self._stored_raw: int | None = None
        self._commands = 0

    # -- what the device reports -------------------------------------------------------------------

    @property
    def should_be_off(self) -> bool:
        """True where the owner has switched the charger off, by mode or by current."""
        return self._by_mode or self._by_current

    def reported(self, register: Register, raw: int | str | None) -> bool:
        """Take mode, limit and maximum; other registers are not this control's."""
        number = raw if isinstance(raw, int) else None
        if register == self._mode:
            self._mode_reported(self._mode_of(raw))
        elif register == self._limit:
            self._limit_reported(number)
        elif register == self._maximum:
            self._maximum_reported(number)
        else:
            return self._link.reported(register, raw)
        return True

    def _mode_reported(self, mode: int | None) -> None:
        """Publish the mode; one that nobody here commanded is adopted."""
        shown_before = self._shown_limit()
        commanded = self._commands or any(self._device.wanted(path) is not None for path in (MODE, LIMIT))
        if mode is not None and not commanded:
            if mode != OFF and self.should_be_off:
                _log.info("device=%s switched on at the device: adopted", self._device.name)
                self._remember(by_mode=False, by_current=False)
            elif mode == OFF and not self.should_be_off:
                self._remember(by_mode=True, by_current=False)
        self._publish_mode(mode, with_limit=self._by_current or self._shown_limit() != shown_before)

    def _limit_reported(self, raw: int | None) -> None:
        """Take the current stored in the device."""
        self._stored_raw = raw
        self._device.publish(self._limit.group, {LIMIT: self._shown_limit()})

    def _maximum_reported(self, raw: int | None) -> None:
        """Publish the range: the learnt minimum, or the typical share of the maximum until one is learnt."""
        self._maximum_raw = raw
        maximum = None if raw is None else raw / self._maximum.scale
        minimum = None if maximum is None else round(maximum * TYPICAL_MINIMUM, 1)
        if self._minimum_raw is not None:
            minimum = self._minimum_raw / self._limit.scale
        self._device.publish(self._maximum.group, {LIMIT_MAX: maximum, LIMIT_MIN: minimum})

    # -- rules -------------------------------------------------------------------------------------

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Refuse a batch that switches on and asks for no current, and a link current nobody would obey."""
        if LINK_CURRENT in changes:
            self._link.check()
        current = changes.get(LIMIT)
        if changes.get(MODE) == ON and current is not None and self._means_off(self._raw(current)):
            raise ValueRefused(
                LIMIT,
                f"{LIMIT}: found {current} with {MODE} on, expected a current in range or {MODE} off",
            )

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        """Only a current that differs from the stored one is written to flash."""
        if LIMIT not in changes:
            return {}
        raw = self._raw(changes[LIMIT])
        if self._means_off(raw) or raw == self._stored_raw:
            return {}
        return {LIMIT: Wear.LOWER if self._stored_raw is not None and raw < self._stored_raw else Wear.RAISE}

    # -- commands ----------------------------------------------------------------------------------

    async def apply(self, errands: Errands) -> Mapping[Path, Outcome]:
        """Execute the batch of `errands`, in the order the module's rules ask for; the link current last."""
        outcomes = dict(await self._apply_own(errands)) if {MODE, LIMIT} & errands.changes.keys() else {}
        if LINK_CURRENT not in errands.changes:
            return outcomes
        if any(outcome is not Outcome.CONFIRMED for outcome in outcomes.values()):
            return {**outcomes, LINK_CURRENT: Outcome.REFUSED}
        return {**outcomes, LINK_CURRENT: await self._link.apply(errands, errands.changes[LINK_CURRENT])}

    async def release(self, paths: Collection[Path], errands: Errands) -> bool:
        """Hand the link current back; other points are the device's own and stay as they are."""
        return await self._link.release(errands) if LINK_CURRENT in paths else True

    async def keep(self, errands: Callable[[], Errands | None]) -> None:
        """Send the link current again inside the device's time-out."""
        await self._link.keep(errands)

    def leaving(self) -> Collection[Path]:
        """Return the link current while it is in force."""
        return (LINK_CURRENT,) if self._link.in_force else ()

    async def _apply_own(self, errands: Errands) -> Mapping[Path, Outcome]:
        mode = errands.changes.get(MODE)
        current = errands.changes.get(LIMIT)
        self._commands += 1
        try:
            if current is None:
                return {MODE: await self._switch(errands, on=mode == ON)}
            raw = self._raw(current)
            if mode == OFF:
                return await self._off_and_store(errands, raw)
            if self._means_off(raw):
                return {LIMIT: await self._off_by_current(errands, raw)}
            return await self._store_and_on(errands, raw, commanded_on=mode == ON)
        finally:
            self._commands -= 1

    async def _off_and_store(self, errands: Errands, raw: int) -> Mapping[Path, Outcome]:
        """Mode off and a current in one batch: off first, the current is stored."""
        none = self._means_off(raw)
        switched = await self._switch(errands, on=False, by_current=none)
        if switched is not Outcome.CONFIRMED:
            return {MODE: switched, LIMIT: Outcome.REFUSED}
        if none:
            return {MODE: switched, LIMIT: Outcome.ADJUSTED if raw else Outcome.CONFIRMED}
        return {MODE: switched, LIMIT: await self._store(errands, raw)}

    async def _store_and_on(
        self, errands: Errands, raw: int, *, commanded_on: bool
    ) -> Mapping[Path, Outcome]:
        """A current in range: stored first; then on, where current 0 had switched off or mode on is asked."""
        stored = await self._store(errands, raw)
        if stored is not Outcome.CONFIRMED:
            unsent = stored if stored is Outcome.SUPERSEDED else Outcome.REFUSED
            return {LIMIT: stored, MODE: unsent} if commanded_on else {LIMIT: stored}
        if commanded_on:
            return {LIMIT: stored, MODE: await self._switch(errands, on=True)}
        if self._by_current and not self._by_mode:
            return {LIMIT: await self._switch(errands, on=True)}
        self._remember(by_mode=self._by_mode, by_current=False)
        self._device.publish(self._limit.group, {LIMIT: self._shown_limit()})
        return {LIMIT: stored}

    async def _off_by_current(self, errands: Errands, raw: int) -> Outcome:
        """A current of zero, or one under the minimum: off by mode. Only zero is what was asked for."""
        switched = await self._switch(errands, on=False, by_mode=self._by_mode, by_current=True)
        return Outcome.ADJUSTED if switched is Outcome.CONFIRMED and raw else switched

    async def _switch(
        self, errands: Errands, *, on: bool, by_mode: bool | None = None, by_current: bool = False
    ) -> Outcome:
        wish = ON if on else OFF
        answer = await errands.put(self._mode, wish, off=not on, unless=self._switched_off_since(errands, on))
        if isinstance(answer, Outcome):
            return answer
        if not answer.ok:
            return Outcome.REFUSED
        mode = self._mode_of(answer.raw)
        if mode == wish:
            self._remember(by_mode=not on if by_mode is None else by_mode, by_current=by_current)
            self._release_holds(on=on, by_current=by_current)
        self._publish_mode(mode, with_limit=True)
        return Outcome.CONFIRMED if mode == wish else Outcome.ADJUSTED

    def _switched_off_since(self, errands: Errands, on: bool) -> Callable[[], bool]:
        """Tell whether an off has come in since, which a current's own switching on must not undo."""
        if not on or MODE in errands.changes:
            return lambda: False
        return lambda: self._by_mode or errands.wanted(MODE) == OFF

    async def _store(self, errands: Errands, raw: int) -> Outcome:
        """Write the stored current, unless it is there already."""
        before = self._stored_raw
        if raw == before:
            return await self._confirm_stored(errands, raw)
        answer = await errands.put(self._limit, raw)
        if isinstance(answer, Outcome):
            return answer
        if not isinstance(answer.raw, int):
            return Outcome.REFUSED
        if answer.raw > raw and self._is_minimum(answer, before):
            self._learn_minimum(answer.raw)
            return await self._off_by_current(errands, raw)
        if not answer.ok:
            return Outcome.REFUSED
        self._stored_raw = answer.raw
        self._publish_stored()
        return Outcome.CONFIRMED if answer.raw == raw else Outcome.ADJUSTED

    # -- inside ------------------------------------------------------------------------------------

    @staticmethod
    def _mode_of(raw: int | str | None) -> int | None:
        """Return the mode a raw value of register 0x0200 stands for: old firmware reports off as 0."""
        if not isinstance(raw, int):
            return None
        return OFF if raw == 0 else raw

    def _raw(self, current: Value) -> int:
        return round(float(current) * self._limit.scale)

    def _means_off(self, raw: int) -> bool:
        """True for zero and for what the device has once refused as too little."""
        return raw == 0 or (self._minimum_raw is not None and raw < self._minimum_raw)

    def _shown_limit(self) -> float | None:
        if self._by_current:
            return 0.0
        return None if self._stored_raw is None else self._stored_raw / self._limit.scale

    def _release_holds(self, *, on: bool, by_current: bool) -> None:
        """End the hold of the other point where this switching has overtaken it.

        What a restart of the device wipes is then sent again for the reason it is off: mode or current 0.
        """
        if by_current or on:
            self._device.release(MODE)
        if not by_current and self._device.held(LIMIT) == 0:
            self._device.release(LIMIT)

    def _publish_mode(self, mode: int | None, *, with_limit: bool) -> None:
        values: dict[Path, Value | None] = {MODE: mode}
        if with_limit:
            values[LIMIT] = self._shown_limit()
        self._device.publish(self._mode.group, values)

    def _publish_stored(self) -> None:
        """Show a current just read from the device, unless current 0 still stands before it."""
        if not self._by_current:
            self._device.publish(self._limit.group, {LIMIT: self._shown_limit()})

    async def _confirm_stored(self, errands: Errands, raw: int) -> Outcome:
        """Ask whether the current taken for stored, and so not counted as wear, is really there."""
        answer = await errands.look(self._limit)
        if isinstance(answer, Outcome):
            return answer
        if not answer.ok or not isinstance(answer.raw, int):
            return Outcome.REFUSED
        self._stored_raw = answer.raw
        self._publish_stored()
        return Outcome.CONFIRMED if answer.raw == raw else Outcome.ADJUSTED

    def _is_minimum(self, answer: Answer, before: int | None) -> bool:
        """True where a value above the one asked for is the device's least, not one it just kept."""
        if (
            self._maximum_raw is not None
            and isinstance(answer.raw, int)
            and answer.raw > self._maximum_raw / 2
        ):
            return False
        return answer.is_parameter_error or (answer.ok and answer.raw != before)

    def _learn_minimum(self, raw: int) -> None:
        if raw != self._minimum_raw:
            _log.info("device=%s minimum=%.1f A learnt", self._device.name, raw / self._limit.scale)
            self._minimum_raw = raw
            self._device.memory.put(self._MINIMUM, raw)
            self._maximum_reported(self._maximum_raw)

    def _remember(self, *, by_mode: bool, by_current: bool) -> None:
        if (by_mode, by_current) != (self._by_mode, self._by_current):
            self._by_mode, self._by_current = by_mode, by_current
            self._device.memory.put(self._BY_MODE, by_mode)
            self._device.memory.put(self._BY_CURRENT, by_current)


__all__ = ["LIMIT", "LIMIT_MAX", "LIMIT_MIN", "MODE", "OFF", "ON", "ChargerControl"]
