"""A Modbus TCP client made of a socket and nothing else: what stands on the wire, byte for byte."""

import asyncio
import struct
from types import TracebackType
from typing import Self

#: Bound of every wait; nothing comes near it on a machine that is not on its knees.
PATIENCE_S = 20.0


class Reply:
    """One answer: transaction id, unit, function code, data; `exception` is its code or 0."""

    def __init__(self, tid: int, unit: int, pdu: bytes) -> None:
        self.tid, self.unit, self.function, self.data = tid, unit, pdu[0], pdu[1:]

    @property
    def exception(self) -> int:
        return self.data[0] if self.function & 0x80 else 0

    @property
    def words(self) -> list[int]:
        assert not self.exception, f"exception {self.exception:02X}"
        return list(struct.unpack(f">{self.data[0] // 2}H", self.data[1:]))


class Master:
    """One connection."""

    def __init__(self, port: int, unit: int = 20) -> None:
        self._port = port
        self._unit = unit
        self._tid = 0

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(PATIENCE_S):
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def send(self, pdu: bytes, unit: int | None = None) -> int:
        self._tid = self._tid % 0xFFFF + 1
        where = self._unit if unit is None else unit
        self._writer.write(struct.pack(">HHHB", self._tid, 0, len(pdu) + 1, where) + pdu)
        return self._tid

    async def reply(self) -> Reply:
        async with asyncio.timeout(PATIENCE_S):
            tid, protocol, length, unit = struct.unpack(">HHHB", await self._reader.readexactly(7))
            assert protocol == 0
            return Reply(tid, unit, await self._reader.readexactly(length - 1))

    async def ask(self, pdu: bytes, unit: int | None = None) -> Reply:
        tid = self.send(pdu, unit)
        reply = await self.reply()
        assert reply.tid == tid
        return reply

    async def read(self, address: int, count: int = 1, unit: int | None = None, function: int = 3) -> Reply:
        return await self.ask(struct.pack(">BHH", function, address, count), unit)

    async def write(self, address: int, value: int) -> Reply:
        return await self.ask(struct.pack(">BHH", 6, address, value))

    async def settled(self, address: int, value: int, *more: int) -> int:
        """Write, by FC6 or for several registers by FC16, and return the exception code of the outcome.

        A reply 05 (still under way) is followed in the status block, so that a slow machine decides nothing.
        """
        if more:
            values = (value, *more)
            head = struct.pack(">BHHB", 16, address, len(values), 2 * len(values))
            reply = await self.ask(head + struct.pack(f">{len(values)}H", *values))
        else:
            reply = await self.write(address, value)
        if reply.exception != 5:
            return reply.exception
        async with asyncio.timeout(PATIENCE_S):
            while (words := (await self.read(0xFE03, 3)).words)[0] == 8:
                await asyncio.sleep(0.02)
        return words[2]

    async def until(self, address: int, wanted: int, count: int = 1, unit: int | None = None) -> None:
        """Read until the first register shows `wanted`."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                reply = await self.read(address, count, unit)
                if not reply.exception and reply.words[0] == wanted:
                    return
                await asyncio.sleep(0.05)

    async def until_exception(self, address: int, wanted: int) -> None:
        """Read until the unit answers with an exception code."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.read(address)).exception != wanted:
                await asyncio.sleep(0.05)
