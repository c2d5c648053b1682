"""The law of surplus charging: from what the house would feed in to what each charger may draw.

Surplus is the feed-in and the chargers' own draw, for without the charger that would be fed in too. Reckoned
so, a charger that follows the sun does not chase its own tail: at constant sun the answer stays the same.

Powers are AC watts, currents DC amperes, times seconds of one monotonic clock. Nothing here waits or writes.
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

#: A charger that draws less than this share of its limit is bounded by its battery, not by the limit.
_FULL_DRAW = 0.9
#: A gain of this share of a charger's range is worth a write of its memory sooner than a smaller one.
_GREAT_GAIN = 0.25
#: Most raises are followed by a lowering, which takes from the same budget of writes.
_WRITES_A_RAISE = 2.0
#: Currents below it are none.
_LEAST_A = 0.05


class State(enum.IntEnum):
    """What the automation does now, as its register serves it."""

    WAITING = 0  # for surplus enough
    CHARGING = 1
    HOLD = 2  # the meter is silent: all stays as it is, for a while
    SAFE = 3  # the meter is silent for longer
    PAUSED = 4
    LEFT_ALONE = 5  # somebody has written to every charger: they are theirs
    UNREACHABLE = 6  # no charger answers


class Reason(enum.IntEnum):
    """Why a charger's target is what it is."""

    FOLLOWING = 0
    NO_SURPLUS = 1
    AT_MAXIMUM = 2
    STEADY = 3  # the difference is too small to act on
    RAMP = 4
    WEAR = 5  # a raise waits for the budget of the charger's memory
    MINIMUM_ON = 6
    MINIMUM_OFF = 7
    METER_SILENT = 8
    PAUSED = 9
    OWNER = 10
    UNREACHABLE = 11
    REFUSED = 12  # the charger did not take what was asked


@dataclass(frozen=True, slots=True)
class Rule:
    """What the owner wants.

    reserve_w: feed-in left to the grid. hysteresis_w: differences below it are not acted on. ramp_a: most
    that a current is raised at once. minimum_on_s, minimum_off_s: how long a charger stays on and off at
    least. hold_s: how long a silent meter changes nothing. safe_a: the current after that; 0 switches off.
    """

    reserve_w: float = 0.0
    hysteresis_w: float = 30.0
    ramp_a: float = math.inf
    minimum_on_s: float = 300.0
    minimum_off_s: float = 300.0
    hold_s: float = 120.0
    safe_a: float = 0.0


@dataclass(frozen=True, slots=True)
class Charger:
    """A charger as it stands. Amperes and volts are those of its battery.

    limit: the current it may draw now, None where it does not tell. wear_left: writes of its memory left for
    the rest of `day_left_s`, None for one whose limit wears nothing. ours: False while its owner has it.
    """

    volts: float | None
    amps: float
    on: bool | None
    limit: float | None
    minimum: float
    maximum: float
    efficiency: float
    wear_left: int | None = None
    day_left_s: float = 86400.0
    ours: bool = True

    @property
    def watts_per_amp(self) -> float | None:
        """AC watts that one ampere costs, None while nothing is known of the battery."""
        return None if self.volts is None or self.volts <= 0 else self.volts / self.efficiency

    @property
    def draw_w(self) -> float:
        """What it takes from the house, as far as it is this automation's to decide."""
        per_amp = self.watts_per_amp
        return max(0.0, self.amps) * per_amp if self.ours and self.on and per_amp is not None else 0.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a charger shall do: None leaves a thing as it is. `target_a` is shown: what it may draw, 0 off."""

    on: bool | None
    limit: float | None
    reason: Reason
    target_a: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of all chargers, in their order."""

    state: State
    reason: Reason
    wishes: tuple[Wish, ...]


class _Past:
    """What the law remembers of one charger."""

    __slots__ = ("on", "switched_at", "wrote_at")

    def __init__(self) -> None:
        self.on: bool | None = None
        self.switched_at = -math.inf
        self.wrote_at = -math.inf


def surplus_w(grid_w: float, chargers: Sequence[Charger]) -> float:
    """Return what would be fed in without the chargers; `grid_w` is positive when the house imports."""
    return -grid_w + sum(charger.draw_w for charger in chargers)


class SurplusLaw:
    """Decides for `count` chargers, the first of them first. Keeps nothing but times."""

    def __init__(self, rule: Rule, count: int) -> None:
        self._rule = rule
        self._past = tuple(_Past() for _ in range(count))
        self._heard_at: float | None = None

    def decide(
        self, now: float, surplus: float | None, chargers: Sequence[Charger], *, paused: bool = False
    ) -> Decision:
        """Say what each charger shall do, given the mean surplus of late; None while the meter is silent."""
        for charger, past in zip(chargers, self._past, strict=True):
            if charger.on is not None and charger.on != past.on:
                past.switched_at = -math.inf if past.on is None else now
                past.on = charger.on
        if self._heard_at is None or surplus is not None:
            self._heard_at = now
        if paused:
            wishes = tuple(_left(charger, Reason.PAUSED) for charger in chargers)
            return Decision(State.PAUSED, Reason.PAUSED, wishes)
        if surplus is None:
            return self._without_meter(now, self._heard_at, chargers)
        left_w = surplus - self._rule.reserve_w
        found = []
        for charger, past in zip(chargers, self._past, strict=True):
            wish, used_w = self._one(now, charger, past, left_w)
            left_w -= used_w
            found.append(wish)
        return Decision(_state_of(found), _foremost(found), tuple(found))

    def wrote(self, now: float, number: int) -> None:
        """Take note that a charger's limit was written, which the pace of further writes follows."""
        self._past[number].wrote_at = now

    def _without_meter(self, now: float, heard_at: float, chargers: Sequence[Charger]) -> Decision:
        """Hold for a while; then what is safe without knowing anything: never more than before."""
        silent = Reason.METER_SILENT
        if now - heard_at < self._rule.hold_s:
            return Decision(State.HOLD, silent, tuple(_left(charger, silent) for charger in chargers))
        wishes = []
        for charger in chargers:
            safe = min(self._rule.safe_a, charger.maximum)
            if not charger.ours or charger.on is None:
                wishes.append(_left(charger, silent))
            elif safe < max(charger.minimum, _LEAST_A):
                wishes.append(Wish(False if charger.on else None, None, silent))
            else:
                lower = charger.on and (charger.limit is None or charger.limit > safe)
                wishes.append(Wish(None, safe if lower else None, silent, safe if charger.on else 0.0))
        return Decision(State.SAFE, silent, tuple(wishes))

    def _one(self, now: float, charger: Charger, past: _Past, left_w: float) -> tuple[Wish, float]:
        """Return what one charger shall do with the surplus left to it, and the watts it will take of it."""
        per_amp = charger.watts_per_amp
        if not charger.ours:
            return _left(charger, Reason.OWNER), 0.0
        if charger.on is None or per_amp is None:
            return _left(charger, Reason.UNREACHABLE), 0.0
        affordable = left_w / per_amp
        margin = self._rule.hysteresis_w / per_amp
        if not charger.on:
            wish = self._switched_on(now, charger, past, affordable, margin)
        elif affordable >= charger.minimum - margin:
            wish = self._followed(now, charger, past, affordable, margin)
        elif now - past.switched_at < self._rule.minimum_on_s:
            lower = charger.limit is None or charger.limit > charger.minimum
            wish = Wish(None, charger.minimum if lower else None, Reason.MINIMUM_ON, charger.minimum)
        else:
            wish = Wish(on=False, limit=None, reason=Reason.NO_SURPLUS)
        used = wish.target_a
        if charger.on and used and charger.amps < _FULL_DRAW * min(used, charger.limit or used):
            used = min(used, charger.amps + margin)  # its battery takes no more: the rest is for the next
        return wish, used * per_amp

    def _switched_on(
        self, now: float, charger: Charger, past: _Past, affordable: float, margin: float
    ) -> Wish:
        if affordable < charger.minimum + margin:
            return Wish(None, None, Reason.NO_SURPLUS)
        if now - past.switched_at < self._rule.minimum_off_s:
            return Wish(None, None, Reason.MINIMUM_OFF)
        target = _within(charger, min(affordable, charger.minimum + self._rule.ramp_a))
        stored = charger.limit
        if stored is not None and charger.minimum <= stored <= min(affordable, charger.maximum):
            near = target - stored <= margin
            if near or not self._may_raise(now, charger, past, target - stored):
                return Wish(
                    on=True, limit=None, reason=Reason.STEADY if near else Reason.WEAR, target_a=stored
                )
        return Wish(on=True, limit=target, reason=Reason.FOLLOWING, target_a=target)

    def _followed(self, now: float, charger: Charger, past: _Past, affordable: float, margin: float) -> Wish:
        """Follow the surplus with a charger that is on."""
        target, limit = _within(charger, affordable), charger.limit
        if limit is None:
            return Wish(None, target, Reason.FOLLOWING, target)
        if target > limit:
            full = charger.amps >= _FULL_DRAW * limit
            if not full or (target - limit < margin and target < charger.maximum):
                return Wish(None, None, Reason.STEADY, limit)
            reason = Reason.AT_MAXIMUM if target >= charger.maximum else Reason.FOLLOWING
            if target > limit + self._rule.ramp_a:
                target, reason = limit + self._rule.ramp_a, Reason.RAMP
            if not self._may_raise(now, charger, past, target - limit):
                return Wish(None, None, Reason.WEAR, limit)
            return Wish(None, target, reason, target)
        too_much = limit > charger.maximum + _LEAST_A
        if too_much or (target < limit and limit - affordable >= margin):
            # A limit above what is drawn does no harm until the battery asks for more; a lowering wears.
            if not too_much and charger.wear_left is not None and charger.amps <= affordable:
                return Wish(None, None, Reason.STEADY, limit)
            return Wish(None, target, Reason.FOLLOWING, target)
        reason = Reason.AT_MAXIMUM if limit >= charger.maximum else Reason.STEADY
        return Wish(None, None, reason, limit)

    def _may_raise(self, now: float, charger: Charger, past: _Past, by: float) -> bool:
        """True unless the writes left to the day would run out before it does; great gains come first."""
        if charger.wear_left is None:
            return True
        if charger.wear_left < 1:
            return False
        writes = 1.0 if by >= _GREAT_GAIN * charger.maximum else _WRITES_A_RAISE
        return now - past.wrote_at >= writes * charger.day_left_s / charger.wear_left


def _left(charger: Charger, reason: Reason) -> Wish:
    """Leave a charger as it is."""
    return Wish(None, None, reason, (charger.limit or 0.0) if charger.on else 0.0)


def _within(charger: Charger, amps: float) -> float:
    """Bring a current into the charger's range, in whole tenths that are not above it."""
    tenths = math.floor(min(max(amps, charger.minimum), charger.maximum) * 10 + 1e-6)
    return max(tenths / 10, charger.minimum)


def _foremost(wishes: Sequence[Wish]) -> Reason:
    """Return the reason of the first charger that is the automation's to decide on."""
    aside = (Reason.OWNER, Reason.UNREACHABLE)
    decided = (wish.reason for wish in wishes if wish.reason not in aside)
    return next(decided, wishes[0].reason if wishes else Reason.UNREACHABLE)


def _state_of(wishes: Sequence[Wish]) -> State:
    reasons = [wish.reason for wish in wishes]
    if all(reason is Reason.OWNER for reason in reasons):
        return State.LEFT_ALONE
    if all(reason in (Reason.OWNER, Reason.UNREACHABLE) for reason in reasons):
        return State.UNREACHABLE
    ours = (wish for wish in wishes if wish.reason not in (Reason.OWNER, Reason.UNREACHABLE))
    return State.CHARGING if any(wish.target_a > 0 for wish in ours) else State.WAITING
