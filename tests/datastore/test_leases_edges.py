"""Leases: each ends at its own time, and none is lost or renewed by mistake."""

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.spec import Lease, Safe
from bridge.datastore.state import StateStore
from bridge.datastore.values import Identity, Outcome
from tests.datastore.rig import Rig, running


async def test_each_lease_ends_at_its_own_time() -> None:
    rig = Rig(leases={"/Fan": Lease(30.0, Safe.RELEASE)})
    async with running(rig):
        began = rig.clock.monotonic()
        await rig.write(Lease=5, Fan=10)
        await rig.live(70, step=0.5)
        assert [(at - began, paths) for at, paths in rig.adapter.expiries] == [
            (30, ("/Fan",)),
            (60, ("/Lease",)),
        ]


async def test_a_write_of_unknown_outcome_has_its_whole_time() -> None:
    async with running() as rig:
        rig.adapter.outcomes["/Lease"] = Outcome.TIMED_OUT
        began = rig.clock.monotonic()
        await rig.write(Lease=5)
        await rig.live(70)
        assert [at - began for at, _ in rig.adapter.expiries] == [60]


async def test_a_heartbeat_does_not_bring_back_a_lease_that_is_over() -> None:
    async with running() as rig:
        rig.adapter.obeys = False
        await rig.write(Lease=5)
        await rig.write(Beat=1)
        await rig.live(61)
        tried = len(rig.adapter.expiries)
        assert tried == 1
        await rig.write(Beat=2)
        await rig.live(12)
        assert len(rig.adapter.expiries) == tried + 2  # still being ended


async def test_a_lease_that_hands_back_wants_no_value_while_it_ends() -> None:
    async with running() as rig:
        rig.adapter.expiry_hangs = True
        await rig.write(Lease=5)
        await rig.live(61)
        assert len(rig.adapter.expiries) == 1
        assert rig.device.wanted("/Lease") is None


async def test_a_lease_opened_before_the_serial_was_known_is_ended_after_a_restart() -> None:
    first = Rig(ManualClock(), StateStore())
    async with running(first, online=False):
        await first.hear()
        await first.write(Lease=5)
        assert first.state.get("charger", "leases") == {"serial": "", "open": ["/Lease"]}
    async with running(Rig(first.clock, first.state)) as rig:
        await rig.clock.advance(0)
        assert [paths for _, paths in rig.adapter.expiries] == [("/Lease",)]


async def test_a_lease_of_another_device_is_forgotten_for_good() -> None:
    state = StateStore()
    state.put("charger", "leases", {"serial": "HQ9", "open": ["/Lease"]})
    async with running(Rig(state=state)):
        assert state.get("charger", "leases") is None


@pytest.mark.parametrize("paths", [None, 7, "/Lease", {"/Lease": 1}])
async def test_a_record_without_a_list_ends_nothing(paths: object) -> None:
    state = StateStore()
    state.put("charger", "leases", {"serial": "HQ1", "open": paths})
    async with running(Rig(state=state)) as rig:
        await rig.live(10)
        assert rig.adapter.expiries == []
        assert rig.device.status().set_points == 0


async def test_a_lease_that_ended_while_its_write_was_under_way_is_open_again_and_saved_so() -> None:
    async with running() as rig:
        await rig.write(Lease=5)
        await rig.live(58)
        rig.adapter.slow = True
        task = await rig.begin(Lease=6)
        await rig.live(3)  # the end of the first comes and is obeyed
        assert rig.device.memory.get("leases") is None
        rig.adapter.held[0].answer()
        assert await task == [Outcome.CONFIRMED]
        assert rig.device.memory.get("leases") == {"serial": "HQ1", "open": ["/Lease"]}
        rig.adapter.slow = False
        await rig.live(62)
        assert len(rig.adapter.expiries) == 2


async def test_learning_the_serial_again_ends_no_lease() -> None:
    async with running() as rig:
        await rig.write(Lease=5)
        rig.device.learn(Identity(serial="HQ1"))
        await rig.live(10)
        assert rig.adapter.expiries == []
