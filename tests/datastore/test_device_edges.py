"""A device at the very moment something is over, and what listeners hear of a change."""

import logging
import math

import pytest

from bridge.datastore.holds import RESUME_WITHIN_S
from bridge.datastore.points import GroupSpec, PointTable
from bridge.datastore.refusals import NotWritable, ValueRefused, WriteRefusal
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.values import Identity, LinkState, Quality, Reading
from tests.datastore.rig import GROUPS, POINTS, Rig


def test_a_device_nobody_has_heard_of_yet() -> None:
    rig = Rig()
    status = rig.device.status()
    assert (status.link, status.age_s, status.attempts, status.newest) == (LinkState.STARTING, None, 0, None)
    assert (status.errors, status.uptime_s, status.set_points) == (0, 0.0, 0)
    assert rig.device.link_words == ""
    assert rig.device.owner_wrote_at == -math.inf
    assert rig.device.next_deadline() == math.inf


async def test_at_the_moment_its_time_is_over_a_value_is_stale_and_the_device_silent() -> None:
    rig = Rig()
    await rig.hear()
    await rig.clock.advance(4.999)
    rig.device.expire()
    assert rig.device.reading("/Volts").quality is Quality.OK
    assert rig.device.values(["/Volts", "/Max"]) == [13.2, None]
    assert rig.device.alive
    await rig.clock.advance(0.001)
    assert rig.clock.monotonic() == rig.device.alive_until
    assert rig.device.reading("/Volts").quality is Quality.STALE
    assert rig.device.values(["/Volts", "/Max"]) == [None, None]
    assert not rig.device.alive
    told = []
    rig.device.changed.connect(lambda paths: told.extend(paths))
    rig.device.expire()
    assert told == ["/Volts"]
    assert rig.device.link is LinkState.SILENT


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (13.2, 13.2, []),
        (13.2, 13.3, ["/Volts"]),
        (13.0, 13, ["/Volts"]),
        (13.2, None, ["/Volts"]),
        (None, None, []),
    ],
)
def test_listeners_hear_of_what_is_new_while_a_group_is_fresh(
    before: float | None, after: float | None, told: list[str]
) -> None:
    rig = Rig()
    rig.device.publish("essential", {"/Volts": before})
    heard: list[str] = []
    rig.device.changed.connect(heard.extend)
    rig.device.publish("essential", {"/Volts": after})
    assert heard == told


def test_listeners_hear_of_a_declaration() -> None:
    rig = Rig()
    heard: list[str] = []
    rig.device.changed.connect(heard.extend)
    rig.device.declare(POINTS, GROUPS, [["essential"]])
    assert heard == [spec.path for spec in POINTS]


def test_declared_again_a_point_has_its_new_rules_and_a_group_its_new_time() -> None:
    rig = Rig()
    rig.device.publish("essential", {"/Volts": 13.2})
    rig.device.declare([PointSpec("/Volts", "mV")], [GroupSpec("essential", 2.0)], [["essential"]])
    assert rig.device.spec("/Volts").unit_of_measure == "mV"
    assert rig.device.value("/Volts") == 13.2
    assert rig.device.alive_until == rig.clock.monotonic() + 2


async def test_the_same_link_state_again_keeps_its_time_and_tells_nobody() -> None:
    rig = Rig()
    told: list[LinkState] = []
    rig.device.link_changed.connect(told.append)
    await rig.hear()
    await rig.clock.advance(3)
    rig.device.set_link(LinkState.ONLINE, "through the other port")
    assert rig.device.status().uptime_s == 3
    assert rig.device.link_words == "through the other port"
    assert told == [LinkState.ONLINE]
    rig.device.set_link(LinkState.ASLEEP)
    assert rig.device.link_words == ""
    assert rig.device.status().uptime_s == 0


async def test_the_time_of_a_link_begins_with_its_state() -> None:
    rig = Rig()
    await rig.clock.advance(100)
    await rig.hear()
    await rig.clock.advance(2)
    assert rig.device.status().uptime_s == 2


@pytest.mark.parametrize(
    ("link", "level"),
    [
        (LinkState.ONLINE, logging.INFO),
        (LinkState.NIGHT, logging.INFO),
        (LinkState.SILENT, logging.WARNING),
        (LinkState.PORT_MISSING, logging.WARNING),
    ],
)
def test_only_a_fault_of_the_link_is_a_warning(
    link: LinkState, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    Rig().device.set_link(link)
    assert [record.levelno for record in caplog.records] == [level]


def test_what_was_learnt_is_known_and_told() -> None:
    rig = Rig()
    told: list[Identity] = []
    rig.device.learnt.connect(told.append)
    rig.device.learn(Identity(serial="HQ1", product="ac_charger"))
    assert rig.device.identity == Identity(serial="HQ1", product="ac_charger")
    assert told == [rig.device.identity]


def test_a_forgotten_value_has_no_age_and_the_device_no_life() -> None:
    rig = Rig()
    rig.device.publish("essential", {"/Volts": 13.2})
    rig.device.forget()
    assert rig.device.reading("/Volts") == Reading(None, Quality.STALE, None)
    assert rig.device.status().age_s is None
    assert not rig.device.alive
    assert rig.device.next_deadline() == math.inf


class TestClauses:
    """What proves a device alive: every clause, by any of its groups."""

    def table(self, *clauses: list[str]) -> PointTable:
        table = PointTable()
        groups = [GroupSpec("text", 5.0), GroupSpec("asyncs", 10.0), GroupSpec("slow", 60.0)]
        table.declare([PointSpec(f"/{g.name}") for g in groups], groups, clauses)
        return table

    def test_a_group_of_any_clause_is_essential(self) -> None:
        table = self.table(["text", "asyncs"], ["slow"])
        assert [table.is_essential(name) for name in ("text", "asyncs", "slow")] == [True] * 3
        assert not self.table(["text"]).is_essential("slow")
        assert self.table().is_essential("slow")

    def test_a_clause_lives_by_its_freshest_group_and_is_as_old_as_that(self) -> None:
        table = self.table(["text", "asyncs"])
        table.publish("asyncs", {"/asyncs": 1}, 100.0)
        table.publish("text", {"/text": 1}, 103.0)
        assert table.alive_until == 110
        assert table.alive_age(104.0) == 1

    def test_every_clause_is_needed(self) -> None:
        table = self.table(["text"], ["slow"])
        table.publish("text", {"/text": 1}, 100.0)
        assert table.alive_until == -math.inf
        assert table.alive_age(101.0) is None
        table.publish("slow", {"/slow": 1}, 102.0)
        assert table.alive_until == 105
        assert table.alive_age(104.0) == 4

    def test_a_clause_of_no_groups_is_never_met(self) -> None:
        assert self.table([]).alive_until == -math.inf

    def test_the_next_to_become_stale_is_the_soonest(self) -> None:
        table = self.table(["text"])
        table.publish("slow", {"/slow": 1}, 100.0)
        table.publish("text", {"/text": 1}, 101.0)
        assert table.next_deadline() == 106
        assert table.expire(105.9) == []
        assert table.expire(106.0) == ["/text"]
        assert table.next_deadline() == 160


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (1.0, 1.24, True),
        (1.0, 1.25, False),  # half a step is another value
        (1.25, 1.0, False),
        (None, None, True),
        (1.0, None, False),
        (None, 1.0, False),
        ("a", "a", True),
        ("a", 1.0, False),
        (1.0, "a", False),
    ],
)
def test_half_a_step_is_another_value(a: float | str | None, b: float | str | None, same: bool) -> None:
    assert PointSpec("/X", step=0.5).same(a, b) is same


@pytest.mark.parametrize(
    ("value", "live_minimum", "live_maximum", "taken"),
    [
        (5, None, None, True),
        (4.99, None, None, False),
        (60, None, None, True),
        (60.01, None, None, False),
        (6, 6.0, None, True),
        (5.5, 6.0, None, False),
        (4.5, 4.0, None, False),  # learnt limits only narrow
        (32, None, 32.0, True),
        (33, None, 32.0, False),
        (61, None, 80.0, False),
        (2**64, None, None, False),
    ],
)
def test_the_narrower_of_two_limits_counts_and_belongs_to_the_range(
    value: float, live_minimum: float | None, live_maximum: float | None, taken: bool
) -> None:
    fault = PointSpec("/X", minimum=5, maximum=60).fault(value, live_minimum, live_maximum)
    assert (fault is None) is taken


@pytest.mark.parametrize(("value", "taken"), [(2**64, True), (2**64 + 1, False), (-(2**64), True)])
def test_the_largest_whole_number(value: int, taken: bool) -> None:
    assert (PointSpec("/X").fault(value, None, None) is None) is taken


def test_faults_of_the_line_add_up() -> None:
    rig = Rig()
    rig.device.count_error()
    rig.device.count_error(3)
    rig.device.count_error()
    assert rig.device.status().errors == 5


def test_all_declared_points_are_named() -> None:
    assert list(Rig().device.paths) == [spec.path for spec in POINTS]


def test_a_site_that_says_nothing_resumes_set_points_for_a_day() -> None:
    assert RESUME_WITHIN_S == 24 * 3600


def test_a_point_of_which_nothing_is_said() -> None:
    spec = PointSpec("/X")
    assert (spec.unit_of_measure, spec.step, spec.confirm_s, spec.off, spec.choices) == (
        "",
        0.0,
        0.4,
        None,
        None,
    )
    assert (spec.writable, spec.text, spec.nonvolatile, spec.held, spec.heartbeat) == (False,) * 5
    assert not spec.same(1.0, 1.0001)
    assert GroupSpec("g").stale_after_s == 5.0


@pytest.mark.parametrize(("refusal", "code"), [(WriteRefusal, 4), (NotWritable, 2), (ValueRefused, 3)])
def test_the_exception_codes_of_refusals(refusal: type[WriteRefusal], code: int) -> None:
    assert refusal("/X", "why").exception_code == code


def test_a_lease_may_be_as_short_as_it_likes_but_not_nothing() -> None:
    assert Lease(0.5, 0).seconds == 0.5
    for seconds in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="above zero"):
            Lease(seconds, 0)
    assert [safe.value for safe in Safe] == ["release", "hold"]  # as site files say it
