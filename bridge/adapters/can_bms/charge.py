"""The charge controller: bulk, absorption, float, storage and re-bulk, cut back by temperature and cells.

Pure but for its stage: measurements and time in, limits out. It asks for a voltage by 0x351 and leaves the
regulation to the inverter. It never asks for less than the battery has now: an inverter would discharge
down to it and ignore the discharge limit. From a higher voltage it goes down with the battery, while no
charge current is allowed.
"""

import enum
import math
from dataclasses import dataclass, replace

from bridge.adapters.can_bms.options import BatteryOptions, ChargeOptions, charge_voltages

#: How near to the wanted voltage counts as reached: cables and the inverter's measurement take part of it.
_REACHED = 0.004
#: How long a voltage or a current must last before it decides, in seconds: loads come and go.
_REACHED_FOR_S, _TAIL_FOR_S, _LOW_FOR_S = 5.0, 60.0, 30.0
#: The longest step of time that counts: what happened while nothing was known was no absorption.
_STEP_S = 10.0
#: Within so many degrees of an edge of the allowed temperatures the charge current is cut back.
_TEMPERATURE_EDGE = 5.0
#: Tail current where none is given, as a part of the capacity per hour.
_TAIL_C = 0.02


class Stage(enum.IntEnum):
    """Stages of a charge, numbered as `/State`."""

    BULK = 3
    ABSORPTION = 4
    FLOAT = 5
    STORAGE = 6


@dataclass(frozen=True, slots=True)
class Settings:
    """Voltages in V, currents in A, times in seconds, temperatures in degrees Celsius."""

    rebulk_v: float
    storage_v: float
    float_v: float
    absorption_v: float
    bulk_a: float
    tail_a: float
    absorption_s: float
    float_s: float
    coldest: float
    hottest: float

    def fault(self) -> str | None:
        """Say what contradicts itself, or None."""
        if self.rebulk_v < self.storage_v <= self.float_v <= self.absorption_v:
            return None
        return (
            f"found re-bulk {self.rebulk_v:g} V, storage {self.storage_v:g} V, float {self.float_v:g} V, "
            f"absorption {self.absorption_v:g} V, expected them in this order; "
            "write what is to change in one go"
        )


def settings_of(charge: ChargeOptions, battery: BatteryOptions) -> Settings:
    """Return the settings of a site file; what it leaves out is usual for the chemistry."""
    rebulk_v, storage_v, float_v, absorption_v = charge_voltages(charge, battery)
    tail_a = charge.tail_current
    return Settings(
        rebulk_v, storage_v, float_v, absorption_v,
        battery.charge_a if charge.bulk_current is None else charge.bulk_current,
        round(_TAIL_C * battery.capacity, 1) if tail_a is None else tail_a,
        charge.absorption_time, charge.float_time, charge.lowest_temperature, charge.highest_temperature,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the battery: V, A (positive while charging), degrees Celsius. None is not known."""

    voltage_v: float
    current_a: float | None = None
    temperature: float | None = None
    min_cell_v: float | None = None
    max_cell_v: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the controller asks for: charge voltage in V, charge and discharge current in A."""

    charge_v: float
    charge_a: float
    discharge_a: float


class Charger:
    """One battery's charge."""

    def __init__(self, settings: Settings, battery: BatteryOptions) -> None:
        self.settings = settings
        self.stage = Stage.BULK
        #: True while a full charge was asked for and is not done.
        self.forced = False
        self._battery = battery
        self._at: float | None = None
        self._asked_v: float | None = None
        self._stage_s = self._reached_s = self._tail_s = self._low_s = 0.0

    def change(self, **settings: float) -> None:
        """Put other settings in force. Raises ValueError for those that contradict each other."""
        wanted = replace(self.settings, **settings)
        fault = wanted.fault()
        if fault is not None:
            raise ValueError(fault)
        self.settings = wanted

    def restart(self) -> None:
        """Begin again with bulk."""
        self._enter(Stage.BULK)

    def force(self, *, on: bool) -> None:
        """Charge until full now, or leave off doing so."""
        if on and not self.forced and self.stage is not Stage.BULK:
            self.restart()
        self.forced = on

    def step(self, measured: Measured, now: float) -> Limits:
        """Take what is measured at monotonic time `now` and say what may be done with the battery."""
        passed_s = 0.0 if self._at is None else min(_STEP_S, max(0.0, now - self._at))
        self._at = now
        self._advance(measured, passed_s)
        target_v, charge_a = self._target_v, self.settings.bulk_a
        before_v, self._asked_v = self._asked_v, target_v
        if before_v is not None and measured.voltage_v > target_v and before_v > target_v:
            self._asked_v = min(before_v, tenths_up(measured.voltage_v))
            charge_a = 0.0
        return Limits(
            round(self._asked_v, 3),
            _tenths(charge_a * self._charge_part(measured)),
            _tenths(self._battery.discharge_a * self._discharge_part(measured)),
        )

    # -- stages --------------------------------------------------------------------------------------

    @property
    def _target_v(self) -> float:
        settings = self.settings
        return {Stage.FLOAT: settings.float_v, Stage.STORAGE: settings.storage_v}.get(
            self.stage, settings.absorption_v
        )

    def _advance(self, measured: Measured, passed_s: float) -> None:
        settings = self.settings
        self._stage_s += passed_s
        full = measured.voltage_v >= settings.absorption_v * (1 - _REACHED)
        tail = full and measured.current_a is not None and 0 <= measured.current_a <= settings.tail_a
        low = measured.voltage_v < settings.rebulk_v
        self._reached_s = self._reached_s + passed_s if full else 0.0
        self._tail_s = self._tail_s + passed_s if tail else 0.0
        self._low_s = self._low_s + passed_s if low else 0.0
        if self.stage is Stage.BULK:
            if self._reached_s >= _REACHED_FOR_S:
                self._enter(Stage.ABSORPTION)
        elif self._low_s >= _LOW_FOR_S:
            self._enter(Stage.BULK)
        elif self.stage is Stage.ABSORPTION:
            if self._stage_s >= settings.absorption_s or self._tail_s >= _TAIL_FOR_S:
                self.forced = False
                self._enter(Stage.FLOAT)
        elif self.stage is Stage.FLOAT and self._stage_s >= settings.float_s:
            self._enter(Stage.STORAGE)

    def _enter(self, stage: Stage) -> None:
        self.stage = stage
        self._stage_s = self._reached_s = self._tail_s = self._low_s = 0.0

    # -- cutting back --------------------------------------------------------------------------------

    def _charge_part(self, measured: Measured) -> float:
        """Return the part of the charge current that temperature and the highest cell allow, 0 to 1."""
        parts = [1.0]
        if measured.temperature is not None:
            parts.append(_ramp(measured.temperature - self.settings.coldest, _TEMPERATURE_EDGE))
            parts.append(_ramp(self.settings.hottest - measured.temperature, _TEMPERATURE_EDGE))
        if measured.max_cell_v is not None:
            cell = self._battery.cell
            parts.append(_ramp(cell.highest - measured.max_cell_v, cell.derating))
        return min(parts)

    def _discharge_part(self, measured: Measured) -> float:
        """Return the part of the discharge current that the lowest cell or the voltage allows, 0 to 1."""
        cell, cells = self._battery.cell, self._battery.cells
        lowest = self._battery.lowest_v / cells
        found = measured.voltage_v / cells if measured.min_cell_v is None else measured.min_cell_v
        return _ramp(found - lowest, cell.derating)


def _ramp(distance: float, width: float) -> float:
    return min(1.0, max(0.0, distance / width))


def tenths_up(volts: float) -> float:
    """Round up to what 0x351 can say: rounded down it might be less than the battery has."""
    return math.ceil(volts * 10 - 1e-6) / 10


def _tenths(amperes: float) -> float:
    """Round down to what 0x351 can say."""
    return math.floor(amperes * 10 + 1e-9) / 10
