"""What members on a serial line have in common: a wire, a simulator that plays on it, and its faults by name."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from bridge.datastore.clock import ManualClock
from tests.storm.member import Member, Trouble, Wire

#: How long a value that came in a damaged frame may be served once the damage has ended.
_STANDS_S = 12.0


class LineMember(Member):
    """A device on a line. `simulator` is set before this class's constructor runs."""

    simulator: Any
    bytes_per_s: ClassVar[float]
    #: How long a device that has taken another one's place, or answers as nobody, may be doubted.
    impostor_s: ClassVar[float] = 0.0
    #: Faults of the simulator that end all truth, and those that do not, with their arguments.
    cutting: ClassVar[Sequence[tuple[str, str]]] = ()
    nuisances: ClassVar[Sequence[tuple[str, str]]] = ()

    def __init__(self, clock: ManualClock, name: str, unit_map: str, unit: int, **options: Any) -> None:
        super().__init__(clock, name, unit_map, unit, **self.reached_by(name), **options)
        self.wire = Wire(clock, self.bytes_per_s, name, self.watch)
        self.wire.simulator = self.simulator
        self._share = 0.0
        self._damage_told_until = -math.inf
        self._playing: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self._go = asyncio.Event()
        self._go.set()
        self.troubles = {
            "unplugged": Trouble(self.unplug, self.replug, cuts=True),
            "restarted": Trouble(self.stop, self.start, cuts=True),
            **{f"{name} {more}".strip(): Trouble(self._begins(name, more), self.well, True, self.impostor_s)
               for name, more in self.cutting},
            **{f"{name} {more}".strip(): Trouble(self._begins(name, more), self.well)
               for name, more in self.nuisances},
        }  # fmt: skip

    def reached_by(self, name: str) -> dict[str, Any]:
        """Return the options that say where the device is."""
        return {"port": name}

    async def play(self) -> None:
        """Play the device, for as long as it is not stopped."""
        while True:
            await self._go.wait()
            self._playing = asyncio.create_task(self.simulator.play(self.wire))
            try:
                await asyncio.wait([self._playing])
            finally:
                self._playing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._playing

    def stop(self) -> None:
        """Let the device die: its line stays, and nobody is at its end."""
        self._go.clear()
        if self._playing is not None:
            self._playing.cancel()

    def start(self) -> None:
        """Let it live again."""
        self._go.set()

    async def unplug(self) -> None:
        """Pull the plug."""
        await self.wire.unplug()

    async def replug(self) -> None:
        """Put it back."""
        await self.wire.replug()

    @property
    def damaging(self) -> bool:  # type: ignore[override]
        """True while bytes are being damaged, and while the last values of that time may still be served."""
        return self.clock.monotonic() < self._damage_told_until

    def damage(self, share: float) -> None:
        """Lose half of this share of the bytes, and turn a bit in the other half."""
        self._share = share
        self._damage_told_until = math.inf if share > 0 else self.clock.monotonic() + _STANDS_S
        self.simulator.misbehave("drop", f"{share / 2:.6f}")
        self.simulator.misbehave("flip", f"{share / 2:.6f}")

    def well(self) -> None:
        """End the simulator's faults; damage goes on."""
        self.simulator.misbehave("well")
        self.damage(self._share)

    def _begins(self, fault: str, argument: str) -> Callable[[], None]:
        return lambda: self.simulator.misbehave(fault, argument)
