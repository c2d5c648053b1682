"""Commands of one device: registers and coils written, read back, and the outcome told truthfully.

Changes at neighbouring addresses go out as one FC16, which the device takes whole; where it refuses that,
one by one in the order given, up to the first that is not confirmed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.adapters.modbus.bus import LineDown, NoAnswer
from bridge.adapters.modbus.plan import Entry, Island, own_point, value_in
from bridge.adapters.modbus.points import WRITTEN
from bridge.adapters.modbus.queue import Urgency
from bridge.adapters.modbus.quirks import Quirk
from bridge.adapters.modbus.requests import (
    Answer,
    Code,
    Data,
    Read,
    Refused,
    Request,
    WriteCoil,
    WriteRegisters,
)
from bridge.adapters.modbus.session import Session
from bridge.adapters.modbus.talk import GivenUp, Talk
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Outcome, Path, Value
from bridge.register_maps.format import Coil, Register, Table
from bridge.register_maps.packing import is_invalid, raw_of
from bridge.register_maps.types import BitType

#: Registers of the most that one FC16 writes (Modbus Application Protocol 1.1b3, 6.12).
WRITE_MAX = 123
#: A device that still shows the old value is read back again after these pauses, in seconds.
_READ_BACK_S = (0.0, 0.1, 0.3)
#: How often a product's proof of a write is looked for, in seconds.
_PROOF_S = 0.2
_REFUSALS = frozenset({Code.FUNCTION, Code.ADDRESS, Code.VALUE})


@dataclass(frozen=True, slots=True)
class Change:
    """One point's change: the entry that writes it, the bytes for it, and the value before it."""

    path: Path
    value: Value
    entry: Entry
    data: bytes
    before: Value | None


class Writer:
    """Executes batches on the bus of a session. `entries` are those that write, by point."""

    def __init__(
        self,
        device: Device,
        clock: Clock,
        talk: Talk,
        session: Session,
        quirk: Quirk,
        entries: Mapping[Path, Entry],
    ) -> None:
        self._device = device
        self._clock = clock
        self._talk = talk
        self._session = session
        self._quirk = quirk
        self._entries = entries
        self._many_only = False

    async def apply(self, changes: Mapping[Path, Value], deadline: float) -> dict[Path, Outcome]:
        """Return each change's outcome; offline while the device is not found. See `Adapter.command`."""
        if not self._session.found:
            return dict.fromkeys(changes, Outcome.OFFLINE)
        outcomes: dict[Path, Outcome] = {}
        pending: list[Change] = []
        for path, value in changes.items():
            spec = self._device.spec(path)
            if spec.nonvolatile and spec.same(self._device.value(path), value):
                outcomes[path] = Outcome.CONFIRMED
                continue
            change = self._change(path, value)
            if change is None:  # the register has no room for it: the map's range is wider than its type
                return {**dict.fromkeys(changes, Outcome.REFUSED), **outcomes}
            pending.append(change)
        for together in _neighbours(pending):
            told = await self._send(together, deadline)
            outcomes.update(told)
            if any(outcome is not Outcome.CONFIRMED for outcome in told.values()):
                break
        return {path: outcomes.get(path, Outcome.REFUSED) for path in changes}

    async def _send(self, together: Sequence[Change], deadline: float) -> dict[Path, Outcome]:
        """Write neighbours as one; singly where the device does not take them so."""
        if len(together) > 1:
            answer = await self._put(_joined(together), together)
            if not (isinstance(answer, Refused) and answer.code in _REFUSALS):
                return await self._outcomes(together, answer, deadline)
        outcomes: dict[Path, Outcome] = {}
        for change in together:
            answer = await self._put_one(change)
            outcomes.update(await self._outcomes([change], answer, deadline))
            if outcomes[change.path] is not Outcome.CONFIRMED:
                break
        return outcomes

    async def _outcomes(
        self, together: Sequence[Change], answer: Answer | Outcome, deadline: float
    ) -> dict[Path, Outcome]:
        if isinstance(answer, Refused) and answer.code != Code.ACKNOWLEDGE:
            answer = Outcome.BUSY if answer.code == Code.BUSY else Outcome.REFUSED
        if isinstance(answer, Outcome):
            return {change.path: answer for change in together}
        return {change.path: await self._judged(change, deadline) for change in together}

    # -- writing -----------------------------------------------------------------------------------

    def _change(self, path: Path, value: Value) -> Change | None:
        """Return what goes out for a value; None where the register has no room for it."""
        entry = self._entries[path]
        before = self._device.value(path)
        if isinstance(entry, Coil):
            return Change(path, value, entry, b"", before)
        point = own_point(entry)
        negated = point is not None and point.negate and not isinstance(value, str)
        raw = raw_of(entry.type, entry.scale, -value if negated and not isinstance(value, str) else value)
        data = None if raw is None or is_invalid(raw, entry.type, entry.invalid) else entry.type.pack(raw)
        return None if data is None else Change(path, value, entry, data, before)

    async def _put_one(self, change: Change) -> Answer | Outcome:
        entry = change.entry
        if isinstance(entry, Coil):
            return await self._put(WriteCoil(entry.address, entry.switch.reads(change.value)), [change])
        address, data = entry.address, change.data
        if isinstance(entry.type, BitType):
            word = entry.end - 1
            shown = await self._asked(Read(Table.HOLDING, word, 1), [change])
            if not isinstance(shown, Data):
                return shown
            kept = int.from_bytes(shown.data, "big") & ~entry.type.mask
            address, data = word, (kept | int.from_bytes(data[-2:], "big")).to_bytes(2, "big")
        answer = await self._put(WriteRegisters(address, data, self._many_only), [change])
        if len(data) == 2 and not self._many_only and answer == Refused(Code.FUNCTION):
            self._many_only = True  # some devices know FC16 alone
            answer = await self._put(WriteRegisters(address, data, many=True), [change])
        return answer

    async def _put(self, request: Request, together: Sequence[Change]) -> Answer | Outcome:
        """Send a write. What acts each time it is heard is never sent a second time."""
        acts = any(self._device.spec(change.path).self_clearing for change in together)
        return await self._asked(request, together, tries=1 if acts else None)

    async def _asked(
        self, request: Request, together: Sequence[Change], *, tries: int | None = None
    ) -> Answer | Outcome:
        off = any(self._device.spec(change.path).is_off(change.value) for change in together)
        urgency = Urgency.OFF if off else Urgency.COMMAND
        try:
            return await self._talk.ask(
                request, urgency, tries=tries, unwanted=lambda: self._is_overtaken(together)
            )
        except GivenUp:
            return Outcome.SUPERSEDED
        except LineDown:
            return Outcome.OFFLINE
        except NoAnswer:
            return Outcome.TIMED_OUT if self._session.found else Outcome.OFFLINE

    def _is_overtaken(self, together: Sequence[Change]) -> bool:
        return any(self._device.wanted(change.path) != change.value for change in together)

    # -- proving -----------------------------------------------------------------------------------

    async def _judged(self, change: Change, deadline: float) -> Outcome:
        """Read back what was written, and say what became of it."""
        proof = self._quirk.proof(change.path)
        if proof is not None:
            return await self._proven(change, proof, deadline)
        entry, spec = change.entry, self._device.spec(change.path)
        if spec.self_clearing:
            return Outcome.CONFIRMED
        value: Value | None = None
        for pause in _READ_BACK_S:
            if pause and self._clock.monotonic() + pause >= deadline:
                break
            await self._clock.sleep(pause)
            read = Read(entry.table, entry.address, entry.end - entry.address)
            answer = await self._asked(read, [change])
            if isinstance(answer, Outcome):
                return answer
            if isinstance(answer, Refused):
                # A register that is only written cannot be asked: its echo is all there is.
                return Outcome.CONFIRMED if answer.code in _REFUSALS else Outcome.TIMED_OUT
            value = value_in(entry, answer.data, 0)
            self._session.publish(WRITTEN, {change.path: value})
            if _holds(change, answer.data) or spec.same(value, change.value):
                return Outcome.CONFIRMED
            if not spec.same(value, change.before):
                return Outcome.ADJUSTED
        return Outcome.REFUSED if value is not None else Outcome.TIMED_OUT

    async def _proven(self, change: Change, proof: Path, deadline: float) -> Outcome:
        """Read the point that shows it until it does, or the writer's patience is over."""
        island = _island_of(self._session.plan.islands, proof)
        ends = min(deadline, self._clock.monotonic() + self._device.spec(change.path).confirm_s)
        while island is not None:
            answer = await self._asked(island.read, [change])
            if isinstance(answer, Outcome) and answer is not Outcome.TIMED_OUT:
                return answer
            if isinstance(answer, Data):
                shown = island.values(answer.data)
                self._session.publish(island.name, shown)
                outcome = self._quirk.proven(change.path, change.value, shown)
                if outcome is not None:
                    return outcome
            if self._clock.monotonic() + _PROOF_S >= ends:
                break
            await self._clock.sleep(_PROOF_S)
        return Outcome.TIMED_OUT


def _holds(change: Change, data: bytes) -> bool:
    return (
        isinstance(change.entry, Register)
        and not isinstance(change.entry.type, BitType)
        and (data == change.data)
    )


def _island_of(islands: Sequence[Island], path: Path) -> Island | None:
    return next((island for island in islands if path in island.absent()), None)


def _neighbours(changes: Sequence[Change]) -> list[list[Change]]:
    """Return the changes in their order, those at neighbouring registers together."""
    groups: list[list[Change]] = []
    for change in changes:
        last = groups[-1] if groups else []
        if last and _joins(last[-1].entry, change.entry) and _size([*last, change]) <= 2 * WRITE_MAX:
            last.append(change)
        else:
            groups.append([change])
    return groups


def _joins(first: Entry, second: Entry) -> bool:
    return (
        all(
            isinstance(entry, Register) and not isinstance(entry.type, BitType) and not entry.self_clearing
            for entry in (first, second)
        )
        and first.end == second.address
    )


def _size(changes: Sequence[Change]) -> int:
    return sum(len(change.data) for change in changes)


def _joined(together: Sequence[Change]) -> WriteRegisters:
    data = b"".join(change.data for change in together)
    return WriteRegisters(together[0].entry.address, data, many=True)
