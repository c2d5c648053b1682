"""Framing of the MK2/MK3 serial protocol: bytes to frames and back.

A frame is LEN, LEN data bytes, SUM; SUM makes all bytes add up to 0 mod 256. Bit 7 of LEN says that the
last two data bytes are the LEDs (on, blinking), which ride along. Source: Victron's velib for the MK2
(longest frame, 350 ms rule) and captures of MK3 interfaces.

A lost byte makes the frame behind it lend one: the first byte of the next frame is then taken for SUM and
may fit. That next frame goes on with its kind byte, which no frame can begin with, so the byte that
follows a frame tells whether to believe it: `FrameError.voids`.
"""

import enum
from dataclasses import dataclass

#: Longest LEN.
LONGEST = 20
#: A frame whose bytes pause this long is over, in seconds.
PAUSE_S = 0.35
#: Within this time after a frame, its neighbour on the line would have begun: 7 bytes at 2400 Bd.
SETTLE_S = 0.03
_LEDS = 0x80
#: What the LED bytes hold when the interface has no data for them.
NO_LEDS = (0x1F, 0x1F)


class Reason(enum.Enum):
    """Why bytes were dropped."""

    LENGTH = "length"  # no frame begins like this
    SUM = "sum"
    PAUSE = "pause"  # the rest did not come


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's data, and the LEDs appended to it where they are (on, blinking)."""

    data: bytes
    leds: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class FrameError:
    """A stretch of bytes that is no frame.

    voids: the frame before it is not to be believed. ended: it was as long as it said and nothing has come
    behind it, so that its sender is likely to be done.
    """

    reason: Reason
    voids: bool = False
    ended: bool = False


def encode(data: bytes) -> bytes:
    """Return the frame that carries `data`. Raises ValueError for more than fits."""
    if not 0 < len(data) <= LONGEST:
        raise ValueError(f"frame: found {len(data)} bytes, expected 1 to {LONGEST}")
    frame = bytes((len(data), *data))
    return frame + bytes((-sum(frame) & 0xFF,))


def encode_with_leds(data: bytes, on: int, blink: int) -> bytes:
    """Return the frame that carries `data` with the LEDs appended, as an interface sends it."""
    frame = encode(data + bytes((on, blink)))
    head = frame[0] | _LEDS
    return bytes((head, *frame[1:-1], (frame[-1] - _LEDS) & 0xFF))


class FrameDecoder:
    """Finds frames in whatever arrives; never raises, and finds the next good frame after any noise."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._heard_at = 0.0
        self._framed_at = -1e9
        self._lost = False

    @property
    def partial(self) -> bool:
        """True while a frame has begun and is not complete."""
        return bool(self._buffer)

    def receive(self, data: bytes, now: float) -> list[Frame | FrameError]:
        """Take bytes heard at monotonic `now`, or none to let a frame that paused end."""
        found: list[Frame | FrameError] = []
        if self._buffer and now - self._heard_at >= PAUSE_S:
            found += self._give_up()
        if data:
            if now - self._heard_at > SETTLE_S:
                self._lost = False  # another reply begins, and its damage is another one
            self._buffer += data
            self._heard_at = now
        found += self._scan(now)
        return found

    def abandon(self) -> list[Frame | FrameError]:
        """End a frame whose rest is not expected any more; what is inside it is looked through."""
        found = self._give_up()
        self._lost = False
        return found

    def _scan(self, now: float) -> list[Frame | FrameError]:
        found: list[Frame | FrameError] = []
        while self._buffer:
            length = self._buffer[0] & ~_LEDS
            if not _may_begin(self._buffer[0]):
                found += self._drop(Reason.LENGTH, voids=now - self._framed_at <= SETTLE_S)
                continue
            if len(self._buffer) < length + 2:
                break
            whole = bytes(self._buffer[: length + 2])
            if sum(whole) & 0xFF:
                found += self._drop(Reason.SUM, ended=len(self._buffer) == len(whole))
                continue
            del self._buffer[: length + 2]
            self._lost = False
            self._framed_at = now
            found.append(_frame(whole))
        return found

    def _give_up(self) -> list[Frame | FrameError]:
        """Look for frames inside one whose rest did not come, then forget what is left of it."""
        found: list[Frame | FrameError] = []
        while self._buffer:
            found += self._drop(Reason.PAUSE)
            found += self._scan(self._heard_at)
        return found

    def _drop(self, reason: Reason, *, voids: bool = False, ended: bool = False) -> list[Frame | FrameError]:
        """Drop one byte; a stretch of them is told once."""
        del self._buffer[0]
        self._framed_at = -1e9
        told, self._lost = self._lost, True
        return [] if told else [FrameError(reason, voids, ended)]


def _may_begin(byte: int) -> bool:
    shortest = 3 if byte & _LEDS else 1  # LEDs ride on a frame, they are none by themselves
    return shortest <= byte & ~_LEDS <= LONGEST


def _frame(whole: bytes) -> Frame:
    data = whole[1:-1]
    if not whole[0] & _LEDS:
        return Frame(data)
    leds = (data[-2], data[-1])
    return Frame(data[:-2], None if leds == NO_LEDS else leds)
