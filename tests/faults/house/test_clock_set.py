"""The wall clock is set while the bridge runs, by an hour or by decades: nothing that waits or ages minds.

A board without a battery begins in 1970 and hears the time minutes later; others are put right by an hour.
"""

import json
from pathlib import Path

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.values import LinkState
from bridge.exchange.topics import Topics
from bridge.outlets.mqtt_points import REFRESH_S, PointTopics
from bridge.outlets.notify import State
from bridge.outlets.web.passwords import Hashed, Role
from bridge.outlets.web.sessions import IDLE_S, Sessions
from bridge.outlets.web.throttle import FIRST_S, FREE, Throttle
from bridge.outlets.web.versions import Versions
from tests.outlets.history_rig import Rig as HistoryRig
from tests.outlets.history_rig import running
from tests.outlets.test_notify import Site

HOUR, DECADES = 3600.0, 53 * 365 * 86_400.0
JUMPS = (HOUR, -HOUR, DECADES, -DECADES)


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_sessions_last_as_long_as_they_should(jump_s: float) -> None:
    clock = ManualClock()
    sessions = Sessions(clock)
    token, session = sessions.begin(Role.OPERATOR, Hashed(b"", b""))
    clock.jump(jump_s)
    assert sessions.find(token) is session
    await clock.advance(IDLE_S - 1)
    assert sessions.find(token) is session
    await clock.advance(IDLE_S + 1)
    assert sessions.find(token) is None


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_guessing_is_held_up_as_long_as_it_should(jump_s: float) -> None:
    clock = ManualClock()
    throttle = Throttle(clock)
    for _ in range(FREE):
        throttle.tried("192.0.2.1")
    clock.jump(jump_s)
    assert throttle.wait_s("192.0.2.1") == pytest.approx(FIRST_S)
    await clock.advance(FIRST_S)
    assert throttle.wait_s("192.0.2.1") == 0


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_messages_say_how_long_it_has_lasted(jump_s: float) -> None:
    site = Site("offline 10 min")
    site.pump.publish("live", {"/Flow": 1})
    await site.look(5)
    site.pump.set_link(LinkState.SILENT)
    await site.look(605)
    site.clock.jump(jump_s)
    assert await site.look(600) == []
    site.pump.set_link(LinkState.ONLINE)
    assert [state for _, state, _ in await site.look(5)] == [State.RESOLVED]
    assert site.told[-1].body == "It has lasted 10 min 5 s."


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_what_a_broker_keeps_is_told_again_when_due_with_its_true_age(jump_s: float) -> None:
    site = Site()
    points = PointTopics(site.datastore, site.clock, Topics("house"))
    site.pump.publish("live", {"/Flow": 1})
    assert [json.loads(one.payload)["age_s"] for one in points.due() if "Flow" in one.topic] == [0.0]
    site.clock.jump(jump_s)
    assert list(points.due()) == []
    await site.clock.advance(REFRESH_S)
    told = [json.loads(one.payload) for one in points.due() if "Flow" in one.topic]
    assert [(one["value"], one["age_s"]) for one in told] == [(1, REFRESH_S)]


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_energies_and_counters_go_on(jump_s: float, tmp_path: Path) -> None:
    async with running(HistoryRig(tmp_path / "h")) as rig:
        await rig.flow(3600, 30)
        rig.clock.jump(jump_s)
        await rig.flow(3600, 30)
    assert await rig.reader.lifetime("pump", "/Ac/Power") == pytest.approx(0.06)


def test_versions_of_the_site_file_stand_in_the_order_in_which_they_were_kept(tmp_path: Path) -> None:
    versions, now = Versions(tmp_path), 1.7e9
    for number, jump_s in enumerate(JUMPS):
        now += jump_s
        versions.keep(f"# {number}\n", now)
    assert [one.text() for one in versions.listed()] == [f"# {number}\n" for number in (3, 2, 1, 0)]
