"""A coordinator with inverters behind it, on a PTY or TCP, for demonstrations and tests."""

import asyncio
import contextlib
import heapq
import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from bridge.adapters.apsystems.ecu import Ecu, parse_short
from bridge.adapters.apsystems.frames import MtDecoder, MtFrame
from bridge.adapters.apsystems.models import Model
from bridge.adapters.apsystems.simulated_air import Air, Decoy, Later
from bridge.adapters.apsystems.simulated_coordinator import SimulatedCoordinator
from bridge.adapters.apsystems.simulated_faults import CHUNK_PAUSE_S, FAULTS, Mischief
from bridge.adapters.apsystems.simulated_inverter import SimulatedInverter
from bridge.adapters.apsystems.simulated_orders import flash, orders
from bridge.adapters.apsystems.simulated_sun import SimulatedSun
from bridge.adapters.apsystems.simulated_tcp import BothWires, TcpWire
from bridge.adapters.pty import PtyLine, Wire
from bridge.datastore.clock import Clock, SystemClock, event_or_time

#: 115200 Bd with 8 data bits, no parity and one stop bit.
BYTES_PER_S = 11_520.0
#: Those a simulator has unless told otherwise: one of each model.
DEFAULT_INVERTERS = "408000158215/yc600/0x103A,802000018915/qs1/0x2A3D,703000017664/ds3/0x7C3A"
_USB_AWAY_S = 1.0
_FORCE_RUN = 0xEF
_STATE_UP = MtFrame(0x45C0, b"\x09")
_DECOY_SHORT, _DECOY_SERIAL = 0xD021, 408000900000


class ApsystemsSimulator:
    """A simulated coordinator and its inverters.

    inverters: `serial/model/address`, comma between them. ecu: identity they are paired to; paired: or as
    from the factory. rating: W of a panel at noon. decoys: devices of neighbours. hour: of day at the start
    (12), or -1 to follow the clock's UTC day; speed: simulated seconds in a second. sunrise, sunset: in h.
    firmware: community or stock. tcp: port on the loopback interface besides the PTY, 0 for none. seed: of
    everything random. Raises ValueError for impossible values.
    """

    faults = FAULTS

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        inverters: str = DEFAULT_INVERTERS,
        ecu: str = "D8A3011B9780",
        paired: bool = True,
        rating: float = 320.0,
        decoys: int = 0,
        hour: float = 12.0,
        speed: float = 1.0,
        sunrise: float = 6.0,
        sunset: float = 20.0,
        firmware: str = "community",
        tcp: int = 0,
        seed: int = 0,
    ) -> None:
        if not 0 <= decoys <= 20 or not 0 <= tcp < 65536 or not 0 < rating <= 700:
            raise ValueError(
                f"found {decoys} decoys, TCP port {tcp}, panels of {rating:g} W, expected 0 to 20, "
                "0 to 65535, above 0 to 700"
            )
        self._clock = SystemClock() if clock is None else clock
        self._tcp_port = tcp
        self.mischief = Mischief(dice=random.Random(seed))
        self.sun = SimulatedSun(
            self._clock, speed=speed, hour=None if hour == -1 else hour, sunrise=sunrise, sunset=sunset
        )
        identity = Ecu.parse(str(ecu)).reversed_id if paired else None
        self.inverters = list(_inverters(str(inverters), self.sun, rating, identity))
        self.air = Air(self.inverters, [_decoy(n) for n in range(decoys)], self.mischief)
        self.coordinator = SimulatedCoordinator(self.air, self._vanish)
        self.coordinator.flash = flash(firmware)
        #: Good frames of the host, oldest first, with their time; bytes of boot loader calls are not frames.
        self.received: list[tuple[float, MtFrame]] = []
        self.playing = asyncio.Event()
        self._decoder = MtDecoder()
        self._wire: Wire | None = None
        self._order = itertools.count()
        self._due: list[tuple[float, int, int, Later | None]] = []
        self._changed = asyncio.Event()
        self._away_until: float | None = None
        self._orders = orders(self.coordinator, self.air, self.mischief)

    def inverter(self, serial: str) -> SimulatedInverter:
        """Return one of its inverters; raises KeyError."""
        for inverter in self.inverters:
            if inverter.serial == serial:
                return inverter
        raise KeyError(serial)

    async def run(self, link: Path | None = None) -> None:
        """Open a PTY (and a TCP port), make `link` point at it, and play until cancelled; raises OSError."""
        async with contextlib.AsyncExitStack() as stack:
            wires: list[Wire] = [
                await stack.enter_async_context(PtyLine(self._clock, self.hear, link, BYTES_PER_S))
            ]
            if self._tcp_port:
                server = TcpWire(self._clock, self.hear, self._tcp_port, BYTES_PER_S)
                wires.append(await stack.enter_async_context(server))
            await self.play(BothWires(*wires))

    async def play(self, wire: Wire) -> None:
        """Play on a wire until cancelled."""
        self._wire = wire
        self.playing.set()
        try:
            while True:
                self._changed.clear()
                await event_or_time(self._clock, self._changed, self._next())
                await self._speak()
                await self._come_and_go()
        finally:
            self.playing.clear()
            self._wire = None

    def hear(self, data: bytes) -> None:
        """Take bytes from the host."""
        data = self.mischief.spoil(data)
        now = self._clock.monotonic()
        if self.coordinator.in_boot_loader:
            if _FORCE_RUN in data:
                self._follow(self.coordinator.force_run())
            return
        for frame in self._decoder.receive(data, now):
            self.received.append((now, frame))
            self._follow(self.coordinator.handle(frame))

    def hard_reset(self) -> None:
        """Pulse the module's RST pin."""
        self._follow(self.coordinator.hard_reset())

    async def unplug(self) -> None:
        """Take the port away at once, until `replug`."""
        if self._wire is not None:
            await self._wire.unplug()

    async def replug(self) -> None:
        """Bring the port back under the same link; the module has started anew."""
        self._follow(self.coordinator.hard_reset())
        if self._wire is not None:
            await self._wire.replug()

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name, or do what it says; `well` ends all. Raises ValueError."""
        start = self._orders.get(fault)
        if start is None:
            known = " ".join(one.name for one in FAULTS)
            raise ValueError(f"fault: found {fault!r}, expected one of {known}")
        start(argument.strip())

    # -- the line ----------------------------------------------------------------------------------------

    def _follow(self, follows: Iterable[Later]) -> None:
        """Remember what will be said, and by which life of the module."""
        booting = self.coordinator.in_boot_loader
        now = self._clock.monotonic()
        for later in tuple(follows):
            heapq.heappush(self._due, (now + later.after_s, next(self._order), self.coordinator.life, later))
        if self.coordinator.in_boot_loader and not booting:
            end = now + self.coordinator.boot_s
            heapq.heappush(self._due, (end, next(self._order), self.coordinator.life, None))
        self._changed.set()

    def _next(self) -> float:
        due = self._due[0][0] if self._due else float("inf")
        return due if self._away_until is None else min(due, self._away_until)

    async def _speak(self) -> None:
        while self._due and self._due[0][0] <= self._clock.monotonic():
            _, _, life, later = heapq.heappop(self._due)
            module = self.coordinator
            if life != module.life or module.frozen:
                continue
            if later is None:
                self._follow(module.force_run())
                continue
            if later.frame == _STATE_UP:
                module.is_up()
            await self._say(self.mischief.dress(later.frame.encode(), answer=later.answer))

    async def _say(self, data: bytes) -> None:
        for place, piece in enumerate(self.mischief.pieces(data)):
            if place:
                await self._clock.sleep(CHUNK_PAUSE_S)
            if self._wire is not None:
                await self._wire.send(piece)

    def _vanish(self) -> None:
        self._away_until = self._clock.monotonic()
        self._changed.set()

    async def _come_and_go(self) -> None:
        """Take the port away and bring it back, as a USB stick that restarts does."""
        now = self._clock.monotonic()
        if self._away_until is None or self._wire is None or now < self._away_until:
            return
        await self._wire.unplug()
        await self._clock.sleep(_USB_AWAY_S)
        self._away_until = None
        await self._wire.replug()


def _inverters(
    text: str, sun: SimulatedSun, rating_w: float, identity: bytes | None
) -> Iterator[SimulatedInverter]:
    """Read `serial/model/address`, comma between them; raises ValueError."""
    for part in text.split(","):
        fields = part.strip().split("/")
        models = {model.value: model for model in Model}
        if len(fields) != 3 or fields[1] not in models:
            raise ValueError(
                f"inverters: found {part!r}, expected serial/model/address such as 408000158215/yc600/0x103A"
            )
        serial, model, short = fields
        yield SimulatedInverter(
            sun, serial, models[model], parse_short(short), rating_w=rating_w, paired_to=identity
        )


def _decoy(place: int) -> Decoy:
    return Decoy(_DECOY_SHORT + 0x101 * place, str(_DECOY_SERIAL + place))
