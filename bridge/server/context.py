"""What pymodbus's requests find behind `context`: one unit's image for reads, its device for writes.

A context lives for one request. pymodbus answers an exception for every code that is not 0, takes
lists of values from reads, and echoes a single write from a read-back, which is answered here by what
was asked for: it is asked only after the device has confirmed it.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException

from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.values import WriteRequest
from bridge.register_maps.image import MapRefusal, UnitWrite
from bridge.server.access import Peer
from bridge.server.codes import Code, batch_code
from bridge.server.formats import READS
from bridge.server.terms import Terms
from bridge.server.units import ServedUnit, View

Values = Sequence[int] | Sequence[bool]

#: FC5 and FC6, whose reply pymodbus takes from a read-back.
_ECHOED = (5, 6)
_COIL_WRITES = (5, 15)


class RequestContext:
    """Serves one request of one peer (None where the line knows no addresses)."""

    __slots__ = ("_echo", "_peer", "_terms")

    def __init__(self, terms: Terms, peer: Peer | None) -> None:
        self._terms = terms
        self._peer = peer
        self._echo: Values = ()

    def device_ids(self) -> list[int]:
        """Return all unit ids served."""
        return sorted(self._terms.units.views)

    async def async_getValues(  # noqa: N802 - pymodbus's name
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> Values | ExcCodes:
        """Read from the image, or echo a confirmed write. Raises NoSuchIdException."""
        if func_code in _ECHOED:
            return self._echo
        table = READS[func_code][0] if func_code in READS else "holding"
        image = self._view(device_id)[1]
        if table in ("coils", "discrete"):
            packed = image.read_bits(table, address, count)
            if isinstance(packed, int):
                return ExcCodes(packed)
            return [bool(packed[bit >> 3] >> (bit & 7) & 1) for bit in range(count)]
        data = image.read_registers(table, address, count)
        return ExcCodes(data) if isinstance(data, int) else list(struct.unpack(f">{count}H", data))

    async def async_setValues(  # noqa: N802 - pymodbus's name
        self, device_id: int, func_code: int, address: int, values: Values
    ) -> ExcCodes | None:
        """Write registers or coils as one batch. Raises NoSuchIdException."""
        if func_code in _COIL_WRITES:
            bits = [bool(value) for value in values]
            code = await self.write(device_id, address, lambda image: image.decode_coils(address, bits))
        else:
            data = struct.pack(f">{len(values)}H", *values)
            code = await self.write(device_id, address, lambda image: image.decode_registers(address, data))
        self._echo = values
        return ExcCodes(code) if code else None

    async def mask_write(self, device_id: int, address: int, and_mask: int, or_mask: int) -> ExcCodes | None:
        """Apply FC22. Raises NoSuchIdException."""
        code = await self.write(
            device_id, address, lambda image: image.decode_mask(address, and_mask, or_mask)
        )
        return ExcCodes(code) if code else None

    async def read_write(
        self, device_id: int, read: tuple[int, int], address: int, values: Values
    ) -> Values | ExcCodes:
        """Apply FC23: both halves are checked, then the write is done, then the read.

        `read` is address and count. A write that is not confirmed gives its exception and no data.
        Raises NoSuchIdException.
        """
        data = struct.pack(f">{len(values)}H", *values)

        def decode(image: ServedUnit) -> UnitWrite:
            held = image.read_registers("holding", *read)
            if held == Code.ILLEGAL_ADDRESS:
                raise MapRefusal(
                    Code.ILLEGAL_ADDRESS, f"0x{read[0]:04X}+{read[1]}: no such registers to read"
                )
            write = image.decode_registers(address, data)
            if isinstance(held, int):
                raise MapRefusal(held, f"0x{read[0]:04X}+{read[1]}: not known now, so nothing is written")
            return write

        code = await self.write(device_id, address, decode)
        if code:
            return ExcCodes(code)
        return await self.async_getValues(device_id, 3, *read)

    async def write(self, device_id: int, address: int, decode: Callable[[ServedUnit], UnitWrite]) -> int:
        """Decode, judge and execute one write; return 0 or the exception code of the reply table."""
        view, image = self._view(device_id)
        terms, origin = self._terms, self._terms.origin(self._peer)
        allowed = terms.may_write(self._peer, view.unit)
        try:
            write = decode(image)
        except MapRefusal as refusal:
            if allowed:
                code, reason = refusal.code, str(refusal)
            else:
                code, reason = int(Code.ILLEGAL_FUNCTION), terms.write_refused(self._peer, device_id)
            image.device.refuse(WriteRequest({}, origin, view.unit, address=address), code, reason)
            return code
        request = WriteRequest(write.changes, origin, view.unit, write.addresses, address)
        if not allowed or not terms.may_write(self._peer, view.unit, write.changes):
            reason = terms.write_refused(self._peer, device_id)
            write.device.refuse(request, Code.ILLEGAL_FUNCTION, reason)
            return Code.ILLEGAL_FUNCTION
        return await self._execute(view, write, request)

    async def _execute(self, view: View, write: UnitWrite, request: WriteRequest) -> int:
        """Hand the batch to the device and wait for its outcome, or for the end of the unit."""
        within_s = min(self._terms.reply_within_s, write.device.confirm_s(write.changes))
        if view.reply_within_s is not None:
            within_s = min(within_s, view.reply_within_s)
        ended = view.expect_end()
        writing = asyncio.ensure_future(write.device.write(request, within_s))
        try:
            await asyncio.wait((writing, ended), return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                return Code.NO_RESPONSE
            return batch_code(write.changes, writing.result())
        except WriteRefusal as refusal:
            return refusal.exception_code
        finally:
            ended.cancel()
            if not writing.done():
                writing.cancel()  # only the waiting ends: the change goes on and its outcome is told
            elif not writing.cancelled():
                writing.exception()  # taken, also where the waiting ended in the turn that refused the write

    def _view(self, unit: int) -> tuple[View, ServedUnit]:
        view = self._terms.units.views.get(unit)
        if view is None or view.image is None:
            raise NoSuchIdException(f"unit {unit} is not served by listener {self._terms.name}")
        return view, view.image
