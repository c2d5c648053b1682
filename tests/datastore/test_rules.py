"""What may be written, for every writer alike."""

import math

import pytest

from bridge.datastore.refusals import NotWritable, ValueRefused
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.values import Origin, Outcome, Value, WriteRequest
from tests.datastore.rig import MODBUS, OFF, Rig, running


@pytest.mark.parametrize(
    ("changes", "refusal", "path", "words"),
    [
        ({"/Volts": 1}, NotWritable, "/Volts", "read-only or unknown"),
        ({"/Nowhere": 1}, NotWritable, "/Nowhere", "read-only or unknown"),
        ({"/Mode": 2}, ValueRefused, "/Mode", "found 2, expected one of 1 (on), 4 (off)"),
        ({"/Mode": 1.5}, ValueRefused, "/Mode", "found 1.5"),
        ({"/Limit": 60.1}, ValueRefused, "/Limit", "found 60.1, expected 0 to 60 A"),
        ({"/Limit": -0.1}, ValueRefused, "/Limit", "expected 0 to 60 A"),
        ({"/Limit": math.nan}, ValueRefused, "/Limit", "finite"),
        ({"/Limit": math.inf}, ValueRefused, "/Limit", "finite"),
        ({"/Limit": 10**400}, ValueRefused, "/Limit", "more than 64 bits"),
        ({"/Mode": 10**400}, ValueRefused, "/Mode", "more than 64 bits"),
        ({"/Limit": "ten"}, ValueRefused, "/Limit", "found 'ten', expected a number"),
        ({"/Name": 5}, ValueRefused, "/Name", "found 5, expected text"),
        ({"/Limit": 99, "/Volts": 1}, NotWritable, "/Volts", "read-only"),  # addresses before values
        ({"/Limit": 5, "/Mode": 7}, ValueRefused, "/Mode", "found 7"),
    ],
)
def test_refused(
    changes: dict[str, Value], refusal: type[NotWritable] | type[ValueRefused], path: str, words: str
) -> None:
    with pytest.raises(refusal) as caught:
        Rig().device.check(WriteRequest(changes, MODBUS))
    assert caught.value.path == path
    assert words in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("wish", "taken"),
    [
        ({"/Mode": 0}, {"/Mode": OFF}),
        ({"/Mode": 0.0}, {"/Mode": OFF}),
        ({"/Mode": True}, {"/Mode": 1}),
        ({"/Mode": 4.0}, {"/Mode": OFF}),
        ({"/Limit": 60}, {"/Limit": 60}),
        ({"/Limit": 0}, {"/Limit": 0}),
        ({"/Name": ""}, {"/Name": ""}),
    ],
)
def test_taken(wish: dict[str, Value], taken: dict[str, Value]) -> None:
    changes = Rig().device.check(WriteRequest(wish, MODBUS))
    assert changes == taken
    assert [type(value) for value in changes.values()] == [type(value) for value in taken.values()]


@pytest.mark.parametrize(("value", "allowed"), [(30, True), (30.1, False), (0, True)])
async def test_live_limits_hold_even_while_the_device_is_silent(value: float, allowed: bool) -> None:
    rig = Rig()
    rig.device.publish("slow", {"/Max": 30})
    await rig.clock.advance(600)
    rig.device.expire()
    assert rig.device.value("/Max") is None
    request = WriteRequest({"/Limit": value}, MODBUS)
    if allowed:
        rig.device.check(request)
    else:
        with pytest.raises(ValueRefused, match=r"expected 0 to 30 A"):
            rig.device.check(request)


def test_limits_of_another_device_are_forgotten() -> None:
    rig = Rig()
    rig.device.publish("slow", {"/Max": 10})
    rig.device.forget()
    rig.device.check(WriteRequest({"/Limit": 30}, MODBUS))


def test_switching_off_is_never_outside_the_range() -> None:
    spec = PointSpec("/Limit", "A", writable=True, minimum=3, maximum=12, off=0)
    assert spec.fault(0, None, None) is None
    assert spec.fault(1, None, None) == "/Limit: found 1, expected 3 to 12 A"


def test_a_text_that_could_never_be_stored_or_shown_is_refused() -> None:
    spec = PointSpec("/Name", text=True, writable=True)
    assert spec.fault("Boat \U0001f6a4", None, None) is None
    assert spec.fault("Boat \ud83d", None, None) == (
        "/Name: found 'Boat \\ud83d', expected text without halves of characters"
    )


@pytest.mark.parametrize(("kind", "allowed"), [("link", True), ("modbus", False), ("automation", False)])
def test_a_point_fed_by_a_link_refuses_other_writers(kind: str, allowed: bool) -> None:
    rig = Rig()
    rig.device.fed.add("/Fan")
    request = WriteRequest({"/Fan": 5}, Origin(kind))
    if allowed:
        rig.device.check(request)
    else:
        with pytest.raises(NotWritable, match="fed by a link"):
            rig.device.check(request)


async def test_a_batch_that_contradicts_itself_is_refused_whole_and_told() -> None:
    async with running() as rig:
        with pytest.raises(ValueRefused):
            await rig.write(Mode=1, Limit=0)
        assert rig.adapter.calls == []
        assert [(a.outcome, a.exception_code) for a in rig.attempts] == [(Outcome.REFUSED, 3)] * 2


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_a_lease_without_an_end_cannot_be_made(seconds: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Lease(seconds, Safe.HOLD)


@pytest.mark.parametrize(
    ("step", "a", "b", "same"),
    [
        (0.1, 10.0, 10.04, True),
        (0.1, 10.0, 10.06, False),
        (0.0, 1, 1.0, True),
        (0.0, 1, 1.001, False),
        (0.1, None, 1.0, False),
        (0.1, "a", "a", True),
    ],
)
def test_same_means_within_half_a_device_step(
    step: float, a: Value | None, b: Value | None, same: bool
) -> None:
    assert PointSpec("/X", step=step).same(a, b) is same
