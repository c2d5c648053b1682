"""The two requests that pymodbus would take apart into a read and a write of its own, and plain replies.

FC22 must judge the mask as one change, and FC23 must check both halves before it does either; so these
classes hand their request to the context whole. pymodbus still decodes them and encodes their replies.
"""

from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    MaskWriteRegisterResponse,
    ReadWriteMultipleRegistersRequest,
    ReadWriteMultipleRegistersResponse,
)


class MaskWrite(MaskWriteRegisterRequest):
    """FC22 as one change of one register."""

    async def datastore_update(self, context: Any, device_id: int) -> ModbusPDU:
        """Execute through the context's `mask_write`."""
        code = await context.mask_write(device_id, self.address, self.and_mask, self.or_mask)
        if code:
            return ExceptionResponse(self.function_code, code)
        return MaskWriteRegisterResponse(self.address, self.and_mask, self.or_mask)


class ReadWrite(ReadWriteMultipleRegistersRequest):
    """FC23 with both halves checked first."""

    async def datastore_update(self, context: Any, device_id: int) -> ModbusPDU:
        """Execute through the context's `read_write`."""
        held = await context.read_write(
            device_id, (self.read_address, self.read_count), self.write_address, self.write_registers
        )
        if isinstance(held, ExcCodes):
            return ExceptionResponse(self.function_code, held)
        return ReadWriteMultipleRegistersResponse(registers=held)


class Plain(ModbusPDU):
    """A reply whose bytes are ready: a function code and what follows it."""

    def __init__(self, pdu: bytes) -> None:
        super().__init__()
        self.function_code = pdu[0]
        self._data = pdu[1:]

    def encode(self) -> bytes:
        """Return what follows the function code."""
        return self._data


#: For `custom_pdu=` of pymodbus's servers.
REQUESTS: list[type[ModbusPDU]] = [MaskWrite, ReadWrite]
