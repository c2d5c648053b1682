"""What the page is given of the house beside what all outlets see."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.adapters.base import Family
from bridge.server.access import Peer
from bridge.site.loader import SiteLoad


@dataclass(frozen=True, slots=True)
class PageParts:
    """What the page may ask of its house; it reaches them through `outlets/web/doors.py`."""

    operations: Callable[[str], Iterable[str]]
    families: Mapping[str, Family]
    site_file: Path | None
    reload: Callable[[SiteLoad], Awaitable[str]]
    line_to_write: Callable[[Peer], str]
