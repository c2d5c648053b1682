"""What the page is given of the house by those who built it: it knows no server and no adapter."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from bridge.datastore.store import Datastore
from bridge.outlets.door import Finder, Witness
from bridge.outlets.history_reader import HistoryReader
from bridge.outlets.metrics_figures import ListenerFigures
from bridge.site.loader import SiteLoad


class ReloadRefused(Exception):
    """A site that cannot be taken while running; the text says why. Nothing was changed."""


class SiteDoor(Protocol):
    """The site file of the running house."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    def load(self, path: Path) -> SiteLoad:
        """Read and check a file as the site file would be. Blocks."""

    async def reload(self, load: SiteLoad) -> str:
        """Take a checked site; returns what has changed in words. Raises ReloadRefused."""

    def line_to_write(self, address: str) -> str:
        """Return the line of a site file that lets an address write. Raises ValueError for no address."""

    def forms(self) -> Mapping[str, Mapping[str, object]]:
        """Return the JSON Schema of each family's device options, for forms. Blocks."""


@dataclass(frozen=True, slots=True)
class Doors:
    """All that the page reaches."""

    datastore: Datastore
    find: Finder
    serving: Callable[[], bool]
    figures: Callable[[], Iterable[ListenerFigures]]
    witness: Witness = lambda *_: None
    history: HistoryReader | None = None
    site: SiteDoor | None = None
    #: Names of what a person may ask of a device beside its points.
    operations: Callable[[str], Iterable[str]] = lambda _: ()
    site_name: str = ""
    #: The site's time zone, None for the system's own; what a kWh costs, and in what.
    zone: tzinfo | None = None
    price: float | None = None
    currency: str = ""
