"""Which units a listener serves, and the little it must know of each."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.datastore.device import Device
from bridge.register_maps.image import UnitWrite

#: The unit of the bridge itself.
BRIDGE_UNIT = 247
#: Unit ids that mean the bridge where addresses, not unit ids, tell devices apart.
TCP_ALIASES: Mapping[int, int] = {0: BRIDGE_UNIT, 255: BRIDGE_UNIT}


class ServedUnit(Protocol):
    """One unit's registers. Reads answer at once: data, or the exception code as an int."""

    @property
    def device(self) -> Device:
        """The device that a refused write is counted for when it did not get as far as naming one."""

    def read_registers(self, table: str, address: int, count: int, /) -> bytes | int:
        """Return `count` big-endian registers of table `holding` or `input`, else 02 or 0B."""

    def read_bits(self, table: str, address: int, count: int, /) -> bytes | int:
        """Return `count` bits of table `coils` or `discrete`, packed from the lowest bit, else 02 or 0B."""

    def decode_registers(self, address: int, data: bytes, /) -> UnitWrite:
        """Turn written registers into changes; raises MapRefusal."""

    def decode_coils(self, address: int, bits: Sequence[bool], /) -> UnitWrite:
        """Turn written coils into changes; raises MapRefusal."""

    def decode_mask(self, address: int, and_mask: int, or_mask: int, /) -> UnitWrite:
        """Turn a mask write (FC22) into changes; raises MapRefusal."""


class View:
    """One unit as one listener serves it. `image` is None while the device was never seen (0B)."""

    __slots__ = ("_waiting", "image", "reply_within_s", "unit")

    def __init__(self, unit: int, image: ServedUnit | None, reply_within_s: float | None = None) -> None:
        self.unit = unit
        self.image = image
        self.reply_within_s = reply_within_s
        self._waiting: set[asyncio.Future[None]] = set()

    def expect_end(self) -> asyncio.Future[None]:
        """Return a future that ends when the view is removed or replaced; cancel it when done waiting."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(ended)
        ended.add_done_callback(self._waiting.discard)
        return ended

    def end(self) -> None:
        """Tell every write that waits on this view that the unit is gone."""
        for ended in tuple(self._waiting):
            if not ended.done():
                ended.set_result(None)


class Units:
    """The units of one listener; each change is one assignment, so a request sees the old or the new."""

    def __init__(self, aliases: Mapping[int, int] = TCP_ALIASES) -> None:
        self._aliases = aliases
        self._own: dict[int, View] = {}
        #: Unit id as it stands in a request -> view; never changed in place.
        self.views: Mapping[int, View] = {}

    def __len__(self) -> int:
        return len(self._own)

    def __contains__(self, unit: int) -> bool:
        return unit in self._own

    def put(self, unit: int, image: ServedUnit | None, reply_within_s: float | None = None) -> None:
        """Add a unit or replace its view. Raises ValueError for an id outside 1 to 247."""
        self.replace({**self._own, unit: View(unit, image, reply_within_s)})

    def remove(self, unit: int) -> None:
        """Stop serving a unit; raises KeyError for one not served."""
        own = dict(self._own)
        del own[unit]
        self.replace(own)

    def replace(self, views: Mapping[int, View]) -> None:
        """Serve exactly these views from now on. Writes waiting on a view that is gone are told 0B."""
        for unit in views:
            if not 1 <= unit <= BRIDGE_UNIT:
                raise ValueError(f"unit {unit}: expected a unit id of 1 to {BRIDGE_UNIT}")
        former, self._own = self._own, dict(views)
        aliased = {alias: views[unit] for alias, unit in self._aliases.items() if unit in views}
        self.views = {**views, **aliased}
        for unit, view in former.items():
            if views.get(unit) is not view:
                view.end()
