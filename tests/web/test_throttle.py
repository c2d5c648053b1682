"""How often a password may be tried, and how long a session lasts: on a clock of the tests."""

from pathlib import Path

import pytest

from bridge.datastore.clock import ManualClock
from bridge.outlets.web import throttle as throttling
from bridge.outlets.web.passwords import Hashed, PasswordBook, Role
from bridge.outlets.web.sessions import IDLE_S, LONGEST_S, SESSIONS_MAX, Sessions
from bridge.outlets.web.throttle import BURST, EVERY_S, FREE, Throttle

KEPT = Hashed(b"salt", b"hash")


async def test_each_wrong_password_costs_more() -> None:
    clock = ManualClock()
    throttle = Throttle(clock)
    waits = []
    for _ in range(FREE + 12):
        waits.append(throttle.wait_s("10.0.0.1"))
        await clock.advance(waits[-1])
        throttle.tried("10.0.0.1")
    assert waits[:FREE] == [0.0] * FREE
    assert waits[FREE:] == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900])


def test_another_address_does_not_wait() -> None:
    throttle = Throttle(ManualClock())
    for _ in range(FREE):
        throttle.tried("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") > 0
    assert throttle.wait_s("10.0.0.2") == 0


def test_a_network_of_ipv6_is_one_guesser() -> None:
    throttle = Throttle(ManualClock())
    for number in range(FREE):
        throttle.tried(f"2001:db8::{number}")
    assert throttle.wait_s("2001:db8::ffff") > 0
    assert throttle.wait_s("2001:db8:0:1::1") == 0


def test_many_addresses_together_wait_too() -> None:
    throttle = Throttle(ManualClock())
    for number in range(BURST):
        assert throttle.wait_s(f"10.0.0.{number}") == 0
        throttle.tried(f"10.0.0.{number}")
    assert throttle.wait_s("10.0.1.1") == pytest.approx(EVERY_S)


def test_the_right_password_forgets_the_wrong_ones() -> None:
    throttle = Throttle(ManualClock())
    for _ in range(FREE):
        throttle.tried("10.0.0.1")
    throttle.right("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") == 0


def test_the_longest_pause_is_bounded() -> None:
    throttle = Throttle(ManualClock())
    for _ in range(1000):
        throttle.tried("10.0.0.1")
    assert throttling.LONGEST_S <= throttle.wait_s("10.0.0.1") <= 1000 * EVERY_S


@pytest.mark.parametrize(("pause_s", "lives"), [(IDLE_S - 1, True), (IDLE_S + 1, False)])
async def test_a_session_ends_when_it_is_not_used(pause_s: float, lives: bool) -> None:
    clock = ManualClock()
    sessions = Sessions(clock)
    token, _ = sessions.begin(Role.VIEWER, KEPT)
    await clock.advance(pause_s)
    assert (sessions.find(token) is not None) is lives


async def test_a_session_ends_at_all() -> None:
    clock = ManualClock()
    sessions = Sessions(clock)
    token, _ = sessions.begin(Role.VIEWER, KEPT)
    for _ in range(int(LONGEST_S // (IDLE_S / 2))):
        await clock.advance(IDLE_S / 2)
        assert sessions.find(token) is not None
    await clock.advance(1.0)
    assert sessions.find(token) is None


def test_sessions_are_bounded() -> None:
    sessions = Sessions(ManualClock())
    first, _ = sessions.begin(Role.VIEWER, KEPT)
    for _ in range(SESSIONS_MAX):
        sessions.begin(Role.VIEWER, KEPT)
    assert len(sessions) == SESSIONS_MAX
    assert sessions.find(first) is None


def test_the_true_cost_of_a_password(tmp_path: Path) -> None:
    book = PasswordBook(tmp_path)
    book.set(Role.VIEWER, "correct horse")
    kept = book.matches(Role.VIEWER, "correct horse")
    assert kept is not None
    # OWASP Password Storage Cheat Sheet: N=2^14, r=8, p=5
    assert (kept.n, kept.r, kept.p) == (1 << 14, 8, 5)
    assert book.matches(Role.VIEWER, "correct horsE") is None
    assert book.matches(Role.OPERATOR, "correct horse") is None
    assert book.matches(Role.VIEWER, "") is None
