"""Commands of products whose points are set one by one: written, read back, and shown as the device says."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from bridge.adapters.vedirect.errands import Errands
from bridge.adapters.vedirect.product import IDENTITY
from bridge.adapters.vedirect.register import Register
from bridge.datastore.device import Device
from bridge.datastore.values import Outcome, Path, Value
from bridge.datastore.wear import Wear

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Condition:
    """What must stand in a register for a write to be obeyed; `remedy` tells the user how to get there."""

    register: Register
    raw: int
    remedy: str


@dataclass(frozen=True, slots=True)
class SetPoint:
    """A writable point: its register, and the raw numbers of its values where a scale does not tell them.

    stored: a write goes to flash. condition: without it the device would acknowledge and not obey. shown:
    the register that tells what came of it, where the written one holds only the wish. mask: the bits of
    the written register that are the wish.
    """

    path: Path
    register: Register
    raws: Mapping[Value, int] = field(default_factory=dict, hash=False)
    stored: bool = False
    condition: Condition | None = None
    shown: Register | None = None
    mask: int = -1

    def raw(self, value: Value) -> int:
        """Return what is written for a value."""
        return self.raws.get(value, round(float(value) * self.register.scale))


@dataclass(frozen=True, slots=True)
class Action:
    """A self-clearing point: writing 1 makes the device act once. Its register takes no data."""

    path: Path
    register: Register


class SetPointControl:
    """Executes a table of set-points and actions; the batch stops at the first that is not confirmed."""

    def __init__(self, device: Device, set_points: Collection[SetPoint], actions: Collection[Action] = ()):
        self._device = device
        self._set_points = {point.path: point for point in set_points}
        self._actions = {action.path: action for action in actions}
        self._stored: dict[Register, int] = {}

    @property
    def paths(self) -> Collection[Path]:
        """The points it executes."""
        return (*self._set_points, *self._actions)

    @property
    def should_be_off(self) -> bool:
        """False: what the owner has set is held by the datastore alone."""
        return False

    def reported(self, register: Register, raw: int | str | None) -> bool:
        """Remember what stands in flash; the session publishes by the product's tables."""
        if isinstance(raw, int) and any(p.register.id == register.id for p in self._set_points.values()):
            self._stored[register] = raw
        return False

    def check(self, changes: Mapping[Path, Value]) -> None:
        """No batch contradicts itself: each point stands alone."""

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:
        """Only a stored point that is to hold another value is written to flash."""
        found: dict[Path, Wear] = {}
        for path, value in changes.items():
            point = self._set_points.get(path)
            if point is None or not point.stored or self._is_stored(point, point.raw(value)):
                continue
            before, after = self._device.value(path), value
            lower = isinstance(before, int | float) and isinstance(after, int | float) and after < before
            found[path] = Wear.LOWER if lower else Wear.RAISE
        return found

    async def apply(self, errands: Errands) -> Mapping[Path, Outcome]:
        """Execute the batch of `errands` in its order."""
        outcomes = dict.fromkeys(errands.changes, Outcome.REFUSED)
        for path, value in errands.changes.items():
            action = self._actions.get(path)
            outcomes[path] = (
                await self._put(errands, self._set_points[path], value)
                if action is None
                else await self._act(errands, action)
            )
            if outcomes[path] is not Outcome.CONFIRMED:
                break
        return outcomes

    async def release(self, paths: Collection[Path], errands: Errands) -> bool:  # noqa: ARG002 - as declared
        """Leave the points as they are: none of them is on loan from another rule of the device."""
        return True

    async def keep(self, errands: Callable[[], Errands | None]) -> None:
        """Send nothing again by itself: what a restart wipes, the datastore sends again."""

    def leaving(self) -> Collection[Path]:
        """Nothing must be released before the bridge stops."""
        return ()

    # -- inside ------------------------------------------------------------------------------------

    async def _put(self, errands: Errands, point: SetPoint, value: Value) -> Outcome:
        """Write one point and read it back."""
        if point.condition is not None and (unmet := await self._unmet(errands, point.condition, point.path)):
            return unmet
        raw = point.raw(value)
        if point.stored and self._is_stored(point, raw):
            answer = await errands.look(point.register)
        else:
            is_off = self._device.spec(point.path).is_off(value)
            answer = await errands.put(point.register, raw, off=is_off)
        if isinstance(answer, Outcome):
            return answer
        if not answer.ok or not isinstance(answer.raw, int):
            return Outcome.REFUSED
        self._stored[point.register] = answer.raw
        self._publish(point.register, answer.raw)
        obeyed = answer.raw & point.mask == raw & point.mask
        if point.shown is None or not obeyed:
            return self._judged(point, value) if point.shown is None else Outcome.ADJUSTED
        return await self._look_at(errands, point, point.shown, value)

    async def _look_at(self, errands: Errands, point: SetPoint, shown: Register, value: Value) -> Outcome:
        """Ask what came of a wish that the device has taken."""
        answer = await errands.look(shown)
        if isinstance(answer, Outcome):
            return answer
        if not answer.ok or not isinstance(answer.raw, int):
            self._device.publish(point.register.group, {point.path: value})
            return Outcome.CONFIRMED
        self._publish(shown, answer.raw)
        return self._judged(point, value)

    async def _act(self, errands: Errands, action: Action) -> Outcome:
        answer = await errands.act(action.register)
        self._device.publish(IDENTITY, {action.path: 0})
        if isinstance(answer, Outcome):
            return answer
        return Outcome.CONFIRMED if answer.ok else Outcome.REFUSED

    async def _unmet(self, errands: Errands, condition: Condition, path: Path) -> Outcome | None:
        """Say what becomes of a write whose condition is not met; None where it is, or nobody can tell."""
        answer = await errands.look(condition.register)
        if isinstance(answer, Outcome):
            return answer
        if not answer.ok or not isinstance(answer.raw, int):
            return None
        self._publish(condition.register, answer.raw)
        if answer.raw == condition.raw:
            return None
        _log.warning(
            "device=%s refused path=%s: found %s %s, expected %s: %s",
            self._device.name, path, condition.register.path, answer.raw, condition.raw, condition.remedy,
        )  # fmt: skip
        return Outcome.REFUSED

    def _judged(self, point: SetPoint, value: Value) -> Outcome:
        """Compare what the device shows with what was asked for."""
        same = self._device.spec(point.path).same(self._device.value(point.path), value)
        return Outcome.CONFIRMED if same else Outcome.ADJUSTED

    def _is_stored(self, point: SetPoint, raw: int) -> bool:
        stored = self._stored.get(point.register)
        return stored is not None and stored & point.mask == raw & point.mask

    def _publish(self, register: Register, raw: int) -> None:
        if self._device.has(register.path):
            self._device.publish(register.group, {register.path: register.value(raw)})
