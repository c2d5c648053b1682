"""What a site file may say of a BMS."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can_bms.battery import Battery
from bridge.adapters.can_bms.options import FAMILY
from bridge.site.loader import load_site

from .rig import BATTERY, CCL, CVL, DCL, options_of


def test_what_it_is_unless_told() -> None:
    options = options_of()
    assert type(options).model_fields["observe"].default is True
    assert (options.watchdog, options.phases.fresh, *options.after_fresh) == (30.0, 5.0, 10.0, 30.0)
    assert options_of(on_stale="stop").after_fresh == (0.0, 0.0)


@pytest.mark.parametrize(
    ("battery", "voltages", "currents"),
    [
        (BATTERY, (40.0, 58.4), (200.0, 200.0)),
        ({"cells": 15, "chemistry": "lfp", "capacity": 100}, (37.5, 54.75), (100.0, 100.0)),
        ({"cells": 14, "chemistry": "nmc", "capacity": 100}, (42.0, 58.8), (100.0, 100.0)),
        ({"cells": 22, "chemistry": "lto", "capacity": 40}, (39.6, 61.6), (80.0, 80.0)),
        ({"cells": 24, "chemistry": "lead", "capacity": 100}, (42.0, 60.0), (30.0, 100.0)),
        ({**BATTERY, "max_voltage": 56.0, "min_voltage": 46.0}, (46.0, 56.0), (200.0, 200.0)),
        ({**BATTERY, "max_charge_current": 60, "max_discharge_current": 150}, (40.0, 58.4), (60.0, 150.0)),
        ({**BATTERY, "capacity": 3000}, (40.0, 58.4), (1200.0, 1200.0)),
    ],
)
def test_the_limits_of_a_battery(
    battery: dict[str, Any], voltages: tuple[float, float], currents: tuple[float, float]
) -> None:
    found = options_of(dialect="pylontech", battery=battery).battery
    assert (found.lowest_v, found.highest_v) == pytest.approx(voltages)
    assert (found.charge_a, found.discharge_a) == pytest.approx(currents)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"battery": {**BATTERY, "chemistry": "liion"}}, "'lfp', 'nmc', 'lto' or 'lead'"),
        ({"battery": {**BATTERY, "max_voltage": 60.0}}, "expected max_voltage of 40 to 58.4 V"),
        ({"battery": {**BATTERY, "min_voltage": 30.0}}, "expected min_voltage of 40 to 58.4 V"),
        ({"battery": {**BATTERY, "max_voltage": 48, "min_voltage": 50}}, "expected a max_voltage above 50 V"),
        ({"battery": {**BATTERY, "cells": 32}}, "expected a battery of at most 64 V"),
        (
            {"battery": {**BATTERY, "cells": 8}},
            "expected with `dialect: sma` a battery charged to 41 to 63 V",
        ),
        ({"watchdog": 4}, "greater than or equal to 5"),
        ({"watchdog": 301}, "less than or equal to 300"),
        ({"watchdog": 300}, "expected at most 300 s from the last true value to silence: watchdog"),
        ({"phases": {"hold": 200, "zero": 100}}, "expected at most 300 s"),
        ({"phases": {"forever": True}}, "forever"),
        ({"on_stale": "repeat"}, "'zero_then_stop' or 'stop'"),
        (
            {"lease": {"/Soc": {"time": 280, "safe": "hold"}}},
            "lease of /Soc and the phases after it are 320 s",
        ),
        ({"lease": {"/Soc": {"time": 3, "safe": "hold"}}}, "expected a lease of /Soc of 5 s to 300 s"),
        ({"lease": {"/Soc": {"time": 30, "safe": 50}}}, "without a value for its end"),
        ({"name": "LONGER THAN 8"}, "at most 8 characters"),
        ({"charge_control": {"float_voltage": 59}}, "charge_control.float_voltage of 40 to 58.4 V"),
        ({"charge_control": {"float_voltage": 57}}, "in this order"),
        ({"charge_control": {"bulk_current": 250}}, "bulk_current of at most 200 A"),
        ({"charge_control": {"lowest_temperature": 40}}, "at least 10 degrees above"),
    ],
)
def test_what_it_may_not_say(keys: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as refused:
        options_of(**keys)
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("battery", "line", "expected"),
    [
        ("{cells: 16, capacity: 200}", "found no 'chemistry', expected the chemistry", "no default"),
        (None, "found no 'battery', expected the battery", "chemistry"),
    ],
)
def test_a_missing_chemistry_is_told_with_its_reason(
    tmp_path: Path, battery: str | None, line: str, expected: str
) -> None:
    file = tmp_path / "site.yaml"
    keys = "" if battery is None else f", battery: {battery}"
    file.write_text(
        f"state: {tmp_path / 'state'}\nlisteners: []\ndevices:\n"
        f"  bms: {{adapter: can_bms, interface: slcan, channel: /dev/ttyACM0, dialect: sma{keys}}}\n"
    )
    problems = load_site(file, {}, {"can_bms": FAMILY}, lambda *_: None).problems
    assert [problem.line for problem in problems] == [4]
    assert line in problems[0].message
    assert expected in problems[0].message


@pytest.mark.parametrize(
    ("dialect", "path", "caps"),
    [
        ("pylontech", CVL, (40.0, 58.4)),
        ("sma", CVL, (41.0, 58.4)),
        ("sma", "/Info/BatteryLowVoltage", (41.0, 48.0)),
        ("victron", "/Info/BatteryLowVoltage", (40.0, 58.4)),
        ("sma", CCL, (0.0, 200.0)),
        ("sma", DCL, (0.0, 200.0)),
    ],
)
def test_caps_are_those_of_the_battery_and_of_the_inverter(
    dialect: str, path: str, caps: tuple[float, float]
) -> None:
    options = options_of(dialect=dialect)
    assert Battery(options.battery, DIALECTS[options.dialect]).caps[path] == pytest.approx(caps)
