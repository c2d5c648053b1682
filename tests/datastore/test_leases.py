"""Leased set-points: whatever happens, they end."""

from collections.abc import Mapping

import pytest

from bridge.datastore.spec import Lease, Safe
from bridge.datastore.state import StateStore
from bridge.datastore.values import Identity, LinkState, Outcome
from tests.datastore.rig import Rig, running


def ends(rig: Rig) -> list[tuple[str, ...]]:
    return [paths for _, paths in rig.adapter.expiries]


async def test_a_lease_ends_at_its_time_once() -> None:
    async with running() as rig:
        await rig.write(Lease=5)
        assert rig.device.status().set_points == 1
        await rig.live(59)
        assert ends(rig) == []
        await rig.live(100)
        assert ends(rig) == [("/Lease",)]
        assert rig.adapter.expiries[0][0] == pytest.approx(1060, abs=0.1)
        assert rig.device.status().set_points == 0


async def test_only_a_write_renews_a_lease() -> None:
    async with running() as rig:
        await rig.write(Lease=5)
        await rig.live(50)
        rig.device.publish("set", {"/Lease": 5})
        rig.device.reading("/Lease")
        await rig.live(5)
        await rig.write(Lease=5)
        await rig.live(59)
        assert ends(rig) == []
        await rig.live(2)
        assert ends(rig) == [("/Lease",)]


@pytest.mark.parametrize(
    ("beats", "ended"),
    [
        ([1, 2, 3, 4], False),  # changing
        ([1, 1, 1, 1], True),  # written, and yet the same: whoever writes it hangs
        ([], True),
    ],
)
async def test_only_a_changed_heartbeat_renews(beats: list[int], ended: bool) -> None:
    async with running() as rig:
        await rig.write(Lease=5)
        for beat in beats:
            await rig.write(Beat=beat)
            await rig.live(20)
        await rig.live(80 - 20 * len(beats) if not beats else 1)
        assert bool(ends(rig)) is ended


@pytest.mark.parametrize(
    ("outcome", "ended"),
    [
        (Outcome.CONFIRMED, True),
        (Outcome.ADJUSTED, True),
        (Outcome.TIMED_OUT, True),  # the device may have heard it all the same
        (Outcome.OFFLINE, True),
        (Outcome.SUPERSEDED, True),
        (Outcome.REFUSED, False),
    ],
)
async def test_what_may_have_reached_the_device_is_ended(outcome: Outcome, ended: bool) -> None:
    async with running() as rig:
        rig.adapter.outcomes["/Lease"] = outcome
        await rig.write(Lease=5)
        await rig.live(70)
        assert bool(ends(rig)) is ended


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.TIMED_OUT, Outcome.OFFLINE])
async def test_a_write_that_failed_renews_nothing_and_closes_nothing(outcome: Outcome) -> None:
    async with running() as rig:
        await rig.write(Lease=5)
        await rig.live(50)
        rig.adapter.outcomes["/Lease"] = outcome
        await rig.write(Lease=6)
        await rig.live(11)
        assert ends(rig) == [("/Lease",)]


async def test_a_lease_is_saved_as_open_before_the_frame_goes_out() -> None:
    async with running() as rig:
        saved: list[object] = []
        rig.adapter.before_frame = lambda: saved.append(rig.state.get("charger", "leases"))
        await rig.write(Lease=5)
        assert saved == [{"serial": "HQ1", "open": ["/Lease"]}]
        await rig.live(61)
        assert rig.state.get("charger", "leases") is None


@pytest.mark.parametrize("how", ["disobeys", "raises", "hangs"])
async def test_the_end_is_retried_until_the_device_obeys(how: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running() as rig:
        await rig.write(Lease=5)
        rig.adapter.obeys = how != "disobeys"
        rig.adapter.fault = RuntimeError("defect") if how == "raises" else None
        rig.adapter.expiry_hangs = how == "hangs"
        await rig.live(90)
        tried = len(ends(rig))
        assert 3 <= tried <= 7
        assert rig.device.status().set_points == 1
        rig.adapter.obeys, rig.adapter.fault, rig.adapter.expiry_hangs = True, None, False
        await rig.live(12)
        assert rig.device.status().set_points == 0
        assert len([r for r in caplog.records if "not ended yet" in r.message]) == 1


@pytest.mark.parametrize(
    ("link", "tried"),
    [
        (LinkState.ASLEEP, True),
        (LinkState.SILENT, True),
        (LinkState.PORT_MISSING, True),
        (LinkState.WRONG_DEVICE, False),
    ],
)
async def test_whether_it_hears_is_for_the_adapter_to_find_out(link: LinkState, tried: bool) -> None:
    async with running() as rig:
        await rig.write(Lease=5)
        rig.adapter.obeys = False
        rig.device.set_link(link)
        await rig.clock.advance(70)
        assert bool(ends(rig)) is tried
        rig.adapter.obeys = True
        await rig.hear()  # back: at once, not at the next retry
        assert rig.device.link is LinkState.ONLINE
        assert rig.device.status().set_points == 0


async def test_a_write_during_the_end_keeps_the_lease_open() -> None:
    async with running() as rig:
        await rig.write(Lease=5)
        rig.adapter.expiry_hangs = True
        await rig.live(61)
        assert len(ends(rig)) == 1
        assert await rig.write(Lease=6) == [Outcome.CONFIRMED]
        rig.adapter.expiry_hangs = False
        await rig.live(50)
        assert rig.device.status().set_points == 1
        await rig.live(20)
        assert rig.device.status().set_points == 0


async def test_an_open_lease_found_at_the_start_is_ended_until_obeyed() -> None:
    first = Rig()
    async with running(first):
        await first.write(Lease=5)
    rig = Rig(first.clock, first.state)
    rig.adapter.obeys = False
    async with running(rig):
        await rig.live(16)
        assert ends(rig) == [("/Lease",)] * 4
        rig.adapter.obeys = True
        await rig.live(6)
    third = Rig(first.clock, first.state)
    async with running(third):
        await third.live(10)
        assert ends(third) == []


async def test_a_lease_is_saved_even_where_nothing_was_ever_held() -> None:
    first = Rig()
    async with running(first, serial="HQ7"):
        await first.write(Lease=5)
        assert first.state.get("charger", "set-points") is None
    rig = Rig(first.clock, first.state)
    async with running(rig, serial="HQ7"):
        assert ends(rig) == [("/Lease",)]


async def test_a_lease_of_another_device_is_not_ended_at_this_one() -> None:
    first = Rig()
    async with running(first):
        await first.write(Lease=5)
    rig = Rig(first.clock, first.state)
    async with running(rig, serial="HQ2"):
        await rig.live(10)
        assert ends(rig) == []


@pytest.mark.parametrize("saved", [5, "x", [], {}, {"open": 5}, {"serial": "HQ1", "open": [1, None]}])
async def test_a_record_that_cannot_be_used(saved: object) -> None:
    state = StateStore()
    state.put("charger", "leases", saved)
    async with running(Rig(state=state)) as rig:
        await rig.live(10)
        assert ends(rig) == []


# -- as the site wants it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leases", "held", "open_leases"),
    [({}, 5, 0), ({"/Fan": Lease(30, Safe.HOLD)}, None, 1)],
)
async def test_a_site_may_lease_a_point(
    leases: Mapping[str, Lease], held: int | None, open_leases: int
) -> None:
    async with running(Rig(leases=leases)) as rig:
        await rig.write(Fan=5)
        assert rig.device.held("/Fan") == held
        await rig.live(29)
        assert ends(rig) == []
        await rig.live(2)
        assert len(ends(rig)) == open_leases


async def test_a_site_may_change_a_declared_lease() -> None:
    async with running(Rig(leases={"/Lease": Lease(10, 3)})) as rig:
        await rig.write(Lease=5)
        await rig.live(11)
        assert ends(rig) == [("/Lease",)]
        assert rig.device.spec("/Lease").lease == Lease(10, 3)


async def test_while_a_lease_ends_by_a_value_that_value_is_the_wanted_one() -> None:
    """Adapters give up frames whose value nobody wants any more."""
    async with running(Rig(leases={"/Lease": Lease(10, 3)})) as rig:
        await rig.write(Lease=5)
        rig.adapter.expiry_hangs = True
        await rig.live(11)
        assert rig.device.wanted("/Lease") == 3
        rig.adapter.slow = True
        task = await rig.begin(Lease=8)
        assert rig.device.wanted("/Lease") == 8
        rig.adapter.calls[-1].answer()
        await task
        await rig.live(5)
        assert rig.device.wanted("/Lease") is None


@pytest.mark.parametrize("path", ["/Volts", "/Nowhere"])
def test_a_lease_of_what_cannot_be_written_is_told(path: str, caplog: pytest.LogCaptureFixture) -> None:
    Rig(leases={path: Lease(10, Safe.HOLD)})
    assert f"lease={path}" in caplog.text


async def test_leases_wait_for_the_identity() -> None:
    first = Rig()
    async with running(first):
        await first.write(Lease=5)
    rig = Rig(first.clock, first.state)
    async with running(rig, online=False):
        await rig.live(10)
        assert ends(rig) == []
        rig.device.learn(Identity(serial="HQ1"))
        await rig.hear()
        assert ends(rig) == [("/Lease",)]
