"""A simulated device on a VE.Direct line: what all products share.

It sends text once a second and what asynchronous frames the product has, answers HEX frames at the line's
pace, misbehaves on request, and keeps a record by which an outside observer can judge a bridge: what was
heard, what was put in force, what was true when.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.adapters.pty import BYTES_PER_S_19200, PtyLine, Wire
from bridge.adapters.vedirect.codec import VeDirectDecoder
from bridge.adapters.vedirect.hex import Command, HexError, HexFrame, encode_register
from bridge.adapters.vedirect.simulated_device import SimulatedDevice, Truth
from bridge.adapters.vedirect.simulated_faults import FAULTS, Mischief
from bridge.adapters.vedirect.simulated_registers import RegisterBank
from bridge.adapters.vedirect.simulated_replies import Executed, Received, Replies, characters
from bridge.adapters.vedirect.text import encode_block
from bridge.datastore.clock import Clock

#: A flooding device sends one asynchronous frame on every beat.
BEAT_S = 0.05
BEATS_A_SECOND = 20
#: The beat of each second on which measurements that changed are sent.
_CHANGES_BEAT = 12
#: From a request's last byte to its reply, when no text block is under way.
REPLY_DELAY_S = 0.015
REBOOT_S = 2.0
#: Requests under way at once; a device that is asked more often loses them.
_REQUESTS_MAX = 32
#: Outputs waiting for the line before anything unasked is left out.
_WAITING_MAX = 40
#: What of a text block leaves before a waiting HEX frame may cut in, on firmware that lets it.
_CUT = 24


@dataclass(frozen=True, slots=True)
class _Output:
    data: bytes
    block: bool = False


class LineSimulator:
    """A device on its line; `run` plays it on a PTY, `play` on any wire whose input goes to `hear`.

    speed: seconds that pass for the device in one second of its line.
    """

    faults = FAULTS

    def __init__(self, clock: Clock, device: SimulatedDevice, mischief: Mischief, speed: float) -> None:
        if not 0.0 <= speed <= 1e6:
            raise ValueError(f"speed: found {speed:g}, expected 0 to 1000000 seconds a second")
        self._clock = clock
        self._device = device
        self._mischief = mischief
        self._speed = speed
        self._replies = Replies(clock, device, mischief)
        #: What the host sent, in order.
        self.received: list[Received] = []
        self._decoder = VeDirectDecoder()
        self._input_ends = 0.0
        self._silent_until = self._quiet_until = self._awake_until = clock.monotonic()
        self._wire: Wire | None = None
        self._pty: PtyLine | None = None
        self._dead = False
        self._stalled = False
        self._output: asyncio.Queue[_Output] = asyncio.Queue()
        self._cutting_in: deque[bytes] | None = None
        self._answering: set[asyncio.Task[None]] = set()
        device.measure(0.0)
        #: Set while it plays on a wire.
        self.playing = asyncio.Event()

    @property
    def registers(self) -> RegisterBank:
        """The device's registers, for looking at and for changing as its owner does."""
        return self._device.registers

    @property
    def history(self) -> Sequence[Truth]:
        """Every change of what is true, oldest first."""
        return self._device.history

    @property
    def executed(self) -> list[Executed]:
        """Every SET that got as far as a value, with what was then in force."""
        return self._replies.executed

    @property
    def forbidden(self) -> list[HexFrame]:
        """Frames no bridge may send: boot, restart, restore defaults, hibernate. None was obeyed."""
        return self._replies.forbidden

    @property
    def flash_writes(self) -> int:
        """SETs that wore the device's flash."""
        return self.registers.flash_writes

    @property
    def actions(self) -> Counter[int]:
        """How often each write-only register did what it does."""
        return self.registers.actions

    @property
    def port(self) -> Path | None:
        """The PTY the device is on, None while there is none."""
        return None if self._pty is None else self._pty.port

    @property
    def serial(self) -> str:
        """The serial number it shows now."""
        return self._device.serial

    async def run(self, link: Path | None = None) -> None:
        """Open a PTY, make `link` point at it, and play until cancelled; raises OSError for a bad link."""
        async with PtyLine(self._clock, self.hear, link) as self._pty:
            await self.play(self._pty)

    async def play(self, wire: Wire) -> None:
        """Play on a wire until cancelled."""
        self._wire = wire
        self._dead = self._stalled = False
        self._forget_output()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send())
                group.create_task(self._beat())
                self.playing.set()
        finally:
            self.playing.clear()
            self._wire = None
            for answering in self._answering:
                answering.cancel()

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name; `well` ends all. Raises ValueError for an unknown one."""
        self._mischief.begin(fault, argument)
        if fault == "reboot":
            self._reboot()
        self._device.serial = self._mischief.serial or self._device.nameplate.serial
        self._device.measure(0.0)

    async def unplug(self) -> None:
        """Take the port away at once, until `replug`."""
        if self._wire is not None:
            await self._wire.unplug()

    async def replug(self) -> None:
        """Bring the port back under the same link."""
        if self._wire is not None:
            await self._wire.replug()

    def hear(self, data: bytes) -> None:
        """Take bytes from the host."""
        data = self._mischief.spoil(data)
        now = self._clock.monotonic()
        self._input_ends = max(self._input_ends, now) + len(data) / BYTES_PER_S_19200
        for message in self._decoder.receive(data, now):
            if isinstance(message, HexFrame | HexError):
                self.received.append(Received(now, characters(message), message))
                if self.playing.is_set() and len(self._answering) < _REQUESTS_MAX and not self._is_deaf:
                    answering = asyncio.create_task(self._answer(message, self._input_ends - now))
                    self._answering.add(answering)
                    answering.add_done_callback(self._answering.discard)

    @property
    def _is_silent(self) -> bool:
        return self._mischief.silent or self._clock.monotonic() < self._silent_until

    @property
    def _is_deaf(self) -> bool:
        return self._mischief.deaf or self._is_silent

    async def _answer(self, message: HexFrame | HexError, arriving_s: float) -> None:
        await self._clock.sleep(arriving_s + REPLY_DELAY_S)
        if self._is_deaf:
            return
        if isinstance(message, HexFrame):
            self._spoken_to()
        late_s = self._mischief.delay_s
        reply = self._replies.answer(message)
        if late_s:
            await self._clock.sleep(late_s)
        if reply is not None:
            self._put(reply)

    def _spoken_to(self) -> None:
        """Note that the host talks HEX: some products then tell more, some leave their text out."""
        now, habits = self._clock.monotonic(), self._device.habits
        self._quiet_until = now + habits.quiet_s
        self._awake_until = now + (habits.awake_s or 0.0)

    def _put(self, frame: bytes) -> None:
        if self._cutting_in is not None:
            self._cutting_in.append(frame)
        else:
            self._output.put_nowait(_Output(frame))

    async def _send(self) -> None:
        """Put one output after the other on the line."""
        while True:
            output = await self._output.get()
            wire = self._wire
            if wire is None or self._dead or self._is_silent:
                continue
            data = self._mischief.spoil(output.data)
            if output.block and self._mischief.die:
                await wire.send(data[: len(data) // 2])
                self._dead = True
                await wire.unplug()
            elif output.block and self._mischief.half_frame_s:
                pause_s, self._mischief.half_frame_s = self._mischief.half_frame_s, 0.0
                await wire.send(data[: len(data) // 2])
                self._stalled = True
                await self._clock.sleep(pause_s)
                self._stalled = False
                await wire.send(data[len(data) // 2 :])
            elif output.block and self._device.habits.interrupts:
                await self._send_cut(wire, data)
            else:
                await wire.send(data)

    async def _send_cut(self, wire: Wire, data: bytes) -> None:
        """Send a text block into which HEX frames cut, between records or in the middle of one."""
        self._cutting_in = deque()
        try:
            for start in range(0, len(data), _CUT):
                await wire.send(data[start : start + _CUT])
                while self._cutting_in and not self._is_silent:
                    await wire.send(self._mischief.spoil(self._cutting_in.popleft()))
        finally:
            self._cutting_in = None

    async def _beat(self) -> None:
        began, beats = self._clock.monotonic(), 0
        while True:
            if self._dead and not self._mischief.die and self._wire is not None:
                self._dead = False
                await self._wire.replug()
            self._on_beat(beats)
            beats = self._next_beat(beats)
            wait = began + beats * BEAT_S - self._clock.monotonic()
            if wait < -1.0:  # the machine slept: go on from here
                began -= wait
            await self._clock.sleep(max(0.0, wait))

    def _next_beat(self, beats: int) -> int:
        """Return the next beat on which there is something to do."""
        if self._device.habits.flood or self._dead:
            return beats + 1
        second, place = divmod(beats, BEATS_A_SECOND)
        return second * BEATS_A_SECOND + (_CHANGES_BEAT if place < _CHANGES_BEAT else BEATS_A_SECOND)

    def _on_beat(self, beats: int) -> None:
        place = beats % BEATS_A_SECOND
        if place == 0:
            self._device.measure(self._speed)
        if self._stalled or self._output.qsize() > _WAITING_MAX:
            return  # what cannot leave now would be sent as new when it is old
        if place == 0 and self._has_text:
            for block in self._device.blocks:
                self._output.put_nowait(_Output(encode_block(block), block=True))
        flood = self._device.habits.flood
        if flood:
            self._announce(flood[beats % len(flood)])
        if place == _CHANGES_BEAT:
            self._tell()

    @property
    def _has_text(self) -> bool:
        quiet = self._mischief.no_text or self._clock.monotonic() < self._quiet_until
        return self._mischief.die or not quiet

    def _tell(self) -> None:
        """Send what has changed, and what is sent each second."""
        habits, untold = self._device.habits, self._device.untold
        if habits.awake_s is None or self._clock.monotonic() < self._awake_until:
            for register in habits.on_change:
                if register in untold:
                    self._announce(register)
        untold.clear()
        for register in habits.every_second:
            self._announce(register)

    def _announce(self, register: int) -> None:
        self._put(encode_register(Command.ASYNC, register, self.registers.packed(register)))

    def _reboot(self) -> None:
        self._silent_until = self._quiet_until = self._clock.monotonic() + REBOOT_S
        self._awake_until = 0.0
        self._device.restart()
        self._decoder = VeDirectDecoder()
        self._forget_output()

    def _forget_output(self) -> None:
        while not self._output.empty():
            self._output.get_nowait()
