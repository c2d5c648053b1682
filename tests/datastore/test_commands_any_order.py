"""Whatever comes in whatever order, the desk keeps its promises.

Invariants: every accepted change ends exactly once; the adapter never holds two ordinary batches, nor two
equal changes of one point; switching off is with the adapter as soon as it was asked for; nothing goes out
that its point's newest wish has overtaken; the last value confirmed to a writer of a point is the last
one sent.
"""

import asyncio
from collections import Counter
from typing import NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.datastore.values import LinkState, Outcome, Path, Value
from bridge.datastore.wear import WearLimits
from tests.datastore.rig import OFF, ON, Rig

#: Few values, so that joining is frequent.
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "Mode": st.sampled_from([ON, OFF]),
        "Limit": st.sampled_from([0, 10, 20, 30]),
        "Fan": st.sampled_from([1, 2]),
        "Lease": st.sampled_from([1, 2]),
        "Amps": st.sampled_from([1, 2]),
    },
).filter(lambda changes: changes and not (changes.get("Mode") == ON and changes.get("Limit") == 0))
OFFS: dict[Path, Value] = {"/Mode": OFF, "/Limit": 0}
ANSWERS = st.sampled_from([o for o in Outcome if o is not Outcome.PENDING])


class Asked(NamedTuple):
    changes: dict[Path, Value]
    task: "asyncio.Task[list[Outcome]]"


class Desk(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.asked: list[Asked] = []
        self.cancelled: list[Asked] = []
        self.wishes: dict[Path, Value] = {}
        self.serving: asyncio.Task[None] | None = None

    @initialize(per_day=st.sampled_from([0, 2, 100]), lowerings=st.sampled_from([0, 1, 200]))
    def begin(self, per_day: int, lowerings: int) -> None:
        async def make() -> None:
            self.rig = Rig(limits=WearLimits(per_day=per_day, lowerings_per_day=lowerings))
            self.rig.adapter.slow = True

        self.loop.run_until_complete(make())
        self.serve()

    def turn(self, seconds: float = 0) -> None:
        self.loop.run_until_complete(self.rig.clock.advance(seconds))

    @rule()
    @precondition(lambda self: self.serving is None)
    def serve(self) -> None:
        async def start() -> None:
            self.serving = asyncio.ensure_future(self.rig.device.run(self.rig.adapter))

        self.loop.run_until_complete(start())
        self.loop.run_until_complete(self.rig.hear())

    @rule(changes=CHANGES)
    def write(self, changes: dict[str, Value]) -> None:
        async def ask() -> Asked:
            return Asked({f"/{name}": value for name, value in changes.items()}, self.rig.ask(**changes))

        asked = self.loop.run_until_complete(ask())
        self.asked.append(asked)
        self.wishes.update(asked.changes)
        self.turn()
        for path, value in asked.changes.items():
            if value == OFFS.get(path) and not asked.task.done():
                assert any(call.changes.get(path) == value for call in self.rig.adapter.held), "off waits"

    @rule(changes=CHANGES, more=CHANGES)
    def write_twice_in_one_turn(self, changes: dict[str, Value], more: dict[str, Value]) -> None:
        async def ask() -> list[Asked]:
            return [
                Asked({f"/{name}": value for name, value in c.items()}, self.rig.ask(**c))
                for c in (changes, more)
            ]

        for asked in self.loop.run_until_complete(ask()):
            self.asked.append(asked)
            self.wishes.update(asked.changes)
        self.turn()

    @rule(which=st.integers(0, 5), outcome=ANSWERS)
    def answer(self, which: int, outcome: Outcome) -> None:
        held = self.rig.adapter.held
        if held:
            held[which % len(held)].answer(outcome)
            self.turn()

    @rule(which=st.integers(0, 5))
    def fail(self, which: int) -> None:
        held = self.rig.adapter.held
        if held:
            held[which % len(held)].reply.set_exception(RuntimeError("defect"))
            self.turn()

    @rule(seconds=st.sampled_from([0.1, 1, 4, 6, 11]))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(self.rig.live(seconds))

    @rule()
    def go_away(self) -> None:
        waiting = [asked for asked in self.asked if not asked.task.done()]
        if waiting:
            waiting[0].task.cancel()
            self.turn()
            self.asked.remove(waiting[0])
            self.cancelled.append(waiting[0])

    @rule(link=st.sampled_from([LinkState.SILENT, LinkState.ASLEEP, LinkState.PORT_MISSING]))
    def lose(self, link: LinkState) -> None:
        self.rig.device.set_link(link)
        self.turn()

    @rule()
    def come_back(self) -> None:
        self.loop.run_until_complete(self.rig.hear())

    @rule()
    @precondition(lambda self: self.serving is not None)
    def stop(self) -> None:
        async def end() -> None:
            assert self.serving is not None
            self.serving.cancel()
            await asyncio.gather(self.serving, return_exceptions=True)

        self.loop.run_until_complete(end())
        self.serving = None
        self.turn()
        assert all(asked.task.done() for asked in self.asked), "a change outlived its service"

    @invariant()
    def the_adapter_holds_no_two_ordinary_batches(self) -> None:
        held = self.rig.adapter.held
        assert sum(any(OFFS.get(p) != v for p, v in call.changes.items()) for call in held) <= 1
        equal = Counter(change for call in held for change in call.changes.items())
        assert all(count == 1 for count in equal.values())

    @invariant()
    def what_adapters_compare_with_is_the_newest_wish(self) -> None:
        """Else a hanging frame that an off has overtaken would be sent once more."""
        for path, value in self.wishes.items():
            wanted = self.rig.device.wanted(path)
            if any(path in call.changes for call in self.rig.adapter.held):
                assert wanted is not None
            if OFFS.get(path) == value:
                assert wanted in (value, None)

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.settle()
        self.loop.close()

    def settle(self) -> None:
        """Answer what is left, then judge the whole."""
        if self.serving is not None:
            for _ in range(60):
                for call in self.rig.adapter.held:
                    call.answer(Outcome.CONFIRMED)
                self.loop.run_until_complete(self.rig.live(1))
                if all(asked.task.done() for asked in self.asked) and not self.rig.adapter.held:
                    break
            self.judge_the_last_values()
            self.stop()
        accepted = sum(len(asked.changes) for asked in (*self.asked, *self.cancelled))
        assert len(self.rig.attempts) == accepted, "a change did not end exactly once"
        assert all(attempt.outcome is not Outcome.PENDING for attempt in self.rig.attempts)
        assert self.rig.device.status().attempts == accepted
        assert self.rig.clock.waiting == 0

    def judge_the_last_values(self) -> None:
        for path in {path for asked in self.asked for path in asked.changes}:
            last = next(asked for asked in reversed(self.asked) if path in asked.changes)
            told = dict(zip(last.changes, last.task.result(), strict=True))[path]
            if told is Outcome.CONFIRMED and not any(path in asked.changes for asked in self.cancelled):
                sent = [call.changes[path] for call in self.rig.adapter.calls if path in call.changes]
                assert sent[-1] == last.changes[path], (path, sent, last.changes[path])


TestDesk = Desk.TestCase
TestDesk.settings = settings(
    max_examples=200, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
