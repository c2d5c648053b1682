"""What a whole map must satisfy beyond each entry being right by itself."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from bridge.register_maps.blocks.status import STATUS_ADDRESS, STATUS_RESERVED_END
from bridge.register_maps.fields import Faults, MapError
from bridge.register_maps.format import Coil, Kind, Register, RegisterMap, Table
from bridge.register_maps.positions import nearest
from bridge.register_maps.probes import mistaken
from bridge.register_maps.types import BitType


def check_map(loaded: RegisterMap, faults: Faults) -> None:
    """Note every fault of a map as a whole.

    What an entry that could not be read would have satisfied is not asked for.
    """
    whole = not len(faults)
    for table in (Table.HOLDING, Table.INPUT):
        _check_overlaps([r for r in loaded.registers if r.table is table], faults)
    for table in (Table.COILS, Table.DISCRETE):
        _check_coil_overlaps([c for c in loaded.coils if c.table is table], faults)
    if loaded.kind is Kind.NATIVE:
        _check_reserved(loaded, faults)
    if whole:
        _check_mirrors(loaded, faults)
        if loaded.kind is Kind.NATIVE:
            _check_detectable(loaded, faults)
    # The addresses of foreign equipment are not ours to move.
    for probe, register in () if loaded.kind is Kind.CLIENT else mistaken(loaded):
        faults.place(
            register.line,
            register.column,
            f"0x{register.address:04X}: found {_named(register)} where stock clients look for {probe.model}"
            f" ({probe.table} register {probe.address}), which it could be mistaken for",
            "move it to another address",
        )


def _named(register: Register) -> str:
    return f"the constant {register.value}" if register.path is None else register.path


def _span(entry: Register) -> str:
    last = entry.end - 1
    return f"0x{entry.address:04X}" if last == entry.address else f"0x{entry.address:04X} to 0x{last:04X}"


def _check_overlaps(registers: list[Register], faults: Faults) -> None:
    owners: dict[int, Register] = {}
    bits: dict[int, dict[int, Register]] = defaultdict(dict)
    for register in (r for r in registers if not r.alias):
        other = next((owners[a] for a in range(register.address, register.end) if a in owners), None)
        if isinstance(register.type, BitType):
            word = register.end - 1
            twin = bits[word].setdefault(register.type.bit % 16, register)
            if other is not None and isinstance(other.type, BitType):
                other = None if twin is register else twin
        if other is not None:
            faults.place(
                register.line,
                register.column,
                f"{_span(register)}: found {_named(register)} over {_named(other)} at {_span(other)}"
                f" (line {other.line})",
                "move one, or declare `alias: true` on the one that only reads the other's registers",
            )
        for address in range(register.address, register.end):
            owners.setdefault(address, register)
    for register in (r for r in registers if r.alias):
        if not all(address in owners for address in range(register.address, register.end)):
            faults.place(
                register.line,
                register.column,
                f"{_span(register)}: found an alias of registers that no entry owns",
                "leave out `alias`",
            )


def _check_coil_overlaps(coils: list[Coil], faults: Faults) -> None:
    owners: dict[int, Coil] = {}
    for coil in coils:
        other = owners.setdefault(coil.address, coil)
        if other is not coil:
            faults.place(
                coil.line,
                coil.column,
                f"{coil.address}: found {coil.path} over {other.path} (line {other.line})",
                "give it an address of its own",
            )


def _check_mirrors(loaded: RegisterMap, faults: Faults) -> None:
    """Stock clients know no coils: each writable coil needs a register that does the same."""
    written = {
        point
        for r in loaded.registers
        if r.write is not None and r.switch is None and r.source is not None
        for point in r.source.points
    }
    for coil in loaded.coils:
        if (
            coil.table is Table.COILS
            and coil.write
            and coil.mirror is None
            and not written & set(coil.source.points)
        ):
            faults.place(
                coil.line,
                coil.column,
                f"coil {coil.address}: found no holding register that writes {coil.path} for stock clients",
                "add `mirror: <address>`",
            )


def _check_reserved(loaded: RegisterMap, faults: Faults) -> None:
    for register in loaded.registers:
        if register.address < STATUS_RESERVED_END and register.end > STATUS_ADDRESS:
            faults.place(
                register.line,
                register.column,
                f"{_span(register)}: found {_named(register)} in the status block's 0xFE00 to 0xFEFF",
                "move it, these addresses are the same in every native map",
            )


def _check_detectable(loaded: RegisterMap, faults: Faults) -> None:
    """A native map serves the model register that it tells clients to look for."""
    detect = loaded.detect
    if detect is None:
        return
    served = next((r for r in loaded.registers if r.address == detect.address and not r.alias), None)
    if served is None or served.value is None or served.value not in detect.values:
        found = "nothing" if served is None else _named(served)
        faults.place(
            detect.line,
            detect.column,
            f"detect: found {found} at 0x{detect.address:04X}, expected a constant of `detect.values` there",
            "add the model register with `value:`",
        )


def unknown_sources(
    loaded: RegisterMap, has: Callable[[str | None, str], bool], paths: Iterable[str] = ()
) -> list[MapError]:
    """Return a fault for each entry that no point of the site can feed.

    `has` tells whether a device (None: the unit's own) declares a path; `paths` are the unit's own, for the
    nearest spelling. In a persona a missing measurement serves 0, but some power must be there.
    """
    faults = Faults(loaded.file)
    known = tuple(paths)
    powers: list[tuple[Register | Coil, bool]] = []
    entries: tuple[Register | Coil, ...] = (*loaded.registers, *loaded.coils)
    for entry in entries:
        if entry.source is None:
            continue
        points = entry.source.points
        need = all if entry.source.total else any
        satisfied = need(has(point.device, point.path) for point in points)
        if (entry.path or "").endswith("/Power"):
            powers.append((entry, satisfied))
        if satisfied or loaded.kind is Kind.PERSONA:
            continue
        near = nearest(points[0].path, known)
        faults.place(
            entry.line,
            entry.column,
            f"source: found {' or '.join(map(str, points))}, which the device does not have",
            f"did you mean {near}?" if near else "name a point that it has",
        )
    if loaded.kind is Kind.PERSONA and powers and not any(satisfied for _, satisfied in powers):
        entry = powers[0][0]
        faults.place(
            entry.line,
            entry.column,
            "source: found no power of the device that this persona could show",
            "serve it by another map, or name the power's path with `source`",
        )
    return faults.sorted()
