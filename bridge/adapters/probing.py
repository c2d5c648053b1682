"""What a family's probe is given, a port in question, and what it returns: who is there.

`Family.probe` names a function `async probe(port: PortInQuestion) -> Introduction | None` of the family's
`probe.py`. It is called to listen alone, and once more, where a person has named the port, to ask.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bridge.adapters.line import Line, SerialSettings, is_socket, open_line
from bridge.datastore.clock import Clock

T = TypeVar("T")

#: Takes what arrived at a monotonic time and returns what it has understood; None to hear on.
Ear = Callable[[bytes, float], T | None]

#: Device majors of Unix 98 PTYs (Linux, Documentation/admin-guide/devices.txt).
_PTY_MAJORS = range(136, 144)
#: Bytes of one rate that are kept for those who listen next; a device says who it is in far fewer.
_KEPT_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who is on a port, as far as a family's probe could tell.

    family: of the site file, or what several families share. product: class, as the site file has it. name,
    serial, firmware: empty where they are not told. asleep: the equipment itself does not answer now. text:
    what a person should know besides. options: what belongs into the site file beside adapter and port; None
    where a person has to complete it.
    """

    family: str
    name: str
    product: str = ""
    serial: str = ""
    firmware: str = ""
    asleep: bool = False
    text: str = ""
    options: Mapping[str, str | int] | None = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pace:
    """Factors on how long is listened, and on how long an answer is waited for."""

    listening: float = 1.0
    asking: float = 1.0


@dataclass(slots=True)
class _Recording:
    """What was heard at one rate, and for how long somebody has listened."""

    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    size: int = 0
    listened_s: float = 0.0

    def add(self, now: float, data: bytes) -> None:
        if self.size < _KEPT_MAX:
            self.chunks.append((now, data))
            self.size += len(data)


class PortInQuestion:
    """A port of which nobody knows yet what is on it.

    described: what its adapter is called, for what follows from that. may_ask: sending is allowed. units,
    rates: what a person has named, else empty. foreign: names who else says what was heard (for each rate);
    once it has, nobody listens or waits any more.
    """

    def __init__(
        self,
        port: str,
        clock: Clock,
        *,
        described: str = "",
        may_ask: bool = False,
        units: tuple[int, ...] = (),
        rates: tuple[int, ...] = (),
        pace: Pace = Pace(),
        foreign: Callable[[Sequence[bytes]], str | None] = lambda _: None,
    ) -> None:
        self.port = port
        self.clock = clock
        self.described = described
        self.may_ask = may_ask
        self.units = units
        self.rates = rates
        #: Who speaks there instead of our equipment, once that is clear.
        self.stranger: str | None = None
        self._pace = pace
        self._foreign = foreign
        self._recordings: dict[SerialSettings | None, _Recording] = {}

    @property
    def has_one_rate(self) -> bool:
        """True for a serial server and a PTY, which have one rate whatever is asked of them."""
        if is_socket(self.port):
            return True
        with contextlib.suppress(OSError, ValueError):
            return os.major(os.stat(self.port).st_rdev) in _PTY_MAJORS  # noqa: PTH116 - names of ports are text
        return False

    @property
    def heard(self) -> tuple[bytes, ...]:
        """All that was heard so far, for each rate."""
        recordings = self._recordings.values()
        return tuple(b"".join(data for _, data in one.chunks) for one in recordings if one.chunks)

    async def listen(self, settings: SerialSettings, seconds: float, ear: Ear[T]) -> T | None:
        """Listen until `ear` has understood, for so long in all.

        What was heard at these settings before is gone through first, and its time counts. Raises LineFault.
        """
        recording = self._recording(settings)
        for at, data in tuple(recording.chunks):
            if (found := ear(data, at)) is not None:
                return found
        left_s = seconds * self._pace.listening - recording.listened_s
        if left_s <= 0 or self.stranger is not None:
            return None
        async with self.open(settings) as line:
            began = self.clock.monotonic()
            try:
                return await self._hear(line, recording, left_s, ear)
            finally:
                recording.listened_s += self.clock.monotonic() - began

    @contextlib.asynccontextmanager
    async def open(self, settings: SerialSettings) -> AsyncIterator[Line]:
        """Open the port for a while; raises LineFault."""
        line = await open_line(self.port, settings, self.clock)
        self._settings = settings
        try:
            yield line
        finally:
            line.close()

    async def ask(self, line: Line, request: bytes, ear: Ear[T], within_s: float, tries: int = 3) -> T | None:
        """Send until `ear` has understood an answer; None after the last try.

        Raises LineLost, and PermissionError where sending is not allowed.
        """
        if not self.may_ask:
            raise PermissionError(f"port {self.port}: nobody has named it, so that nothing may be sent")
        recording = self._recording(self._settings)
        for _ in range(tries):
            line.write(request)
            found = await self._hear(line, recording, within_s * self._pace.asking, ear)
            if found is not None or self.stranger is not None:
                return found
        return None

    async def _hear(self, line: Line, recording: _Recording, seconds: float, ear: Ear[T]) -> T | None:
        for wait_s in (seconds, 0.0):  # the last look is for what came while the loop was busy
            with contextlib.suppress(TimeoutError):
                async with self.clock.timeout(wait_s):
                    while self.stranger is None:
                        data = await line.read()
                        now = self.clock.monotonic()
                        recording.add(now, data)
                        found = ear(data, now)
                        if found is not None:
                            return found
                        self.stranger = self._foreign(self.heard)
        return None

    def _recording(self, settings: SerialSettings) -> _Recording:
        """Return what was heard at a rate."""
        return self._recordings.setdefault(None if self.has_one_rate else settings, _Recording())


Probe = Callable[[PortInQuestion], Awaitable[Introduction | None]]
