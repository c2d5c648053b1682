"""One Modbus TCP connection that asks, one question at a time, and takes no answer for an answer.

Only reads are asked (FC3, FC4, FC43/14). Sources: Modbus Messaging on TCP/IP 1.0b, section 3.1.3; Modbus
Application Protocol 1.1b3, sections 6.3 and 6.21.
"""

import asyncio
import contextlib
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bridge.datastore.clock import Clock

_HEADER = struct.Struct(">HHHB")
#: What the length field can say: unit id and a PDU of 1 to 253 bytes.
_LENGTHS = range(2, 255)
_EXCEPTION = 0x80
_IDENTIFY, _MEI, _BASIC = 43, 14, 1


class NoConnection(Exception):
    """Nobody takes connections there now."""


@dataclass(frozen=True, slots=True)
class Identification:
    """What FC43/14 told: objects 0 to 2."""

    vendor: str
    code: str
    revision: str


class ModbusTcp:
    """A connection to one host, for `async with`. Made anew when the host hangs up."""

    def __init__(
        self, host: str, port: int, clock: Clock, *, connect_within_s: float, answer_within_s: float
    ) -> None:
        self.host = host
        self.port = port
        #: True once any unit has answered anything, an exception too.
        self.answered = False
        self._clock = clock
        self._connect_within_s = connect_within_s
        self._answer_within_s = answer_within_s
        self._transaction = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    async def registers(self, unit: int, address: int, count: int, *, function: int = 3) -> bytes | None:
        """Read registers; None without an answer, for an exception, and for an answer of another length."""
        pdu = await self._ask(unit, struct.pack(">BHH", function, address, count))
        if pdu is None or len(pdu) != 2 + 2 * count or pdu[1] != 2 * count:
            return None
        return pdu[2:]

    async def identification(self, unit: int) -> Identification | None:
        """Read a unit's basic identification; None where it has none."""
        pdu = await self._ask(unit, bytes((_IDENTIFY, _MEI, _BASIC, 0)))
        if pdu is None or len(pdu) < 7 or pdu[1] != _MEI:
            return None
        texts, at = {}, 7
        for _ in range(pdu[6]):
            if at + 2 > len(pdu) or at + 2 + pdu[at + 1] > len(pdu):
                return None
            number, length = pdu[at], pdu[at + 1]
            texts[number] = _text(pdu[at + 2 : at + 2 + length])
            at += 2 + length
        return Identification(texts.get(0, ""), texts.get(1, ""), texts.get(2, ""))

    async def _ask(self, unit: int, pdu: bytes) -> bytes | None:
        """Return the answer's PDU; None without one and for an exception."""
        try:
            async with self._clock.timeout(self._answer_within_s):
                reply = await self._exchange(unit, pdu)
        except (TimeoutError, OSError, EOFError, NoConnection):
            self._hang_up()  # a late answer must not be taken for that to the next question
            return None
        if reply is None or not reply:
            self._hang_up()
            return None
        self.answered = True
        return reply if reply[0] == pdu[0] else None

    async def _exchange(self, unit: int, pdu: bytes) -> bytes | None:
        reader, writer = await self._connected()
        self._transaction = self._transaction % 0xFFFF + 1
        writer.write(_HEADER.pack(self._transaction, 0, len(pdu) + 1, unit) + pdu)
        while True:
            transaction, protocol, length, _ = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if protocol or length not in _LENGTHS:
                return None  # no Modbus
            reply = await reader.readexactly(length - 1)
            if transaction == self._transaction:
                return reply if reply[0] & ~_EXCEPTION == pdu[0] else None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            try:
                async with self._clock.timeout(self._connect_within_s):
                    self._streams = await asyncio.open_connection(self.host, self.port)
            except (OSError, TimeoutError) as fault:
                raise NoConnection(self.host) from fault
        return self._streams

    def _hang_up(self) -> None:
        if self._streams is not None:
            with contextlib.suppress(OSError):
                self._streams[1].close()
            self._streams = None


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace").strip("\0 ")
