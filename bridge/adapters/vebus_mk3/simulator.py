"""A MultiPlus or Quattro behind an MK3 at 2400 Bd, for demonstrations and tests.

One request is answered after the other, `latency` after its last byte; when nobody asks, the interface
tells its version once a second. `states` and `lines_set` are what a host did, `forbidden` what it must not.
"""

import asyncio
import random
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bridge.adapters.pty import PtyLine, Wire
from bridge.adapters.vebus_mk3.frames import Frame, FrameDecoder
from bridge.adapters.vebus_mk3.simulated_faults import FAULTS, Mischief, byte, choice, number
from bridge.adapters.vebus_mk3.simulated_interface import SimulatedInterface, StateCommand
from bridge.adapters.vebus_mk3.simulated_unit import SimulatedUnit
from bridge.datastore.clock import Clock, SystemClock

#: 2400 Bd with 8 data bits, no parity and one stop bit.
BYTES_PER_S = 240.0
#: Pause after which the interface tells its version by itself.
_IDLE_S = 1.0
_TICK_S = 0.1
_REQUESTS_MAX = 32


class VeBusSimulator:
    """A simulated system.

    phases: 1 to 3. inputs: 1 MultiPlus, 2 Quattro. serial: eight hexadecimal digits, or SIM and one
    character. latency: seconds from a request to its reply. unsupported: variables the unit does not have
    (`14,15,16`), refused by `refusal`: zero, empty, 90 or silence. old: firmware that reads one variable
    at a time and sends junk as state. leftover: an earlier host left LEDs and combined replies on.
    front_switch: on, off, charger. seed: of everything random. speed: battery seconds in a second.
    scales: info words of variables, over those of a MultiPlus-II. Raises ValueError for an impossible value.
    """

    faults = FAULTS

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        serial: str = "SIM1",
        phases: int = 1,
        inputs: int = 1,
        units_per_phase: int = 1,
        latency: float = 0.01,
        unsupported: str | int = "",
        refusal: str = "zero",
        old: bool = False,
        leftover: bool = False,
        limit_settable: bool = True,
        multi_control: bool = False,
        mains: bool = True,
        remote_mode: int = 3,
        front_switch: str = "on",
        seed: int = 0,
        speed: float = 1.0,
        scales: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        if phases not in (1, 2, 3) or inputs not in (1, 2) or not 1 <= units_per_phase <= 10:
            raise ValueError(
                f"found {phases} phases, {inputs} inputs, {units_per_phase} units a phase, "
                "expected 1 to 3, 1 or 2, 1 to 10"
            )
        if refusal not in ("zero", "empty", "90", "silence"):
            raise ValueError(f"refusal: found {refusal!r}, expected zero, empty, 90 or silence")
        self._clock = SystemClock() if clock is None else clock
        self.unit = SimulatedUnit(
            self._clock, phases=phases, inputs=inputs, limit_settable=limit_settable,
            multi_control=multi_control, mains=mains, remote_mode=remote_mode, speed=speed,
        )  # fmt: skip
        self.unit.set_front(front_switch)
        self.interface = SimulatedInterface(
            self.unit,
            self._clock.monotonic,
            number=_number_of(serial),
            unsupported=_ids(unsupported),
            refusal=refusal,
            one_word=old,
            junk_state=0xB7 if old else None,
            units_per_phase=units_per_phase,
            scales=scales,
        )
        self.interface.leds_appended = self.interface.combined = leftover
        self.unit.slept = self._slept
        self.unit.woke = self._woke
        self.latency = latency
        self.mischief = Mischief(dice=random.Random(seed))
        #: Data of every good frame the host sent, with its time.
        self.received: list[tuple[float, bytes]] = []
        #: When the last byte of each reply left, and how many bytes both directions carried.
        self.replied: list[float] = []
        self.line_bytes = 0
        self.playing = asyncio.Event()
        self._decoder = FrameDecoder()
        self._requests: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._input_ends = 0.0
        self._wire: Wire | None = None
        self._said_at = self._clock.monotonic()
        self._power_cycles = 0

    @property
    def states(self) -> Sequence[StateCommand]:
        """Every `S` frame, oldest first."""
        return self.interface.states

    @property
    def commands(self) -> list[StateCommand]:
        """The `S` frames that a unit would obey: those that forward their mode."""
        return [state for state in self.states if not state.flags & 0x10]

    @property
    def lines_set(self) -> Sequence[tuple[float, int]]:
        """Every `H` frame that set lines: its time and flags."""
        return self.interface.lines_set

    @property
    def forbidden(self) -> Sequence[bytes]:
        """Requests no bridge may send: those that restart units. None was obeyed."""
        return self.interface.forbidden

    async def run(self, link: Path | None = None) -> None:
        """Open a PTY, make `link` point at it, and play until cancelled; raises OSError for a bad link."""
        async with PtyLine(self._clock, self.hear, link, BYTES_PER_S) as line:
            await self.play(line)

    async def play(self, wire: Wire) -> None:
        """Play on a wire until cancelled."""
        self._wire = wire
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._answer())
                group.create_task(self._live())
                self.playing.set()
        finally:
            self.playing.clear()
            self._wire = None

    def hear(self, data: bytes) -> None:
        """Take bytes from the host; each arrives at the line's pace."""
        data = self.mischief.spoil(data)
        now = self._clock.monotonic()
        self.line_bytes += len(data)
        self._input_ends = max(self._input_ends, now) + len(data) / BYTES_PER_S
        if not self.unit.awake:
            return
        for found in self._decoder.receive(data, now):
            if isinstance(found, Frame):
                self.received.append((self._input_ends, found.data))
                if self._requests.qsize() < _REQUESTS_MAX:
                    self._requests.put_nowait((self._input_ends, found.data))

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name, or do what it says; `well` ends all. Raises ValueError."""
        start = self._starts().get(fault)
        if start is None:
            known = " ".join(known.name for known in FAULTS)
            raise ValueError(f"fault: found {fault!r}, expected one of {known}")
        start(argument.strip())

    async def unplug(self) -> None:
        """Take the port away at once, until `replug`."""
        if self._wire is not None:
            await self._wire.unplug()

    async def replug(self) -> None:
        """Bring the port back under the same link."""
        if self._wire is not None:
            await self._wire.replug()

    # -- the line ----------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        while True:
            arrived, data = await self._requests.get()
            cycle = self._power_cycles
            await self._clock.sleep(arrived + self.latency + self.mischief.delay_s - self._clock.monotonic())
            if cycle != self._power_cycles or not self.unit.awake:
                continue
            for reply in self.interface.answers(data):
                await self._say(self.mischief.stray + self.interface.wrap(reply))
                self.replied.append(self._clock.monotonic())

    async def _say(self, data: bytes) -> None:
        wire, mischief = self._wire, self.mischief
        if wire is None or mischief.silent or not self.unit.awake:
            return
        self._said_at = self._clock.monotonic() + len(data) / BYTES_PER_S
        if mischief.lose:
            data, mischief.lose = data[: mischief.lose - 1] + data[mischief.lose :], 0
        data = mischief.spoil(data)
        if mischief.half_frame or mischief.die:
            mischief.half_frame = False
            data = data[: len(data) // 2]
        self.line_bytes += len(data)
        if mischief.stutter_s:
            await wire.send(data[: len(data) // 2])
            await self._clock.sleep(mischief.stutter_s)
            data = data[len(data) // 2 :]
        await wire.send(data)
        if mischief.die:
            await wire.unplug()

    async def _live(self) -> None:
        """Let time pass for the unit; while nobody asks, tell the version."""
        died = False
        while True:
            await self._clock.sleep(_TICK_S)
            self.unit.pass_time(_TICK_S)
            if died and not self.mischief.die:
                await self.replug()
            died = self.mischief.die
            idle = self._clock.monotonic() - max(self._said_at, self._input_ends) >= _IDLE_S
            if idle and self._requests.empty():
                await self._say(self.interface.wrap(self.interface.version()))

    def _slept(self) -> None:
        self._power_cycles += 1
        while not self._requests.empty():
            self._requests.get_nowait()

    def _woke(self) -> None:
        self._power_cycles += 1
        self._decoder = FrameDecoder()
        self.interface.power_up()

    # -- faults ------------------------------------------------------------------------------------------

    def _starts(self) -> Mapping[str, Callable[[str], None]]:
        unit, line, mk3 = self.unit, self.mischief, self.interface

        def is_on(fault: str, argument: str) -> bool:
            return choice(fault, argument, "off", "on") == "on"

        def is_closed(argument: str) -> bool:
            return choice("terminals", argument, "open", "closed") == "closed"

        return {
            "silent": lambda _: setattr(line, "silent", True),
            "deaf": lambda _: setattr(mk3, "deaf", True),
            "drop": lambda a: setattr(line, "drop", number("drop", a, 0.01, 1.0)),
            "flip": lambda a: setattr(line, "flip", number("flip", a, 0.01, 1.0)),
            "lose": lambda a: setattr(line, "lose", int(number("lose", a, 1, 22))),
            "delay": lambda a: setattr(line, "delay_s", number("delay", a, 0.1)),
            "stutter": lambda a: setattr(line, "stutter_s", number("stutter", a, 0.2)),
            "stray": lambda a: setattr(line, "stray", bytes((byte("stray", a, 0),))),
            "half_frame": lambda _: setattr(line, "half_frame", True),
            "die": lambda _: setattr(line, "die", True),
            "leds": lambda _: self._stubborn(leds=True),
            "combined": lambda _: self._stubborn(combined=True),
            "ignore_state": lambda _: setattr(unit, "ignores_state", True),
            "reset": lambda _: mk3.power_up(),
            "front": lambda a: unit.set_front(a or "off"),
            "terminals": lambda a: unit.set_terminals(closed=is_closed(a)),
            "mains": lambda a: unit.set_mains(present=is_on("mains", a)),
            "battery": lambda a: unit.set_battery(present=is_on("battery", a)),
            "load": lambda a: unit.load_w.__setitem__(slice(None), [number("load", a, 400, 20000)] * 3),
            "error": lambda a: setattr(unit, "error", byte("error", a, 3)),
            "alarm": lambda a: setattr(unit, "alarms", byte("alarm", a, 2)),
            "well": lambda _: self._well(),
        }

    def _stubborn(self, *, leds: bool = False, combined: bool = False) -> None:
        mk3 = self.interface
        mk3.stubborn = True
        mk3.leds_appended, mk3.combined = mk3.leds_appended or leds, mk3.combined or combined

    def _well(self) -> None:
        self.mischief.end()
        mk3, unit = self.interface, self.unit
        mk3.deaf = mk3.stubborn = mk3.leds_appended = mk3.combined = False
        unit.ignores_state = False
        unit.error = unit.alarms = 0


def _ids(text: str | int) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in str(text).split(",") if part.strip())
    except ValueError as fault:
        raise ValueError(f"unsupported: found {text!r}, expected numbers such as 14,15,16") from fault


def _number_of(serial: str) -> bytes:
    if len(serial) == 8 and all(c in string.hexdigits for c in serial):
        return bytes.fromhex(serial)
    if len(serial) == 4 and serial.startswith("SIM") and serial.isascii() and serial.isalnum():
        return serial.encode("ascii")
    raise ValueError(f"serial: found {serial!r}, expected eight hexadecimal digits, or SIM and one character")
