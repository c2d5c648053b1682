"""A far end that sends the text it is given and answers HEX from a table, as real or as old as a test needs."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.adapters.vedirect.codec import VeDirectDecoder
from bridge.adapters.vedirect.hex import Command, HexFrame, encode, encode_register
from bridge.adapters.vedirect.simulated_replies import characters
from bridge.datastore.clock import ManualClock

UPTIME = 0x0120
UNKNOWN, READ_ONLY, PARAMETER = 1, 2, 4


@dataclass(frozen=True)
class Heard:
    """One frame from the bridge."""

    time: float
    raw: bytes
    message: HexFrame


class ScriptedDevice:
    """Sends `blocks` every `period_s`; answers GET and SET from `registers` (id to value as on the wire).

    text_pause_s: how long text stays away after a HEX message. deaf: HEX is never answered. actions:
    registers that take no data and only act. refuse: flags with which a SET is answered. obey: what a SET
    puts in force, the value itself unless given.
    """

    def __init__(
        self,
        clock: ManualClock,
        *blocks: bytes,
        registers: Mapping[int, bytes] | None = None,
        product_id: int | None = None,
        period_s: float = 1.0,
        text_pause_s: float = 0.0,
        deaf: bool = False,
        actions: frozenset[int] = frozenset(),
    ) -> None:
        self.clock = clock
        self.blocks = list(blocks)
        self.registers = dict(registers or {})
        self._booted_at = clock.monotonic() - int.from_bytes(self.registers.get(UPTIME, b""), "little")
        self.product_id = product_id
        self.period_s = period_s
        self.text_pause_s = text_pause_s
        self.deaf = deaf
        self.silent = False
        self.actions = actions
        self.acted: list[int] = []
        self.refuse: dict[int, int] = {}
        self.obey: Callable[[int, bytes], bytes] = lambda _, value: value
        self.received: list[Heard] = []
        self.blocks_sent = 0
        self._text_from = float("-inf")
        self._decoder = VeDirectDecoder()
        self._out: asyncio.Queue[bytes] = asyncio.Queue()

    def restart(self, registers: Mapping[int, bytes]) -> None:
        """Begin the uptime anew, with what the restart puts in the registers."""
        self._booted_at = self.clock.monotonic()
        self.registers |= registers

    async def play(self, wire) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send(wire))
            tasks.create_task(self._speak())

    async def _send(self, wire) -> None:
        while True:
            await wire.send(await self._out.get())

    async def _speak(self) -> None:
        while True:
            if not self.silent and self.clock.monotonic() >= self._text_from:
                for block in self.blocks:
                    self.say(block)
                    self.blocks_sent += 1
            await self.clock.sleep(self.period_s)

    def say(self, data: bytes) -> None:
        """Put bytes on the line."""
        self._out.put_nowait(data)

    def hear(self, data: bytes) -> None:
        for message in self._decoder.receive(data, self.clock.monotonic()):
            if not isinstance(message, HexFrame):
                continue
            self.received.append(Heard(self.clock.monotonic(), characters(message), message))
            if self.deaf or self.silent:
                continue
            self._text_from = self.clock.monotonic() + self.text_pause_s
            self.say(self._answer(message))

    def _answer(self, frame: HexFrame) -> bytes:
        if frame.command == Command.PRODUCT_ID and self.product_id is not None:
            return encode(Command.PING, self.product_id.to_bytes(2, "little"))
        if frame.command not in (Command.GET, Command.SET):
            return encode(Command.APP_VERSION, bytes([frame.command, 0]))
        register = frame.register or 0
        if frame.command == Command.SET and register in self.actions:
            self.acted.append(register)
            return encode_register(Command.SET, register)
        if register not in self.registers:
            return encode_register(frame.command, register, b"", UNKNOWN)
        flags = 0
        if frame.command == Command.SET:
            flags = self.refuse.get(register, 0)
            if not flags:
                self.registers[register] = self.obey(register, frame.value)
        if register == UPTIME:
            self.registers[UPTIME] = int(self.clock.monotonic() - self._booted_at).to_bytes(4, "little")
        return encode_register(frame.command, register, self.registers[register], flags)

    def asked(self, register: int, since: float = float("-inf")) -> int:
        """How often a register was read."""
        return sum(
            heard.message.command == Command.GET and heard.message.register == register
            for heard in self.received
            if heard.time >= since
        )

    def written(self, register: int) -> list[bytes]:
        """The values that were written to a register, retries included."""
        return [
            heard.message.value
            for heard in self.received
            if heard.message.command == Command.SET and heard.message.register == register
        ]
