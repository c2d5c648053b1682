"""A Series607 inverter behind its Arduino on an RTU line, for demonstrations and tests."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pymodbus.framer import FramerRTU

from bridge.adapters.base import Fault
from bridge.adapters.modbus.simulated_faults import FAULTS, Mischief
from bridge.adapters.modbus.simulated_panel import Panel
from bridge.adapters.pty import PtyLine, Wire
from bridge.datastore.clock import Clock, SystemClock

UNIT = 42
#: Bytes a second at 38400 Bd with 8 data bits, no parity and one stop bit.
BYTES_PER_S = 3840.0
#: The Arduino's loop, as far as anybody can tell from outside.
STEP_S = 0.02
#: A frame ends with this much silence; a PTY brings its bytes in pieces.
_FRAME_GAP_S = 0.004
_READ, _WRITE, _WRITE_MANY = 3, 6, 16
_FUNCTION, _ADDRESS, _VALUE = 1, 2, 3
_FRAME_MIN, _FRAME_MAX = 4, 256


@dataclass(frozen=True, slots=True)
class Heard:
    """A request for the Arduino, without its CRC, and when it was complete (monotonic)."""

    time: float
    frame: bytes


class Series607Simulator:
    """A simulated Series607: `run` plays it on a PTY, `play` on any wire whose input goes to `hear`.

    voltage: of its battery in V. power: of its load in W. on: whether it runs at the start. strict: refuses
    reads across addresses that it does not have, as the library of the Arduino may. Raises ValueError for
    impossible values.
    """

    faults: tuple[Fault, ...] = FAULTS

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        voltage: float = 25.9,
        power: float = 230.0,
        on: bool = True,
        strict: bool = True,
    ) -> None:
        if not 0 <= voltage <= 65 or not 0 <= power <= 999:
            raise ValueError(f"found {voltage:g} V and {power:g} W, expected 0 to 65 V and 0 to 999 W")
        self._clock = SystemClock() if clock is None else clock
        self.panel = Panel(self._clock.monotonic(), voltage, power, on=on)
        self._strict = strict
        self._mischief = Mischief(self.panel)
        self._buffer = bytearray()
        self._heard_at = 0.0
        self._arrived = asyncio.Event()
        self._wire: Wire | None = None
        self._dead = False
        #: Requests for it, in order.
        self.received: list[Heard] = []
        #: Set while it plays on a wire.
        self.playing = asyncio.Event()

    async def run(self, link: Path | None = None) -> None:
        """Open a PTY, make `link` point at it, and play until cancelled; raises OSError for a bad link."""
        async with PtyLine(self._clock, self.hear, link, BYTES_PER_S) as pty:
            await self.play(pty)

    async def play(self, wire: Wire) -> None:
        """Play on a wire until cancelled."""
        self._wire = wire
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._loop())
                tasks.create_task(self._listen())
                self.playing.set()
        finally:
            self.playing.clear()
            self._wire = None

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name; `well` ends all. Raises ValueError for an unknown one."""
        self._mischief.begin(fault, argument)

    async def unplug(self) -> None:
        """Take the port away at once, until `replug`."""
        if self._wire is not None:
            await self._wire.unplug()

    async def replug(self) -> None:
        """Bring the port back under the same link."""
        if self._wire is not None:
            await self._wire.replug()

    def hear(self, data: bytes) -> None:
        """Take bytes from the master."""
        self._buffer += self._mischief.spoil(data)
        del self._buffer[:-_FRAME_MAX]
        self._heard_at = self._clock.monotonic()
        self._arrived.set()

    async def _loop(self) -> None:
        while True:
            self.panel.step(self._clock.monotonic())
            if self._dead and not self._mischief.die:
                self._dead = False
                await self.replug()
            await self._clock.sleep(STEP_S)

    async def _listen(self) -> None:
        """Cut frames by silence, and answer those for this unit."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while (gap := self._heard_at + _FRAME_GAP_S - self._clock.monotonic()) > 0:
                await self._clock.sleep(gap)
            frame = bytes(self._buffer)
            self._buffer.clear()
            body = _checked(frame)
            if body is None or body[0] != UNIT:
                continue
            self.received.append(Heard(self._clock.monotonic(), body))
            await self._answer(body)

    async def _answer(self, request: bytes) -> None:
        mischief, clock = self._mischief, self._clock
        await clock.sleep(self.panel.deaf_until - clock.monotonic())
        if mischief.silent or self._dead:
            return
        if mischief.delay_s:
            await clock.sleep(mischief.delay_s)
        pdu = self._refused(request[1], mischief.refuse) if mischief.refuse else self._pdu(request[1:])
        body = bytes([mischief.unit or request[0]]) + pdu
        frame = body + FramerRTU.compute_CRC(body).to_bytes(2, "big")
        frame = mischief.noise + mischief.spoil(frame)
        if self._wire is None:
            return
        if mischief.die:
            self._dead = True
            await self._wire.send(frame[: len(frame) // 2])
            await self._wire.unplug()
            return
        with contextlib.suppress(OSError):
            await self._wire.send(frame)

    def _pdu(self, request: bytes) -> bytes:
        """Return the reply to a request's PDU."""
        function, address = request[0], int.from_bytes(request[1:3], "big")
        registers = self.panel.registers
        if function == _READ and len(request) == 5:
            count = int.from_bytes(request[3:5], "big")
            if not 1 <= count <= 125:
                return self._refused(function, _VALUE)
            wanted = range(address, address + count)
            known = [place in registers for place in wanted]
            if not (all(known) if self._strict else known[0]):
                return self._refused(function, _ADDRESS)
            data = b"".join(registers.get(place, 0).to_bytes(2, "big") for place in wanted)
            return bytes([function, len(data)]) + data
        if function == _WRITE and len(request) == 5:
            return self._write(request, {address: int.from_bytes(request[3:5], "big")})
        if function == _WRITE_MANY and len(request) >= 6 and len(request) == 6 + request[5]:
            words = [int.from_bytes(request[i : i + 2], "big") for i in range(6, len(request), 2)]
            return self._write(request, {address + place: word for place, word in enumerate(words)})
        return self._refused(function, _FUNCTION)

    def _write(self, request: bytes, values: Mapping[int, int]) -> bytes:
        if any(address not in self.panel.registers for address in values):
            return self._refused(request[0], _ADDRESS)
        if not self._mischief.ignore_writes:
            self.panel.registers.update(values)
        return request[:5]

    @staticmethod
    def _refused(function: int, code: int) -> bytes:
        return bytes([function | 0x80, code])


def _checked(frame: bytes) -> bytes | None:
    """Return a frame without its CRC, None for a broken one."""
    if len(frame) < _FRAME_MIN:
        return None
    body, crc = frame[:-2], int.from_bytes(frame[-2:], "big")
    return body if FramerRTU.check_CRC(body, crc) else None
