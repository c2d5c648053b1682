"""A Modbus TCP client of a running bridge, with its failures in words.

pymodbus is imported when a connection is opened, so that help texts need not wait for it.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bridge.cli.errors import CommandFailed
from bridge.register_maps.format import Table
from bridge.site.addresses import HostPort

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusTcpClient
    from pymodbus.pdu import ModbusPDU

#: Longer than any reply takes unless a site allows its writes more.
REPLY_S = 5.0

ILLEGAL_FUNCTION = 0x01
ILLEGAL_ADDRESS = 0x02
ILLEGAL_VALUE = 0x03
ACKNOWLEDGE = 0x05
NO_RESPONSE = 0x0B


class ExceptionReply(Exception):
    """The bridge answered with a Modbus exception; `code` is its number."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code:02X}")
        self.code = code


class BridgeClient:
    """One connection, for `async with`. Requests raise ExceptionReply, or CommandFailed without an answer."""

    def __init__(self, address: HostPort, start: str, reply_s: float = REPLY_S) -> None:
        self.address = address
        #: The address under which the bridge sees this client, once connected.
        self.local_host = "this machine's address"
        self._start = start
        self._reply_s = reply_s
        self._lost = asyncio.Event()
        self._client: AsyncModbusTcpClient | None = None

    async def __aenter__(self) -> Self:
        from pymodbus.client import AsyncModbusTcpClient

        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # faults are told here, in words
        self._client = AsyncModbusTcpClient(
            self.address.host,
            port=self.address.port,
            timeout=self._reply_s,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._connection_changed,
        )
        if not await self._client.connect():
            raise CommandFailed(await self._why_no_connection())
        transport = self._client.ctx.transport
        if transport is not None:
            self.local_host = str(transport.get_extra_info("sockname")[0])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            self._client.close()

    async def read_registers(self, unit: int, table: Table, address: int, count: int) -> bytes:
        """Read holding or input registers; returns two bytes a register."""
        read = self._open.read_input_registers if table is Table.INPUT else self._open.read_holding_registers
        reply = await self._answer(read(address, count=count, device_id=unit))
        if len(reply.registers) != count:
            raise CommandFailed(f"{self.address}: found {len(reply.registers)} registers, expected {count}")
        return b"".join(word.to_bytes(2, "big") for word in reply.registers)

    async def read_bit(self, unit: int, table: Table, address: int) -> bool:
        """Read one coil or discrete input."""
        read = self._open.read_discrete_inputs if table is Table.DISCRETE else self._open.read_coils
        reply = await self._answer(read(address, count=1, device_id=unit))
        return bool(reply.bits[0])

    async def write_registers(self, unit: int, address: int, data: bytes) -> None:
        """Write by FC6 what is one register, by FC16 what is more."""
        words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
        if len(words) == 1:
            await self._answer(self._open.write_register(address, words[0], device_id=unit))
        else:
            await self._answer(self._open.write_registers(address, words, device_id=unit))

    async def write_coil(self, unit: int, address: int, on: bool) -> None:
        """Write by FC5."""
        await self._answer(self._open.write_coil(address, on, device_id=unit))

    async def write_masked(self, unit: int, address: int, mask: int, on: bool) -> None:
        """Set or clear the bits of `mask` by FC22 and leave the others."""
        await self._answer(
            self._open.mask_write_register(
                address=address, and_mask=0xFFFF ^ mask, or_mask=mask if on else 0, device_id=unit
            )
        )

    @property
    def _open(self) -> "AsyncModbusTcpClient":
        assert self._client is not None, "used outside `async with`"  # noqa: S101 - a defect of ours
        return self._client

    def _connection_changed(self, connected: bool) -> None:
        if not connected:
            self._lost.set()

    async def _answer(self, request: "Awaitable[ModbusPDU]") -> "ModbusPDU":
        """Wait for a reply; pymodbus alone would not notice before its time-out that the far end has gone."""
        from pymodbus.exceptions import ModbusException

        reply_task = asyncio.ensure_future(request)
        lost_task = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({reply_task, lost_task}, return_when=asyncio.FIRST_COMPLETED)
            if not reply_task.done():
                raise CommandFailed(
                    f"{self.address} closed the connection without an answer: it is shutting down, "
                    f"or its site file does not let {self.local_host} read (see `access: read:`)"
                )
            reply = await reply_task
        except ModbusException:
            raise CommandFailed(
                f"{self.address} gave no answer within {self._reply_s:g} s: expected a running bridge there"
            ) from None
        finally:
            reply_task.cancel()
            lost_task.cancel()
            await asyncio.gather(reply_task, lost_task, return_exceptions=True)
        if reply.isError():
            raise ExceptionReply(reply.exception_code)
        return reply

    async def _why_no_connection(self) -> str:
        """Try once more by hand: pymodbus says only that it failed."""
        expected = f"expected a running bridge; {self._start}, or name another address with --at HOST:PORT"
        try:
            async with asyncio.timeout(self._reply_s):
                _, writer = await asyncio.open_connection(self.address.host, self.address.port)
                writer.close()
        except TimeoutError:
            return f"{self.address} does not answer within {self._reply_s:g} s: {expected}"
        except ConnectionRefusedError:
            return f"nothing listens on {self.address}: {expected}"
        except socket.gaierror as fault:
            return f"{self.address}: the name is unknown ({fault.strerror}): {expected}"
        except OSError as fault:
            return f"{self.address} cannot be reached ({fault.strerror or fault}): {expected}"
        return f"{self.address} took a connection only the second time: try again"
