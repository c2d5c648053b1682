"""An observer who knows what the simulated devices really held, and judges what is served."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.datastore.values import Outcome, Value
from tests.storm.fleet import Member

#: Truth older than this can be no excuse any more.
_KEEP_S = 240.0
#: What lies between a value's end in the device and its publication: the line, a reply's delay, one round of looking.
_WAY_S = 1.5


@dataclass(slots=True)
class Verdicts:
    """What the observer has seen: values judged, wrong ones, and writes acknowledged that did not happen."""

    judged: int = 0
    missing: int = 0
    wrong: list[str] = field(default_factory=list)
    confirmed: int = 0
    lies: list[str] = field(default_factory=list)
    outcomes: dict[Outcome, int] = field(default_factory=lambda: defaultdict(int))


class Observer:
    """Follows one device."""

    def __init__(self, member: Member, verdicts: Verdicts) -> None:
        self._member = member
        self._verdicts = verdicts
        self._held: dict[int | str, list[tuple[float, object]]] = defaultdict(list)
        self._seen_until = -1.0
        self._sources: dict[str, float] = {}
        for text in member.product.text:
            for path in text.decode(""):
                self._sources[path] = max(self._sources.get(path, 0.0), 5.0)
        for register in member.product.registers:
            if register.type != "text" and register.id in member.simulator.registers:  # history is of changes
                self._held[register.id].append((-1e9, member.simulator.registers.raw(register.id)))
            if register.stale_after_s is not None:
                self._sources[register.path] = max(
                    self._sources.get(register.path, 0.0), register.stale_after_s
                )

    def look(self, now: float) -> None:
        """Judge all that is served now."""
        self._learn(now)
        for path, window in self._sources.items():
            if path not in self._member.rows or path in (
                "/Settings/ChargeCurrentLimit",
                "/Link/ChargeCurrent",
            ):
                continue
            served = self._member.served(path)
            if served is None:
                self._verdicts.missing += 1
                continue
            self._verdicts.judged += 1
            if not any(self._same(path, served, value) for value in self._true(path, now - window - _WAY_S)):
                truth = sorted({str(value) for value in self._true(path, now - window - _WAY_S)})
                self._verdicts.wrong.append(
                    f"{self._member.name} {path} t={now:.1f} served {served}, held {truth}"
                )

    def judge_write(self, path: str, value: Value, began: float, ended: float, outcome: Outcome) -> None:
        """Judge a write's outcome against what the device held meanwhile."""
        self._verdicts.outcomes[outcome] += 1
        if outcome is not Outcome.CONFIRMED:
            return
        self._verdicts.confirmed += 1
        self._learn(ended)
        where, wanted = (path, value)
        if path == "/Settings/ChargeCurrentLimit" and value == 0:
            where, wanted = "/Mode", 4
        if not any(self._same(where, wanted, held) for held in self._true(where, began)):
            self._verdicts.lies.append(
                f"{self._member.name} {path}={value} confirmed t={ended:.1f}, never held"
            )

    def _learn(self, now: float) -> None:
        fresh = []
        for truth in reversed(self._member.simulator.history):
            if truth.time < self._seen_until:
                break
            fresh.append(truth)
        for truth in reversed(fresh):
            held = self._held[truth.source]
            if (truth.time, truth.value) not in held:
                held.append((truth.time, truth.value))
        self._seen_until = now
        for held in self._held.values():
            while len(held) > 1 and held[1][0] < now - _KEEP_S:
                del held[0]

    def _true(self, path: str, since: float) -> Iterator[Value | None]:
        """Yield every value the device held of a path from `since` on."""
        for text in self._member.product.text:
            if path in text.decode(""):
                for raw in self._raw(text.label, since):
                    yield text.decode(str(raw)).get(path)
        for register in self._member.product.registers:
            if register.path == path:
                for raw in self._raw(register.id, since):
                    if isinstance(raw, int | str):
                        yield register.value(raw)

    def _raw(self, source: int | str, since: float) -> Iterator[object]:
        held = self._held.get(source, [])
        for place, (_, value) in enumerate(held):
            ends = held[place + 1][0] if place + 1 < len(held) else float("inf")
            if ends >= since:
                yield value

    def _same(self, path: str, served: Value, held: Value | None) -> bool:
        if held is None or isinstance(served, str) or isinstance(held, str):
            return served == held
        if path == "/Mode" and held == 0:
            held = 4
        row = self._member.rows[path]
        step = 1.0 if row.register is None else 1.0 / float(row.register.scale)
        return abs(served - held) <= step / 2 + 1e-6
