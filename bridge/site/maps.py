"""What the site needs to know of register maps."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.checks import unknown_sources
from bridge.register_maps.format import Coil, Kind, Register
from bridge.register_maps.positions import Problem
from bridge.register_maps.types import EnumType, FloatType, IntegerType, RegisterType, TextType

_FILE_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class MapFacts:
    """One map: the role it plays, and the `methods` by which readers look for it, None for all."""

    kind: Kind = Kind.NATIVE
    role: str | None = None
    methods: frozenset[str] | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class MappedPoint:
    """A device's own point as its map shows it: `text` is None where the register does not tell."""

    text: bool | None
    writable: bool


class MapShelf:
    """The maps that a site file in `directory` may name."""

    def __init__(self, catalogue: Catalogue, directory: Path) -> None:
        self._catalogue = catalogue
        self._directory = directory

    def names(self) -> Collection[str]:
        """Return the names of all shipped maps."""
        return self._catalogue.names()

    def facts(self, name: str) -> MapFacts | None:
        """Return what a map is, with its own problems; None where there is no such map."""
        if not self._exists(name):
            return None
        load = self._catalogue.load(name, self._directory)
        if load.map is None:
            return MapFacts(problems=load.errors)
        detect = load.map.detect
        limited = load.map.kind is Kind.PERSONA and detect is not None and bool(detect.methods)
        return MapFacts(
            kind=load.map.kind,
            role=load.map.device.role or None,
            methods=frozenset(detect.methods) if limited and detect is not None else None,
        )

    def unknown_sources(
        self, name: str, has: Callable[[str | None, str], bool], own: Iterable[str]
    ) -> Iterable[Problem]:
        """Return the entries of a map that nothing can feed; see `checks.unknown_sources`."""
        loaded = self._catalogue.load(name, self._directory).map
        return () if loaded is None else unknown_sources(loaded, has, own)

    def points(self, name: str) -> tuple[Mapping[str, MappedPoint], bool]:
        """Return a map's own points, and whether they are all that the device has, as in a client map."""
        loaded = self._catalogue.load(name, self._directory).map if self._exists(name) else None
        if loaded is None:
            return {}, False
        found: dict[str, MappedPoint] = {}
        entries: tuple[Register | Coil, ...] = (*loaded.registers, *loaded.coils)
        for entry in entries:
            path = _own_path(entry)
            if path is not None:
                before = found.get(path, MappedPoint(None, writable=False))
                text = before.text if isinstance(entry, Coil) else _is_text(entry.type)
                writable = bool(entry.write) or before.writable
                found[path] = MappedPoint(before.text if text is None else text, writable)
        return found, loaded.kind is Kind.CLIENT

    def _exists(self, name: str) -> bool:
        if not is_file_name(name):
            return name in self._catalogue.names()
        try:
            return (self._directory / name).exists()
        except (OSError, ValueError):
            return False


def _own_path(entry: Register | Coil) -> str | None:
    """Return the point of the unit's own device that an entry shows, and nothing but that."""
    source = entry.source
    if source is None or source.total or len(source.points) != 1 or source.points[0].device is not None:
        return None
    return source.points[0].path


def _is_text(kind: RegisterType) -> bool | None:
    if isinstance(kind, TextType):
        return True
    return False if isinstance(kind, IntegerType | FloatType | EnumType) else None


def is_file_name(name: str) -> bool:
    """True for a map named by its file, as `./mine.yaml`."""
    return name.endswith(_FILE_ENDINGS)
