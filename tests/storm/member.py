"""A device in the storm: its far end, which outlives any bridge, and what is known of its truth."""

import abc
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.adapters.base import DeviceOptions, Family
from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Value
from tests.adapters import joined
from tests.storm.truth import WAY_S, Held, Made, Rule, Truth

Act = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong for a while. cuts: nothing true can come from the device meanwhile.

    noticed_s: how much longer than silence it may take until that is known, as of another device in its place.
    """

    begin: Act
    end: Act
    cuts: bool = False
    noticed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Leased:
    """A set-point that must come to `safe` when nobody has written it for `time_s`.

    obeyed_s: how long that may take, all being well.
    """

    time_s: float
    safe: Value
    obeyed_s: float


class Wire(joined.JoinedWire):
    """A line in memory; `watch` is called whenever bytes have reached the device or are about to leave it."""

    def __init__(self, clock: ManualClock, bytes_per_s: float, port: str, watch: Callable[[], None]) -> None:
        super().__init__(clock, bytes_per_s, port)
        self._watch = watch

    def written(self, data: bytes) -> None:
        super().written(data)
        self.sent.clear()
        self._watch()

    async def send(self, data: bytes) -> None:
        self._watch()
        await super().send(data)


class Member(abc.ABC):
    """One device. `unit_map` serves it; `rules` say how each of its paths is judged."""

    family: Family
    #: Longest time after which a device that is cut is served no more.
    essential_s = 5.0
    #: The last values may be found wrong by this much only while bytes are being damaged.
    damaging = False
    #: Monotonic time at which the bridge that serves it began.
    bridge_began_at = 0.0
    #: True where its energy counters began with the device itself, and not before the storm.
    counts_from_zero = False
    #: True while nothing true can come from it, and how much longer than silence it may take to know that.
    cut = False
    noticed_s = 0.0

    def __init__(self, clock: ManualClock, name: str, unit_map: str, unit: int, **options: Any) -> None:
        self.clock = clock
        self.name = name
        self.unit_map = unit_map
        self.unit = unit
        self.options: DeviceOptions = self.family.options.model_validate(
            {"adapter": self.family.name, **options}
        )
        self.truth = Truth()
        self.rules: dict[str, Rule] = {}
        self.made: dict[str, Made] = {}
        self.writes: Sequence[tuple[str, Sequence[Value]]] = ()
        self.leased: Mapping[str, Leased] = {}
        #: How much more seldom it is written than others.
        self.seldom = 1.0
        self.troubles: dict[str, Trouble] = {}

    @property
    def may_be_silent(self) -> bool:
        """True at hours when a device that says nothing is served all the same."""
        return False

    @property
    def kind(self) -> str:
        """The family, by which the report counts."""
        return self.family.name

    @abc.abstractmethod
    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """What the far end does all along."""

    @abc.abstractmethod
    def held(self) -> Mapping[str, Held]:
        """What the device holds now."""

    def flow(self) -> Mapping[str, float]:
        """Powers in W that its energy counters count now."""
        return {}

    def worn(self) -> int | None:
        """How often its nonvolatile memory was written, None where it has none that wears."""
        return None

    def damage(self, share: float) -> None:  # noqa: B027 - not every line damages bytes
        """Lose and turn this share of the bytes of its line."""

    def change(self, dice: random.Random) -> None:  # noqa: B027 - some change by themselves
        """Let the world around it change a little."""

    def forget(self) -> None:  # noqa: B027 - not every simulator remembers
        """Shorten what the simulator remembers for tests, which grows for ever."""

    def watch(self) -> None:
        """Note what is true now."""
        now = self.clock.monotonic()
        self.truth.note(now, self.held())
        for path, watts in self.flow().items():
            self.made.setdefault(path, Made()).power(now, watts)

    def true_since(self, path: str, since: float) -> Iterator[Held]:
        """Yield what the device held of a path from a time on."""
        return self.truth.since(path, since)

    def clock_lied(self) -> None:  # noqa: B027 - most count by what they are told
        """Take note that the clock was set by an hour or more about the time at which a bridge began."""

    def excused(self, path: str, served: Value) -> bool:
        """True for a value that the design allows although the device does not hold it; counted apart."""
        return False

    def did(self, path: str, value: Value, since: float, step: float) -> bool:
        """True where the device has held a written value at some time since it was written."""
        return any(near(value, held, step / 2 + 1e-6) for held in self.true_since(path, since))

    def window(self, path: str) -> float:
        """How old a value may be when it is served, in seconds."""
        return self.rules[path].window_s + WAY_S


def near(one: Held, other: Held, within: float) -> bool:
    """True for equal texts, or numbers no further apart than `within`."""
    if one is None or other is None or isinstance(one, str) or isinstance(other, str):
        return one == other
    return abs(one - other) <= within
