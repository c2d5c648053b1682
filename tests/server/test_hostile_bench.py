"""The benchmark of hostile clients: what counts as reached, what makes it fail, and one small storm."""

from typing import Any

import pytest

from benchmarks import hostile
from benchmarks.hostile import Storm

GOOD: dict[str, Any] = {
    "what": "noise", "sent": 10, "wanted_sent": 10, "ratio": 3.0, "kept_mib": 5.0, "descriptors": 0,
    "connections": -1, "tasks": 0, "errors": 0, "kinds": {}, "left_open": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "reached", "status"),
    [
        ({}, True, 0),
        ({"sent": 9}, False, 0),
        ({"ratio": 3.01}, False, 0),
        ({"ratio": float("nan")}, False, 0),
        ({"kept_mib": 5.1}, False, 0),
        ({"connections": 1}, False, 0),
        ({"tasks": 1}, False, 0),
        ({"descriptors": 1, "left_open": {"socket": 1}}, False, 1),
        ({"errors": 1, "kinds": {"another reply": 1}}, False, 1),
    ],
    ids=lambda value: "-".join(value) or "good" if isinstance(value, dict) else "",
)
def test_what_is_reached_and_what_fails(found: dict[str, Any], reached: bool, status: int) -> None:
    row = GOOD | found
    assert (hostile.reached(row), hostile.told_wrong([row])) == (reached, status)


def test_a_small_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile, "REST_S", 1.0)
    with hostile.served() as bridge:
        row = hostile.weathered(bridge, Storm("a crowd", "crowd", "tcp", 100), rounds=1, quiet_s=0.2)
    assert (row["sent"], row["errors"], row["connections"]) == (100, 0, 0), row
    assert row["reads"] > 0
    # The audit's file, opened for the first who is turned away, stays open.
    assert all(name.endswith("/audit.jsonl") for name in row["left_open"]), row
