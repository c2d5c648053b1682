"""The reading functions (FC 1 to 4): one slice of the unit's image, framed. Nothing here waits."""

from bridge.server.codes import Code
from bridge.server.formats import READS
from bridge.server.mbap import data_reply, exception_reply
from bridge.server.terms import Terms


class Reads:
    """Answers reads of one listener as whole MBAP frames."""

    __slots__ = ("_counters", "_terms", "_units")

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._units = terms.units
        self._counters = terms.counters

    def answer(self, transaction: int, unit: int, function: int, address: int, count: int) -> bytes:
        """Answer a well-framed read in the order of checks: unit, quantity, then the image's own."""
        view = self._units.views.get(unit)
        data: bytes | int
        if view is None or (image := view.image) is None:
            data = Code.NO_RESPONSE
        else:
            table, limit = READS[function]
            try:
                if not 0 < count <= limit:
                    data = Code.ILLEGAL_VALUE
                elif function > 2:
                    data = image.read_registers(table, address, count)
                else:
                    data = image.read_bits(table, address, count)
            except Exception as fault:  # noqa: BLE001 - a defect in one image must not end the connection
                self._terms.failed(unit, f"read of {address}+{count}", fault)
                data = Code.DEVICE_FAILURE
        if isinstance(data, int):
            self._counters.exceptions += 1
            return exception_reply(transaction, unit, function, data)
        return data_reply(transaction, unit, function, data)
