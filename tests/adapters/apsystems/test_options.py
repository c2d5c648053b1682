"""The site file's keys for a roof: what is taken, and what is said of what is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.adapters.apsystems.ecu import DEFAULT_IDS
from bridge.adapters.apsystems.inverter_frames import LIMIT_W
from bridge.adapters.apsystems.options import DEFAULT_ECU_ID, FAMILY, ApsystemsOptions
from bridge.adapters.apsystems.points import LIMIT_MAX_W, LIMIT_MIN_W
from bridge.register_maps.catalogue import Catalogue
from bridge.site.loader import SiteLoad, load_site

ONE = 'inverters: [{serial: "408000158215", model: yc600}]'


@pytest.fixture
def site(tmp_path: Path) -> Callable[[str], SiteLoad]:
    """Load a site with one roof, of the keys given."""

    def load(keys: str) -> SiteLoad:
        file = tmp_path / "site.yaml"
        file.write_text(
            f'state: "{tmp_path}"\nlisteners: [{{tcp: "127.0.0.1:0"}}]\n'
            f"devices:\n  roof: {{adapter: apsystems, port: /dev/ttyAMA0, unit: 50, {keys}}}\n"
        )
        return load_site(file, {}, {"apsystems": FAMILY}, lambda *_: None, Catalogue())

    return load


def options(load: SiteLoad) -> ApsystemsOptions:
    assert load.site is not None, load.problems
    found = load.site.devices["roof"]
    assert isinstance(found, ApsystemsOptions)
    return found


def test_a_roof_as_the_design_writes_it(site: Callable[[str], SiteLoad]) -> None:
    found = options(
        site(
            "ecu_id: d8a3011b9781, reset_gpio: 18, location: [52.1, 5.2], poll: 5 min, sunrise_offset: -5 min,"
            'inverters: [{serial: "408000158215", model: yc600}, {serial: 802000018915, model: qs1, address: 0x3D2A}]'
        )
    )
    assert (found.ecu_id, found.reset_gpio, found.location) == ("D8A3011B9781", 18, (52.1, 5.2))
    assert (found.poll, found.sunrise_offset, found.sunset_offset) == (300.0, -300.0, 0.0)
    assert [(each.serial, each.address) for each in found.inverters] == [
        ("408000158215", None),
        ("802000018915", 0x3D2A),
    ]


@pytest.mark.parametrize(("written", "address"), [("0x103A", 0x103A), ("'3A10'", 0x103A), ("4154", 0x103A)])
def test_both_spellings_of_an_address(site: Callable[[str], SiteLoad], written: str, address: int) -> None:
    load = site(f'inverters: [{{serial: "408000158215", model: yc600, address: {written}}}]')
    assert options(load).inverters[0].address == address


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (f"ecu_id: D8A3011B97, {ONE}", "expected 12 hexadecimal characters"),
        (f"location: [95, 5], {ONE}", "expected latitude -90 to 90"),
        (f"poll: 2 s, {ONE}", "expected 5 to 3600 s"),
        (f"poll: 2 h, {ONE}", "expected 5 to 3600 s"),
        (f"sunrise_offset: soon, {ONE}", "with - before it for earlier"),
        (f"sunset_offset: 5 h, {ONE}", "expected at most 4 h"),
        (f"reset_gpio: yes, {ONE}", "expected a GPIO line such as 18"),
        (f"timezone: Europe/Amsterdm, {ONE}", "expected a time zone such as"),
        (f"layout: flat, {ONE}", "expected one of roof, per_inverter"),
        ("inverters: []", "expected"),
        ("poll: 60", "found no 'inverters'"),
        (
            "inverters: [{serial: 40800015821, model: yc600}]",
            "expected the 12 digits of the inverter's label",
        ),
        ('inverters: [{serial: "408000158215", model: qt2}]', "expected one of yc600, qs1, ds3"),
        ('inverters: [{serial: "408000158215", model: qs1, address: 0}]', "expected 0x0001 to 0xFFFE"),
        ('inverters: [{serial: "408000158215", model: qs1, address: 0xFFFF}]', "expected 0x0001 to 0xFFFE"),
        ('inverters: [{serial: "408000158215", model: qs1, adress: 5}]', "did you mean 'address'?"),
        (f'{ONE[:-1]}, {{serial: "408000158215", model: yc600}}]', "408000158215 stands twice"),
    ],
)
def test_what_is_refused(site: Callable[[str], SiteLoad], keys: str, said: str) -> None:
    load = site(keys)
    assert load.site is None
    assert any(said in f"{problem.message} {problem.hint}" for problem in load.problems), load.problems


def test_ten_inverters_are_one_too_many() -> None:
    ten = [{"serial": f"4080001582{n:02}", "model": "yc600"} for n in range(10)]
    given: dict[str, Any] = {"adapter": "apsystems", "port": "p", "inverters": ten}
    with pytest.raises(ValidationError):
        ApsystemsOptions.model_validate(given)
    assert len(ApsystemsOptions.model_validate({**given, "inverters": ten[:9]}).inverters) == 9


@pytest.mark.parametrize(
    ("model", "allowed", "can"),
    [
        *(("ds3", None, True), ("ds3", False, False), ("yc600", None, False)),
        *(("yc600", True, True), ("qs1", None, False), ("qs1", True, True)),
    ],
)
def test_who_may_be_limited(model: str, allowed: bool | None, can: bool) -> None:
    inverter: dict[str, Any] = {"serial": "408000158215", "model": model, "allow_limit": allowed}
    given = {"adapter": "apsystems", "port": "p", "inverters": [inverter]}
    assert ApsystemsOptions.model_validate(given).inverters[0].can_limit is can


def test_what_stands_twice_is_the_same() -> None:
    """Options are light and import nothing of their family, so they repeat two facts."""
    assert DEFAULT_ECU_ID in DEFAULT_IDS
    assert (LIMIT_MIN_W, LIMIT_MAX_W) == LIMIT_W
