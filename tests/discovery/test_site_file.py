"""Site files made of what was found: they load, and serve what they say."""

import os
from pathlib import Path

import pytest

from bridge.adapters.probing import Introduction
from bridge.discovery.lan import LanDevice
from bridge.discovery.site_file import SiteDraft
from bridge.site.families import InstalledFamilies
from bridge.site.loader import SiteLoad, load_site

CHARGER = Introduction(
    "vedirect", "Blue Smart IP22", "ac_charger", "HQ1", "3.42", options={"product": "ac_charger"}
)
SERIES607 = Introduction(
    "modbus",
    "Series607",
    options={"map": "series607", "baudrate": 38400, "remote_unit": 42, "serial": "INVERTER1"},
)
MULTI = Introduction("vebus_mk3", "MultiPlus", serial="SIM1", asleep=True)
ROOF = Introduction("apsystems", "zigbee coordinator", text="name them", options=None)
ADAPTER = Introduction("can", "slcan adapter", text="not known", options=None)
UNNAMED = Introduction("vedirect", "VE.Direct device", options={})
GX = LanDevice(
    "192.168.1.5", "gx", "Victron GX", 100, "c0619ab2f6e1", "victron_gx_system",
    options={"map": "victron_gx_system", "host": "192.168.1.5", "remote_unit": 100},
)  # fmt: skip
METER = LanDevice(
    "192.168.1.6:1502", "meter", "EM24", 1, map="em24",
    options={"map": "em24", "host": "192.168.1.6:1502", "remote_unit": 1},
)  # fmt: skip
SUNSPEC = LanDevice("192.168.1.7", "sunspec", "Symo", 1, text="no map")


@pytest.fixture
def draft() -> SiteDraft:
    return SiteDraft(InstalledFamilies())


def loaded(draft: SiteDraft, folder: Path) -> SiteLoad:
    file = folder / "site.yaml"
    file.write_text(draft.text("site.yaml"))
    return load_site(
        file, {**os.environ, "STATE_DIRECTORY": str(folder / "state")}, InstalledFamilies(), lambda *_: None
    )


def served(load: SiteLoad) -> list[tuple[int, str, str | None]]:
    assert load.problems == ()
    return [(unit.unit, unit.device, unit.map) for unit in load.units]


def test_everything_at_once(draft: SiteDraft, tmp_path: Path) -> None:
    for number, found in enumerate((CHARGER, CHARGER, SERIES607, SERIES607, MULTI, ROOF, ADAPTER, UNNAMED)):
        draft.add_port(f"/dev/serial/by-id/usb-{number}:1.0-port0", "", found)
    for device in (GX, METER, SUNSPEC):
        draft.add_lan(device)
    draft.let_write("192.168.1.5")
    load = loaded(draft, tmp_path)
    assert served(load) == [
        (1, "meter", "em24"),
        (10, "multi", "vebus"),
        (20, "charger", "bluesmart_charger"),
        (21, "charger_2", "bluesmart_charger"),
        (42, "inverter", "series607"),
        (43, "inverter_2", "series607"),
        (60, "vedirect", None),
    ]
    assert load.site is not None
    assert [rule.who for rule in load.site.access.write] == ["127.0.0.0/8", "192.168.1.5/32"]
    assert load.site.devices["gx"].unit is None
    assert draft.devices == 8


@pytest.mark.parametrize(("found", "adapters"), [(ROOF, 1), (ADAPTER, 3)])
def test_what_a_person_completes_is_right_once_its_marks_are_taken_away(
    found: Introduction, adapters: int, draft: SiteDraft, tmp_path: Path
) -> None:
    port = "/dev/serial/by-id/usb-1"
    draft.add_port(port, "", found)
    assert draft.devices == 0
    proposed = [line.removeprefix("#   ") for line in draft.remarks[0].splitlines() if "{adapter" in line]
    assert len(proposed) == adapters
    for line in proposed:
        file = tmp_path / "site.yaml"
        file.write_text(f"state: {tmp_path}\ndevices:\n  {line}\n")
        load = load_site(file, {}, InstalledFamilies(), lambda *_: None)
        assert load.problems == ()


@pytest.mark.parametrize("name", ["two\nlines: {", "\x1b[2Jgone", "# } ]", "ütf"])
def test_no_device_can_write_into_the_site_file(name: str, draft: SiteDraft, tmp_path: Path) -> None:
    draft.add_port(
        "/dev/ttyUSB0", "", Introduction("vedirect", name, "inverter", name, options={"product": "inverter"})
    )
    draft.add_lan(LanDevice("192.168.1.9", "modbus", name, 1, name, text=name))
    draft.add_port(
        "/dev/ttyUSB1", "", Introduction("apsystems", name, firmware=name, text=name, options=None)
    )
    assert [unit[1] for unit in served(loaded(draft, tmp_path))] == ["inverter"]


@pytest.mark.parametrize("port", ["/dev/tty USB0", "socket://192.168.1.31:4001", '/dev/it\'s "{here}", #1'])
def test_names_of_ports_are_quoted_where_yaml_needs_it(port: str, draft: SiteDraft, tmp_path: Path) -> None:
    draft.add_port(port, "", CHARGER)
    load = loaded(draft, tmp_path)
    assert load.site is not None
    assert getattr(load.site.devices["charger"], "port") == port  # noqa: B009 - of the family's own options
