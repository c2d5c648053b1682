"""The short addresses of inverters: the site's own, else those learnt by pairing and kept over restarts."""

from collections.abc import Mapping

from bridge.adapters.apsystems.options import ApsystemsOptions
from bridge.datastore.state import Memory

_KEY = "addresses"


class Addresses:
    """Short addresses by serial number."""

    def __init__(self, options: ApsystemsOptions, memory: Memory) -> None:
        self._memory = memory
        self._of_site = {i.serial: i.address for i in options.inverters if i.address is not None}
        saved = memory.get(_KEY)
        found = saved if isinstance(saved, dict) else {}
        self._learnt = {
            serial: address
            for serial, address in found.items()
            if isinstance(serial, str) and isinstance(address, int) and 0 < address < 0xFFFF
        }

    @property
    def learnt(self) -> Mapping[str, int]:
        """Addresses that pairing has found."""
        return self._learnt

    def find(self, serial: str) -> int | None:
        """Return an inverter's address, None for one that has not been paired."""
        return self._of_site.get(serial, self._learnt.get(serial))

    def is_of_site(self, serial: str) -> bool:
        """True where the site file gives the address, whatever pairing finds."""
        return serial in self._of_site

    async def learn(self, serial: str, address: int) -> None:
        """Keep what pairing has found; on disk when it returns. Nobody else has that address any more."""
        self._learnt = {s: a for s, a in self._learnt.items() if a != address} | {serial: address}
        await self._memory.save(_KEY, self._learnt)

    async def forget(self, serial: str) -> bool:
        """Drop what pairing had found; False where it had found nothing."""
        if self._learnt.pop(serial, None) is None:
            return False
        await self._memory.save(_KEY, self._learnt or None)
        return True
