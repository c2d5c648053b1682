"""The points of a Modbus device as its map declares them: units of measure, rules for writing, groups."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bridge.adapters.modbus.options import ModbusOptions
from bridge.adapters.modbus.plan import Entry, Plan, own_path, own_point, writers
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Path, Value
from bridge.register_maps.format import Coil, Register, RegisterMap
from bridge.register_maps.measures import unit_of_measure
from bridge.register_maps.types import (
    EnumType,
    FloatType,
    HexType,
    IntegerType,
    MappedType,
    TextType,
    VersionType,
)

#: Group of what is read once, and of what the site file says: known for as long as the device is there.
INFO = "info"
#: Group of what was read back after a write, until the next poll reads it with the rest.
WRITTEN = "written"
#: A group is stale after this many of its periods, and not before this many seconds.
_PERIODS, _STALE_MIN_S = 3.0, 5.0
#: Single precision carries 24 bits: a number read back differs by less than this part of its range.
_FLOAT_STEP = 2.0**-22
_OFF_NAME = "off"


def stale_after_s(period_s: float) -> float:
    """Return how long what is read every `period_s` may be believed, in seconds."""
    return max(_STALE_MIN_S, _PERIODS * period_s)


def groups_of(plan: Plan) -> tuple[GroupSpec, ...]:
    """Return a group for each island, and that of what does not age."""
    return (
        *(GroupSpec(island.name, stale_after_s(island.period_s)) for island in plan.islands),
        GroupSpec(INFO, None),
        GroupSpec(WRITTEN, stale_after_s(max((i.period_s for i in plan.islands), default=0.0))),
    )


def alive_when(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Return what proves the device alive: the first island that it does not refuse."""
    first = next((island for island in plan.islands if not island.refused), None)
    first = first or next(iter(plan.islands), None)
    return ((INFO if first is None else first.name,),)


def specs_of(loaded: RegisterMap, options: ModbusOptions) -> dict[Path, PointSpec]:
    """Return every point of the device that its map shows."""
    written = writers(loaded)
    entries: tuple[Entry, ...] = (*loaded.registers, *loaded.coils)
    specs: dict[Path, PointSpec] = {}
    for entry in entries:
        path = own_path(entry)
        if path and path not in specs:
            specs[path] = _spec(path, entry)
    for path, writer in written.items():
        specs[path] = _writable(specs[path], writer, _off_value(path, writer, loaded))
    for path in options.nonvolatile:
        if path in specs:
            specs[path] = replace(specs[path], nonvolatile=True)
    for path, period_s in options.refresh.items():
        if path in specs:
            specs[path] = replace(specs[path], refresh_s=period_s)
    return specs


def unknown_paths(specs: Mapping[Path, PointSpec], options: ModbusOptions) -> Iterable[Path]:
    """Return what the site says of points that the map does not have, or that cannot be written."""
    for path in (*options.nonvolatile, *options.refresh):
        if path not in specs or not specs[path].writable:
            yield path


def _spec(path: Path, entry: Entry) -> PointSpec:
    text = isinstance(entry, Register) and isinstance(entry.type, TextType | HexType | VersionType)
    return PointSpec(path, unit_of_measure(path), text=text)


def _writable(spec: PointSpec, entry: Entry, off: Value | None) -> PointSpec:
    point = own_point(entry)
    sign = -1 if point is not None and point.negate else 1
    if isinstance(entry, Coil):
        off_value = 0 if entry.switch.off is None else entry.switch.off
        coil_names: dict[Value, str] = {entry.switch.on[0]: "on", off_value: _OFF_NAME}
        return replace(spec, writable=True, choices=_numbers(coil_names, sign), off=off)
    rule = entry.write
    minimum, maximum = (None, None) if rule is None else (rule.minimum, rule.maximum)
    if sign < 0:
        minimum, maximum = _negated(maximum), _negated(minimum)
    choices = None
    if rule is not None and rule.choices is not None and not spec.text:
        known = entry.type.values if isinstance(entry.type, EnumType) else {}
        names: dict[Value, str] = {number: name for name, number in known.items()}
        choices = _numbers({choice: names.get(choice, str(choice)) for choice in rule.choices}, sign)
    return replace(
        spec,
        writable=True,
        minimum=minimum,
        maximum=maximum,
        choices=choices,
        accept=entry.accept,
        step=_step(entry, minimum, maximum),
        self_clearing=entry.self_clearing,
        off=off,
    )


def _numbers(names: Mapping[Value, str], sign: int) -> dict[int, str] | None:
    """Return whole-numbered choices; None where some are not whole, which a range then bounds."""
    numbers = {value: name for value, name in names.items() if isinstance(value, int | float)}
    if any(not float(number).is_integer() for number in numbers):
        return None
    return {sign * int(number): name for number, name in numbers.items()}


def _negated(limit: float | None) -> float | None:
    return None if limit is None else -limit


def _step(entry: Register, minimum: float | None, maximum: float | None) -> float:
    """Return the smallest difference that the register can carry, in the point's unit."""
    match entry.type:
        case IntegerType():
            return float(1 / entry.scale)
        case FloatType():
            return _FLOAT_STEP * max(abs(minimum or 0.0), abs(maximum or 0.0))
        case MappedType():
            return 0.0
    return 0.0


def _off_value(path: Path, writer: Entry, loaded: RegisterMap) -> Value | None:
    """Return the value that switches the equipment off: that of its coil, or the one named `off`."""
    for coil in loaded.coils:
        if coil.write and own_path(coil) == path and coil.switch.off is not None:
            return coil.switch.off
    if isinstance(writer, Register) and isinstance(writer.type, EnumType):
        return writer.type.values.get(_OFF_NAME)
    return None
