"""Power limits of inverters: set, read back, refused, and taken off when nobody renews them."""

import asyncio

import pytest

from bridge.datastore.refusals import ValueRefused
from bridge.datastore.values import Outcome, WriteRequest
from tests.adapters.apsystems.roof_rig import DS3, INVERTERS, PERSON, QS1, YC600, Rig

Patch = pytest.MonkeyPatch
OF_YC600, OF_QS1, OF_DS3 = (f"/Inverters/{n}/PowerLimit" for n in (1, 2, 3))
ALLOWED = tuple({**each, "allow_limit": True} for each in INVERTERS)


@pytest.mark.parametrize("watts", [20, 31, 100, 463, 700])
async def test_a_limit_is_in_force_when_the_inverter_says_so(monkeypatch: Patch, watts: int) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        assert rig.value(OF_DS3) is None
        assert await rig.write({OF_DS3: watts}) == {OF_DS3: Outcome.CONFIRMED}
        assert rig.value(OF_DS3) == watts
        assert rig.simulator.inverter(DS3).limit_w == pytest.approx(watts, abs=0.1)


async def test_power_follows_the_limit(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        await rig.write({OF_DS3: 100})
        await rig.until(lambda: rig.number("/Inverters/3/Ac/Power") < 210)
        assert rig.number("/Inverters/3/Ac/Power") == pytest.approx(200, rel=0.05)


@pytest.mark.parametrize(("path", "serial"), [(OF_YC600, YC600), (OF_QS1, QS1)])
async def test_the_other_models_are_limited_where_the_site_allows_it(
    monkeypatch: Patch, path: str, serial: str
) -> None:
    async with Rig(monkeypatch, options={"inverters": ALLOWED}) as rig:
        await rig.polled()
        assert await rig.write({path: 150}) == {path: Outcome.CONFIRMED}
        assert rig.simulator.inverter(serial).limit_w == pytest.approx(150, abs=0.1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({OF_YC600: 100}, "is a yc600, whose limit is off until the site file says allow_limit: true"),
        ({OF_DS3: 19}, "expected 20 to 700 W"),
        ({OF_DS3: 701}, "expected 20 to 700 W"),
    ],
)
async def test_what_cannot_be_limited_is_refused_before_anything_is_sent(
    monkeypatch: Patch, changes: dict[str, int], said: str
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        with pytest.raises(ValueRefused, match=said) as refused:
            await rig.device.write(WriteRequest(changes, PERSON))
        assert refused.value.exception_code == 3
        assert rig.simulator.air.limits == []


async def test_a_site_can_forbid_it(monkeypatch: Patch) -> None:
    forbidden = tuple({**each, "allow_limit": False} for each in INVERTERS)
    async with Rig(monkeypatch, options={"inverters": forbidden}) as rig:
        await rig.polled()
        with pytest.raises(ValueRefused, match="allow_limit: false"):
            await rig.device.write(WriteRequest({OF_DS3: 100}, PERSON))


async def test_an_inverter_that_refuses(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        rig.simulator.misbehave("refuses_limit", DS3)
        assert await rig.write({OF_DS3: 100}) == {OF_DS3: Outcome.REFUSED}
        assert rig.value(OF_DS3) == 700  # what it says is in force


async def test_an_inverter_that_is_not_there(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        rig.simulator.misbehave("dark", DS3)
        assert await rig.write({OF_DS3: 100}) == {OF_DS3: Outcome.OFFLINE}


async def test_the_newest_of_two_limits_wins(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        first = asyncio.create_task(rig.device.write(WriteRequest({OF_DS3: 100}, PERSON), None))
        await rig.clock.advance(1.0)
        second = asyncio.create_task(rig.device.write(WriteRequest({OF_DS3: 300}, PERSON), None))
        await rig.until(lambda: first.done() and second.done())
        assert first.result() == {OF_DS3: Outcome.SUPERSEDED}
        assert second.result() == {OF_DS3: Outcome.CONFIRMED}
        assert rig.simulator.inverter(DS3).limit_w == pytest.approx(300, abs=0.1)


async def test_a_limit_that_nobody_renews_ends(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        await rig.write({OF_DS3: 100})
        await rig.clock.advance(600)
        await rig.write({OF_DS3: 120})
        await rig.clock.advance(850)
        assert rig.simulator.inverter(DS3).limit_w == pytest.approx(120, abs=0.1)
        await rig.until(lambda: rig.simulator.inverter(DS3).limit_w > 690, 90)
        await rig.until(lambda: rig.value(OF_DS3) == 700, 10)


async def test_a_limit_left_at_dusk_ends_at_dawn(monkeypatch: Patch) -> None:
    """The bridge dies with the lease open, comes back by night, and ends it with the first light."""
    async with Rig(monkeypatch, hour=17.0, watched=False) as rig:
        await rig.polled()
        await rig.write({OF_DS3: 100})
    again = rig.restarted(monkeypatch)
    await again.until_hour(23.0)
    async with again:
        await again.until_hour(29.9)
        assert again.simulator.inverter(DS3).limit_w == pytest.approx(100, abs=0.1)
        await again.until_hour(30.6)
        assert again.simulator.inverter(DS3).limit_w == pytest.approx(700, abs=0.1)


async def test_a_limit_is_not_known_after_a_restart_of_the_inverter(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        await rig.write({OF_DS3: 300})
        await rig.clock.advance(60)
        assert rig.value(OF_DS3) == 300
        rig.simulator.misbehave("restart", DS3)
        await rig.until(lambda: rig.value(OF_DS3) is None)
