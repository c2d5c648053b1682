"""Numbers and words that others rely on: the status block, JSON, site files and saved records."""

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.state import RESTORING, StateStore
from bridge.datastore.values import Identity, LinkState, Origin, Outcome, Quality
from bridge.datastore.wear import Verdict, Wear, WearBudget, WearLimits


def test_link_states() -> None:
    assert [(state.value, state.name.lower()) for state in LinkState] == list(
        enumerate(["starting", "online", "asleep", "silent", "port_missing", "wrong_device", "night"])
    )


def test_outcomes_and_their_exception_codes() -> None:
    assert [(outcome.value, outcome.word, outcome.exception_code) for outcome in Outcome] == [
        (1, "confirmed", 0x00),
        (2, "adjusted", 0x04),
        (3, "refused", 0x04),
        (4, "offline", 0x0B),
        (5, "superseded", 0x06),
        (6, "busy", 0x06),
        (7, "timed_out", 0x0B),
        (8, "pending", 0x05),
    ]


def test_qualities() -> None:
    assert [quality.value for quality in Quality] == ["ok", "absent", "stale"]


@pytest.mark.parametrize(
    ("kind", "is_owner"),
    [
        ("modbus", True),
        ("cli", True),
        ("web", True),
        ("mqtt", True),
        ("link", False),
        ("automation", False),
        ("hold", False),
        ("lease", False),
    ],
)
def test_behind_whom_a_person_stands(kind: str, is_owner: bool) -> None:
    assert Origin(kind).is_owner is is_owner
    assert [str(Origin(kind)), str(Origin(kind, "10.0.0.1"))] == [kind, f"{kind}:10.0.0.1"]


def test_a_device_of_which_nothing_is_known() -> None:
    assert Identity() == Identity("", "", None, "", "")


def test_the_wear_limits_of_a_site_that_says_nothing() -> None:
    assert WearLimits() == WearLimits(10, 60.0, 100, 10.0, 200)
    assert WearLimits(refill_s=0.5).refill_s == 0.5


def test_an_account_saved_before_any_lowering_lets_the_first_one_go() -> None:
    clock, state = ManualClock(), StateStore()
    state.put("charger", "wear", {"day": clock.now() // 86400, "time": clock.now(), "tokens": 0})
    assert WearBudget(clock, state.memory("charger")).grant([Wear.LOWER]) == (Verdict.GRANTED, 0.0)


def test_the_sign_of_a_restore_that_was_cut_short() -> None:
    assert RESTORING == "restore-unfinished"  # also what another version of the bridge looks for
