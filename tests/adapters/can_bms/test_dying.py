"""Every way in which the source, the channel or the bridge can die, as a supervising Sunny Island lives it.

The island is simulated with the supervision of SMA's document: its own minute, its switching off.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bridge.adapters.can_bms.simulated_island import Condition, Pack, SupervisedIsland
from bridge.control.links import Link, Links
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import LinkState, Value

from .rig import BLOCK, CCL, CVL, DCL, FRESH, HOLD, SOC, STOPPED, ZERO, Rig, V

#: How late a phase may be seen: the step in which these tests let time pass.
STEP_S = 0.1


class Plant:
    """A rig with an island on its bus, and a shunt that links voltage and state of charge."""

    def __init__(self, rig: Rig, **island: Any) -> None:
        self.rig = rig
        self.island = SupervisedIsland(rig.clock, rig.bus, pack=Pack(soc_pct=60), **island)
        rig.begin_job(self.island.play())

    def begin_shunt(
        self, look: Callable[[], Mapping[str, Value]]
    ) -> "tuple[asyncio.Task[None], asyncio.Task[None]]":
        """Link points to a shunt that speaks once a second; returns what it lives by, and what the links do."""
        datastore, points = self.rig.datastore, tuple(look())
        shunt = datastore.devices.get("shunt") or datastore.add("shunt")
        shunt.declare([PointSpec(path) for path in points], [GroupSpec("text", 5.0)], [["text"]])
        links = Links(datastore, [Link("shunt", path, "si_bms", path) for path in points], self.rig.clock)

        async def speak() -> None:
            while True:
                shunt.publish("text", look())
                await self.rig.clock.sleep(1.0)

        linking = self.rig.begin_job(links.run())
        return self.rig.begin_job(speak()), linking

    async def phases(self, seconds: float) -> list[tuple[float, Value | None]]:
        """Let time pass; returns each phase as it begins, with the seconds from now."""
        began, seen = self.rig.clock.monotonic(), [(0.0, self.rig.phase)]
        while (passed := self.rig.clock.monotonic() - began) < seconds:
            if self.rig.phase != seen[-1][1]:
                seen.append((passed, self.rig.phase))
            await self.rig.clock.advance(STEP_S)
        return seen


def check_times(seen: list[tuple[float, Value | None]], expected: list[tuple[float, int]]) -> None:
    assert [phase for _, phase in seen] == [phase for _, phase in expected]
    for (at, phase), (due, _) in zip(seen, expected, strict=True):
        assert due - STEP_S <= at <= due + 2 * STEP_S, f"phase {phase} came after {at:.2f} s, not {due} s"


async def test_a_writer_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        plant = Plant(rig)
        await rig.sending()
        await rig.write(BLOCK)
        written = rig.clock.monotonic()
        seen = await plant.phases(80)
        check_times(seen, [(0.0, FRESH), (30.0, HOLD), (40.0, ZERO), (70.0, STOPPED)])
        assert rig.sent()[-1][0] == pytest.approx(written + 70, abs=1.0)
        assert plant.island.condition is Condition.RUNNING
        await rig.until(lambda: plant.island.error == 952, 60)
        assert rig.clock.monotonic() - rig.sent(0x355)[-1][0] == pytest.approx(61, abs=1.5)
        await rig.write(BLOCK)
        await rig.until(lambda: rig.phase == FRESH, 2)
        await rig.until(lambda: plant.island.condition is Condition.RUNNING, 3)
        assert plant.island.values["soc_pct"] == 64.0


async def test_what_the_island_hears_in_each_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        plant = Plant(rig)
        island = plant.island
        await rig.sending()
        began = rig.clock.monotonic()
        found: dict[int, tuple[float, float, float, bool]] = {}
        while rig.clock.monotonic() - began < 69:
            await rig.clock.advance(1.0)
            values = island.values
            found[int(rig.value("/Bms/Phase") or 0)] = (
                values["charge_voltage_limit_v"],
                values["charge_current_limit_a"],
                values["soc_pct"],
                "bms_internal" in island.warned,
            )
        assert found == {
            FRESH: (56.0, 100.0, 64.0, False),
            HOLD: (56.0, 100.0, 64.0, True),
            ZERO: (56.0, 0.0, 64.0, True),
        }
        assert not island.raised
        assert not island.strangers
        assert not island.rejected


@pytest.mark.parametrize("dying", ["the shunt", "the link"])
async def test_a_linked_source_that_dies(monkeypatch: pytest.MonkeyPatch, dying: str) -> None:
    """Voltage and state of charge come from a shunt, the limits from a writer who goes on."""
    async with Rig(monkeypatch) as rig:
        plant = Plant(rig)
        shunt, link = plant.begin_shunt(lambda: {V: 53.2, SOC: 64.0})
        limits = {CVL: 56.0, CCL: 100.0, DCL: 120.0}
        await rig.clock.advance(4)
        await rig.write(limits)
        await rig.until(lambda: rig.phase == FRESH, 5)
        await rig.until(lambda: (rig.device.fed_at(V) or 0) >= rig.clock.monotonic() - STEP_S, 3)
        (shunt if dying == "the shunt" else link).cancel()

        async def write_on() -> None:
            while True:
                rig.begin(limits)
                await rig.clock.sleep(5)

        rig.begin_job(write_on())
        seen = await plant.phases(55)
        check_times(seen, [(0.0, FRESH), (5.0, HOLD), (15.0, ZERO), (45.0, STOPPED)])
        plant.begin_shunt(lambda: {V: 53.0, SOC: 63.0})
        await rig.until(lambda: rig.phase == FRESH, 3)
        await rig.until(lambda: plant.island.values["soc_pct"] == 63.0, 3)


async def test_a_writer_that_dies_while_the_link_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        plant = Plant(rig)
        plant.begin_shunt(lambda: {V: 53.2, SOC: 64.0})
        await rig.clock.advance(4)
        await rig.write({CVL: 56.0, CCL: 100.0, DCL: 120.0})
        await rig.clock.advance(0)
        seen = await plant.phases(80)
        check_times(seen, [(0.0, FRESH), (30.0, HOLD), (40.0, ZERO), (70.0, STOPPED)])


async def test_stop_at_once_where_the_site_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, on_stale="stop") as rig:
        plant = Plant(rig)
        await rig.sending()
        await rig.write(BLOCK)
        check_times(await plant.phases(40), [(0.0, FRESH), (30.0, STOPPED)])


async def test_other_times_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, watchdog=10, phases={"hold": 5, "zero": 8}) as rig:
        plant = Plant(rig)
        await rig.sending()
        await rig.write(BLOCK)
        check_times(await plant.phases(30), [(0.0, FRESH), (10.0, HOLD), (15.0, ZERO), (23.0, STOPPED)])


async def test_the_adapter_is_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        plant = Plant(rig)
        await rig.sending()
        rig.bus.unplug()
        await rig.clock.advance(0)
        assert rig.phase == STOPPED
        assert rig.device.link is LinkState.PORT_MISSING
        assert (await rig.write({CCL: 20.0}))[0] == {"offline"}
        sent = len(rig.sent())
        await rig.clock.advance(20)
        assert len(rig.sent()) == sent
        assert not rig.device.alive
        rig.bus.replug()
        took = await rig.until(lambda: len(rig.sent()) > sent, 20)
        assert took <= 12  # reopening, its settling, and listening first
        assert rig.phase == FRESH  # what was written has not run out meanwhile
        await rig.until(lambda: rig.device.link is LinkState.ONLINE, 2)
        assert plant.island.history == []


async def test_unplugged_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        plant = Plant(rig)
        await rig.sending()
        rig.bus.unplug()
        gone = rig.clock.monotonic()
        await rig.until(lambda: plant.island.error == 952, 70)
        assert rig.clock.monotonic() - gone == pytest.approx(61, abs=2)
        assert plant.island.values["soc_pct"] == 0.0
        rig.bus.replug()
        await rig.clock.advance(15)
        assert rig.phase == STOPPED  # the last write has run out: nothing old is sent
        await rig.write(BLOCK)
        await rig.until(lambda: plant.island.condition is Condition.RUNNING, 3)


async def test_the_bridge_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No farewell, nothing more on the bus: the island's own supervision acts, and then its protection."""
    async with Rig(monkeypatch) as rig:
        plant = Plant(rig)
        await rig.sending()
        for task in rig.tasks[:3]:
            task.cancel()
        await rig.clock.advance(0)
        killed, sent = rig.clock.monotonic(), len(rig.sent())
        await rig.clock.advance(500)
        assert len(rig.sent()) == sent
        history = [(round(time - killed), what) for time, what in plant.island.history]
        assert [what for _, what in history] == ["standby 952", "off 952"]
        assert history[0][0] in (60, 61, 62)
        assert 357 <= history[1][0] <= 365  # five minutes at a state of charge of 0


async def test_a_restarted_bridge_sends_a_whole_set_within_20_s(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        plant = Plant(rig)
        await rig.sending()
    async with Rig(monkeypatch, state=rig.state, bus=rig.bus, clock=rig.clock) as again:
        began, before = again.clock.monotonic(), len(again.sent())
        while len({f.id for _, f in again.sent()[before:]}) < 6:
            assert again.clock.monotonic() - began < 20
            again.begin(BLOCK)
            await again.clock.advance(1.0)
        assert again.clock.monotonic() - began <= 20
        assert plant.island.history == []


async def test_an_orderly_stop_says_zero_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.sending()
        before = len(rig.sent())
        leaving = asyncio.create_task(rig.adapter.leave())
        took = await rig.until(leaving.done, 5, 0.02)
        assert took < 3  # a stop does not wait longer
        await rig.clock.advance(30)
        rest = rig.sent()[before:]
        assert [frame.id for _, frame in rest] == 2 * [0x351, 0x355, 0x356, 0x35A, 0x35E, 0x35F]
        assert {frame.data.hex() for _, frame in rest if frame.id == 0x351} == {"3002000000009a01"}
        assert min(b[0] - a[0] for a, b in itertools.pairwise(rest)) >= 0.1 - 1e-6


async def test_a_stop_of_one_that_is_silent_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.clock.advance(10)
        await rig.adapter.leave()
        await rig.clock.advance(5)
        assert rig.sent() == []


async def test_nothing_is_sent_before_one_whole_fresh_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.clock.advance(5)
        for path, value in list(BLOCK.items())[:-1]:
            assert (await rig.write({path: value}))[0] == {"confirmed"}
            await rig.clock.advance(2)
            assert rig.value(path) == value
        assert (rig.sent(), rig.phase) == ([], STOPPED)
        await rig.write({DCL: 120.0})
        await rig.clock.advance(1.0)
        assert {frame.id for _, frame in rig.sent()} == {0x351, 0x355, 0x356, 0x35A, 0x35E, 0x35F}


async def test_the_bus_is_listened_to_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.write(BLOCK)
        await rig.clock.advance(2.5)
        assert rig.sent() == []
        await rig.until(lambda: bool(rig.sent()), 5)


async def test_frames_keep_their_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linked values that change every second: each frame stays within a twentieth of its second."""
    async with Rig(monkeypatch, charge_control={}) as rig:
        plant = Plant(rig, sun_w=2000.0)
        pack = plant.island.pack
        plant.begin_shunt(lambda: {V: round(pack.voltage_v, 2), SOC: round(pack.soc_pct, 2)})
        await rig.until(lambda: rig.phase == FRESH, 10)
        began = rig.clock.monotonic()
        await rig.clock.advance(120)
        for frame_id in (0x351, 0x355, 0x356, 0x35A):
            at = [time for time, _ in rig.sent(frame_id, since=began + 1)]
            gaps = [b - a for a, b in itertools.pairwise(at)]
            assert len(gaps) > 115
            assert max(gaps) <= 1.05
            assert min(gaps) >= 0.95
        assert plant.island.history == []
        assert plant.island.rejected == []
        assert plant.island.pack.soc_pct > 60
