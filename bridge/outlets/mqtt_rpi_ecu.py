"""Roofs in the JSON of the RPI-ECU programs and for Domoticz, so that what read those reads on.

Fields as those programs have them; inverters are numbered from 0 there. Energies are in Wh.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from bridge.datastore.device import Device
from bridge.datastore.store import Datastore
from bridge.datastore.values import Path, Value

#: Most panels of one inverter.
_PANELS = 4
#: Forms that the broker keeps.
_RETAINED = frozenset({3, 4})


@dataclass(frozen=True, slots=True)
class Form:
    """How one roof is told. `idx`: Domoticz's number of each inverter."""

    device: str
    form: int
    topic: str
    each: bool
    idx: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FormTold:
    """A message to be published."""

    topic: str
    payload: str
    retain: bool


class RpiEcu:
    """Watches one roof, and tells each inverter when it has answered."""

    def __init__(self, form: Form, datastore: Datastore, stir: Callable[[], None]) -> None:
        self._form = form
        self._datastore = datastore
        self._stir = stir
        self._heard: set[int] = set()
        self._device: Device | None = None
        self._end: Callable[[], None] = lambda: None

    def close(self) -> None:
        """Watch no more."""
        self._end()
        self._device = None

    def due(self) -> Iterator[FormTold]:
        """Yield what is to be told of inverters heard since the last call."""
        device = self._datastore.devices.get(self._form.device)
        if device is not self._device:
            self._end()
            self._device = device
            self._end = (lambda: None) if device is None else device.published.connect(self._published)
        heard, self._heard = self._heard, set()
        if device is None:
            return
        for number in sorted(heard):
            content = _FORMS[self._form.form](_Inverter(device, number), self._form)
            if content is not None:
                topic = f"{self._form.topic}/{number - 1}" if self._form.each else self._form.topic
                yield FormTold(topic, json.dumps(content), self._form.form in _RETAINED)

    def _published(self, brought: Collection[Path]) -> None:
        for path in brought:
            parts = path.split("/")
            if len(parts) == 5 and parts[1] == "Inverters" and parts[3:] == ["Ac", "Power"]:
                self._heard.add(int(parts[2]))
        if self._heard:
            self._stir()


class _Inverter:
    """The points of one inverter, numbered from 1; what may not be believed is None."""

    def __init__(self, device: Device, number: int) -> None:
        self.number = number
        self._device = device

    def at(self, path: Path) -> Value | None:
        """Return a point of the inverter."""
        return self._device.value(f"/Inverters/{self.number}{path}")

    def figure(self, path: Path, factor: float = 1.0, digits: int = 1) -> float:
        """Return a number, 0 where there is none: those programs have no other way to say it."""
        found = self.at(path)
        return round(found * factor, digits) if isinstance(found, int | float) else 0.0

    def panels(self) -> int:
        """Return how many panels it has."""
        paths = (f"/Inverters/{self.number}/Panels/{panel}/V" for panel in range(1, _PANELS + 1))
        return sum(self._device.has(path) for path in paths)

    def each(self, path: Path, factor: float = 1.0, digits: int = 1) -> list[float]:
        """Return a number of each panel."""
        return [
            self.figure(f"/Panels/{panel}{path}", factor, digits) for panel in range(1, self.panels() + 1)
        ]


_Content = dict[str, object]


def _domoticz(inverter: _Inverter, form: Form) -> _Content | None:
    if inverter.number > len(form.idx):
        return None
    power, energy = inverter.figure("/Ac/Power"), inverter.figure("/Ac/Energy/Forward", 1000)
    return {"idx": form.idx[inverter.number - 1], "nvalue": 0, "svalue": f"{power};{energy}"}


def _texts(inverter: _Inverter, _: Form) -> _Content:
    powers = inverter.each("/Power") + [0.0] * _PANELS
    return {
        "inv": str(inverter.number - 1),
        "temp": str(inverter.figure("/Temperature")),
        **{f"p{panel}": str(powers[panel]) for panel in range(_PANELS)},
        "energy": str(inverter.figure("/Ac/Energy/Forward", 1000)),
    }


def _head(inverter: _Inverter) -> _Content:
    return {
        "inv_serial": str(inverter.at("/Serial") or ""),
        "freq": inverter.figure("/Ac/Frequency", digits=2),
        "temp": inverter.figure("/Temperature"),
        "acv": inverter.figure("/Ac/L1/Voltage"),
    }


def _lists(inverter: _Inverter, _: Form) -> _Content:
    return {
        **_head(inverter),
        "signal": inverter.figure("/Signal"),
        "polled": 1,
        "dcv": inverter.each("/V"),
        "dcc": inverter.each("/I", digits=2),
        "pwr": inverter.each("/Power"),
        "pwr_total": inverter.figure("/Ac/Power"),
        "en": inverter.each("/Energy", 1000),
        "energy_total": inverter.figure("/Ac/Energy/Forward", 1000),
    }


def _channels(inverter: _Inverter, _: Form) -> _Content:
    columns = zip(
        inverter.each("/V"),
        inverter.each("/I", digits=2),
        inverter.each("/Power"),
        inverter.each("/Energy", 1000),
        strict=True,
    )
    return {
        **_head(inverter),
        **{f"ch{place}": list(column) for place, column in enumerate(columns)},
        "totals": [inverter.figure("/Ac/Power"), inverter.figure("/Ac/Energy/Forward", 1000)],
    }


_FORMS: Mapping[int, Callable[[_Inverter, Form], _Content | None]] = {
    1: _domoticz,
    2: _texts,
    3: _lists,
    4: _channels,
}
