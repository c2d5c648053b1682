"""From what inverters say to points: one batch of an inverter, one of its energies, one of the roof."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from bridge.adapters.apsystems.codec import InverterReading, signal_percent
from bridge.adapters.apsystems.energy import EnergyBook
from bridge.adapters.apsystems.inverter_energy import InverterBook
from bridge.adapters.apsystems.points import (
    ENERGY,
    FREQUENCY,
    PHASE_POWER,
    POWER,
    TODAY,
    VOLTAGE,
    YESTERDAY,
    at,
    panel_at,
)
from bridge.datastore.values import Path, Value

Batch = dict[Path, Value | None]

_WH = 1000.0


@dataclass(frozen=True, slots=True)
class Shown:
    """The newest answer of an inverter as it is shown; `powers` (W a panel) is None while not known."""

    reading: InverterReading
    powers: tuple[float, ...] | None
    lqi: int
    relays: int | None

    @property
    def power(self) -> float | None:
        """W of the whole inverter."""
        return None if self.powers is None else sum(self.powers)


def inverter_batch(number: int, shown: Shown) -> Batch:
    """Return what an inverter measures."""
    reading = shown.reading
    batch: Batch = {
        at(number, POWER): shown.power,
        at(number, VOLTAGE): reading.ac_voltage,
        at(number, FREQUENCY): reading.frequency,
        at(number, "/Temperature"): reading.temperature,
        at(number, "/Signal"): signal_percent(shown.lqi),
        at(number, "/Uptime"): reading.seconds,
        at(number, "/Relays"): shown.relays,
    }
    for panel, measured in enumerate(reading.panels, 1):
        batch[panel_at(number, panel, "/V")] = measured.voltage
        batch[panel_at(number, panel, "/I")] = measured.current
        batch[panel_at(number, panel, "/Power")] = None if shown.powers is None else shown.powers[panel - 1]
    return batch


def asleep_batch(number: int, panels: int) -> Batch:
    """Return what an inverter without light measures: no power, and nothing else."""
    batch: Batch = {
        at(number, path): None
        for path in (VOLTAGE, FREQUENCY, "/Temperature", "/Signal", "/Uptime", "/Relays")
    }
    batch[at(number, POWER)] = 0.0
    for panel in range(1, panels + 1):
        batch |= {panel_at(number, panel, "/V"): None, panel_at(number, panel, "/I"): None}
        batch[panel_at(number, panel, "/Power")] = 0.0
    return batch


def roof_batch(shown: Iterable[Shown]) -> Batch:
    """Return the roof of the inverters that answer; its power is not known while one's is not."""
    there = list(shown)
    powers = [each.power for each in there]
    known = [power for power in powers if power is not None]
    total = sum(known) if there and len(known) == len(powers) else None
    return {
        POWER: total,
        PHASE_POWER: total,
        VOLTAGE: _mean(each.reading.ac_voltage for each in there if each.reading.grid),
        FREQUENCY: _mean(each.reading.frequency for each in there if each.reading.grid),
    }


def dark_roof_batch() -> Batch:
    """Return the roof without light."""
    return {POWER: 0.0, PHASE_POWER: 0.0, VOLTAGE: None, FREQUENCY: None}


def energy_batch(book: EnergyBook, serials: Mapping[int, str]) -> Batch:
    """Return the energies of the roof and of the inverters named by number."""
    batch = _energies("", book.total, book.today, book.yesterday)
    for number, serial in serials.items():
        batch |= _inverter_energies(number, book.inverters[serial])
    return batch


def _inverter_energies(number: int, book: InverterBook) -> Batch:
    batch = _energies(at(number, ""), book.total, book.today, book.yesterday)
    for number_of_panel, panel in enumerate(book.panels, 1):
        batch[panel_at(number, number_of_panel, "/Energy")] = panel.total / _WH
        batch[panel_at(number, number_of_panel, TODAY)] = panel.today / _WH
        batch[panel_at(number, number_of_panel, YESTERDAY)] = panel.yesterday / _WH
    return batch


def _energies(prefix: Path, total: float, today: float, yesterday: float) -> Batch:
    return {
        f"{prefix}{ENERGY}": total / _WH,
        f"{prefix}{TODAY}": today / _WH,
        f"{prefix}{YESTERDAY}": yesterday / _WH,
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
