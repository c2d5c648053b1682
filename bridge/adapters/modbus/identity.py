"""Whether the device that answers is the one the site means: its model register, then its serial number."""

import re
from collections.abc import Mapping

from bridge.adapters.modbus.options import ModbusOptions
from bridge.adapters.modbus.requests import Answer, Data, Read, Refused
from bridge.datastore.device import Device
from bridge.datastore.values import Identity, Path, Value
from bridge.register_maps.format import RegisterMap
from bridge.register_maps.types import Raw

#: Serial numbers become names on the GX, which take nothing else.
_FOREIGN = re.compile(r"[^A-Za-z0-9_]")


class WrongDevice(Exception):
    """Another device answers; the text says which, and what to do."""


class Identification:
    """What is known of who a device is, and what it ought to be."""

    def __init__(self, device: Device, loaded: RegisterMap, options: ModbusOptions) -> None:
        self._device = device
        self._map = loaded
        self._options = options
        remembered = device.identity
        self._expected = options.serial or (remembered.serial if remembered else "")
        self._model = loaded.device.product_name or loaded.title
        self._serial = ""
        self._told = ""

    @property
    def read(self) -> Read | None:
        """The request for the model register; None where the map names none."""
        detect = self._map.detect
        if detect is None:
            return None
        return Read(self._map.device.access, detect.address, detect.type.length)

    def model_is(self, answer: Answer) -> None:
        """Judge the model register's answer; raises WrongDevice."""
        detect = self._map.detect
        if detect is None:
            return
        expected = " or ".join(f"{_shown(number)} ({name})" for number, name in detect.values.items())
        where = f"unit {self._options.remote_unit}, register 0x{detect.address:04X}"
        advice = f"expected {expected} for the map {self._map.name}: name the right unit, or another map"
        if isinstance(answer, Refused):
            raise WrongDevice(f"{where}: found {answer}, {advice}")
        raw = detect.type.unpack(answer.data) if isinstance(answer, Data) else None
        name = None if raw is None or isinstance(raw, float) else detect.values.get(raw)
        if name is None:
            raise WrongDevice(f"{where}: found {_shown(raw)}, {advice}")
        self._model = name

    def serial_is(self, told: Value | None) -> None:
        """Judge the serial number that the device tells, None where it tells none; raises WrongDevice."""
        if isinstance(told, float) and told.is_integer():
            told = int(told)
        found = "" if told is None else _FOREIGN.sub("", str(told))
        if found and self._expected and found != self._expected:
            raise WrongDevice(
                f"found serial {found}, expected {self._expected}: connect the right device, or name "
                f"`serial: {found}` in the site file if this one replaces it"
            )
        self._serial = found or self._expected

    def learn(self, values: Mapping[Path, Value | None]) -> dict[Path, Value | None]:
        """Tell the datastore who the device is; return `values` with what is known beside them."""
        firmware = values.get("/FirmwareVersion")
        self._told = ""
        self._expected = self._serial
        self._device.learn(
            Identity(
                serial=self._serial,
                product_id=self._map.device.product_id,
                product_name=self._model,
                firmware="" if firmware is None else str(firmware),
            )
        )
        told = values.get("/Serial")
        serial = told if isinstance(told, int | float) else self._serial or None
        return {"/ProductName": self._model or None, **values, "/Serial": serial}

    def is_news(self, wrong: WrongDevice) -> bool:
        """True for a fault that was not the last one told."""
        news = self._told != str(wrong)
        self._told = str(wrong)
        return news


def _shown(raw: Raw | None) -> str:
    if isinstance(raw, int):
        return f"0x{raw:04X}" if raw > 0x0FFF else str(raw)
    return repr(raw) if raw is not None else "nothing that can be read"
