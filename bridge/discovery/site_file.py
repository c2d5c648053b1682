"""A site file made of what was found: devices that run as they stand, remarks for what a person completes."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bridge.adapters.base import Family
from bridge.adapters.probing import Introduction
from bridge.discovery.lan import LanDevice
from bridge.register_maps.catalogue import Catalogue

#: Unit ids that a site may give, and where those begin whose map suggests none.
_UNITS, _FIRST_UNIT = range(1, 247), 60
#: What a device is called, by the map that serves it.
_NAMES: Mapping[str, str] = {
    "bluesmart_charger": "charger",
    "bluesolar_mppt": "solar",
    "smartshunt": "shunt",
    "phoenix_inverter": "inverter",
    "orion_dcdc": "converter",
    "vebus": "multi",
    "series607": "inverter",
    "victron_gx_system": "gx",
    "em24": "meter",
    "abb_b23": "meter",
}
#: Text that YAML takes for itself without quotes.
_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z/][A-Za-z0-9_./-]*", re.IGNORECASE)
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+(?:/\d+)?")
#: Those who may write where a site file says nothing.
_THIS_MACHINE = "127.0.0.0/8"
_HEAD = """\
# Written by `inverter-bridge discover`. docs/site-file.md says what else can stand here.
#   inverter-bridge check {file}     shows what is served, and every fault at once
#   inverter-bridge run {file}       serves it (port 502 needs the right to open it: run it as the service)
"""

Written = str | int


@dataclass(slots=True)
class SiteDraft:
    """Collects what a site file will say. `devices` counts what runs as it stands."""

    families: Mapping[str, Family]
    maps: Catalogue = field(default_factory=Catalogue)
    devices: int = 0
    _lines: list[str] = field(default_factory=list)
    #: What a person has to complete, as comments.
    remarks: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _units: set[int] = field(default_factory=set)
    _serials: set[str] = field(default_factory=set)
    _writers: list[str] = field(default_factory=list)

    def add_port(self, port: str, why: str, found: Introduction) -> None:
        """Take on equipment on a serial port."""
        said = ", ".join(part for part in (found.name, found.serial, f"firmware {found.firmware}") if part)
        said = said.removesuffix(", firmware ")
        if found.options is None or found.family not in self.families:
            self._incomplete(port, said, found)
            return
        family = self.families[found.family]
        shown = found.options.get("map") or family.native_maps.get(found.product, "")
        options: dict[str, Written] = {"adapter": found.family, **found.options, "port": port}
        if "serial" in options:
            options["serial"] = self._own_serial(str(options["serial"]))
        self._device(str(shown), found.family, options, f"{said}; {why}" if why else said, serve=True)

    def add_lan(self, found: LanDevice) -> None:
        """Take on equipment in the network; a GX is read and not served again."""
        said = ", ".join(part for part in (found.name, found.serial) if part)
        if found.map is None:
            self.remarks.append(_one_line(f"# {found.host}, unit {found.unit}: {said}; {found.text}"))
            return
        options = {"adapter": "modbus", **found.options}
        self._device(found.map, found.kind, options, said, serve=found.kind != "gx")

    def let_write(self, address: str) -> None:
        """Let an address write, as a GX that is to steer something."""
        self._writers.append(address)

    def text(self, file: str) -> str:
        """Return the site file."""
        parts = [_HEAD.format(file=file)]
        parts.append('listeners:\n  - {tcp: "0.0.0.0:502", name: lan}\n')
        if self._writers:
            who = ", ".join(_written(one) for one in (_THIS_MACHINE, *self._writers))
            parts.append(f"access:\n  write: [{who}]\n")
        if self._lines:
            parts.append("devices:\n" + "\n".join(self._lines) + "\n")
        if self.remarks:
            parts.append("\n".join(("# Found besides, for you to complete:", *self.remarks)) + "\n")
        return "\n".join(parts)

    def _device(self, shown: str, kind: str, options: dict[str, Written], said: str, *, serve: bool) -> None:
        name = self._own_name(_NAMES.get(shown, kind))
        if serve:
            options["unit"] = self._own_unit(shown)
        written = ", ".join(f"{key}: {_written(value)}" for key, value in options.items())
        self._lines.append(f"  # {_one_line(said)}\n  {name}: {{{written}}}")
        self.devices += 1

    def _incomplete(self, port: str, said: str, found: Introduction) -> None:
        where = _written(port)
        lines = [_one_line(f"# {port}: {said}; {found.text}")]
        if found.family == "apsystems":
            lines.append(
                f"#   roof: {{adapter: apsystems, port: {where}, unit: 50, "
                'inverters: [{serial: "000000000000", model: yc600}]}'
            )
        elif found.family == "can":
            lines += (
                "#   one of these, below `devices:`; docs/can.md says which:",
                f"#   pack: {{adapter: can_battery, interface: slcan, channel: {where}, dialect: pylontech, "
                "unit: 30}",
                f"#   bms: {{adapter: can_bms, interface: slcan, channel: {where}, dialect: sma, unit: 31, "
                "battery: {cells: 16, chemistry: lfp, capacity: 200}}",
                f"#   island: {{adapter: sunny_island, interface: slcan, channel: {where}, unit: 32}}",
            )
        self.remarks.append("\n".join(lines))

    def _own_name(self, name: str) -> str:
        return _free(name, self._names, "_")

    def _own_serial(self, serial: str) -> str:
        return _free(serial.rstrip("0123456789") or serial, self._serials, "", first=True)

    def _own_unit(self, shown: str) -> int:
        """Return the unit that a map suggests, or the next that is free."""
        loaded = self.maps.load(shown).map if shown else None
        suggested = loaded.detect.units if loaded is not None and loaded.detect is not None else ()
        begin: int = suggested[0] if suggested else _FIRST_UNIT
        order = (*range(begin, _UNITS.stop), *range(_UNITS.start, begin))
        unit: int = next(one for one in order if one not in self._units)
        self._units.add(unit)
        return unit


def _free(name: str, taken: set[str], joint: str, *, first: bool = False) -> str:
    """Return the name, or the name and the first number that makes it another one, and take it."""
    numbered: Iterable[str] = (f"{name}{joint}{number}" for number in range(1 if first else 2, 10_000))
    found = name if not first and name not in taken else next(one for one in numbered if one not in taken)
    taken.add(found)
    return found


def _written(value: Written) -> str:
    """Return a value as YAML has it inside braces."""
    if isinstance(value, int) or _ADDRESS.fullmatch(value) or _PLAIN.fullmatch(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _one_line(text: str) -> str:
    """Return a text that a device has sent as one line that ends no comment."""
    return "".join(c if c.isprintable() else "?" for c in text)
