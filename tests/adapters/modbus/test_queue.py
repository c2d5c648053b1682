"""Whose turn it is on a bus."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.modbus.queue import DEAD_SHARE, PROMOTED_AFTER_S, Demand, Queue, Urgency
from bridge.adapters.modbus.requests import Read, WriteRegisters
from bridge.register_maps.format import Table

READ = Read(Table.HOLDING, 0, 10)
OTHER = Read(Table.HOLDING, 50, 10)
LONGER = Read(Table.HOLDING, 50, 11)
WRITE = WriteRegisters(5, b"\0\x01")


def demand(device: str, urgency: Urgency = Urgency.POLL, unit: int | None = None, **more: object) -> Demand:
    number = sum(device.encode()) if unit is None else unit
    return Demand(
        device, number, **{"request": READ, "timeout_s": 1.0, "late_s": 2.0, **more}, urgency=urgency
    )  # type: ignore[arg-type]


def order(queue: Queue, now: float = 0.0) -> str:
    taken = []
    while (found := queue.take(now)) is not None:
        taken.append(found.device)
    return " ".join(taken)


@pytest.mark.parametrize(
    ("waiting", "goes"),
    [
        ([("a", Urgency.POLL), ("b", Urgency.COMMAND), ("c", Urgency.OFF)], "c b a"),
        ([("a", Urgency.PROBE), ("b", Urgency.POLL)], "b a"),
        ([("a", Urgency.COMMAND), ("b", Urgency.COMMAND)], "a b"),
        ([("a", Urgency.OFF), ("b", Urgency.OFF)], "a b"),
        ([("a", Urgency.POLL), ("a", Urgency.POLL), ("b", Urgency.POLL)], "a b a"),
    ],
)
def test_urgency_then_turns(waiting: list[tuple[str, Urgency]], goes: str) -> None:
    queue = Queue(nameless=False)
    for device, urgency in waiting:
        queue.put(demand(device, urgency), 0.0)
    assert order(queue) == goes


def test_who_was_served_last_waits_longest() -> None:
    queue = Queue(nameless=False)
    served = []
    for _ in range(3):
        for device in "abc":
            queue.put(demand(device), 0.0)
    for _ in range(9):
        found = queue.take(0.0)
        assert found is not None
        served.append(found.device)
    assert served == ["a", "b", "c"] * 3


def test_a_device_that_wants_its_distance_gets_it() -> None:
    queue = Queue(nameless=False)
    slow = demand("a", pause_s=0.05)
    queue.answered(slow, 9.9, 10.0)
    queue.put(slow, 10.0)
    queue.put(demand("b"), 10.0)
    assert order(queue, 10.0) == "b"
    assert queue.next_at() == pytest.approx(10.05)
    assert order(queue, 10.05) == "a"


def test_the_dead_get_their_share_and_no_more() -> None:
    queue = Queue(nameless=False)
    probe = demand("dead", Urgency.PROBE)
    queue.answered(demand("a"), 98.9, 99.0)
    queue.unanswered(probe, 100.0, 101.0)
    queue.put(probe, 101.0)
    assert order(queue, 101.0 + DEAD_SHARE - 1.01) == ""
    assert order(queue, 101.0 + DEAD_SHARE - 1) == "dead"


def test_where_nobody_lives_the_dead_may_be_looked_for_all_the_time() -> None:
    queue = Queue(nameless=False)
    probe = demand("dead", Urgency.PROBE)
    queue.unanswered(probe, 100.0, 101.0)
    queue.put(probe, 101.0)
    assert order(queue, 101.0) == "dead"


def test_the_dead_are_looked_for_on_the_busiest_bus() -> None:
    queue = Queue(nameless=False)
    queue.put(demand("dead", Urgency.PROBE), 0.0)
    queue.put(demand("b"), PROMOTED_AFTER_S)
    queue.put(demand("b"), PROMOTED_AFTER_S)
    assert order(queue, PROMOTED_AFTER_S).split().index("dead") <= 1


@pytest.mark.parametrize(
    ("nameless", "unit", "request_", "waits"),
    [
        (True, 1, OTHER, True),  # its reply would look like the one that is late
        (True, 1, READ, False),  # a late reply to the very same is true as well
        (True, 1, LONGER, False),
        (True, 2, OTHER, False),
        (True, 1, WRITE, False),  # its echo looks like nothing else
        (False, 1, OTHER, False),  # transaction ids tell them apart
    ],
)
def test_a_reply_that_may_still_come(nameless: bool, unit: int, request_: object, waits: bool) -> None:
    queue = Queue(nameless=nameless)
    queue.unanswered(demand("a", unit=1), 0.0, 1.0)
    queue.put(demand("b", unit=unit, request=request_), 1.0)
    assert (order(queue, 1.0) == "") is waits
    assert queue.next_at() == (2.0 if waits else math.inf)


@pytest.mark.parametrize("contested", [True, False])
def test_after_a_retry_the_line_comes_into_step_again(contested: bool) -> None:
    """The reply to the second request may have been the first one's: then its own is still to come."""
    queue = Queue(nameless=True)
    asked, other = demand("a", unit=1), demand("a", unit=1, request=OTHER)
    if contested:
        queue.put(other, 0.0)
        assert order(queue) == "a"
    queue.unanswered(asked, 0.0, 0.5)
    queue.answered(asked, 0.5, 0.6)
    queue.put(asked, 0.6)
    if not contested:
        assert order(queue, 0.6) == "a"
        return
    queue.put(other, 0.6)
    assert order(queue, 2.4) == ""
    assert order(queue, 2.5) == "a a"
    queue.answered(asked, 2.5, 2.6)
    queue.put(other, 2.6)
    assert order(queue, 2.6) == "a"


def test_nothing_left_of_what_was_dropped_or_cleared() -> None:
    queue = Queue(nameless=True)
    kept, dropped = demand("a"), demand("b")
    queue.put(kept, 0.0)
    queue.put(dropped, 0.0)
    queue.drop(dropped)
    assert queue.clear() == [kept]
    assert queue.next_at() == math.inf


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([Urgency.POLL, Urgency.COMMAND]))))
def test_everything_goes_out_once_commands_first(waiting: list[tuple[str, Urgency]]) -> None:
    """Invariant: what was put is taken, once; no poll before a command; nobody twice while another waits first."""
    queue = Queue(nameless=False)
    put = [demand(device, urgency) for device, urgency in waiting]
    for one in put:
        queue.put(one, 0.0)
    taken = []
    while (found := queue.take(0.0)) is not None:
        taken.append(found)
    assert set(map(id, taken)) == set(map(id, put))
    urgencies = [one.urgency for one in taken]
    assert urgencies == sorted(urgencies)
