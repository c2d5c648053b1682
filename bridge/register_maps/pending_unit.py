"""A unit whose device is not known well enough to have a map: nothing but its status block answers."""

from collections.abc import Sequence

from bridge.datastore.device import Device
from bridge.register_maps.blocks.status import STATUS_ADDRESS, STATUS_LENGTH
from bridge.register_maps.format import Table
from bridge.register_maps.image import UnitWrite, status_bytes
from bridge.register_maps.writing import NO_RESPONSE, MapRefusal


class PendingUnit:
    """Stands in until the product class is learnt."""

    def __init__(self, device: Device, unit: int) -> None:
        self.device = device
        self.unit = unit

    def read_registers(self, table: str, address: int, count: int) -> bytes | int:
        """Return the status block's registers, 0B for all others."""
        start = address - STATUS_ADDRESS
        if table != Table.HOLDING or start < 0 or start + count > STATUS_LENGTH:
            return NO_RESPONSE
        return status_bytes(self.device.status(), self.unit)[2 * start : 2 * (start + count)]

    def read_bits(self, table: str, address: int, count: int) -> bytes | int:  # noqa: ARG002 - as every unit's
        """Return 0B."""
        return NO_RESPONSE

    def decode_registers(self, address: int, data: bytes) -> UnitWrite:  # noqa: ARG002 - as every unit's
        """Raise MapRefusal with 0B."""
        raise self._unknown()

    def decode_coils(self, address: int, bits: Sequence[bool]) -> UnitWrite:  # noqa: ARG002 - as every unit's
        """Raise MapRefusal with 0B."""
        raise self._unknown()

    def decode_mask(self, address: int, and_mask: int, or_mask: int) -> UnitWrite:  # noqa: ARG002 - as every unit's
        """Raise MapRefusal with 0B."""
        raise self._unknown()

    def _unknown(self) -> MapRefusal:
        return MapRefusal(NO_RESPONSE, f"unit {self.unit}: {self.device.name} has not been seen yet")
