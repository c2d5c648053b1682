"""Who is believed to be on a VE.Direct port, and after how much proof."""

import pytest

from bridge.adapters.vedirect.identity import IdentityLock, Sender, Verdict, product_class, sender_of
from bridge.adapters.vedirect.plausible import VOLTAGE, LeapFilter
from bridge.adapters.vedirect.product import firmware
from bridge.adapters.vedirect.restarts import RestartWatch
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore

A, B = Sender(0xA334, "HQ1"), Sender(0xA334, "HQ2")
U, OK, NO = Verdict.UNPROVEN, Verdict.ACCEPTED, Verdict.WRONG


@pytest.mark.parametrize(
    ("pinned", "remembered", "heard", "verdicts"),
    [
        (None, None, [A, A, A, A], [U, U, OK, OK]),
        (None, None, [A, A, B, A, A, A], [U, U, U, U, U, OK]),  # noise in between starts the proof anew
        (None, "HQ1", [A, A], [OK, OK]),  # a remembered one shows its name once
        (None, "HQ1", [B, B, B, B], [U, U, NO, NO]),
        (None, "HQ1", [A, B, A, B, A], [OK, U, OK, U, OK]),  # a phantom never replaces it
        (None, "HQ1", [A, B, B, B, A], [OK, U, U, NO, OK]),
        ("HQ2", None, [A, A, A, B, B, B], [U, U, NO, U, U, OK]),
        ("HQ2", "HQ1", [B, B, B], [U, U, OK]),  # the site names a replaced device
        ("HQ2", "HQ1", [A, A, A], [U, U, NO]),
    ],
)
def test_verdicts(
    pinned: str | None, remembered: str | None, heard: list[Sender], verdicts: list[Verdict]
) -> None:
    lock = IdentityLock(pinned, remembered)
    assert [lock.judge(sender) for sender in heard] == verdicts


def test_a_reopened_line_must_show_its_device_again() -> None:
    lock = IdentityLock(None, None)
    for _ in range(3):
        lock.judge(A)
    lock.reopened()
    assert lock.accepted is None
    assert [lock.judge(B) for _ in range(3)] == [U, U, NO]
    assert lock.judge(A) is OK


@pytest.mark.parametrize(
    ("product_id", "labels", "expected"),
    [
        (0xA334, set(), "ac_charger"),
        (0xA30A, set(), "ac_charger"),
        (0xA053, set(), "solar_charger"),
        (0x0300, set(), "solar_charger"),
        (0xA2E2, set(), "inverter"),
        (0xA381, set(), "battery_monitor"),
        (0xA3F0, set(), "dcdc"),
        (0xBEEF, {"VPV", "CS"}, "solar_charger"),
        (0xBEEF, {"CS", "ERR", "V"}, "ac_charger"),
        (0xBEEF, {"V"}, None),
    ],
)
def test_product_class(product_id: int, labels: set[str], expected: str | None) -> None:
    assert product_class(product_id, labels) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"PID": "0xA334", "SER#": "HQ2230XY6XR"}, Sender(0xA334, "HQ2230XY6XR")),
        ({"PID": "0xA334", "SER#": "HQ 22-30\x7f"}, Sender(0xA334, "HQ2230")),  # only [A-Za-z0-9_] is kept
        ({"PID": "0xA334"}, None),
        ({"SER#": "HQ"}, None),
        ({"PID": "zz", "SER#": "HQ"}, None),
        ({"PID": "0xA334", "SER#": "---"}, None),
    ],
)
def test_sender_of(fields: dict[str, str], expected: Sender | None) -> None:
    assert sender_of(fields) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("208", "2.08"), ("C208", "C2.08"), ("0408", "4.08"), ("0123", "1.23"), ("156", "1.56"),
        ("0342FF", "3.42"), ("112FF", "1.12"), ("020801", "2.08-beta-1"),
    ],
)  # fmt: skip
def test_firmware(text: str, expected: str) -> None:
    assert firmware(text) == expected


@pytest.mark.parametrize(
    ("voltages", "passed"),
    [
        ([26.0, 26.1, 25.9], [True, True, True]),
        ([26.0, 260.0, 26.0], [True, False, True]),
        ([26.0, 2.6, 2.6], [True, False, True]),  # told twice, it is true
        ([26.0, 260.0, 2.6, 26.0], [True, False, False, True]),
        ([26.0, None, 26.0], [True, True, True]),
        ([0.0, 26.0, 26.0], [True, False, True]),
    ],
)
def test_a_leap_must_be_told_twice(voltages: list[float | None], passed: list[bool]) -> None:
    leaps = LeapFilter()
    assert [leaps.passes({VOLTAGE: voltage}) for voltage in voltages] == passed


async def test_restarts_are_noticed_by_uptime() -> None:
    clock, state = ManualClock(), StateStore(None)
    watch = RestartWatch(clock, state.memory("charger"))
    assert not watch.reported(1000)
    await clock.advance(100)
    assert not watch.reported(1100)
    await clock.advance(100)
    assert not watch.reported(1198)  # its counter may lag a little
    await clock.advance(10)
    assert watch.reported(3)
    assert not watch.reported(3)


async def test_restarts_are_noticed_over_a_restart_of_the_bridge() -> None:
    clock, state = ManualClock(), StateStore(None)
    RestartWatch(clock, state.memory("charger")).reported(1000)
    await clock.advance(500)
    assert not RestartWatch(clock, state.memory("charger")).reported(1500)
    await clock.advance(500)
    assert RestartWatch(clock, state.memory("charger")).reported(200)
