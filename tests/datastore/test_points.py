"""Freshness: what was heard is believed for its time, and never longer."""

import logging
import math

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Quality, Reading, Value
from tests.datastore.rig import GROUPS, POINTS, Rig

A, B = PointSpec("/A"), PointSpec("/B")


class Watched(Rig):
    """A rig that notes what is announced."""

    def __init__(self) -> None:
        super().__init__()
        self.device.declare([A, B, *POINTS], [*GROUPS, GroupSpec("other", 5.0)], [["essential"]])
        self.told: list[set[str]] = []
        self.device.changed.connect(lambda paths: self.told.append(set(paths)))

    def announced(self) -> set[str]:
        told, self.told = self.told, []
        return set().union(*told)


@pytest.mark.parametrize(
    ("published", "value", "quality"),
    [
        (1.5, 1.5, Quality.OK),
        (0, 0, Quality.OK),
        (True, 1, Quality.OK),
        (None, None, Quality.ABSENT),
        (math.nan, None, Quality.ABSENT),
        (-math.inf, None, Quality.ABSENT),
        ("text", None, Quality.ABSENT),
    ],
)
def test_published(published: Value | None, value: Value | None, quality: Quality) -> None:
    rig = Watched()
    rig.device.publish("essential", {"/A": published})
    assert rig.device.reading("/A") == Reading(value, quality, 0.0)


def test_a_value_of_the_wrong_type_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Watched()
    for _ in range(3):
        rig.device.publish("essential", {"/A": "x"})
    assert [r.levelno for r in caplog.records if "wrong" in r.message or "published" in r.message] == [
        logging.ERROR
    ]


async def test_a_point_is_stale_at_its_time_even_when_nobody_watches() -> None:
    rig = Watched()
    rig.device.publish("essential", {"/A": 1})
    await rig.clock.advance(4.9)
    assert rig.device.value("/A") == 1
    assert rig.device.alive
    await rig.clock.advance(0.2)
    assert rig.device.reading("/A") == Reading(None, Quality.STALE, pytest.approx(5.1))
    assert not rig.device.alive


async def test_staleness_is_announced_once_and_so_is_the_return() -> None:
    rig = Watched()
    rig.device.publish("essential", {"/A": 1, "/B": 2})
    assert rig.announced() == {"/A", "/B"}
    rig.device.publish("essential", {"/A": 1, "/B": 2})
    assert rig.announced() == set()
    await rig.clock.advance(6)
    rig.device.expire()
    assert rig.announced() == {"/A", "/B"}
    rig.device.expire()
    assert rig.announced() == set()
    rig.device.publish("essential", {"/A": 1, "/B": 2})
    assert rig.announced() == {"/A", "/B"}


@pytest.mark.parametrize("swept", [True, False])
async def test_a_reviving_batch_does_not_revive_what_it_does_not_bring(swept: bool) -> None:
    rig = Watched()
    rig.device.publish("essential", {"/A": 1, "/B": 2})
    await rig.clock.advance(60)
    if swept:
        rig.device.expire()
    rig.announced()
    rig.device.publish("essential", {"/A": 1})
    assert rig.device.reading("/A").quality is Quality.OK
    assert rig.device.reading("/B") == Reading(None, Quality.STALE)
    assert rig.announced() == ({"/A"} if swept else {"/A", "/B"})
    rig.device.publish("essential", {"/B": 2})
    assert rig.device.value("/B") == 2
    assert rig.announced() == {"/B"}


async def test_a_point_ages_with_the_group_that_brought_it_last() -> None:
    rig = Watched()
    rig.device.publish("essential", {"/A": 1})
    rig.device.publish("slow", {"/A": 1})
    await rig.clock.advance(30)
    rig.device.expire()
    assert rig.device.value("/A") == 1
    rig.device.publish("other", {"/A": 2})
    await rig.clock.advance(6)
    assert rig.device.value("/A") is None


def test_another_device_on_the_port_leaves_nothing_of_the_former() -> None:
    rig = Watched()
    rig.device.publish("essential", {"/A": 1, "/B": 2})
    rig.device.publish("set", {"/Fan": 50})
    rig.announced()
    rig.device.forget()
    assert rig.announced() == {"/A", "/B", "/Fan"}
    assert not rig.device.alive
    rig.device.publish("essential", {"/A": 7})
    rig.device.publish("set", {})
    assert [rig.device.value(path) for path in ("/A", "/B", "/Fan")] == [7, None, None]


@pytest.mark.parametrize("batch", [("nowhere", {"/A": 5}), ("essential", {"/A": 5, "/Nowhere": 1})])
def test_a_batch_with_something_undeclared_is_not_taken_at_all(batch: tuple[str, dict[str, Value]]) -> None:
    rig = Watched()
    with pytest.raises(KeyError):
        rig.device.publish(*batch)
    assert rig.device.reading("/A").quality is Quality.STALE
    assert not rig.device.alive


def test_points_declared_again_keep_their_values_and_the_others_are_told_as_stale() -> None:
    rig = Watched()
    rig.device.publish("essential", {"/A": 1, "/B": 2})
    rig.announced()
    qualities = []
    rig.device.changed.connect(
        lambda paths: qualities.extend(rig.device.reading(p).quality for p in paths if p == "/B")
    )
    rig.device.declare([A], GROUPS, [["essential"]])
    assert rig.device.value("/A") == 1
    assert not rig.device.has("/B")
    assert qualities == [Quality.STALE]
    assert "/B" in rig.announced()


def test_a_point_declared_again_with_another_type_starts_anew() -> None:
    rig = Watched()
    rig.device.publish("essential", {"/A": 1})
    rig.device.declare([PointSpec("/A", text=True), B], GROUPS, [["essential"]])
    assert rig.device.reading("/A").quality is Quality.STALE


@pytest.mark.parametrize(
    ("heard", "alive"),
    [({"x"}, False), ({"x", "y"}, True), ({"x", "z"}, True), ({"y", "z"}, False), (set(), False)],
)
def test_every_clause_needs_one_of_its_groups(heard: set[str], alive: bool) -> None:
    rig = Rig()
    rig.device.declare([A], [GroupSpec(name) for name in "xyz"], [["x"], ["y", "z"]])
    for name in sorted(heard):
        rig.device.publish(name, {})
    assert rig.device.alive is alive


async def test_the_age_is_that_of_the_oldest_clause() -> None:
    rig = Rig()
    rig.device.declare([A], [GroupSpec(name, 60.0) for name in "xyz"], [["x"], ["y", "z"]])
    assert rig.device.status().age_s is None
    rig.device.publish("x", {})
    rig.device.publish("y", {})
    await rig.clock.advance(3)
    rig.device.publish("z", {})
    rig.device.publish("y", {})
    await rig.clock.advance(1)
    assert rig.device.status().age_s == pytest.approx(4)


def test_a_device_that_was_never_declared_is_not_alive() -> None:
    store = Datastore(ManualClock(), StateStore())
    assert not store.add("blank").alive


def test_a_device_without_essential_groups_is_always_alive() -> None:
    rig = Rig()
    rig.device.declare([A], [GroupSpec("own", None)], ())
    assert rig.device.alive
    rig.device.publish("own", {"/A": 1})
    assert rig.device.link is LinkState.ONLINE


def test_a_clause_of_unknown_groups_is_an_error_of_the_adapter() -> None:
    with pytest.raises(KeyError):
        Rig().device.declare([A], [GroupSpec("x")], [["y"]])
