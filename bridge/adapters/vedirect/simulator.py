"""A Blue Smart charger on a VE.Direct line, for demonstrations and tests.

It sends what an IP22 sends (text once a second, some twenty asynchronous HEX frames between), answers as
one answers, and keeps a record by which an outside observer can judge a bridge: what was heard, what was
put in force, what was true when.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.adapters.pty import BYTES_PER_S_19200, PtyLine, Wire
from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.codec import VeDirectDecoder
from bridge.adapters.vedirect.hex import Command, HexError, HexFrame, encode_register
from bridge.adapters.vedirect.simulated_device import ChargerDevice, Truth
from bridge.adapters.vedirect.simulated_faults import FAULTS, Mischief
from bridge.adapters.vedirect.simulated_models import model_of
from bridge.adapters.vedirect.simulated_registers import RegisterBank
from bridge.adapters.vedirect.simulated_replies import Executed, Received, Replies, characters
from bridge.adapters.vedirect.text import encode_block
from bridge.datastore.clock import Clock, SystemClock

#: One asynchronous frame leaves on every beat: 0x2009 and 0x200E each ten times a second, as captured.
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

_FLOOD = (reg.LINK_ERROR, reg.NETWORK_MODE)
_ON_CHANGE = (
    reg.STATE,
    reg.OFF_REASON,
    reg.DC_VOLTAGE,
    reg.DC_CURRENT,
    reg.DC_CURRENT_MA,
    reg.OUTPUT_VOLTAGE,
    reg.OUTPUT_CURRENT,
    reg.INTERNAL_TEMPERATURE,
)
_EVERY_SECOND = (reg.UNKNOWN_EE16, reg.UPTIME)


@dataclass(frozen=True, slots=True)
class _Output:
    data: bytes
    block: bool = False


class ChargerSimulator:
    """One simulated charger; `run` plays it on a PTY, `play` on any wire whose input goes to `hear`.

    product_id: one of `simulated_models`. serial, name: what it calls itself. minimum_current,
    maximum_current: range of the current limit in A, up to 60; left out, the model's own. flood:
    asynchronous frames; left out, as the model has them. persistent_mode: the device mode is kept in
    flash. link_control: takes a current limit over 0x200E and 0x2015. seed: of everything random.
    charge_speed: battery seconds in a second. Raises ValueError for an unknown product or a current out
    of range.
    """

    faults = FAULTS

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        product_id: int = 0xA334,
        serial: str = "SIM2230A334",
        name: str | None = None,
        minimum_current: float | None = None,
        maximum_current: float | None = None,
        flood: bool | None = None,
        persistent_mode: bool = False,
        link_control: bool = False,
        seed: int = 0,
        charge_speed: float = 1.0,
    ) -> None:
        self._clock = SystemClock() if clock is None else clock
        model = model_of(product_id)
        highest = model.maximum_current if maximum_current is None else maximum_current
        self._flood = model.flood if flood is None else flood
        self._speed = charge_speed
        self._serial = serial
        dice = random.Random(seed)
        self._device = ChargerDevice(
            self._clock,
            model,
            serial,
            f"SIMULATED {model.name}" if name is None else name,
            min(model.minimum_current, highest) if minimum_current is None else minimum_current,
            highest,
            dice,
            persistent_mode=persistent_mode,
            link_control=link_control,
        )
        self._mischief = Mischief(_dice=dice)
        self._replies = Replies(self._clock, self._device.registers, self._mischief, product_id)
        #: What the host sent, in order.
        self.received: list[Received] = []
        self._decoder = VeDirectDecoder()
        self._input_ends = 0.0
        self._silent_until = 0.0
        self._wire: Wire | None = None
        self._pty: PtyLine | None = None
        self._dead = False
        self._stalled = False
        self._output: asyncio.Queue[_Output] = asyncio.Queue()
        self._tasks: asyncio.TaskGroup | None = None
        self._under_way = 0
        #: Set while it plays on a wire.
        self.playing = asyncio.Event()

    @property
    def registers(self) -> RegisterBank:
        """The device's registers, for looking at."""
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
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._send())
                self._tasks.create_task(self._beat())
                self.playing.set()
        finally:
            self.playing.clear()
            self._tasks = self._wire = None

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name; `well` ends all. Raises ValueError for an unknown one."""
        self._mischief.begin(fault, argument)
        if fault == "reboot":
            self._reboot()
        self._device.serial = self._mischief.serial or self._serial
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
                if self._tasks is not None and self._under_way < _REQUESTS_MAX and not self._is_deaf:
                    self._under_way += 1
                    self._tasks.create_task(self._answer(message, self._input_ends - now))

    @property
    def _is_silent(self) -> bool:
        return self._mischief.silent or self._clock.monotonic() < self._silent_until

    @property
    def _is_deaf(self) -> bool:
        return self._mischief.deaf or self._is_silent

    async def _answer(self, message: HexFrame | HexError, arriving_s: float) -> None:
        try:
            await self._clock.sleep(arriving_s + REPLY_DELAY_S)
            if self._is_deaf:
                return
            late_s = self._mischief.delay_s
            reply = self._replies.answer(message)
            if isinstance(message, HexFrame) and message.command == Command.SET:
                self._device.commanded()
            if late_s:
                await self._clock.sleep(late_s)
            if reply is not None:
                self._output.put_nowait(_Output(reply))
        finally:
            self._under_way -= 1

    async def _send(self) -> None:
        """Put one output after the other on the line, so that no frame cuts into a text block."""
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
            else:
                await wire.send(data)

    async def _beat(self) -> None:
        began, beats = self._clock.monotonic(), 0
        while True:
            if self._dead and not self._mischief.die and self._wire is not None:
                self._dead = False
                await self._wire.replug()
            self._on_beat(beats)
            beats += 1
            wait = began + beats * BEAT_S - self._clock.monotonic()
            if wait < -1.0:  # the machine slept: go on from here
                began -= wait
            await self._clock.sleep(max(0.0, wait))

    def _on_beat(self, beats: int) -> None:
        place = beats % BEATS_A_SECOND
        if place == 0:
            self._device.measure(self._speed)
        if self._stalled or self._output.qsize() > _WAITING_MAX:
            return  # what cannot leave now would be sent as new when it is old
        if place == 0 and (self._mischief.die or not self._mischief.no_text):
            self._output.put_nowait(_Output(encode_block(self._device.labels), block=True))
        if not self._flood:
            return
        self._announce(_FLOOD[beats % len(_FLOOD)])
        if place == _CHANGES_BEAT:
            for register in _ON_CHANGE:
                if register in self._device.untold:
                    self._announce(register)
            self._device.untold.clear()
            for register in _EVERY_SECOND:
                self._announce(register)

    def _announce(self, register: int) -> None:
        frame = encode_register(Command.ASYNC, register, self.registers.packed(register))
        self._output.put_nowait(_Output(frame))

    def _reboot(self) -> None:
        self._silent_until = self._clock.monotonic() + REBOOT_S
        self._device.restart()
        self._decoder = VeDirectDecoder()
        self._forget_output()

    def _forget_output(self) -> None:
        while not self._output.empty():
            self._output.get_nowait()
