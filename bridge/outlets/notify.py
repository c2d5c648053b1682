"""What the owner is told of: what has gone wrong, that it is over, and what has happened once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from bridge.datastore.device import Device
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Outcome, WriteAttempt
from bridge.outlets.energy_book import Leap
from bridge.site.notices import HOLD_PHASE, LEASE_END, OFFLINE, REFUSED_WRITE, SPIKE, WEAR, Notice

#: How often devices are looked at, in seconds.
LOOK_S = 5.0
#: How long after one message of a kind about one thing the next ones are only counted, in seconds.
QUIET_S = 900.0
#: Things whose messages are counted; a client that tries every address makes no more.
_COUNTED_MAX = 500

_AWAY: Mapping[LinkState, str] = {
    LinkState.STARTING: "it was not heard since the start",
    LinkState.SILENT: "it is silent",
    LinkState.PORT_MISSING: "its port is missing",
    LinkState.WRONG_DEVICE: "another device is on its port",
}
_BMS_PHASE = "/Bms/Phase"
#: From this one on the battery's values are too old to be told to its inverter (PATHS.md).
_BMS_HOLD = 2
_BMS_WORDS = {2: "its last values are held", 3: "it asks for no current", 4: "it has stopped telling"}
#: Where a device keeps which of its leases are open; see `datastore/leases.py`.
_LEASES_KEY = "leases"


class State(Enum):
    """Whether a message begins something, ends it, or tells what is over already."""

    RAISED = "raised"
    RESOLVED = "resolved"
    HAPPENED = "happened"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `event` is the kind of thing, `time` wall time; `device` is "" for the bridge itself."""

    time: float
    event: str
    device: str
    state: State
    title: str
    body: str

    def ends(self, other: "Message") -> bool:
        """True where this one says that what the other began is over."""
        same = (self.event, self.device) == (other.event, other.device)
        return same and self.state is State.RESOLVED and other.state is State.RAISED


@dataclass(slots=True)
class _Told:
    """What was told of one thing, and what was only counted since."""

    at: float
    message: Message
    more: int = 0


class Watch:
    """Looks at all devices while `run`, and hears of writes and leaps; `tell` is given the messages.

    per_day: writes a day that wear each device's memory.
    """

    def __init__(
        self,
        datastore: Datastore,
        notices: Iterable[Notice],
        per_day: Mapping[str, int],
        tell: Callable[[Message], None],
    ) -> None:
        self._datastore = datastore
        self._clock = datastore.clock
        self._wanted = {one.kind: one.number for one in notices}
        self._per_day = per_day
        self._tell = tell
        self._away: dict[str, float] = {}
        self._open: dict[str, frozenset[str]] = {}
        self._standing: dict[tuple[str, str], Message] = {}
        self._since: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, ...], _Told] = {}

    def connect(self) -> Callable[[], None]:
        """Begin to hear of writes; the answer ends it."""
        if REFUSED_WRITE in self._wanted:
            return self._datastore.attempted.connect(self._attempted)
        return lambda: None

    async def run(self) -> None:
        """Look at the devices until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(LOOK_S)

    def look(self) -> None:
        """Look at the devices once."""
        looks: Mapping[str, Callable[[Device], str | None]] = {
            OFFLINE: self._offline,
            HOLD_PHASE: self._hold_phase,
            WEAR: self._wear,
        }
        for device in self._datastore:
            for kind, look in looks.items():
                if kind in self._wanted:
                    self._judge(kind, device, look(device))
            if LEASE_END in self._wanted:
                self._look_for_leases(device)
        self._tell_counted()

    def leapt(self, leap: Leap) -> None:
        """Hear of an energy counter that leapt."""
        if SPIKE in self._wanted:
            self._happened(
                SPIKE,
                leap.device,
                leap.path,
                f"{leap.device}: energy spike",
                f"{leap.path} leapt from {leap.before:g} to {leap.after:g} kWh, which is not counted.",
            )

    # -- what stands until it is over --------------------------------------------------------------

    def _judge(self, kind: str, device: Device, wrong: str | None) -> None:
        """Tell that something has begun, or is over; "" leaves it as it is."""
        if wrong == "":
            return
        key = kind, device.name
        if wrong is not None and key not in self._standing:
            title, _, body = wrong.partition("\n")
            message = self._message(kind, device.name, State.RAISED, f"{device.name}: {title}", body)
            self._standing[key], self._since[key] = message, self._clock.monotonic()
            self._tell(message)
        elif wrong is None and key in self._standing:
            began = self._standing.pop(key)
            lasted = _lasted(self._clock.monotonic() - self._since.pop(key))  # wall time may have been set
            title = f"{began.title}: over"
            self._tell(self._message(kind, device.name, State.RESOLVED, title, f"It has lasted {lasted}."))

    def _offline(self, device: Device) -> str | None:
        now = self._clock.monotonic()
        words = _AWAY.get(device.link)
        if words is None:
            self._away.pop(device.name, None)
            return None
        away_s = now - self._away.setdefault(device.name, now)
        if away_s < self._wanted[OFFLINE]:
            return ""
        return f"offline\nFor {_lasted(away_s)}: {words}."

    @staticmethod
    def _hold_phase(device: Device) -> str | None:
        if not device.has(_BMS_PHASE):
            return None
        phase = device.value(_BMS_PHASE)
        if not isinstance(phase, int | float):
            return ""
        if phase < _BMS_HOLD:
            return None
        words = _BMS_WORDS.get(int(phase), "it waits")
        return f"the battery's values are too old\nTowards the inverter {words}."

    def _wear(self, device: Device) -> str | None:
        per_day = self._per_day.get(device.name, 0)
        if per_day <= 0:
            return None
        written = per_day - device.status().wear_left
        if 100 * written < self._wanted[WEAR] * per_day:
            return None
        return (
            f"{written} of {per_day} writes of today are spent\nThen raises are refused until midnight UTC."
        )

    # -- what happens once -------------------------------------------------------------------------

    def _attempted(self, attempt: WriteAttempt) -> None:
        if attempt.outcome is not Outcome.REFUSED:
            return
        where = attempt.path or (f"address {attempt.address}" if attempt.address is not None else "a request")
        self._happened(
            REFUSED_WRITE,
            attempt.device,
            where,
            f"{attempt.device}: write refused",
            f"{attempt.origin} wanted {where} to be {attempt.new}: {attempt.reason or 'the device refused'}.",
        )

    def _look_for_leases(self, device: Device) -> None:
        saved = device.memory.get(_LEASES_KEY)
        listed = saved.get("open") if isinstance(saved, dict) else None
        now_open = frozenset(path for path in listed or () if isinstance(path, str))
        ended = self._open.get(device.name, frozenset()) - now_open
        self._open[device.name] = now_open
        for path in sorted(ended):
            self._happened(
                LEASE_END,
                device.name,
                path,
                f"{device.name}: a lease has ended",
                f"Nobody has renewed {path}: its safe value holds now.",
            )

    def _happened(self, kind: str, device: str, about: str, title: str, body: str) -> None:
        """Tell of something, unless the same was told of a while ago: then it is counted."""
        key = kind, device, about
        told = self._told.get(key)
        message = self._message(kind, device, State.HAPPENED, title, body)
        if told is not None:
            told.more += 1
            told.message = message
        elif len(self._told) < _COUNTED_MAX:
            self._told[key] = _Told(self._clock.monotonic(), message)
            self._tell(message)

    def _tell_counted(self) -> None:
        """Tell how often the same has happened since it was told."""
        now = self._clock.monotonic()
        over = [key for key, told in self._told.items() if now - told.at >= QUIET_S]
        for key in over:
            told = self._told.pop(key)
            if told.more:
                old = told.message
                body = f"{told.more} times more in {_lasted(now - told.at)}, at last: {old.body}"
                self._tell(Message(old.time, old.event, old.device, old.state, old.title, body))
                self._told[key] = _Told(now, old)

    def _message(self, kind: str, device: str, state: State, title: str, body: str) -> Message:
        return Message(self._clock.now(), kind, device, state, title, body)


def _lasted(seconds: float) -> str:
    """Return a time as people say it."""
    return " ".join(_parts(max(0, round(seconds))))


def _parts(seconds: int) -> Iterator[str]:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    found = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    shown = [f"{number} {unit}" for number, unit in found if number]
    yield from shown[:2] or ["0 s"]
