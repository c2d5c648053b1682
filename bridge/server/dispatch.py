"""One request's way from PDU to reply, in the order of checks that the table of replies demands.

Knows nothing of transports: a listener hands in ids, a PDU, and the framer that frames the reply.
"""

from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerBase
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU

from bridge.register_maps.format import RegisterMap
from bridge.server import identification
from bridge.server.access import Peer
from bridge.server.codes import Code
from bridge.server.context import RequestContext
from bridge.server.formats import DIAGNOSTICS, WRITES, format_code
from bridge.server.requests import Plain
from bridge.server.terms import Terms
from bridge.server.units import BRIDGE_UNIT, ServedUnit


class Dispatch:
    """Answers requests that may have to wait for a device."""

    def __init__(self, terms: Terms, decoder: DecodePDU) -> None:
        self._terms = terms
        self._decoder = decoder

    async def answer(
        self, transaction: int, unit: int, pdu: bytes, peer: Peer | None, framer: FramerBase
    ) -> bytes:
        """Return the reply framed under the request's own ids; never raises but for cancellation."""
        function = pdu[0]
        try:
            reply = await self._answer(unit, pdu, peer)
            frame = _framed(reply, transaction, unit, framer)
        except NoSuchIdException:
            reply = ExceptionResponse(function, Code.NO_RESPONSE)
            frame = _framed(reply, transaction, unit, framer)
        except Exception as fault:  # noqa: BLE001 - whatever is wrong with us, the client gets its reply
            self._terms.failed(unit, f"function {function}", fault)
            reply = ExceptionResponse(function, Code.DEVICE_FAILURE)
            frame = _framed(reply, transaction, unit, framer)
        if reply.function_code & 0x80:
            self._terms.counters.exceptions += 1
        return frame

    async def _answer(self, unit: int, pdu: bytes, peer: Peer | None) -> ModbusPDU:
        view = self._terms.units.views.get(unit)
        if view is None or view.image is None:
            return ExceptionResponse(pdu[0], Code.NO_RESPONSE)
        code = format_code(pdu)
        if code:
            return ExceptionResponse(pdu[0], code)
        if pdu[0] not in WRITES and not self._terms.may_read(peer, view.unit):
            return ExceptionResponse(pdu[0], Code.ILLEGAL_FUNCTION)
        if pdu[0] in (DIAGNOSTICS, identification.FUNCTION):
            return _told(pdu, view.unit, view.image)
        request = self._decoder.decode(pdu)
        if request is None:
            return ExceptionResponse(pdu[0], Code.ILLEGAL_VALUE)
        # pymodbus names its own store as the context's type and calls three methods of it (see `seams`).
        return await request.datastore_update(RequestContext(self._terms, peer), unit)  # type: ignore[arg-type]


def _told(pdu: bytes, unit: int, image: ServedUnit) -> ModbusPDU:
    """Answer for a unit as a whole, which answers nothing while its device does not live."""
    loaded = getattr(image, "map", None)
    if not isinstance(loaded, RegisterMap) or not (unit == BRIDGE_UNIT or image.device.alive):
        return ExceptionResponse(pdu[0], Code.NO_RESPONSE)
    if pdu[0] == DIAGNOSTICS:
        return Plain(pdu)
    found = identification.answer(pdu, identification.objects(loaded, image.device))
    return ExceptionResponse(pdu[0], found) if isinstance(found, int) else Plain(found)


def _framed(reply: ModbusPDU, transaction: int, unit: int, framer: FramerBase) -> bytes:
    reply.transaction_id = transaction
    reply.dev_id = unit
    return framer.buildFrame(reply)
