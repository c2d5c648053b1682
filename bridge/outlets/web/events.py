"""What happened lately: writes and their outcomes, links that came and went, operations. Bounded."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bridge.datastore.device import Device
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Outcome, WriteAttempt
from bridge.outlets.web.facts import Json, attempt_facts, stamp
from bridge.outlets.web.wording import link_said

EVENTS_MAX = 1000
_TEXT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `attempt` for a write."""

    number: int
    time: float
    kind: str
    device: str
    text: str
    attempt: WriteAttempt | None = None

    def facts(self) -> dict[str, Json]:
        """Return it as plain values."""
        found: dict[str, Json] = {
            "number": self.number, "time": stamp(self.time), "event": self.kind, "device": self.device,
            "text": self.text,
        }  # fmt: skip
        if self.attempt is not None:
            found |= attempt_facts(self.attempt)
        return found


class EventLog:
    """Listens to the datastore; `follow` must be called now and then, as devices come and go."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self._number = 0
        self._followed: dict[str, tuple[Device, Callable[[], None]]] = {}
        self._stop = datastore.attempted.connect(self._attempted)
        #: Addresses that were not let write over Modbus: how often, and when last.
        self.refused: dict[str, tuple[int, float]] = {}

    def __iter__(self) -> Iterator[Event]:
        """Yield events, the newest first."""
        return reversed(self._events)

    @property
    def newest(self) -> int:
        """The number of the newest event."""
        return self._number

    def follow(self) -> None:
        """Listen to devices that are new, and no more to those that are gone."""
        there = dict(self._datastore.devices)
        for name, (device, disconnect) in tuple(self._followed.items()):
            if there.get(name) is not device:
                disconnect()
                del self._followed[name]
        for name, device in there.items():
            if name not in self._followed:
                self._followed[name] = device, device.link_changed.connect(self._link_of(device))

    def close(self) -> None:
        """Listen no more."""
        self._stop()
        for _, disconnect in self._followed.values():
            disconnect()
        self._followed.clear()

    def operated(self, device: str, operation: str, arguments: Mapping[str, object]) -> None:
        """Take down that a person asked for an operation."""
        said = ", ".join(f"{key} {value}" for key, value in arguments.items())
        self._add("operation", device, f"{operation} {said}".strip())

    def told(self, kind: str, text: str) -> None:
        """Take down what a person did to the bridge itself."""
        self._add(kind, "", text)

    def of(self, device: str, path: str | None = None) -> Iterator[Event]:
        """Yield the writes to a device or one of its points, the newest first."""
        for event in self:
            if event.attempt is not None and event.device == device and path in (None, event.attempt.path):
                yield event

    def _link_of(self, device: Device) -> Callable[[LinkState], None]:
        def changed(state: LinkState) -> None:
            self._add("link", device.name, link_said(state, device.link_words))

        return changed

    def _attempted(self, attempt: WriteAttempt) -> None:
        if attempt.origin.kind == "link" and attempt.outcome is Outcome.CONFIRMED:
            return  # it comes every second
        if attempt.exception_code == 1 and attempt.origin.kind == "modbus":
            count, _ = self.refused.pop(attempt.origin.peer, (0, 0.0))
            self.refused[attempt.origin.peer] = count + 1, attempt.time
            while len(self.refused) > 50:
                del self.refused[next(iter(self.refused))]
        self._add("write", attempt.device, attempt.reason, attempt)

    def _add(self, kind: str, device: str, text: str, attempt: WriteAttempt | None = None) -> None:
        self._number += 1
        now = self._datastore.clock.now()
        self._events.append(Event(self._number, now, kind, device, text[:_TEXT_MAX], attempt))
