"""The maps that can be named: those shipped with the bridge, and files beside a site file.

A shipped map's name is its path below the maps folder without `.yaml`. What a map is for is said by `kind:`
in its file; left out, a map in `personas/` is a persona, `bridge` is the bridge's own, and any other native.
"""

from dataclasses import dataclass
from pathlib import Path

from bridge.register_maps.fields import MapError
from bridge.register_maps.format import Kind
from bridge.register_maps.loader import FILE_MAX, MapLoad, load_text
from bridge.register_maps.positions import nearest

_SUFFIXES = (".yaml", ".yml")
_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Listed:
    """A shipped map as `maps list` shows it; a map that does not load has its errors instead of a title."""

    name: str
    title: str
    kind: Kind
    errors: tuple[MapError, ...] = ()


def shipped_folder() -> Path:
    """Return where the shipped maps are: inside an installed package, else beside it in a checkout."""
    inside = _PACKAGE / "maps"
    return inside if inside.is_dir() else _PACKAGE.parent / "maps"


class Catalogue:
    """Maps by name; each file is read once."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or shipped_folder()
        self._loads: dict[Path, MapLoad] = {}

    def names(self) -> list[str]:
        """Return the names of all shipped maps, sorted."""
        found = (p.relative_to(self.folder).with_suffix("").as_posix() for p in self.folder.rglob("*.yaml"))
        return sorted(found)

    def listed(self) -> list[Listed]:
        """Return all shipped maps with title and kind."""
        rows = []
        for name in self.names():
            load = self.load(name)
            kind = _kind_of(name) if load.map is None else load.map.kind
            rows.append(Listed(name, "" if load.map is None else load.map.title, kind, load.errors))
        return rows

    def load(self, name: str, beside: Path | None = None) -> MapLoad:
        """Return a map by name, or by file name (`./mine.yaml`) relative to the directory `beside`.

        Never raises: an unknown name and an unreadable file are errors of the answer.
        """
        return self._load(name, beside, ())

    def load_file(self, file: Path) -> MapLoad:
        """Return the map of a file, read anew."""
        self._loads.pop(_real(file), None)
        return self._load_file(file, file.stem, Kind.NATIVE, ())

    def _load(self, name: str, beside: Path | None, inside: tuple[Path, ...]) -> MapLoad:
        if name.endswith(_SUFFIXES):
            file = (beside or Path()) / name
            return self._load_file(file, file.stem, Kind.NATIVE, inside)
        names = self.names()
        if name not in names:
            near = nearest(name, names)
            hint = f"did you mean '{near}'?" if near else f"expected one of {', '.join(names)}"
            return MapLoad(None, (MapError(name, 1, 1, f"found no map '{name}'", hint),))
        return self._load_file(self.folder / f"{name}.yaml", name, _kind_of(name), inside)

    def _load_file(self, file: Path, name: str, kind: Kind, inside: tuple[Path, ...]) -> MapLoad:
        real = _real(file)
        if real in inside:
            return MapLoad(
                None, (MapError(str(file), 1, 1, f"found '{name}' extending itself", "break the circle"),)
            )
        if real not in self._loads:
            text = _read(file)
            if isinstance(text, MapError):
                return MapLoad(None, (text,))
            self._loads[real] = load_text(
                text,
                str(file),
                name,
                kind,
                lambda base: self._load(base, file.parent, (*inside, real)),
                shipped=file.is_relative_to(self.folder),
            )
        return self._loads[real]


def _kind_of(name: str) -> Kind:
    if name.startswith("personas/"):
        return Kind.PERSONA
    return Kind.BRIDGE if name == "bridge" else Kind.NATIVE


def _real(file: Path) -> Path:
    return Path(file.absolute())


def _read(file: Path) -> str | MapError:
    try:
        if not file.exists():
            return MapError(
                str(file), 1, 1, "found no such file", "paths are relative to the file that names them"
            )
        if not file.is_file():
            return MapError(str(file), 1, 1, "found no ordinary file, expected a YAML file")
        if file.stat().st_size > FILE_MAX:
            return MapError(
                str(file), 1, 1, f"found {file.stat().st_size} bytes, expected at most {FILE_MAX}"
            )
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return MapError(str(file), 1, 1, f"found byte {error.object[error.start]:#04x}, expected UTF-8 text")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return MapError(str(file), 1, 1, f"could not be read: {reason}", "check the path and its permissions")
