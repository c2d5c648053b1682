"""A roof through a day: what it shows while inverters answer, fall silent, sleep and wake."""

import itertools
import logging
from typing import Any

import pytest

from bridge.adapters.apsystems.energy import EnergyBook
from bridge.adapters.apsystems.points import InverterState
from bridge.datastore.values import LinkState, Outcome
from tests.adapters.apsystems.roof_rig import DS3, INVERTERS, PANELS, QS1, YC600, Rig

Patch = pytest.MonkeyPatch


async def test_the_first_answers(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, hour=12.0) as rig:
        assert rig.device.link is LinkState.PORT_MISSING or not rig.device.alive
        await rig.polled()
        inverters = rig.simulator.inverters
        rating_w = sum(panel.rating_w for inverter in inverters for panel in inverter.panels)
        assert rig.number("/Ac/Power") == pytest.approx(rating_w, rel=0.03)
        assert rig.value("/Ac/L1/Power") == rig.value("/Ac/Power")
        assert rig.number("/Ac/L1/Voltage") == pytest.approx(230, abs=0.5)
        assert rig.number("/Ac/Frequency") == pytest.approx(50, abs=0.05)
        assert rig.number("/Ac/Energy/Forward") == pytest.approx(rig.made_kwh, rel=0.01)
        assert rig.value("/History/Daily/0/Yield") == rig.value("/Ac/Energy/Forward")
        assert rig.value("/InvertersHeard") == 3
        assert (rig.device.link, rig.device.link_words) == (LinkState.ONLINE, "3 of 3 inverters answer")
        for number, inverter in enumerate(inverters, 1):
            own = f"/Inverters/{number}"
            assert rig.value(f"{own}/Serial") == inverter.serial
            assert rig.value(f"{own}/State") == InverterState.RUNNING
            assert rig.value(f"{own}/Address") == inverter.short
            panels = [f"{own}/Panels/{m}" for m in range(1, PANELS[inverter.serial] + 1)]
            for name in ("Power", "Energy"):
                of_roof = f"{own}/Ac/Power" if name == "Power" else f"{own}/Ac/Energy/Forward"
                assert sum(rig.number(f"{p}/{name}") for p in panels) == pytest.approx(rig.number(of_roof))
            assert rig.number(f"{panels[0]}/V") == pytest.approx(33, abs=0.1)
            assert rig.number(f"{panels[0]}/I") == pytest.approx(320 / 33, rel=0.02)


async def test_panels_are_numbered_the_other_way_round(monkeypatch: Patch) -> None:
    swapped = [{**each, "swap_panels": True} for each in INVERTERS]
    async with Rig(monkeypatch, options={"inverters": swapped}) as rig:
        await rig.polled()
        assert rig.number("/Inverters/1/Panels/1/Energy") < rig.number("/Inverters/1/Panels/2/Energy")


async def test_a_dusk_a_night_and_a_dawn(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, hour=17.5, watched=False) as rig:
        await rig.polled()
        await rig.until_hour(17.95)
        assert rig.device.link is LinkState.ONLINE
        await rig.until_hour(18.2)
        assert rig.device.link is LinkState.NIGHT
        assert rig.device.link_words == "until 05:57"
        at_dusk = rig.number("/Ac/Energy/Forward")
        errors = rig.device.status().errors
        for hour in (18.2, 23.0, 29.9):
            await rig.until_hour(hour)
            assert rig.device.alive
            assert rig.value("/Ac/Power") == 0.0
            assert rig.value("/Inverters/2/Panels/4/Power") == 0.0
            assert rig.value("/Ac/Energy/Forward") == at_dusk
            assert rig.value("/Inverters/1/State") == InverterState.ASLEEP
            assert rig.value("/InvertersHeard") == 0
        assert rig.device.status().errors == errors
        assert (rig.value("/History/Daily/0/Yield"), rig.value("/History/Daily/1/Yield")) == (0.0, at_dusk)
        assert await rig.write({"/Actions/Poll": 1}) == {"/Actions/Poll": Outcome.REFUSED}
        await rig.until_hour(30.5)
        assert rig.device.link is LinkState.ONLINE
        assert rig.number("/Ac/Power") > 0
        assert rig.number("/Ac/Energy/Forward") == pytest.approx(rig.made_kwh, abs=0.05)
        assert rig.number("/Ac/Energy/Forward") <= rig.made_kwh


async def test_a_restart_by_night_serves_saved_energies_before_the_radio_is_there(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, hour=17.5, watched=False) as rig:
        await rig.polled()
        await rig.until_hour(20.0)
        total = rig.number("/Ac/Energy/Forward")
        panel = rig.number("/Inverters/3/Panels/2/Energy")
    again = rig.restarted(monkeypatch)
    again.wire.plugged = False
    async with again:
        await again.clock.advance(0.0)
        assert again.device.alive
        assert again.value("/Ac/Power") == 0.0
        assert again.value("/Ac/Energy/Forward") == total
        assert again.value("/Inverters/3/Panels/2/Energy") == panel
        await again.clock.advance(5.0)
        assert again.device.link is LinkState.PORT_MISSING
        await again.clock.advance(300.0)
        assert again.device.link is LinkState.PORT_MISSING  # the night hides no fault
        assert not again.device.alive
        again.wire.plugged = True
        await again.until(lambda: again.device.link is LinkState.NIGHT)
        assert again.device.alive
        assert again.value("/Ac/Energy/Forward") == total


async def test_a_night_is_told_without_a_word_of_being_online(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Rig(monkeypatch, hour=22.0, watched=False) as rig:
        await rig.clock.advance(1200)
        assert rig.device.link is LinkState.NIGHT
        assert rig.device.alive
        assert "link=online" not in caplog.text


@pytest.mark.parametrize("fault", ["cd", "e9", "silence"])
async def test_one_inverter_falls_silent_by_day(monkeypatch: Patch, fault: str) -> None:
    async with Rig(monkeypatch, options={"poll": 60}, rating=100.0) as rig:
        await rig.polled()
        whole = rig.number("/Ac/Power")
        errors = rig.device.status().errors
        rig.simulator.misbehave("night", fault)
        rig.simulator.misbehave("dark", QS1)
        energy = rig.number("/Inverters/2/Ac/Energy/Forward")
        await rig.until(lambda: rig.value("/Inverters/2/State") == InverterState.SILENT, 300)
        await rig.until(lambda: rig.value("/Inverters/2/Panels/1/V") is None, 300)
        assert rig.value("/Inverters/2/Ac/Power") is None
        assert rig.number("/Inverters/2/Ac/Energy/Forward") >= energy
        assert rig.value("/InvertersHeard") == 2
        assert rig.device.link is LinkState.ONLINE
        await rig.until(lambda: rig.device.link_words == "2 of 3 inverters answer")
        # Eight panels, four of them gone.
        assert rig.number("/Ac/Power") == pytest.approx(whole / 2, rel=0.05)
        assert rig.device.status().errors == errors
        rig.simulator.misbehave("well")
        await rig.until(lambda: rig.value("/Inverters/2/State") == InverterState.RUNNING, 300)
        await rig.until(lambda: rig.number("/Ac/Power") > 0.9 * whole, 300)
        assert rig.number("/Ac/Energy/Forward") <= rig.made_kwh


async def test_all_inverters_fall_silent_by_day(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        rig.simulator.misbehave("dark", "all")
        await rig.until(lambda: rig.device.link is LinkState.SILENT, 300)
        assert "paired to ecu_id D8A3011B9780" in rig.device.link_words
        await rig.until(lambda: not rig.device.alive, 300)
        rig.simulator.misbehave("well")
        await rig.until(lambda: rig.device.link is LinkState.ONLINE, 300)
        assert rig.device.alive


async def test_without_a_location_silence_is_sleep(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Rig(monkeypatch, options={"poll": 20, "location": None}) as rig:
        assert "found no `location`" in caplog.text
        await rig.polled()
        rig.simulator.misbehave("dark", "all")
        await rig.until(lambda: rig.device.link is LinkState.NIGHT, 300)
        assert "without `location`" in rig.device.link_words
        assert rig.value("/Ac/Power") == 0.0
        rig.simulator.misbehave("well")
        await rig.until(lambda: rig.device.link is LinkState.ONLINE, 300)


async def test_polls_around_the_clock_where_the_site_says_so(monkeypatch: Patch) -> None:
    """Inverters with light at midnight, as in a northern summer, under a location that says night."""
    light = {"sunrise": 0.0, "sunset": 24.0}
    async with Rig(monkeypatch, hour=23.0, options={"always_day": True}, watched=False, **light) as rig:
        await rig.polled()
        assert rig.device.link is LinkState.ONLINE
        assert rig.number("/Ac/Power") > 0
    async with Rig(monkeypatch, hour=23.0, watched=False, **light) as rig:
        await rig.clock.advance(120)
        assert rig.device.link is LinkState.NIGHT


async def test_an_inverter_without_grid_delivers_nothing(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        rig.simulator.misbehave("no_grid", YC600)
        await rig.until(lambda: rig.value("/Inverters/1/State") == InverterState.NO_GRID)
        assert rig.value("/Inverters/1/Ac/Power") == 0.0
        assert rig.value("/Inverters/1/Panels/2/Power") == 0.0
        assert rig.number("/Ac/L1/Voltage") == pytest.approx(230, abs=0.5)


async def test_an_inverter_that_says_nothing_of_the_grid_keeps_the_rest(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        rig.simulator.misbehave("zero_ac", QS1)
        await rig.until(lambda: rig.value("/Inverters/2/Ac/L1/Voltage") is None)
        assert rig.value("/Inverters/2/Ac/Frequency") is None
        assert rig.number("/Inverters/2/Ac/Power") > 0


async def test_the_same_answer_again_counts_nothing(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        rig.simulator.misbehave("repeats", DS3)
        await rig.clock.advance(30)
        power, energy = rig.number("/Inverters/3/Ac/Power"), rig.number("/Inverters/3/Ac/Energy/Forward")
        await rig.clock.advance(120)
        assert rig.number("/Inverters/3/Ac/Power") == power
        assert rig.number("/Inverters/3/Ac/Energy/Forward") == energy
        await rig.clock.advance(2000)  # its clock stands still: what it says is no measurement any more
        assert rig.value("/Inverters/3/Ac/Power") is None


@pytest.mark.parametrize(("fault", "said"), [("encrypted", "encrypted"), ("start_up", "start_up")])
async def test_answers_that_are_no_measurement(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture, fault: str, said: str
) -> None:
    caplog.set_level(logging.INFO)
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        rig.simulator.misbehave(fault, YC600)
        await rig.until(lambda: rig.number("/Polls/Rejected") >= 3)
        assert sum(said in record.getMessage() for record in caplog.records) == 1
        assert rig.device.link is LinkState.ONLINE
        rig.simulator.misbehave("well")
        total = rig.number("/Inverters/1/Ac/Energy/Forward")
        await rig.until(lambda: rig.number("/Inverters/1/Ac/Energy/Forward") > total)
        assert "well again" in caplog.text


async def test_a_wrong_model_is_named(monkeypatch: Patch, caplog: pytest.LogCaptureFixture) -> None:
    wrong: list[dict[str, Any]] = [{"serial": DS3, "model": "yc600", "address": 0x7C3A}]
    async with Rig(monkeypatch, options={"inverters": wrong, "poll": 20}) as rig:
        await rig.until(lambda: rig.number("/Polls/Rejected") >= 1)
        assert "set `model: ds3`" in caplog.text
        assert rig.value("/Ac/Power") is None


async def test_panels_beyond_their_rating_are_refused_and_named(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    small = [{**each, "panel_power": 200} for each in INVERTERS]
    async with Rig(monkeypatch, options={"inverters": small, "poll": 20}) as rig:
        await rig.until(lambda: rig.number("/Polls/Rejected") >= 6)
        assert "expected at most 1.2 x 200 W: if the panel is larger, set `panel_power`" in caplog.text
        assert rig.value("/Ac/Power") is None


async def test_answers_of_others_and_late_ones_find_their_inverter(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch, options={"poll": 20}) as rig:
        await rig.polled()
        for fault in ("stranger", "late 2.6", "relays 2", "filler", "chunks 5"):
            rig.simulator.misbehave(*fault.split(" "))
        await rig.clock.advance(300)
        assert rig.device.link is LinkState.ONLINE
        assert rig.value("/InvertersHeard") == 3
        assert rig.number("/Ac/Energy/Forward") == pytest.approx(rig.made_kwh, rel=0.01)
        assert rig.number("/Ac/Energy/Forward") <= rig.made_kwh


async def test_nine_inverters_share_the_period(monkeypatch: Patch) -> None:
    serials = [f"80200001{n:04}" for n in range(9)]
    simulated = ",".join(f"{serial}/qs1/0x{0x2000 + n:04X}" for n, serial in enumerate(serials))
    listed = [{"serial": s, "model": "qs1", "address": 0x2000 + n} for n, s in enumerate(serials)]
    async with Rig(monkeypatch, options={"inverters": listed, "poll": 180}, inverters=simulated) as rig:
        await rig.polled()
        await rig.clock.advance(400)
        rig.simulator.received.clear()
        await rig.clock.advance(180)
        polls = [at for at, frame in rig.simulator.received if frame.command == 0x2401]
        assert len(polls) == 9
        assert min(b - a for a, b in itertools.pairwise(polls)) > 10
        assert rig.value("/InvertersHeard") == 9
        assert rig.number("/Inverters/9/Panels/4/Power") > 0


async def test_a_poll_now(monkeypatch: Patch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.polled()
        await rig.clock.advance(5)
        polls = rig.number("/Polls/Answered")
        assert await rig.write({"/Actions/Poll": 1}) == {"/Actions/Poll": Outcome.CONFIRMED}
        await rig.until(lambda: rig.number("/Polls/Answered") == polls + 3, 10)


async def test_the_clock_is_set_while_the_bridge_runs(monkeypatch: Patch) -> None:
    """A machine without a clock of its own, eight hours behind until the network tells it better."""
    async with Rig(monkeypatch, hour=12.0, options={"always_day": True}) as rig:
        await rig.polled()
        made, total = rig.made_kwh, rig.number("/Ac/Energy/Forward")
        rig.clock.jump(8 * 3600)  # as much as the inverters have run: to the next start it looks like a night
        await rig.clock.advance(40)
    async with rig.restarted(monkeypatch) as again:
        await again.polled()
        counted_kwh = again.number("/Ac/Energy/Forward") - total
        assert counted_kwh == pytest.approx(again.made_kwh - made, abs=0.05)


class SlowDisk:
    """The saved state behind a disk that takes its time; notes what was shown when the book was saved."""

    def __init__(self, rig: Rig, seconds: float) -> None:
        self._rig = rig
        self._memory = rig.device.memory
        self._seconds = seconds
        self.saved: list[tuple[float, float]] = []

    def get(self, key: str) -> object:
        return self._memory.get(key)

    def put(self, key: str, value: object) -> None:
        self._memory.put(key, value)

    async def save(self, key: str, value: object) -> None:
        await self._rig.clock.sleep(self._seconds)
        await self._memory.save(key, value)
        if isinstance(value, dict) and "inverters" in value:
            total = EnergyBook.from_record(value).total / 1000
            self.saved.append((total, self._rig.number("/Ac/Energy/Forward")))


async def test_energies_are_on_disk_before_anybody_sees_them(monkeypatch: Patch) -> None:
    rig = Rig(monkeypatch, options={"poll": 20})
    disk = SlowDisk(rig, 0.5)
    monkeypatch.setattr(rig.device, "memory", disk)
    async with rig:
        await rig.polled()
        await rig.clock.advance(60)
        assert len(disk.saved) > 6
        assert all(shown <= saved for saved, shown in disk.saved)
        assert rig.number("/Ac/Energy/Forward") == max(saved for saved, _ in disk.saved)


async def test_a_disk_that_does_not_answer_stops_nobody(monkeypatch: Patch) -> None:
    rig = Rig(monkeypatch, options={"poll": 20})
    monkeypatch.setattr(rig.device, "memory", SlowDisk(rig, 1e6))
    async with rig:
        await rig.polled()
        assert rig.device.link is LinkState.ONLINE


async def test_what_a_former_program_had_counted(monkeypatch: Patch) -> None:
    migrated = [{**each, "initial_energy": 1000.5 * n} for n, each in enumerate(INVERTERS)]
    async with Rig(monkeypatch, options={"inverters": migrated}) as rig:
        await rig.polled()
        today = rig.number("/History/Daily/0/Yield")
        assert rig.number("/Ac/Energy/Forward") == pytest.approx(3001.5 + today)
        assert rig.number("/Inverters/3/Ac/Energy/Forward") == pytest.approx(
            2001.0 + rig.number("/Inverters/3/History/Daily/0/Yield")
        )


async def test_the_energy_scale_of_an_inverter(monkeypatch: Patch) -> None:
    scaled = [*INVERTERS[:2], {**INVERTERS[2], "energy_scale": 1.66e-5 / 2}]
    async with Rig(monkeypatch, options={"inverters": scaled}) as rig:
        await rig.polled()
        of_panel = rig.number("/Inverters/1/Panels/1/Energy")
        assert rig.number("/Inverters/3/Panels/1/Energy") == pytest.approx(of_panel / 2, rel=0.01)
        assert rig.number("/Inverters/3/Panels/1/Power") == pytest.approx(160, rel=0.03)


async def test_two_days_with_a_bridge_that_is_restarted_now_and_then(monkeypatch: Patch) -> None:
    rig = Rig(monkeypatch, hour=5.8, watched=False, options={"poll": 900})
    for day, hour, away_until in (
        *((15, 6.3, 6.4), (15, 9.1, 9.1), (15, 13.7, 14.5), (15, 18.2, 29.9)),
        *((16, 11.2, 11.25), (16, 18.4, 18.4)),
    ):
        async with rig:
            await rig.until_hour(hour, day)
        await rig.until_hour(away_until, day)
        rig = rig.restarted(monkeypatch)
    async with rig:
        await rig.clock.advance(1)
        total, made = rig.number("/Ac/Energy/Forward"), rig.made_kwh
        assert total <= made
        assert total == pytest.approx(made, abs=0.12)  # the last quarters of an hour of two days
        today, yesterday = rig.number("/History/Daily/0/Yield"), rig.number("/History/Daily/1/Yield")
        assert today + yesterday == pytest.approx(total)
        assert today == pytest.approx(yesterday, abs=0.1)
