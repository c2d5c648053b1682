"""The law of surplus charging, case by case. One ampere costs 30 W in all of them."""

from dataclasses import replace

import pytest

from bridge.control.surplus import Charger, Reason, Rule, State, SurplusLaw, Wish, surplus_w

NONE = None
#: 27 V at 0.9: 30 W of AC for each ampere. From 4 A, which is 120 W, to 16 A, 480 W.
OFF = Charger(27.0, 0.0, on=False, limit=16.0, minimum=4.0, maximum=16.0, efficiency=0.9)
ON = replace(OFF, on=True, amps=8.0, limit=8.0)
RULE = Rule(reserve_w=0.0, hysteresis_w=30.0)


def wish(on: bool | None, limit: float | None, reason: Reason, target: float) -> Wish:
    return Wish(on, limit, reason, target)


#: Surplus in W, the charger, and what it shall do.
DECIDED = [
    # off
    (0, OFF, wish(NONE, NONE, Reason.NO_SURPLUS, 0)),
    (149, OFF, wish(NONE, NONE, Reason.NO_SURPLUS, 0)),
    (150, OFF, wish(True, 5.0, Reason.FOLLOWING, 5.0)),
    (1000, OFF, wish(True, NONE, Reason.STEADY, 16.0)),  # the limit it has already
    (1000, replace(OFF, limit=6.0), wish(True, 16.0, Reason.FOLLOWING, 16.0)),
    (200, replace(OFF, limit=6.0), wish(True, NONE, Reason.STEADY, 6.0)),
    (200, replace(OFF, limit=None), wish(True, 6.6, Reason.FOLLOWING, 6.6)),
    (1000, replace(OFF, limit=6.0, wear_left=0), wish(True, NONE, Reason.WEAR, 6.0)),
    (300, replace(OFF, limit=0.0), wish(True, 10.0, Reason.FOLLOWING, 10.0)),
    # on
    (240, ON, wish(NONE, NONE, Reason.STEADY, 8.0)),
    (269, ON, wish(NONE, NONE, Reason.STEADY, 8.0)),
    (270, ON, wish(NONE, 9.0, Reason.FOLLOWING, 9.0)),
    (211, ON, wish(NONE, NONE, Reason.STEADY, 8.0)),
    (209, ON, wish(NONE, 6.9, Reason.FOLLOWING, 6.9)),
    (5000, ON, wish(NONE, 16.0, Reason.AT_MAXIMUM, 16.0)),
    (5000, replace(ON, maximum=6.0), wish(NONE, 6.0, Reason.FOLLOWING, 6.0)),
    (5000, replace(ON, maximum=7.9, wear_left=9, amps=3.0), wish(NONE, 7.9, Reason.FOLLOWING, 7.9)),
    (5000, replace(OFF, maximum=6.0), wish(True, 6.0, Reason.FOLLOWING, 6.0)),
    (5000, replace(ON, limit=16.0, amps=16.0), wish(NONE, NONE, Reason.AT_MAXIMUM, 16.0)),
    (91, ON, wish(NONE, 4.0, Reason.FOLLOWING, 4.0)),
    (89, ON, wish(False, NONE, Reason.NO_SURPLUS, 0)),
    (-500, ON, wish(False, NONE, Reason.NO_SURPLUS, 0)),
    (300, replace(ON, limit=None), wish(NONE, 10.0, Reason.FOLLOWING, 10.0)),
    # on, and its battery takes less than it may
    (400, replace(ON, amps=3.0), wish(NONE, NONE, Reason.STEADY, 8.0)),
    (150, replace(ON, amps=3.0), wish(NONE, 5.0, Reason.FOLLOWING, 5.0)),
    (150, replace(ON, amps=3.0, wear_left=50), wish(NONE, NONE, Reason.STEADY, 8.0)),
    (150, replace(ON, amps=7.0, wear_left=50), wish(NONE, 5.0, Reason.FOLLOWING, 5.0)),
    # memory that wears
    (400, replace(ON, wear_left=0), wish(NONE, NONE, Reason.WEAR, 8.0)),
    (400, replace(ON, wear_left=50), wish(NONE, 13.3, Reason.FOLLOWING, 13.3)),
    (150, replace(ON, wear_left=0), wish(NONE, 5.0, Reason.FOLLOWING, 5.0)),
    # not to be decided on
    (1000, replace(ON, ours=False), wish(NONE, NONE, Reason.OWNER, 8.0)),
    (1000, replace(OFF, ours=False), wish(NONE, NONE, Reason.OWNER, 0)),
    (1000, replace(ON, on=None), wish(NONE, NONE, Reason.UNREACHABLE, 0)),
    (1000, replace(ON, volts=None), wish(NONE, NONE, Reason.UNREACHABLE, 8.0)),
]


@pytest.mark.parametrize(("surplus", "charger", "wished"), DECIDED)
def test_decided(surplus: float, charger: Charger, wished: Wish) -> None:
    assert SurplusLaw(RULE, 1).decide(0.0, surplus, [charger]).wishes == (wished,)


#: What the meter says with chargers that draw, and the surplus that there is.
RECKONED = [
    (-300.0, [OFF], 300.0),
    (-300.0, [ON], 540.0),
    (100.0, [ON], 140.0),
    (0.0, [ON, replace(ON, amps=2.0)], 300.0),
    (-300.0, [replace(ON, ours=False)], 300.0),  # its owner's draw is the house's
    (-300.0, [replace(ON, amps=-0.1)], 300.0),
    (-300.0, [replace(ON, volts=None)], 300.0),
]


@pytest.mark.parametrize(("grid", "chargers", "surplus"), RECKONED)
def test_surplus_is_feed_in_and_own_draw(grid: float, chargers: list[Charger], surplus: float) -> None:
    assert surplus_w(grid, chargers) == pytest.approx(surplus)


def test_a_reserve_is_left_to_the_grid() -> None:
    law = SurplusLaw(replace(RULE, reserve_w=100.0), 1)
    assert law.decide(0.0, 400.0, [replace(ON)]).wishes[0].limit == 10.0


def test_a_raise_is_ramped_and_a_lowering_is_not() -> None:
    law = SurplusLaw(replace(RULE, ramp_a=2.0), 1)
    assert law.decide(0.0, 450.0, [ON]).wishes[0] == wish(NONE, 10.0, Reason.RAMP, 10.0)
    assert law.decide(30.0, 130.0, [replace(ON, limit=15.0, amps=15.0)]).wishes[0].limit == 4.3
    assert law.decide(60.0, 450.0, [replace(OFF, limit=None)]).wishes[0].reason is Reason.MINIMUM_OFF


def test_it_stays_on_for_a_while_at_its_minimum() -> None:
    law = SurplusLaw(RULE, 1)
    law.decide(0.0, 0.0, [OFF])
    law.decide(30.0, 300.0, [replace(ON, limit=10.0, amps=10.0)])  # it has been switched on
    for now in (60.0, 329.0):
        found = law.decide(now, -50.0, [replace(ON, limit=10.0, amps=10.0)])
        assert found.wishes == (wish(NONE, 4.0, Reason.MINIMUM_ON, 4.0),)
    assert law.decide(330.0, -50.0, [ON]).wishes[0].on is False


def test_it_stays_off_for_a_while() -> None:
    law = SurplusLaw(RULE, 1)
    law.decide(0.0, 300.0, [ON])
    law.decide(30.0, 0.0, [OFF])  # it has been switched off
    assert law.decide(329.0, 400.0, [OFF]).wishes[0] == wish(NONE, NONE, Reason.MINIMUM_OFF, 0)
    assert law.decide(330.0, 400.0, [OFF]).wishes[0].on is True


def test_the_first_charger_comes_first() -> None:
    second = replace(OFF, minimum=2.0, limit=None)
    cases = {
        100: ((NONE, NONE), (True, 3.3)),  # too little for the first
        300: ((True, 10.0), (NONE, NONE)),
        700: ((True, 16.0), (True, 7.3)),
        2000: ((True, 16.0), (True, 16.0)),
    }
    for surplus, told in cases.items():
        found = SurplusLaw(RULE, 2).decide(0.0, surplus, [replace(OFF, limit=None), second])
        assert tuple((w.on, w.limit) for w in found.wishes) == told, surplus


def test_what_the_first_does_not_take_is_for_the_second() -> None:
    nearly_full = replace(ON, limit=16.0, amps=1.0)
    found = SurplusLaw(RULE, 2).decide(0.0, 400.0, [nearly_full, replace(OFF, limit=None)])
    assert found.wishes[1] == wish(True, 11.3, Reason.FOLLOWING, 11.3)


def test_a_silent_meter_holds_and_then_is_safe() -> None:
    law = SurplusLaw(RULE, 1)
    law.decide(0.0, 300.0, [ON])
    for now in (30.0, 119.0):
        found = law.decide(now, None, [ON])
        assert (found.state, found.wishes[0]) == (State.HOLD, wish(NONE, NONE, Reason.METER_SILENT, 8.0))
    found = law.decide(120.0, None, [ON])
    assert (found.state, found.wishes[0]) == (State.SAFE, wish(False, NONE, Reason.METER_SILENT, 0))
    assert law.decide(150.0, None, [OFF]).wishes[0] == wish(NONE, NONE, Reason.METER_SILENT, 0)
    assert law.decide(180.0, 0.0, [OFF]).state is State.WAITING


@pytest.mark.parametrize(
    ("safe", "charger", "wished"),
    [
        (6.0, ON, wish(NONE, 6.0, Reason.METER_SILENT, 6.0)),
        (6.0, replace(ON, limit=5.0), wish(NONE, NONE, Reason.METER_SILENT, 6.0)),
        (6.0, OFF, wish(NONE, NONE, Reason.METER_SILENT, 0)),
        (60.0, ON, wish(NONE, NONE, Reason.METER_SILENT, 16.0)),
        (3.0, ON, wish(False, NONE, Reason.METER_SILENT, 0)),
        (6.0, replace(ON, ours=False), wish(NONE, NONE, Reason.METER_SILENT, 8.0)),
    ],
)
def test_what_is_safe(safe: float, charger: Charger, wished: Wish) -> None:
    law = SurplusLaw(replace(RULE, safe_a=safe, hold_s=0.0), 1)
    assert law.decide(0.0, None, [charger]).wishes == (wished,)


def test_writes_are_spread_over_the_day() -> None:
    """With 24 writes left to 24 hours a raise comes each two hours, a great one each hour, a lowering at once."""
    law = SurplusLaw(RULE, 1)
    worn = replace(ON, wear_left=24)
    law.wrote(0.0, 0)
    small, great = 300.0, 400.0
    assert law.decide(3599.0, great, [worn]).wishes[0].reason is Reason.WEAR
    assert law.decide(3600.0, small, [worn]).wishes[0].reason is Reason.WEAR
    assert law.decide(3600.0, great, [worn]).wishes[0].limit == 13.3
    assert law.decide(7200.0, small, [worn]).wishes[0].limit == 10.0
    assert law.decide(1.0, 150.0, [worn]).wishes[0].limit == 5.0


@pytest.mark.parametrize(
    ("chargers", "state", "reason"),
    [
        ([ON], State.CHARGING, Reason.STEADY),
        ([OFF], State.WAITING, Reason.NO_SURPLUS),
        ([replace(ON, ours=False)], State.LEFT_ALONE, Reason.OWNER),
        ([replace(ON, on=None)], State.UNREACHABLE, Reason.UNREACHABLE),
        ([replace(ON, on=None), replace(ON, ours=False)], State.UNREACHABLE, Reason.UNREACHABLE),
        ([replace(ON, ours=False), OFF], State.WAITING, Reason.NO_SURPLUS),
        ([replace(ON, ours=False), replace(ON, minimum=0.0)], State.CHARGING, Reason.FOLLOWING),
    ],
)
def test_the_whole(chargers: list[Charger], state: State, reason: Reason) -> None:
    surplus = 240.0 if chargers == [ON] else 20.0
    found = SurplusLaw(RULE, len(chargers)).decide(0.0, surplus, chargers)
    assert (found.state, found.reason) == (state, reason)


def test_paused_nothing_is_touched() -> None:
    found = SurplusLaw(RULE, 2).decide(0.0, -900.0, [ON, OFF], paused=True)
    assert found.state is State.PAUSED
    assert found.wishes == (wish(NONE, NONE, Reason.PAUSED, 8.0), wish(NONE, NONE, Reason.PAUSED, 0))


@pytest.mark.parametrize("efficiency", [0.75, 0.87, 0.95, 1.0])
@pytest.mark.parametrize("sun", [130.0, 250.0, 331.0, 480.0])
def test_at_constant_sun_it_comes_to_rest(sun: float, efficiency: float) -> None:
    """Whatever the charger's true efficiency is: after some steps nothing is written any more."""
    law, charger = SurplusLaw(RULE, 1), OFF
    told = []
    for step in range(60):
        true_draw = 27.0 * charger.amps / efficiency
        surplus = surplus_w(true_draw - sun, [charger])
        found = law.decide(30.0 * step, surplus, [charger]).wishes[0]
        on = charger.on if found.on is None else found.on
        limit = charger.limit if found.limit is None else found.limit
        told.append((found.on, found.limit))
        charger = replace(charger, on=on, limit=limit, amps=(limit or 0.0) if on else 0.0)
    assert set(told[20:]) == {(None, None)}
    assert abs(27.0 * charger.amps / efficiency - sun) < 75 or not charger.on
