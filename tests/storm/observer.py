"""An observer who knows what the simulated devices really held, and judges what the bridge serves and says.

It reads registers as a Modbus client does, and asks the simulators. Of the bridge it believes nothing.
"""

import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field

from bridge.datastore.values import Outcome, Value
from tests.storm.house import Served
from tests.storm.member import Member, near
from tests.storm.truth import WAY_S, Held, Made

#: How long ago a counter was saved at most when the bridge is killed (the bridge's own promise is 60 s).
_SAVED_EVERY_S = 62.0
#: The wear budget as a site has it that says nothing: raises at once, seconds for one more, then lowerings.
_BURST, _REFILL_S, _LOWERING_S, _A_DAY = 10, 60.0, 10.0, 300
#: Powers are rounded and told now and then: part by which what is counted of them may be off.
_COARSE = 0.1
#: Values told of one finding.
_SHOWN = 6


@dataclass(slots=True)
class Verdicts:
    """What has been seen of one family."""

    judged: int = 0
    missing: int = 0
    #: Values off by less than the family's doubt, while bytes were being damaged.
    passed: int = 0
    excused: int = 0
    cuts: int = 0
    leases: int = 0
    wrong: list[str] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    refused: int = 0
    troubles: Counter[str] = field(default_factory=Counter)

    @property
    def confirmed(self) -> int:
        """Writes that were acknowledged."""
        return self.outcomes[Outcome.CONFIRMED]


class Observer:
    """Follows one device over all the bridges that serve it."""

    def __init__(self, member: Member, verdicts: Verdicts) -> None:
        self._member = member
        self._verdicts = verdicts
        self._cut_since = math.inf
        self._well_since = -math.inf
        self._written: dict[str, float] = {}
        self._begun: dict[str, tuple[float, Made]] = {}
        self._last: dict[str, float] = {}
        #: What counters showed lately, as far back as a crash may let them step.
        self._trail: dict[str, deque[tuple[float, float]]] = {}
        self._told: set[str] = set()
        self._worn: tuple[float, int] | None = None
        self.counters: dict[str, float] = defaultdict(float)

    def look(self, served: Served, now: float, *, well: bool) -> None:
        """Judge all that is served now. well: nothing is wrong with device, line or bridge."""
        member = self._member
        member.watch()
        self._well_since = min(self._well_since, now) if well else math.inf
        for path in member.rules:
            if path in served.rows:
                self._value(path, served.read(path), served.step(path) / 2, now)
        self._cut(served, now)
        for path, made in member.made.items():
            self._energy(path, served, made, now)
        for path in member.leased:
            self._lease(path, now)
        self._wear(now)

    def began(self, now: float) -> None:
        """Know that another bridge serves: its counters may have stepped back to what was saved."""
        self._well_since = math.inf
        self._cut_since = max(self._cut_since, now) if self._cut_since < math.inf else math.inf
        for path, trail in self._trail.items():
            self._last[path] = trail[0][1] if trail else 0.0
            trail.clear()

    def judge_write(
        self, path: str, value: Value, began: float, ended: float, outcome: Outcome, step: float
    ) -> None:
        """Judge a write's outcome against what the device held meanwhile."""
        member = self._member
        self._verdicts.outcomes[outcome] += 1
        if outcome in (Outcome.CONFIRMED, Outcome.PENDING, Outcome.TIMED_OUT, Outcome.ADJUSTED):
            self._written[path] = ended
        if outcome is not Outcome.CONFIRMED:
            return
        member.watch()
        if not member.did(path, value, began, step):
            held = sorted({str(one) for one in member.true_since(path, began)})[:_SHOWN]
            self._verdicts.lies.append(
                f"{member.name} {path}={value} begun t={began:.1f} confirmed t={ended:.1f}, held {held}"
            )

    def _value(self, path: str, served: Value | None, half_step: float, now: float) -> None:
        member, verdicts, rule = self._member, self._verdicts, self._member.rules[path]
        if served is None:
            verdicts.missing += 1
            self._told.discard(path)
            return
        verdicts.judged += 1
        held = list(member.true_since(path, now - member.window(path)))
        within = rule.within + half_step + 1e-6
        if any(near(served, one, within + rule.share * _size(one)) for one in held):
            self._told.discard(path)
            return
        if rule.between and _between(served, held, within, rule.share):
            return
        if member.excused(path, served):
            verdicts.excused += 1
            return
        if member.damaging and rule.leap is not None:
            part, least = rule.leap
            if any(near(served, one, within + max(least, part * _size(one))) for one in held):
                verdicts.passed += 1
                return
        if path not in self._told:
            self._told.add(path)
            shown = sorted({str(one) for one in held})[:_SHOWN]
            verdicts.wrong.append(f"{member.name} {path} t={now:.1f} served {served}, held {shown}")

    def _cut(self, served: Served, now: float) -> None:
        """A device that is cut is served no more once its last word is too old."""
        member = self._member
        if not member.cut or member.may_be_silent:
            self._cut_since = math.inf
            self._told.discard("cut")
            return
        self._cut_since = min(self._cut_since, now)
        if now - self._cut_since <= member.essential_s + member.noticed_s + WAY_S + 0.5:
            return
        self._verdicts.cuts += 1
        if served.answers() and "cut" not in self._told:
            self._told.add("cut")
            self._verdicts.wrong.append(
                f"{member.name} t={now:.1f} still answers, cut since t={self._cut_since:.1f}: expected 0B"
            )

    def _energy(self, path: str, served: Served, made: Made, now: float) -> None:
        """A counter never falls, and holds no more than was made since it was first seen."""
        value = served.read(path) if path in served.rows else None
        if not isinstance(value, int | float):
            return
        member, step = self._member, served.step(path)
        self.counters[f"{member.name} {path}"] = value
        last = self._last.get(path, 0.0)
        self._last[path] = max(last, value)
        trail = self._trail.setdefault(path, deque())
        trail.append((now, value))
        while len(trail) > 1 and trail[1][0] <= now - _SAVED_EVERY_S:
            trail.popleft()
        if value < last - step / 2:
            self._fault(path, f"{member.name} {path} t={now:.1f} fell from {last} to {value}")
        begun = (0.0, Made()) if member.counts_from_zero else (value, Made(made.kwh, made.unsure))
        first, then = self._begun.setdefault(path, begun)
        most = made.kwh - then.kwh + (made.unsure - then.unsure) + _COARSE * (made.kwh - then.kwh) + step
        if value - first > most + (0.02 if member.damaging else 0.0):
            self._fault(
                path, f"{member.name} {path} t={now:.1f} rose by {value - first:.4f}, made {most:.4f} kWh"
            )

    def _wear(self, now: float) -> None:
        """Its memory is written no more often than the budget of a day and of these seconds allows."""
        worn = self._member.worn()
        if worn is None:
            return
        began, first = self._worn = self._worn or (now, worn)
        most = min(_A_DAY, _BURST + (now - began) / _REFILL_S + (now - began) / _LOWERING_S + 2)
        if worn - first > most:
            words = (
                f"{self._member.name} t={now:.1f} was written {worn - first} times, the budget is {most:.0f}"
            )
            self._fault("wear", words)

    def _fault(self, path: str, words: str) -> None:
        if f"energy {path}" not in self._told:
            self._told.add(f"energy {path}")
            self._verdicts.wrong.append(words)

    def _lease(self, path: str, now: float) -> None:
        """What nobody renews comes to its safe value."""
        member, lease = self._member, self._member.leased[path]
        written = self._written.get(path)
        if written is None or now - max(written + lease.time_s, self._well_since) < lease.obeyed_s:
            return
        self._verdicts.leases += 1
        held = list(member.true_since(path, written))  # it may come up anew by itself after that
        if not any(near(lease.safe, one, 1.0) for one in held) and f"lease {path}" not in self._told:
            self._told.add(f"lease {path}")
            self._verdicts.wrong.append(
                f"{member.name} {path} t={now:.1f} holds {held[-1:]}, lease ended t={written + lease.time_s:.1f}: "
                f"expected {lease.safe}"
            )


def _size(held: Held) -> float:
    return abs(held) if isinstance(held, int | float) else 0.0


def _between(served: Value, held: list[Held], within: float, share: float) -> bool:
    numbers = [one for one in held if isinstance(one, int | float)]
    if isinstance(served, str) or not numbers:
        return False
    low, high = min(numbers), max(numbers)
    return low - within - share * abs(low) <= served <= high + within + share * abs(high)
