"""Commands to a VE.Bus system: mode and AC input limit in one S frame, confirmed by the config frame."""

import logging
import math
from collections.abc import Mapping
from typing import Protocol

from bridge.adapters.line import LineLost
from bridge.adapters.vebus_mk3 import requests
from bridge.adapters.vebus_mk3.codec import LIMIT_MAXIMUM
from bridge.adapters.vebus_mk3.link import GivenUp, Link, NoReply, Priority
from bridge.adapters.vebus_mk3.messages import Config, Line, Lines
from bridge.adapters.vebus_mk3.panel import Panel
from bridge.adapters.vebus_mk3.points import (
    CHARGER,
    HAND_BACK,
    INVERTER,
    LIMIT,
    LIMIT_TO_MAXIMUM,
    MODE,
    STANDBY,
)
from bridge.adapters.vebus_mk3.readings import CHARGER_ONLY, INVERTER_ONLY, OFF, ON, remote_mode
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.refusals import ValueRefused
from bridge.datastore.values import Outcome, Path, Value

_log = logging.getLogger(__name__)

#: How long the unit may take to show what it was told.
CONFIRM_WITHIN_S = 3.0
_LOOK_AGAIN_S = 0.1
#: A charger is not switched on sooner than this after it was switched off.
CHARGER_REST_S = 2.0
_PARTS = {INVERTER: INVERTER_ONLY, CHARGER: CHARGER_ONLY}
_ALIASES = (INVERTER, CHARGER)


class Show(Protocol):
    """What commands need of the system they act on; `System` is one."""

    @property
    def mains_present(self) -> bool:
        """True while the AC input has voltage."""

    def show_config(self, config: Config) -> None:
        """Publish limits and switches."""

    def show_lines(self, reply: Lines) -> None:
        """Publish the interface's lines."""


class LinesRefused(Exception):
    """The interface does not pull the lines that a command needs."""


class Controls:
    """Executes batches; what the unit shows meanwhile is shown on."""

    def __init__(
        self,
        device: Device,
        clock: Clock,
        panel: Panel,
        show: Show,
    ) -> None:
        self._device = device
        self._clock = clock
        self._panel = panel
        self._show = show
        self._charger_off_at = -math.inf
        self._at_maximum = False

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Raise ValueRefused for a batch that contradicts itself or a limit below the unit's own range."""
        if MODE in changes and any(alias in changes for alias in _ALIASES):
            raise ValueRefused(MODE, f"{MODE}: found it beside {' or '.join(_ALIASES)}, expected one of them")
        if changes.get(HAND_BACK) and len(changes) > 1:
            raise ValueRefused(HAND_BACK, f"{HAND_BACK}: found other changes beside it, expected it alone")
        if changes.get(LIMIT_TO_MAXIMUM) and LIMIT in changes:
            raise ValueRefused(LIMIT, f"{LIMIT}: found {LIMIT_TO_MAXIMUM} beside it, expected one of them")
        limit, config = changes.get(LIMIT), self._panel.config
        if isinstance(limit, int | float) and config is not None:
            least, most = config.minimum_da / 10, config.maximum_da / 10
            if round(limit * 10) and round(limit * 10) < config.minimum_da:
                raise ValueRefused(
                    LIMIT, f"{LIMIT}: found {limit:g}, expected {least:g} to {most:g} A, or 0 for the least"
                )

    async def apply(self, changes: Mapping[Path, Value], link: Link) -> Mapping[Path, Outcome]:
        """Execute a batch and say what became of each change."""
        acts = {p: v for p, v in changes.items() if v or p not in (HAND_BACK, LIMIT_TO_MAXIMUM)}
        outcomes = dict.fromkeys(changes, Outcome.CONFIRMED)
        if not acts:
            return outcomes
        refusal = self._refusal(acts)
        if refusal:
            _log.warning("device=%s refused %s: %s", self._device.name, ", ".join(acts), refusal)
            return dict.fromkeys(changes, Outcome.REFUSED)
        self._panel.begin()
        try:
            return {**outcomes, **await self._execute(acts, link)}
        except GivenUp:
            return dict.fromkeys(changes, Outcome.SUPERSEDED)
        except NoReply:
            return dict.fromkeys(changes, Outcome.TIMED_OUT)
        except LineLost:
            return dict.fromkeys(changes, Outcome.OFFLINE)
        except LinesRefused as refused:
            _log.warning("device=%s refused %s: %s", self._device.name, ", ".join(acts), refused)
            return dict.fromkeys(changes, Outcome.REFUSED)
        finally:
            self._panel.end()

    # -- inside ----------------------------------------------------------------------------------------

    def _refusal(self, changes: Mapping[Path, Value]) -> str:
        """Say why the unit would not obey; empty where it would."""
        config = self._panel.config
        if config is None:
            return "its limits and switches have not been heard yet; wait a second and write again"
        if config.multi_control:
            return "a Digital Multi Control owns the system; remove it to command the system from here"
        if not config.limit_settable and (LIMIT in changes or LIMIT_TO_MAXIMUM in changes):
            return "the unit keeps its limit from remote panels; set `overruled by remote` with VEConfigure"
        standby = bool(changes.get(STANDBY, self._panel.standby))
        awake = remote_mode(config) != OFF or (self._panel.flags or 0) & Line.STANDBY
        sleeps = self._mode(changes) == OFF and not standby and not self._show.mains_present
        if awake and sleeps and not self._panel.allow_sleep:
            return (
                "without AC it would fall asleep, and only the mains or a hand could switch it on again; "
                f"write 1 to {STANDBY} first, or set `standby: true` or `allow_sleep: true` in the site file"
            )
        return ""

    async def _execute(self, changes: Mapping[Path, Value], link: Link) -> Mapping[Path, Outcome]:
        def overtaken() -> bool:
            return all(self._is_overtaken(path, value) for path, value in changes.items())

        off = changes.get(MODE) == OFF
        priority = Priority.OFF if off else Priority.COMMAND
        await self._rest(changes)
        if overtaken():
            raise GivenUp
        standby = bool(changes.get(STANDBY, self._panel.standby))
        with link.reserved():
            await self._pull(link, self._panel.commanded_flags(standby=standby), priority)
            before = self._panel.config
            sent = requests.state(lambda: self._pair(changes))
            await link.ask(sent, priority, unwanted=overtaken)
            shown = await self._look(link)
        outcomes = await self._confirm(changes, link, before, shown)
        if HAND_BACK in changes and outcomes[HAND_BACK] is Outcome.CONFIRMED:
            await self._pull(link, self._panel.released_flags(), Priority.COMMAND)
            self._let_go()
        elif Outcome.CONFIRMED in outcomes.values() or Outcome.ADJUSTED in outcomes.values():
            self._keep(changes)
        return outcomes

    async def _rest(self, changes: Mapping[Path, Value]) -> None:
        """Let a charger just switched off rest before it is switched on again."""
        if self._mode(changes) & CHARGER_ONLY:
            await self._clock.sleep(self._charger_off_at + CHARGER_REST_S - self._clock.monotonic())

    async def _pull(self, link: Link, flags: int, priority: Priority) -> None:
        """Pull the lines a command needs. Raises LinesRefused when the interface shows others."""
        if self._panel.flags == flags:
            return
        reply = await link.ask(requests.lines(flags), priority)
        if isinstance(reply, Lines):
            self._show.show_lines(reply)
            wanted = flags & (Line.PANEL_DETECT | Line.STANDBY)
            if reply.flags & (Line.PANEL_DETECT | Line.STANDBY) != wanted:
                raise LinesRefused(
                    f"the interface shows the lines {reply.flags:02X}, expected {flags:02X}: is it an MK3?"
                )

    def _pair(self, changes: Mapping[Path, Value]) -> tuple[int, int]:
        """Return mode and limit for an S frame that goes out now: what changes, and the rest as it is."""
        config = self._panel.config
        assert config is not None  # noqa: S101 - refused before
        mode = self._mode(changes)
        if not mode & CHARGER_ONLY and remote_mode(config) & CHARGER_ONLY:
            self._charger_off_at = self._clock.monotonic()
        return mode, self._limit(changes, config)

    def _mode(self, changes: Mapping[Path, Value]) -> int:
        if HAND_BACK in changes:
            return ON
        mode = changes.get(MODE)
        if mode is not None and not self._is_overtaken(MODE, mode):
            return int(mode)
        present = self._device.wanted(MODE) or self._device.held(MODE) or self._panel.present_mode()
        if not any(alias in changes for alias in _ALIASES):
            return int(present)
        if self._device.wanted(MODE) is not None:
            return int(present)  # a mode asked for by itself is newer than this batch
        bits = int(present) & ON
        for alias, bit in _PARTS.items():
            if alias in changes:
                bits = bits | bit if changes[alias] else bits & ~bit
        return bits or OFF

    def _limit(self, changes: Mapping[Path, Value], config: Config) -> int:
        if HAND_BACK in changes or LIMIT_TO_MAXIMUM in changes:
            self._at_maximum = True
            return LIMIT_MAXIMUM
        newest = self._device.wanted(LIMIT)
        wish = changes.get(LIMIT) if newest is None else newest
        if wish is not None:
            self._at_maximum = False
        elif self._at_maximum and config.actual_da == config.maximum_da:
            return LIMIT_MAXIMUM
        else:
            wish = self._device.held(LIMIT)
        return config.actual_da if wish is None else round(float(wish) * 10)

    async def _look(self, link: Link) -> Config:
        config = await link.ask(requests.config(), Priority.COMMAND, proven=True)
        assert isinstance(config, Config)  # noqa: S101 - nothing else answers the request
        return config

    async def _confirm(
        self, changes: Mapping[Path, Value], link: Link, before: Config | None, config: Config
    ) -> dict[Path, Outcome]:
        """Look at the unit until it shows each change, has been overtaken by a newer one, or had its time."""
        outcomes: dict[Path, Outcome] = {}
        until = self._clock.monotonic() + CONFIRM_WITHIN_S
        while True:
            late = self._clock.monotonic() >= until
            for path, value in changes.items():
                if path not in outcomes:
                    judged = self._judged(path, value, config, before if late else None)
                    if judged is not None:
                        outcomes[path] = judged
            if outcomes:
                self._show.show_config(config)
            for path, value in changes.items():
                if path not in outcomes and self._is_overtaken(path, value):
                    outcomes[path] = Outcome.SUPERSEDED
            if len(outcomes) == len(changes):
                return outcomes
            await self._clock.sleep(_LOOK_AGAIN_S)
            config = await self._look(link)

    def _judged(self, path: Path, value: Value, config: Config, before: Config | None) -> Outcome | None:
        """Say what became of a change as the unit shows it; None while that is open.

        before: the config frame before the command, given once the time to obey is over.
        """
        mode, actual = remote_mode(config), config.actual_da
        reached = {
            MODE: mode == value,
            INVERTER: bool(mode & INVERTER_ONLY) == bool(value),
            CHARGER: bool(mode & CHARGER_ONLY) == bool(value),
            STANDBY: bool((self._panel.flags or 0) & Line.STANDBY) == bool(value),
            LIMIT_TO_MAXIMUM: actual == config.maximum_da,
            HAND_BACK: mode == ON and (actual == config.maximum_da or not config.limit_settable),
            LIMIT: isinstance(value, int | float) and actual == round(value * 10),
        }
        if reached[path]:
            return Outcome.CONFIRMED
        if path == LIMIT and value == 0 and actual == config.minimum_da:
            return Outcome.ADJUSTED
        if before is None:
            return None
        return Outcome.ADJUSTED if path == LIMIT and actual != before.actual_da else Outcome.REFUSED

    def _is_overtaken(self, path: Path, value: Value) -> bool:
        return self._device.wanted(path) not in (None, value)

    def _keep(self, changes: Mapping[Path, Value]) -> None:
        """Hold the mode, whatever the command was about: the unit waits for it after a restart."""
        config = self._panel.config
        if config is None:
            return
        mode = remote_mode(config)
        self._device.keep(MODE, mode)
        self._panel.leased = self._device.spec(MODE).lease is not None
        for alias, bit in _PARTS.items():
            held = self._device.held(alias)
            if held is not None and bool(held) != bool(mode & ON & bit):
                self._device.release(alias)
        if LIMIT_TO_MAXIMUM in changes:
            self._device.keep(LIMIT, config.maximum_da / 10)

    def _let_go(self) -> None:
        self._panel.leased = False
        for path in (MODE, LIMIT, STANDBY, *_ALIASES):
            self._device.release(path)
        _log.info("device=%s handed back: it follows its own switches again", self._device.name)
