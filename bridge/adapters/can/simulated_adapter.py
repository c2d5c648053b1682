"""An slcan adapter on a pseudo-terminal, joined to a simulated bus: what python-can's slcan talks to.

It speaks the ASCII commands of Lawicel's CAN232, which CANable's stock firmware has a part of: by default it
acknowledges nothing, as that firmware does, and as with that firmware its channel is at 125 kbit/s until an
`S` command says otherwise.
"""

import asyncio
import math
import random
import string
from collections.abc import Callable, Mapping
from pathlib import Path

from bridge.adapters.base import Fault
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import Place, SimulatedBus
from bridge.adapters.pty import PtyLine
from bridge.datastore.clock import Clock

FAULTS = (
    Fault("unplug", "take the adapter away, for this many seconds or until `well` (0)"),
    Fault("closed", "close the channel, as an adapter does that was switched off and on"),
    Fault("wrong_bitrate", "set the bus to another bit rate than the adapter's (250000)"),
    Fault("bus_off", "take the adapter off the bus after too many errors"),
    Fault("nak", "answer every command with BEL and carry out none"),
    Fault("garbled", "damage this part of the lines to the host (0.5)"),
    Fault("noise", "send this many bytes that are no text before each line (20)"),
    Fault("partial", "send every line in pieces of this many bytes (7)"),
    Fault("well", "end all faults; the channel stays closed until the host opens it"),
)

_OK, _BELL, _END = b"\r", b"\a", b"\r"
#: Bit rates by their command, Lawicel's table with the two that CANable added.
_RATES = dict(
    enumerate((10_000, 20_000, 50_000, 100_000, 125_000, 250_000, 500_000, 750_000, 1_000_000, 83_300))
)
_POWER_UP_RATE = 125_000
_LINE_MAX = 64
_LINES_MAX = 1_000
_PIECE_PAUSE_S = 0.002
#: Version as Lawicel's adapters tell it; CANable tells its git hash, which python-can takes for a frame.
_LAWICEL_VERSION, _CANABLE_VERSION = b"V1013", b"d2cb159 github.com/normaldotcom/canable-fw.git"
_STATUS_BUS_OFF = 0x80


class SimulatedAdapter:
    """The adapter. `run` plays it until cancelled; `lawicel` makes it acknowledge and tell serial numbers."""

    faults: tuple[Fault, ...] = FAULTS

    def __init__(self, clock: Clock, bus: SimulatedBus, *, lawicel: bool = False, seed: int = 0) -> None:
        self.bus = bus
        self.open = False
        self.bitrate = _POWER_UP_RATE
        #: Every command line of the host, without its end.
        self.commands: list[str] = []
        #: Set while it plays on a terminal.
        self.playing = asyncio.Event()
        self._clock = clock
        self._lawicel = lawicel
        self._dice = random.Random(seed)
        self._listen_only = False
        self._buffer = bytearray()
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(_LINES_MAX)
        self._pty: PtyLine | None = None
        self._place: Place | None = None
        self._wanted = asyncio.Event()
        self._unplugged_until = -math.inf
        self._end_faults()

    def _end_faults(self) -> None:
        self.off = self._nak = self._wrong = False
        self._garbled, self._noise, self._piece = 0.0, 0, 0
        self._unplugged_until = -math.inf

    async def run(self, link: Path | None = None) -> None:
        """Open a PTY, make `link` point at it, and play until cancelled; raises OSError for a bad link."""
        self._place = self.bus.join(self._carry)
        try:
            async with (
                PtyLine(self._clock, self._hear, link, math.inf) as self._pty,
                asyncio.TaskGroup() as tasks,
            ):
                tasks.create_task(self._say())
                tasks.create_task(self._mind_plug(self._pty))
                self.playing.set()
        finally:
            self.playing.clear()
            self._place.leave()
            self._pty = None

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name; `well` ends all. Raises ValueError for an unknown one."""
        start = self._starts().get(fault)
        if start is None:
            known = " ".join(known.name for known in self.faults)
            raise ValueError(f"fault: found {fault!r}, expected one of {known}")
        start(argument.strip())
        self._wanted.set()

    @property
    def plugged(self) -> bool:
        """Whether the adapter is meant to be there now."""
        return self._clock.monotonic() >= self._unplugged_until

    # -- the plug ------------------------------------------------------------------------------------

    async def _mind_plug(self, pty: PtyLine) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self.plugged:
                await pty.replug()
                continue
            await pty.unplug()
            self._power_up()
            left_s = self._unplugged_until - self._clock.monotonic()
            if left_s < math.inf:
                asyncio.get_running_loop().call_later(left_s, self._wanted.set)

    def _power_up(self) -> None:
        self.open = self._listen_only = False
        self.bitrate = _POWER_UP_RATE
        self._buffer.clear()

    # -- from the host -------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        self._buffer += data
        while _END in self._buffer:
            line, _, rest = self._buffer.partition(_END)
            self._buffer = bytearray(rest)
            self._command(line.decode("ascii", errors="replace"))
        if len(self._buffer) > _LINE_MAX:
            self._buffer.clear()

    def _command(self, line: str) -> None:
        self.commands.append(line)
        if self._nak:
            self._reply(_BELL)
            return
        done = self._obey(line)
        if self._lawicel:
            self._reply(_BELL if done is None else done + _OK)
        elif done:
            self._reply(done + _OK)

    def _obey(self, line: str) -> bytes | None:
        """Carry a command out; returns what it answers, None for one that it refuses."""
        match line[:1], line[1:]:
            case "", _:
                return b""
            case "C", "":
                self.open = False
            case ("O" | "L") as kind, "":
                if self.open:
                    return None
                self.open, self._listen_only = True, kind == "L"
            case "S", digit if not self.open and digit.isdecimal() and int(digit) in _RATES:
                self.bitrate = _RATES[int(digit)]
            case "t", rest:
                return b"z" if self._transmit(rest) else None
            case "F", "":
                return b"F%02X" % (_STATUS_BUS_OFF if self.off else 0)
            case "V", "":
                return _LAWICEL_VERSION if self._lawicel else _CANABLE_VERSION
            case "N", "":
                return b"NSIM1"
            case _:
                return None
        return b""

    def _transmit(self, rest: str) -> bool:
        frame = _frame_of(rest)
        if frame is None or not self._passes or self._listen_only or self._place is None:
            return False
        self._place.send(frame)
        return True

    @property
    def _passes(self) -> bool:
        right = self.bitrate == self.bus.bitrate and not self._wrong
        return self.open and right and not self.off

    # -- to the host ---------------------------------------------------------------------------------

    def _carry(self, frame: CanFrame) -> None:
        if self._passes:
            self._reply(b"t%03X%d" % (frame.id, len(frame.data)) + frame.data.hex().upper().encode() + _END)

    def _reply(self, line: bytes) -> None:
        if self._lines.full():
            self._lines.get_nowait()
        self._lines.put_nowait(line)

    async def _say(self) -> None:
        while True:
            line = await self._lines.get()
            if self._garbled and self._dice.random() < self._garbled:
                line = self._spoilt(line)
            if self._noise:
                line = bytes(self._dice.randrange(0x80, 0x100) for _ in range(self._noise)) + line
            pieces = [line]
            if self._piece:
                pieces = [line[n : n + self._piece] for n in range(0, len(line), self._piece)]
            for piece in pieces:
                if self._pty is not None:
                    await self._pty.send(piece)
                if len(pieces) > 1:
                    await self._clock.sleep(_PIECE_PAUSE_S)

    def _spoilt(self, line: bytes) -> bytes:
        """Damage a line so that it is no frame any more: cut it, or put letters into its number."""
        if len(line) <= 2 or self._dice.random() < 0.5:
            return line[:2].rstrip(_END) + _END
        return line[:1] + b"xyz" + line[4:]

    # -- faults --------------------------------------------------------------------------------------

    def _starts(self) -> Mapping[str, Callable[[str], None]]:
        def unplug(argument: str) -> None:
            seconds = _number("unplug", argument, 0.0)
            self._unplugged_until = self._clock.monotonic() + (seconds or math.inf)

        def wrong(argument: str) -> None:
            _number("wrong_bitrate", argument, 250_000, 1_000_000)
            self._wrong = True

        return {
            "unplug": unplug,
            "closed": lambda _: self._power_up(),
            "wrong_bitrate": wrong,
            "bus_off": lambda _: setattr(self, "off", True),
            "nak": lambda _: setattr(self, "_nak", True),
            "garbled": lambda a: setattr(self, "_garbled", _number("garbled", a, 0.5, 1.0)),
            "noise": lambda a: setattr(self, "_noise", int(_number("noise", a, 20, 1000))),
            "partial": lambda a: setattr(self, "_piece", int(_number("partial", a, 7, 30))),
            "well": lambda _: self._end_faults(),
        }


def _frame_of(rest: str) -> CanFrame | None:
    """Read `iiildd..`, None for anything that is no frame."""
    if len(rest) < 4 or not all(c in string.hexdigits for c in rest) or rest[3] not in "012345678":
        return None
    if len(rest) != 4 + 2 * int(rest[3]) or int(rest[:3], 16) > 0x7FF:
        return None
    return CanFrame(int(rest[:3], 16), bytes.fromhex(rest[4:]))


def _number(fault: str, argument: str, default: float, highest: float = 3600.0) -> float:
    """Read a fault's number; raises ValueError for anything else."""
    try:
        value = float(argument) if argument else default
    except ValueError:
        value = -1.0
    if not 0 <= value <= highest:
        raise ValueError(f"fault {fault}: found {argument!r}, expected a number from 0 to {highest:g}")
    return value
