"""The battery as the inverter shall see it: what was given, judged by its age, as one set to tell.

Without a charge controller an inverter is told what writers and links give: voltage, state of charge and
the three limits, and the oldest of them decides. With one, the controller makes the limits of what is
measured; a limit, a temperature or a cell that was given once is needed from then on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can_bms.battery import Battery
from bridge.adapters.can_bms.charge import Charger, Limits, Measured, settings_of
from bridge.adapters.can_bms.names import (
    ALARM_PATHS,
    ALLOW_CHARGE,
    ALLOW_DISCHARGE,
    CCL,
    CURRENT,
    CVL,
    DCL,
    DVL,
    HEARTBEAT,
    MAX_CELL,
    MIN_CELL,
    NEEDED,
    REQUEST,
    SOC,
    SOH,
    TEMPERATURE,
    VOLTAGE,
)
from bridge.adapters.can_bms.options import CanBmsOptions
from bridge.adapters.can_bms.phases import Phase, PhaseTimes, Source, oldest_s
from bridge.adapters.can_bms.supply import Supply
from bridge.adapters.can_bms.telling import Telling, in_phase
from bridge.datastore.values import Path, Value

#: What the controller makes itself or does without, until somebody gives it.
_NEEDED_ONCE_GIVEN = (CVL, CCL, DCL, TEMPERATURE, MIN_CELL, MAX_CELL)
#: Prohibitions and alarms outlive their writer: only lifting them, or a new start, ends them.
_OUTLIVING = (ALLOW_CHARGE, ALLOW_DISCHARGE, DVL, *ALARM_PATHS.values())
_FADING = (SOH, CURRENT, TEMPERATURE, MIN_CELL, MAX_CELL, REQUEST)
_WARNING, _ALARM = 1, 2


@dataclass(frozen=True, slots=True)
class View:
    """The set at one moment. `told` is None where nothing may be told; `ends_in_s` is the phase's rest."""

    phase: Phase
    age_s: float | None
    told: Telling | None
    ends_in_s: float


class Bms:
    """One battery's set, and how long it may still be told."""

    def __init__(
        self,
        options: CanBmsOptions,
        monotonic: Callable[[], float],
        fed_at: Callable[[Path], float | None],
        lease_s: Callable[[Path], float],
    ) -> None:
        self.battery = Battery(options.battery, DIALECTS[options.dialect])
        self.supply = Supply(monotonic, fed_at, lease_s, options.phases.fresh)
        self.charger: Charger | None = None
        if options.charge_control is not None:
            settings = settings_of(options.charge_control, options.battery)
            self.charger = Charger(settings, options.battery)
        self._times = PhaseTimes(*options.after_fresh)
        self._monotonic = monotonic
        self._limits: Limits | None = None

    def take(self, changes: Mapping[Path, Value]) -> None:
        """Take a batch of set-points at once, and the heartbeat after them."""
        self.supply.take({path: value for path, value in changes.items() if path != HEARTBEAT})
        if HEARTBEAT in changes:
            self.supply.beat(changes[HEARTBEAT])

    def start_anew(self) -> None:
        """Forget what was given and is not fresh, prohibitions and alarms of absent writers included."""
        self.supply.forget(
            path
            for path in (*NEEDED, *_FADING, *_OUTLIVING)
            if self.supply.has(path) and self.supply.source(path).overdue_s > 0
        )

    def view(self) -> View:
        """Return what may be told now."""
        sources = self._sources()
        phase = self._times.phase(sources)
        told = None if phase is Phase.STOPPED else in_phase(self._given(phase), phase, self.battery)
        return View(phase, oldest_s(sources), told, self._times.ends_in_s(sources))

    def zero(self) -> Telling | None:
        """Return the set that allows no current, None where nothing may be told."""
        told = self.view().told
        return None if told is None else in_phase(told, Phase.ZERO, self.battery)

    def shown(self, view: View) -> dict[Path, Value | None]:
        """Return the points as they are in force; what was never given, or is over its time, is absent."""
        told = view.told
        values: dict[Path, Value | None] = {
            path: self.supply.within(path, 0.0) for path in (*NEEDED, *_FADING)
        }
        values |= {path: self.supply.value(path) for path in _OUTLIVING}
        values[REQUEST] = None if values[REQUEST] is None else self.supply.value(REQUEST)
        if told is not None:
            values |= told.limits()
            values |= {
                VOLTAGE: told.voltage, SOC: told.soc, SOH: told.soh, CURRENT: told.current,
                TEMPERATURE: told.temperature, MIN_CELL: told.min_cell, MAX_CELL: told.max_cell,
            }  # fmt: skip
            if values[REQUEST] is not None or told.request:
                values[REQUEST] = int(told.request)
            if view.phase is Phase.ZERO:
                values |= {path: 0 for path in (ALLOW_CHARGE, ALLOW_DISCHARGE) if values[path] is not None}
            for name, path in ALARM_PATHS.items():
                level = _ALARM if name in told.alarms else _WARNING if name in told.warnings else None
                values[path] = values[path] if level is None else level
        return values

    # -- inside ------------------------------------------------------------------------------------

    def _sources(self) -> tuple[Source, ...]:
        if self.charger is None:
            return tuple(self.supply.source(path) for path in NEEDED)
        given = (path for path in _NEEDED_ONCE_GIVEN if self.supply.has(path))
        return tuple(self.supply.source(path) for path in (VOLTAGE, SOC, *given))

    def _given(self, phase: Phase) -> Telling:
        """Return what was given last; called only while every needed quantity is known."""
        supply = self.supply
        limits = self._asked(phase)
        levels = {name: supply.number(path) for name, path in ALARM_PATHS.items()}
        discharge_v = supply.number(DVL)
        return Telling(
            voltage=self._known(VOLTAGE),
            soc=self._known(SOC),
            charge_v=limits.charge_v,
            charge_a=limits.charge_a,
            discharge_a=limits.discharge_a,
            discharge_v=self.battery.options.lowest_v if discharge_v is None else discharge_v,
            soh=self._fading(SOH),
            current=self._fading(CURRENT),
            temperature=self._fading(TEMPERATURE),
            min_cell=self._fading(MIN_CELL),
            max_cell=self._fading(MAX_CELL),
            may_charge=supply.number(ALLOW_CHARGE) != 0,
            may_discharge=supply.number(ALLOW_DISCHARGE) != 0,
            request=bool(self._fading(REQUEST)) or (self.charger is not None and self.charger.forced),
            alarms=frozenset(name for name, level in levels.items() if level == _ALARM),
            warnings=frozenset(name for name, level in levels.items() if level == _WARNING),
        )

    def _asked(self, phase: Phase) -> Limits:
        """Return the limits that are asked for: those given, the controller's, or the lower of both."""
        if self.charger is None:
            return Limits(self._known(CVL), self._known(CCL), self._known(DCL))
        if self._limits is None or phase is Phase.FRESH:
            measured = Measured(
                self._known(VOLTAGE),
                self._fading(CURRENT),
                self.supply.number(TEMPERATURE),
                self.supply.number(MIN_CELL),
                self.supply.number(MAX_CELL),
            )
            self._limits = self.charger.step(measured, self._monotonic())
        own = self._limits
        return Limits(
            min(own.charge_v, self._or(CVL, own.charge_v)),
            min(own.charge_a, self._or(CCL, own.charge_a)),
            min(own.discharge_a, self._or(DCL, own.discharge_a)),
        )

    def _known(self, path: Path) -> float:
        found = self.supply.number(path)
        assert found is not None  # noqa: S101 - the phase is STOPPED while it is not known
        return found

    def _or(self, path: Path, otherwise: float) -> float:
        found = self.supply.number(path)
        return otherwise if found is None else found

    def _fading(self, path: Path) -> float | None:
        return self.supply.within(path, self._times.hold_s)
