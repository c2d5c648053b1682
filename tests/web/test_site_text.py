"""A site file changed at one place: everything else stays as it was written."""

import pytest

from bridge.outlets.web.site_text import (
    NotThere,
    device_options,
    difference,
    leave_observe,
    observing_devices,
    scalar,
    with_device,
    with_section,
    without_device,
)

SITE = """\
# the dock
site: Boatyard
devices:
  # the charger
  charger: {adapter: vedirect, port: /dev/ttyUSB0}   # left
  bms:
    adapter: can_bms   # towards the inverter
    dialect: sma
  # the last
  shunt: {adapter: vedirect, port: /dev/ttyUSB1}

# what leaves
outlets:
  web:
"""
OBSERVED = "devices:\n  bms: {adapter: can_bms, observe: true}  # yet\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SITE, {"bms"}),
        (OBSERVED, {"bms"}),
        (OBSERVED.replace("true", "false"), set()),
        ("devices: [", set()),
        ("", set()),
        ("devices:\n", set()),
        ("devices: {a: 1}\n", set()),
    ],
)
def test_who_only_observes(text: str, found: set[str]) -> None:
    assert observing_devices(text) == found


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (SITE, SITE.replace("    adapter: can_bms", "    observe: false\n    adapter: can_bms")),
        (OBSERVED, OBSERVED.replace("true", "false")),
        (
            "devices:\n  bms: {adapter: can_bms}\n",
            "devices:\n  bms: {observe: false, adapter: can_bms}\n",
        ),
    ],
)
def test_leaving_observe(text: str, after: str) -> None:
    assert leave_observe(text, "bms") == after
    assert not observing_devices(after)


def test_a_device_of_another_file_is_left_alone() -> None:
    with pytest.raises(NotThere, match="by hand"):
        leave_observe("include: more.yaml\n", "bms")
    with pytest.raises(NotThere, match="by hand"):
        without_device(SITE, "nobody")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (SITE, SITE.replace("devices:\n", "access: {write: [10.0.0.1]}\ndevices:\n")),
        (
            "access:\n  # who\n  write: [10.0.0.9]\n\n# all\ndevices:\n  a: {}\n",
            "access: {write: [10.0.0.1]}\n\n# all\ndevices:\n  a: {}\n",
        ),
        ("devices:\n  a: {}\naccess: {write: []}\n", "devices:\n  a: {}\naccess: {write: [10.0.0.1]}\n"),
    ],
)
def test_a_section_in_one_line(text: str, after: str) -> None:
    assert with_section(text, "access: {write: [10.0.0.1]}") == after


NEW = "  fan: {adapter: yard, port: /dev/x, unit: 3}\n"


@pytest.mark.parametrize(
    ("text", "name", "after"),
    [
        (SITE, "fan", SITE.replace("/dev/ttyUSB1}\n", f"/dev/ttyUSB1}}\n{NEW}")),
        (SITE, "charger", SITE.replace(SITE.split("\n")[4], NEW.rstrip().replace("fan", "charger"))),
        (
            SITE,
            "bms",
            SITE.replace(
                "  bms:\n    adapter: can_bms   # towards the inverter\n    dialect: sma\n",
                NEW.replace("fan", "bms"),
            ),
        ),
        ("", "fan", f"devices:\n{NEW}"),
        ("site: x\n", "fan", f"site: x\ndevices:\n{NEW}"),
        ("devices:\n", "fan", f"devices:\n{NEW}"),
    ],
)
def test_a_device_is_added_or_changed(text: str, name: str, after: str) -> None:
    assert with_device(text, name, {"adapter": "yard", "port": "/dev/x", "unit": 3}) == after


def test_a_device_is_removed_without_its_neighbours_comments() -> None:
    after = without_device(SITE, "bms")
    assert "bms" not in after
    assert "# the last" in after
    assert "# the charger" in after
    assert device_options(after).keys() == {"charger", "shunt"}


@pytest.mark.parametrize("text", ["devices: {a: {adapter: x}, b: {adapter: y}}\n"])
def test_one_line_for_all_devices_is_for_the_text(text: str) -> None:
    for change in (
        lambda: with_device(text, "c", {}),
        lambda: with_device(text, "a", {}),
        lambda: without_device(text, "a"),
    ):
        with pytest.raises(NotThere, match="in one line"):
            change()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("/dev/ttyUSB0", "/dev/ttyUSB0"),
        ("0123", '"0123"'),
        ("true", '"true"'),
        ("a: b", '"a: b"'),
        ("30 s", '"30 s"'),
        (True, "true"),
        (20, "20"),
        ("}, evil: {", '"}, evil: {"'),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_a_value_stays_a_value(value: object, written: str) -> None:
    assert scalar(value) == written


def test_what_differs() -> None:
    lines = difference("a\nb\nc\n", "a\nB\nc\n")
    assert [line for line in lines if line[0] in "+-"] == ["-b", "+B"]
    assert difference("a\n", "a\n") == []
