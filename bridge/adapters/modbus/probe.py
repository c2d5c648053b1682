"""Whether a Modbus slave is on an RTU line: the model registers of known equipment are read.

Only reads are sent (FC3). What a person has not named is tried for known equipment alone, at its own units
and rates: a whole scan of units and rates would take minutes. An exception is an answer too.
"""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.adapters.line import SerialSettings
from bridge.adapters.modbus.codec import RtuCodec
from bridge.adapters.modbus.options import QUIRKS
from bridge.adapters.modbus.requests import Answer, Data, Read, Refused
from bridge.adapters.probing import Ear, Introduction, PortInQuestion
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Detect, RegisterMap

#: Maps of equipment that is met on RTU lines and says which model it is.
_MAPS = ("series607", "abb_b23")
#: Rates that are tried where a unit is named and no rate, the usual ones first.
_RATES = (9600, 19200, 38400, 115200)
#: The Arduino of a Series607 is deaf for 200 ms at times.
_ANSWER_WITHIN_S = 0.5
_TRIES = 2
#: Opening its port starts an Arduino anew, which then listens after 2 s.
_TRIES_AFTER_START = 5


@dataclass(frozen=True, slots=True)
class _Try:
    """One unit at one rate, and the model registers that are read there."""

    unit: int
    rate: int
    maps: tuple[RegisterMap, ...]


async def probe(port: PortInQuestion) -> Introduction | None:
    """Say which Modbus slave is there; raises LineFault. It says nothing unasked."""
    if not port.may_ask:
        return None
    known = await asyncio.to_thread(_known)
    for rate, tries in itertools.groupby(_tries(known, port.units, port.rates), lambda one: one.rate):
        async with port.open(SerialSettings(rate)) as line:
            count = _TRIES_AFTER_START
            for one in tries:
                answered = False
                for loaded in one.maps:
                    request = _read(loaded)
                    codec = RtuCodec()
                    frame = codec.ask(one.unit, request)
                    ear = _ear(codec)
                    answer: Answer | None = await port.ask(line, frame, ear, _ANSWER_WITHIN_S, tries=count)
                    count = _TRIES
                    if answer is None:
                        break
                    answered = True
                    if (found := _model(loaded, answer, one)) is not None:
                        return found
                if answered:
                    return _stranger(one)
    return None


def _known() -> tuple[RegisterMap, ...]:
    catalogue = Catalogue()
    loaded = (catalogue.load(name).map for name in _MAPS)
    return tuple(one for one in loaded if one is not None and one.detect is not None)


def _tries(known: tuple[RegisterMap, ...], units: tuple[int, ...], rates: tuple[int, ...]) -> Iterator[_Try]:
    """Yield what is tried, in the order of rates."""
    if units:
        yield from (_Try(unit, rate, known) for rate in rates or _RATES for unit in units)
        return
    own = {rate for loaded in known for rate in _detect(loaded).rates}
    for rate in rates or sorted(own, reverse=True):
        maps = [loaded for loaded in known if rates or rate in _detect(loaded).rates]
        yield from (_Try(unit, rate, (loaded,)) for loaded in maps for unit in _detect(loaded).units)


def _detect(loaded: RegisterMap) -> Detect:
    assert loaded.detect is not None  # noqa: S101 - only such are taken
    return loaded.detect


def _read(loaded: RegisterMap) -> Read:
    detect = _detect(loaded)
    return Read(loaded.device.access, detect.address, detect.type.length)


def _ear(codec: RtuCodec) -> Ear[Answer]:
    def ear(data: bytes, _now: float) -> Answer | None:
        return codec.receive(data)

    return ear


def _model(loaded: RegisterMap, answer: Answer, tried: _Try) -> Introduction | None:
    """Return the model that a register tells; None for an exception and for another number."""
    detect = _detect(loaded)
    raw = detect.type.unpack(answer.data) if isinstance(answer, Data) else None
    name = None if raw is None or isinstance(raw, float) else detect.values.get(raw)
    if name is None or isinstance(answer, Refused):
        return None
    options: dict[str, str | int] = {"map": loaded.name, "baudrate": tried.rate, "remote_unit": tried.unit}
    text = f"{_where(tried)}, to be read with the map {loaded.name}"
    if loaded.name in QUIRKS:
        options["serial"] = "INVERTER1"
        text += "; it has no serial number of its own: the site file gives it one of your choice"
    return Introduction("modbus", f"{loaded.device.vendor_name} {name}".strip(), text=text, options=options)


def _stranger(tried: _Try) -> Introduction:
    return Introduction(
        "modbus",
        "Modbus slave",
        text=f"{_where(tried)}: it answers, but is no model known here; `inverter-bridge maps list` shows "
        "the maps to choose from, and docs/map-format.md how to write one",
        options=None,
    )


def _where(tried: _Try) -> str:
    return f"Modbus RTU, unit {tried.unit} at {SerialSettings(tried.rate)}"
