"""The charge controller: stages by voltage, current and time, and what cuts the currents back."""

from typing import Any

import pytest

from bridge.adapters.can_bms.charge import Charger, Measured, Stage, settings_of
from bridge.adapters.can_bms.options import ChargeOptions
from bridge.adapters.can_bms.simulated_island import Condition, Pack, SupervisedIsland
from bridge.datastore.refusals import ValueRefused
from bridge.datastore.values import Value, WriteRequest

from .rig import BATTERY, CCL, CVL, DCL, FRESH, HOLD, LINK, PERSON, SOC, STOPPED, Rig, V, options_of

BULK, ABSORPTION, FLOAT, STORAGE = Stage
ABSORBED, TAIL, FORCE, RESTART = (
    "/Settings/AbsorptionVoltage",
    "/Settings/TailCurrent",
    "/Charge/Force",
    "/Charge/Restart",
)


def charger(**charge: Any) -> Charger:
    """A charger of 16 cells of LFP, 200 Ah: 56.0 V, 54.0 V, 53.6 V, again below 52.8 V; 4 A tail."""
    battery = options_of().battery
    return Charger(settings_of(ChargeOptions(**charge), battery), battery)


class Run:
    """Feeds a charger one measurement a second."""

    def __init__(self, **charge: Any) -> None:
        self.charger = charger(**charge)
        self.now = 1000.0
        self.limits = self.charger.step(Measured(53.0), self.now)

    def spend(self, seconds: int, volts: float, amperes: float | None = 50.0, **more: float) -> Stage:
        for _ in range(seconds):
            self.now += 1
            self.limits = self.charger.step(Measured(volts, amperes, **more), self.now)
        return self.charger.stage


def test_a_whole_charge() -> None:
    run = Run(absorption_time=600, float_time=3600)
    assert (run.limits.charge_v, run.limits.charge_a, run.charger.stage) == (56.0, 200.0, BULK)
    assert run.spend(3600, 55.0) is BULK
    assert run.spend(4, 55.9) is BULK  # a spike is no absorption
    assert run.spend(1, 55.0) is BULK
    assert run.spend(5, 55.9) is ABSORPTION
    assert run.spend(599, 56.0) is ABSORPTION
    assert run.spend(1, 56.0) is FLOAT
    assert run.spend(3599, 54.0, 0.0) is FLOAT
    assert run.limits.charge_v == 54.0
    assert run.spend(1, 54.0, 0.0) is STORAGE
    assert run.spend(100_0, 53.6, 0.0) is STORAGE
    assert run.limits.charge_v == 53.6
    assert run.spend(29, 52.7, -20.0) is STORAGE  # a load comes and goes
    assert run.spend(1, 52.9, -20.0) is STORAGE
    assert run.spend(30, 52.7, -20.0) is BULK
    assert run.limits.charge_v == 56.0


@pytest.mark.parametrize(
    ("amperes", "seconds", "stage"),
    [
        (3.9, 60, FLOAT),
        (3.9, 59, ABSORPTION),
        (4.1, 600, ABSORPTION),
        (-1.0, 600, ABSORPTION),
        (None, 600, ABSORPTION),
    ],
)
def test_a_small_current_ends_absorption_early(amperes: float | None, seconds: int, stage: Stage) -> None:
    run = Run()
    run.spend(5, 56.0)
    assert run.spend(seconds, 56.0, amperes) is stage


def test_it_goes_down_with_the_battery_and_never_below_it() -> None:
    """Less than the battery has would be a command to discharge it, whatever the discharge limit says."""
    run = Run(absorption_time=60)
    run.spend(65, 56.0)
    assert run.charger.stage is FLOAT
    for volts in (56.0, 55.6, 55.0, 55.3, 54.4, 54.1):
        run.spend(1, volts, -5.0)
        assert run.limits.charge_v >= min(volts, 55.0 if volts == 55.3 else volts)
        assert run.limits.charge_a == 0.0
    run.spend(1, 53.9, -5.0)
    assert (run.limits.charge_v, run.limits.charge_a) == (54.0, 200.0)


def test_what_happened_while_nothing_was_known_is_no_absorption() -> None:
    run = Run(absorption_time=600)
    run.spend(5, 56.0)
    run.now += 10_000
    assert run.spend(1, 56.0) is ABSORPTION


@pytest.mark.parametrize(
    ("measured", "charge_a", "discharge_a"),
    [
        ({}, 200.0, 200.0),
        ({"temperature": 20.0}, 200.0, 200.0),
        ({"temperature": 5.0}, 200.0, 200.0),
        ({"temperature": 2.5}, 100.0, 200.0),
        ({"temperature": 0.0}, 0.0, 200.0),
        ({"temperature": -10.0}, 0.0, 200.0),
        ({"temperature": 42.5}, 100.0, 200.0),
        ({"temperature": 45.0}, 0.0, 200.0),
        ({"max_cell_v": 3.54}, 200.0, 200.0),
        ({"max_cell_v": 3.6}, 100.0, 200.0),
        ({"max_cell_v": 3.65}, 0.0, 200.0),
        ({"min_cell_v": 2.61}, 200.0, 200.0),
        ({"min_cell_v": 2.55}, 200.0, 100.0),
        ({"min_cell_v": 2.5}, 200.0, 0.0),
        ({"temperature": 2.5, "max_cell_v": 3.625}, 50.0, 200.0),
        ({"voltage_v": 40.8}, 200.0, 100.0),
        ({"voltage_v": 40.0}, 200.0, 0.0),
        ({"voltage_v": 40.0, "min_cell_v": 2.55}, 200.0, 100.0),  # the cell knows better
    ],
)
def test_what_cuts_the_currents_back(measured: dict[str, float], charge_a: float, discharge_a: float) -> None:
    limits = charger().step(Measured(**{"voltage_v": 53.0, **measured}), 0.0)
    assert (limits.charge_a, limits.discharge_a) == (
        pytest.approx(charge_a, abs=0.11),
        pytest.approx(discharge_a, abs=0.11),
    )


def test_forcing_a_full_charge() -> None:
    run = Run(absorption_time=60)
    run.spend(65, 56.0)
    assert run.charger.stage is FLOAT
    run.charger.force(on=True)
    assert (run.charger.stage, run.charger.forced) == (BULK, True)
    run.spend(100, 55.0)
    assert run.charger.forced
    run.spend(66, 56.0)
    assert (run.charger.stage, run.charger.forced) == (FLOAT, False)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"float_v": 55.0}, None),
        ({"float_v": 57.0}, "in this order"),
        ({"absorption_v": 57.0, "float_v": 56.0}, None),
        ({"rebulk_v": 53.6}, "in this order"),
    ],
)
def test_settings_that_contradict_each_other(changes: dict[str, float], fault: str | None) -> None:
    made = charger()
    if fault is None:
        made.change(**changes)
        assert all(getattr(made.settings, name) == value for name, value in changes.items())
    else:
        with pytest.raises(ValueError, match=fault):
            made.change(**changes)


# -- in the adapter ------------------------------------------------------------------------------------

SHUNT: dict[str, Value] = {V: 53.2, SOC: 64.0}


async def test_a_shunt_and_the_controller_are_a_whole_set(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, charge_control={"bulk_current": 60}) as rig:
        await rig.sending(SHUNT)
        assert rig.sent(0x351)[-1][1].data.hex() == "30025802d0079a01"  # 56.0 V, 60 A, 200 A, 41.0 V
        assert (rig.value("/State"), rig.value(CVL), rig.value(CCL), rig.value(DCL)) == (3, 56.0, 60.0, 200.0)
        await rig.clock.advance(31)
        assert rig.phase == HOLD  # as old as what it is made of


async def test_a_limit_that_was_given_once_is_needed_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, charge_control={}) as rig:
        await rig.sending(SHUNT)
        await rig.write({CCL: 12.0})
        assert rig.value(CCL) == 12.0
        for _ in range(3):
            await rig.clock.advance(10.2)
            await rig.write(SHUNT)
        await rig.clock.advance(1)
        assert rig.phase == HOLD
        assert rig.told(0x351)["charge_current_limit_a"] == 12.0  # not the controller's own 200 A
        await rig.clock.advance(40)
        assert rig.phase == STOPPED
        await rig.write({"/Bms/Enable": 0})
        await rig.write({**SHUNT, "/Bms/Enable": 1})  # a person starts it anew without that limit
        await rig.clock.advance(1.5)
        assert (rig.phase, rig.value(CCL)) == (FRESH, 200.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({ABSORBED: 58.5}, "expected 40 to 58.4 V"),
        ({ABSORBED: 53.0}, "in this order"),
        ({"/Settings/ChargeCurrentLimit": 201.0}, "expected 0 to 200 A"),
        ({"/Settings/AbsorptionTime": 10}, "expected 60 to 86400 s"),
    ],
)
async def test_settings_stay_within_the_caps(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Value], expected: str
) -> None:
    async with Rig(monkeypatch, charge_control={}) as rig:
        await rig.sending(SHUNT)
        with pytest.raises(ValueRefused, match=expected):
            await rig.device.write(WriteRequest(changes, PERSON))


async def test_settings_are_held_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, charge_control={}) as rig:
        await rig.sending(SHUNT)
        assert (await rig.write({ABSORBED: 55.2, TAIL: 7.0}))[0] == {"confirmed"}
        assert rig.told(0x351)["charge_voltage_limit_v"] == 55.2
    async with Rig(monkeypatch, charge_control={}, state=rig.state, bus=rig.bus, clock=rig.clock) as again:
        await again.sending(SHUNT)
        assert (again.value(ABSORBED), again.value(TAIL)) == (55.2, 7.0)
        assert again.told(0x351)["charge_voltage_limit_v"] == 55.2


async def test_held_settings_beyond_a_changed_site_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, charge_control={}) as rig:
        await rig.sending(SHUNT)
        await rig.write({ABSORBED: 58.0})
    weaker = {**BATTERY, "max_voltage": 56.5}
    async with Rig(
        monkeypatch, charge_control={}, battery=weaker, state=rig.state, bus=rig.bus, clock=rig.clock
    ) as again:
        await again.sending(SHUNT)
        assert (again.value(ABSORBED), again.device.held(ABSORBED)) == (56.0, None)


async def test_force_and_restart_as_points(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, charge_control={}, dialect="pylontech") as rig:
        await rig.sending(SHUNT)
        await rig.write({FORCE: 1})
        assert (rig.value(FORCE), rig.sent(0x35C)[-1][1].data.hex()) == (1, "e000")
        await rig.write({FORCE: 0})
        assert (rig.value(FORCE), rig.sent(0x35C)[-1][1].data.hex()) == (0, "c000")
        assert (await rig.write({RESTART: 1}))[0] == {"confirmed"}
        assert (rig.value(RESTART), rig.value("/State")) == (0, BULK)


async def test_without_a_controller_there_are_no_such_points(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.clock.advance(1)
        assert not rig.device.has(ABSORBED)
        assert not rig.device.has("/State")


async def test_a_day_of_sun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charger, island and battery together: full by the sun, never above its cap, never dumped."""
    async with Rig(monkeypatch, charge_control={"absorption_time": 60, "float_time": 60}) as rig:
        pack = Pack(soc_pct=98, capacity_ah=60)
        island = SupervisedIsland(rig.clock, rig.bus, pack=pack, sun_w=4000)
        seen: list[Value | None] = []
        rig.begin_job(island.play())
        rig.device.fed |= {V, SOC, "/Dc/0/Current"}

        def look() -> dict[str, Value]:
            return {
                V: round(pack.voltage_v, 2),
                SOC: round(pack.soc_pct, 2),
                "/Dc/0/Current": round(pack.current_a, 1),
            }

        await rig.clock.advance(4)
        lowest_a = fullest = highest_v = 0.0
        for second in range(240):
            if second == 160:
                island.sun_w = 0.0
            rig.begin(look(), LINK)
            await rig.clock.advance(1.0)
            lowest_a, fullest = min(lowest_a, pack.current_a), max(fullest, pack.soc_pct)
            highest_v = max(highest_v, pack.voltage_v)
            if rig.value("/State") not in seen:
                seen.append(rig.value("/State"))
        assert [stage for stage in seen if stage is not None] == [3, 4, 5, 6]
        assert island.condition is Condition.RUNNING
        assert lowest_a > -10  # the house's 500 W, never the 20 A of a dump
        assert fullest > 98.25
        assert highest_v < 56.1
