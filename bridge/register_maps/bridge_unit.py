"""Unit 247, the bridge itself: a status block for every unit, and the bridge's own counters.

Its own block stands at 0, that of unit N at 1000 + 16 N; four registers after each read 0. It answers as
long as the bridge lives.
"""

from collections.abc import Sequence
from dataclasses import replace

from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.register_maps.blocks.status import STATUS_LENGTH
from bridge.register_maps.format import RegisterMap, Table
from bridge.register_maps.image import UnitImage, UnitWrite, status_bytes
from bridge.register_maps.writing import ILLEGAL_ADDRESS

BRIDGE_UNIT = 247
BLOCKS_ADDRESS = 1000
BLOCK_STRIDE = 16
UNIT_MAX = 246
_BLOCKS_END = BLOCKS_ADDRESS + BLOCK_STRIDE * (UNIT_MAX + 1)
_PADDING = bytes(2 * (BLOCK_STRIDE - STATUS_LENGTH))


def block_address(unit: int) -> int:
    """Return where unit 247 shows the status block of a unit."""
    return BLOCKS_ADDRESS + BLOCK_STRIDE * unit


class BridgeUnit:
    """The image of unit 247; units come and go by `add` and `remove`."""

    def __init__(self, loaded: RegisterMap, device: Device, clock: Clock, unit: int = BRIDGE_UNIT) -> None:
        self.unit = unit
        self.device = device
        self._points = UnitImage(loaded, device, clock, unit, always_alive=True)
        self._units: dict[int, Device] = {}

    @property
    def map(self) -> RegisterMap:
        """The map of its points."""
        return self._points.map

    def add(self, unit: int, device: Device) -> None:
        """Show a unit's device; replaces the one that was there. Raises ValueError outside 1 to 246."""
        if not 1 <= unit <= UNIT_MAX:
            raise ValueError(f"unit {unit}: expected 1 to {UNIT_MAX}")
        self._units = {**self._units, unit: device}

    def remove(self, unit: int) -> None:
        """Show a unit no longer; nothing happens when it is not there."""
        self._units = {number: device for number, device in self._units.items() if number != unit}

    def close(self) -> None:
        """Stop following the devices."""
        self._points.close()

    def read_registers(self, table: str, address: int, count: int) -> bytes | int:
        """Return `2 * count` bytes, or exception code 2 where there is no register."""
        if table not in (Table.HOLDING, Table.INPUT):
            return ILLEGAL_ADDRESS
        if address + count <= STATUS_LENGTH:
            status = replace(self.device.status(), age_s=0.0)
            return status_bytes(status, self.unit)[2 * address : 2 * (address + count)]
        if address >= BLOCKS_ADDRESS and address + count <= _BLOCKS_END:
            return self._blocks(address, count)
        return self._points.read_registers(table, address, count)

    def _blocks(self, address: int, count: int) -> bytes | int:
        first = (address - BLOCKS_ADDRESS) // BLOCK_STRIDE
        last = (address + max(count, 1) - 1 - BLOCKS_ADDRESS) // BLOCK_STRIDE
        blocks = []
        for unit in range(first, last + 1):
            device = self._units.get(unit)
            if device is None:
                return ILLEGAL_ADDRESS
            blocks.append(status_bytes(device.status(), unit) + _PADDING)
        offset = 2 * (address - block_address(first))
        return b"".join(blocks)[offset : offset + 2 * count]

    def read_bits(self, table: str, address: int, count: int) -> bytes | int:
        """Return exception code 2 unless the map has bits there."""
        return self._points.read_bits(table, address, count)

    def decode_registers(self, address: int, data: bytes) -> UnitWrite:
        """Return what writing registers asks for; raises MapRefusal."""
        return self._points.decode_registers(address, data)

    def decode_coils(self, address: int, bits: Sequence[bool]) -> UnitWrite:
        """Return what writing coils asks for; raises MapRefusal."""
        return self._points.decode_coils(address, bits)

    def decode_mask(self, address: int, and_mask: int, or_mask: int) -> UnitWrite:
        """Return what FC22 asks for; raises MapRefusal."""
        return self._points.decode_mask(address, and_mask, or_mask)

    def paths_at(self, table: str, address: int, count: int = 1) -> str | None:
        """Return the first path that a request touches, for logs; None when it touches none."""
        return self._points.paths_at(table, address, count)
