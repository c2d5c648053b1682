"""A register map as a person names it: one of those there are, or a file of one's own."""

from collections.abc import Sequence
from pathlib import Path as FilePath

from bridge.cli.errors import BadFile, CommandFailed
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap
from bridge.register_maps.positions import Problem, nearest


def load_map(name: str, beside: FilePath) -> RegisterMap:
    """Load a map by name, or a file of one's own beside a site file.

    Raises BadFile with all its faults, CommandFailed with the nearest spelling for an unknown name.
    """
    catalogue = Catalogue()
    if not is_file(name) and name not in catalogue.names():
        near = nearest(name, catalogue.names())
        hint = f"did you mean {near!r}?" if near else "`inverter-bridge maps list` lists them"
        raise CommandFailed(f"there is no map {name!r}: {hint}")
    loaded = catalogue.load(name, beside)
    if loaded.map is None:
        raise BadFile(f"map {name} cannot be used:\n{shown(loaded.errors)}")
    return loaded.map


def is_file(name: str) -> bool:
    """True for a map of one's own, which is named by its file."""
    return name.endswith((".yaml", ".yml"))


def shown(problems: Sequence[Problem]) -> str:
    """Return faults as `check` shows those of site files, whose reading is loaded only now."""
    from bridge.cli.checked import explained

    return explained(problems)
