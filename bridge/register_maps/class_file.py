"""A map as a device class for Victron's dbus-modbus-client 1.83, which a GX runs.

The file carries the map's fingerprint, so that one older than the bridge can be told. It is Python 3.8 to
3.13, needs nothing but the client's own modules, and gives out fresh registers at each start.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bridge.register_maps.class_file_registers import RegisterWriter
from bridge.register_maps.format import HOLE_MAX, Coil, Kind, Register, RegisterMap, Table
from bridge.register_maps.rows import primary, rows_of
from bridge.register_maps.types import MappedType

#: The client that the files are written for.
CLIENT_VERSION = "1.83"
#: Names in a file that `cerbo-check` looks for.
_MAP, _FINGERPRINT = "MAP_NAME", "MAP_FINGERPRINT"
#: A name that the device has itself takes the place of the one that a GX would keep for it.
_CUSTOM_NAME = "/CustomName"
#: The client shows this one in hexadecimal, which it can only of a plain integer.
_PRODUCT_ID = "/ProductId"
_NOT_IN_MODULES = re.compile("[^A-Za-z0-9_]")
#: Modules of the client and of Python's that a file of ours must not hide.
_TAKEN_MODULES = frozenset(
    {
        *("abb", "carlo_gavazzi", "client", "comap", "cre", "datakom", "deif", "device", "devspec", "dse"),
        *("ev_charger", "mdns", "probe", "register", "scan", "smappee", "utils", "victron_em"),
        *("victron_p1link", "victron_regs", "vreglink", "watchdog", "struct", "enum", "logging"),
    }
)


class NoClassFile(Exception):
    """A map that no device class can be made of; the text says what it lacks."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a class file says of its origin."""

    map: str
    fingerprint: str


def fingerprint(loaded: RegisterMap) -> str:
    """Return 16 hex digits that change with any row, constant or model of a map."""
    rows = [
        {**row.as_json(), "constant": None if row.register is None else row.register.value}
        for row in rows_of(loaded)
    ]
    detect = loaded.detect
    found = None if detect is None else [detect.address, detect.type.name, {**detect.values}]
    text = json.dumps([rows, found, {**loaded.constants}, loaded.device.role], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def module_name(loaded: RegisterMap) -> str:
    """Return the file's name without `.py`."""
    name = _NOT_IN_MODULES.sub("_", loaded.name.rpartition("/")[2])
    return f"bridge_{name}" if name in _TAKEN_MODULES or not name[:1].isalpha() else name


def read_stamp(text: str) -> Stamp | None:
    """Return what a class file says of its origin; None for text that says nothing of the kind."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    found[target.id] = node.value.value
    return Stamp(found[_MAP], found[_FINGERPRINT]) if _MAP in found and _FINGERPRINT in found else None


def published(loaded: RegisterMap) -> Iterator[Register]:
    """Give the register by which a stock client shows each path of a map, in the map's order.

    Of a path shown twice the first holding register; a coil without one by its mirror, which then shows the
    coil's own values. A discrete input without a register cannot be shown.
    """
    rows = rows_of(loaded)
    seen: set[str] = set()
    for row in rows:
        if row.path is None or row.path in seen:
            continue
        best = primary(rows, row.path)
        if best is not None and best.register is not None:
            seen.add(row.path)
            yield best.register
    for coil in loaded.coils:
        mirror = _mirror(coil)
        if mirror is not None and coil.path not in seen:
            seen.add(coil.path)
            yield mirror


def unpublished(loaded: RegisterMap) -> list[str]:
    """Return the paths that no stock client can show: bits that stand in no register."""
    shown = {register.path for register in published(loaded)}
    return sorted({coil.path for coil in loaded.coils} - shown)


def _mirror(coil: Coil) -> Register | None:
    mirror = coil.mirrored()
    off, on = coil.switch.off, coil.switch.on[0]
    if mirror is None or not isinstance(off, int | float) or not isinstance(on, int | float):
        return None
    return replace(mirror, type=MappedType({0: off, 1: on}), switch=None)


def why_none(loaded: RegisterMap) -> str | None:
    """Say why no class file can be made of a map; None where one can."""
    detect = loaded.detect
    if loaded.kind not in (Kind.NATIVE, Kind.CLIENT):
        return (
            f"{loaded.name} is a {loaded.kind} map, expected a native or client one: "
            "a stock GX reads a persona as it is, and unit 247 is no device"
        )
    if detect is None or not loaded.device.role:
        lacking = "`detect:`" if detect is None else "`role:` in `device:`"
        return (
            f"{loaded.name} has no {lacking}, by which a GX could know its device: "
            "add it in a map of your own that `extends` this one"
        )
    if not any(r.address == detect.address and r.value in detect.values for r in loaded.registers):
        return (
            f"{loaded.name} has no constant at 0x{detect.address:04X}, by which a GX would know its device: "
            "serve the device by a persona, or add the constant in a map of your own that `extends` this one"
        )
    if not any(r.path == "/Serial" for r in loaded.registers if r.switch is None):
        return f"{loaded.name} has no /Serial, by which a GX tells devices apart: add a register"
    return None


def class_file(loaded: RegisterMap, version: str) -> str:
    """Return the file's text; `version` is the generator's. Raises NoClassFile."""
    reason = why_none(loaded)
    if reason is not None:
        raise NoClassFile(reason)
    detect = loaded.detect
    assert detect is not None  # noqa: S101 - checked above
    device = loaded.device
    usual = device.access.value
    writer = RegisterWriter()
    registers = list(published(loaded))
    info = [r for r in registers if (r.info and r.write is None) or r.path == _PRODUCT_ID]
    data = [r for r in registers if r not in info]
    written = {r: writer.constructor(r, _access(r, usual)) for r in registers}
    model = writer.model(detect.address, detect.type)
    name = _class_name(loaded)
    own_name = any(register.path == _CUSTOM_NAME for register in registers)
    bases = "device.ModbusDevice" if own_name else "device.CustomName, device.ModbusDevice"
    mixed = any(_access(register, usual) for register in registers)
    attributes: list[tuple[str, object]] = [
        ("vendor_id", device.vendor_id),
        ("vendor_name", device.vendor_name or device.vendor_id),
        ("device_type", loaded.title),
        ("productid", device.product_id),
        ("productname", device.product_name or loaded.title),
        ("default_role", device.role),
        ("default_instance", 40 if device.instance is None else device.instance),
        ("allowed_roles", None),
        ("min_timeout", 0.5 if device.min_timeout_s is None else device.min_timeout_s),
        ("default_access", usual),
    ]
    if device.hole_max != HOLE_MAX:
        attributes.append(("reg_hole_max", device.hole_max))
    if device.fast:
        attributes.append(("fast_regs", device.fast))
    parts = [
        _head(loaded, version, writer),
        *writer.definitions(),
        "\n".join(
            [
                f"class {name}({bases}):",
                *(f"    {key} = {value!a}" for key, value in attributes),
                "",
                *_device_init([written[r] for r in info], [written[r] for r in data]),
                *(_OWN_PRODUCT_ID if any(r.path == _PRODUCT_ID for r in info) else ()),
                *(_PACKED_BY_TABLE if mixed else ()),
                *_constants(loaded),
            ]
        ),
        _handler(name, model, loaded),
    ]
    return "\n\n".join(part.rstrip("\n") + "\n" for part in parts)


def _access(register: Register, usual: str) -> str | None:
    table = register.table.value
    return None if table == usual or register.table not in (Table.HOLDING, Table.INPUT) else table


def _class_name(loaded: RegisterMap) -> str:
    words = module_name(loaded).split("_")
    return "Bridge" + "".join(word.capitalize() for word in words)


def _head(loaded: RegisterMap, version: str, writer: RegisterWriter) -> str:
    left_out = unpublished(loaded)
    lines = [
        "# SPDX-License-Identifier: 0BSD",
        f"# {_one_line(loaded.title)}: a device class for Victron's dbus-modbus-client v{CLIENT_VERSION},",
        f"# made by inverter-bridge {version} from its register map {_one_line(loaded.name)}.",
        "# `inverter-bridge cerbo-check SITE --class-file FILE` says when it must be made anew.",
        *([f"# Not shown, as they stand in no register: {', '.join(left_out)}"] if left_out else []),
        "",
        *(["from enum import IntEnum", ""] if writer.enums else []),
        "import device",
        "import probe",
        f"from register import {', '.join(sorted(writer.imported))}",
        *(["from victron_regs import VEReg_ver"] if writer.victron else []),
        "",
        f"{_MAP} = {loaded.name!a}",
        f"{_FINGERPRINT} = {fingerprint(loaded)!a}",
        f"BRIDGE_VERSION = {version!a}",
    ]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _device_init(info: list[str], data: list[str]) -> Iterator[str]:
    yield "    def device_init(self):"
    for attribute, constructors in (("info_regs", info), ("data_regs", data)):
        yield f"        self.{attribute} = ["
        yield from (f"            {constructor}," for constructor in constructors)
        yield "        ]"


_OWN_PRODUCT_ID = (
    "",
    "    def read_info(self):",
    "        super().read_info()",
    f"        number = self.info.pop({_PRODUCT_ID!r}, None)",
    "        if number is not None and number.isvalid():",
    "            self.productid = int(number)",
)
#: The client keeps the table of a group's registers for the first group of a kind only.
_PACKED_BY_TABLE = (
    "",
    "    def pack_regs(self, regs):",
    "        groups = super().pack_regs(regs)",
    "        for group in groups:",
    "            group.access = group[0].access or self.default_access",
    "        return groups",
)


def _constants(loaded: RegisterMap) -> Iterator[str]:
    if not loaded.constants:
        return
    yield ""
    yield "    def device_init_late(self):"
    yield "        super().device_init_late()"
    for path, value in loaded.constants.items():
        yield f"        self.dbus.add_path({path!a}, {value!a})"


def _handler(name: str, model: str, loaded: RegisterMap) -> str:
    detect = loaded.detect
    assert detect is not None  # noqa: S101 - checked before
    models = [
        "MODELS = {",
        *(
            f"    {_key(number)}: {{'model': {model_name!a}, 'handler': {name}}},"
            for number, model_name in detect.values.items()
        ),
        "}",
        "",
    ]
    given = [
        f"methods={list(detect.methods or ('tcp', 'rtu'))}",
        f"units={list(detect.units)}",
        f"rates={list(detect.rates)}",
    ]
    return "\n".join(
        [
            *models,
            f"probe.add_handler(probe.ModelRegister({model}, MODELS,",
            f"                                      {', '.join(given)}))",
        ]
    )


def _key(number: int | str) -> str:
    return f"0x{number:04X}" if isinstance(number, int) and number >= 0 else ascii(number)
