"""What stands in a line of the audit."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Origin, Outcome, WriteAttempt
from bridge.outlets.audit import Audit

CONFIRMED = WriteAttempt(
    time=1_795_183_503.1234,
    device="charger",
    origin=Origin("modbus", "192.168.1.20"),
    unit=20,
    address=0x3011,
    path="/Settings/ChargeCurrentLimit",
    old=16.0,
    new=20.0,
    outcome=Outcome.CONFIRMED,
    duration_s=0.1234567,
    exception_code=0,
)
NOT_ALLOWED = WriteAttempt(
    time=0.0,
    device="charger",
    origin=Origin("modbus", "192.168.1.99"),
    unit=20,
    address=None,
    path=None,
    old=None,
    new=None,
    outcome=Outcome.REFUSED,
    duration_s=0.0,
    exception_code=1,
    reason="this client may not write",
)


def lines(tmp_path: Path, *attempts: WriteAttempt) -> list[dict[str, Any]]:
    path = tmp_path / "audit.jsonl"
    audit = Audit(path, 1 << 20, 5, ManualClock())
    audit.start()
    for attempt in attempts:
        audit.wrote(attempt)
    audit.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_write(tmp_path: Path) -> None:
    assert lines(tmp_path, CONFIRMED, NOT_ALLOWED) == [
        {
            "event": "write",
            "time": "2026-11-20T14:05:03.123Z",
            "device": "charger",
            "origin": "modbus:192.168.1.20",
            "unit": 20,
            "address": 12305,
            "path": "/Settings/ChargeCurrentLimit",
            "old": 16.0,
            "new": 20.0,
            "outcome": "confirmed",
            "exception_code": 0,
            "duration_s": 0.123457,
            "reason": "",
        },
        {
            "event": "write",
            "time": "1970-01-01T00:00:00.000Z",
            "device": "charger",
            "origin": "modbus:192.168.1.99",
            "unit": 20,
            "address": None,
            "path": None,
            "old": None,
            "new": None,
            "outcome": "refused",
            "exception_code": 1,
            "duration_s": 0.0,
            "reason": "this client may not write",
        },
    ]


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_word(tmp_path: Path, outcome: Outcome) -> None:
    attempt = WriteAttempt(0.0, "pump", Origin("hold"), None, None, "/Mode", 1, 4, outcome, 0.0, 0)
    assert lines(tmp_path, attempt)[0]["outcome"] == outcome.name.lower()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, 1),
        (-0.5, -0.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ('two\nlines \u2028 "quoted" \\ \x00 ü', 'two\nlines \u2028 "quoted" \\ \x00 ü'),
        ("\udcff", "\udcff"),
        ("x" * 5000, "x" * 1000),
    ],
)
def test_any_value_makes_one_line(tmp_path: Path, value: float | str, written: float | str) -> None:
    attempt = WriteAttempt(
        0.0, "pump", Origin("web", "wim"), 1, 2, "/Name", value, value, Outcome.BUSY, 0.0, 6
    )
    (found,) = lines(tmp_path, attempt)
    assert (found["old"], found["new"]) == (written, written)


def test_whoever_is_turned_away(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "a.log", 1 << 20, 5, ManualClock())
    audit.start()
    audit.turned_away("lan", "203.0.113.7", 12, "this address may not read")
    audit.close()
    found = json.loads((tmp_path / "a.log").read_text())
    assert found.pop("time").endswith("Z")
    assert found == {
        "event": "turned_away",
        "listener": "lan",
        "peer": "203.0.113.7",
        "times": 12,
        "reason": "this address may not read",
    }
