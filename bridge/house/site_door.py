"""The site file of a running house, for the page: read, checked, and taken on without a restart."""

import os
from collections.abc import Mapping
from pathlib import Path

from bridge.house.learnt import learnt_product
from bridge.house.page_parts import PageParts
from bridge.house.reloading import ReloadFault
from bridge.outlets.web.doors import ReloadRefused
from bridge.server.access import Peer, peer_address
from bridge.site.families import FamilyError
from bridge.site.loader import SiteLoad, load_site


class SiteFileDoor:
    """What the page may do with the file at `path`."""

    def __init__(self, path: Path, parts: PageParts) -> None:
        self.path = path
        self._parts = parts

    def load(self, path: Path) -> SiteLoad:
        """Read and check a file as the site file would be. Blocks."""
        return load_site(path, os.environ, self._parts.families, learnt_product)

    async def reload(self, load: SiteLoad) -> str:
        """Take a checked site; returns what has changed in words. Raises ReloadRefused."""
        try:
            return await self._parts.reload(load)
        except ReloadFault as fault:
            raise ReloadRefused(str(fault)) from fault

    def line_to_write(self, address: str) -> str:
        """Return the line of a site file that lets an address write. Raises ValueError for no address."""
        return self._parts.line_to_write(Peer(peer_address(address)))

    def forms(self) -> Mapping[str, Mapping[str, object]]:
        """Return the JSON Schema of each family's device options. Blocks."""
        found: dict[str, Mapping[str, object]] = {}
        for name in self._parts.families:
            try:
                found[name] = self._parts.families[name].options.model_json_schema()
            except FamilyError:
                continue
        return found
