"""State directory, disk, time zone, clock; the program and the bridge that runs."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing

import pytest

from bridge import __version__
from bridge.datastore.state import FILE_NAME, SCHEMA_VERSION
from bridge.doctor import clock, running, state
from bridge.doctor.checks import CHECKS, findings, site_file
from bridge.doctor.finding import Running
from bridge.doctor.machine import Account, kernel_clock_wrong, own_account, service_account
from tests.doctor.boxes import ROOMY, Box, up

SITE = "devices:\n  charger: {adapter: vedirect, port: /dev/ttyUSB77, unit: 20}\n"
PTY_SITE = "devices:\n  charger: {adapter: vedirect, port: /dev/ptmx, unit: 20}\n"
ROOT = Account("root", 0, frozenset({0}))


def disk(**fields: int) -> os.statvfs_result:
    names = (
        "f_bsize",
        "f_frsize",
        "f_blocks",
        "f_bfree",
        "f_bavail",
        "f_files",
        "f_ffree",
        "f_favail",
        "f_flag",
    )
    return os.statvfs_result([*(fields.get(name, getattr(ROOMY, name)) for name in names), 255])


# -- state -----------------------------------------------------------------------------------------


def test_a_directory_that_may_be_made_or_written(box: Box) -> None:
    box.having(account=ROOT)
    assert box.told(state.directory, SITE) == []
    assert box.told(state.directory) == []


def test_a_directory_that_may_not_be_written(box: Box) -> None:
    box.folder.chmod(0o755)
    box.having(account=Account("someone", 54321, frozenset({54321})))
    (line,) = box.told(state.directory, SITE)
    assert f"user someone may not write {box.folder}, and the state is to be in {box.folder}/state" in line
    assert f"sudo install -d -o someone -m 0700 {box.folder}/state" in line
    box.folder.chmod(0o777)
    assert box.told(state.directory, SITE) == []
    box.folder.chmod(0o755)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        ({"f_bavail": 12_800}, ""),
        ({"f_bavail": 12_799}, "has 49 MiB and"),
        ({"f_favail": 0}, "and 0 files left"),
        ({"f_files": 0, "f_favail": 0}, ""),  # a file system without a count of files, as btrfs
        ({"f_flag": os.ST_RDONLY}, "cannot be written"),
    ],
)
def test_room(box: Box, fields: dict[str, int], words: str) -> None:
    box.having(statvfs=lambda _: disk(**fields))
    lines = box.told(state.room, SITE)
    assert len(lines) == bool(words)
    assert all(words in line for line in lines)
    assert box.told(state.room) == []


@pytest.mark.parametrize(("newer", "count"), [(0, 0), (1, 1)])
def test_a_state_of_another_version(box: Box, newer: int, count: int) -> None:
    (box.folder / "state").mkdir()
    with closing(sqlite3.connect(box.folder / "state" / FILE_NAME)) as database:
        database.execute(f"PRAGMA user_version={SCHEMA_VERSION + newer}")
    lines = box.told(state.schema, SITE)
    assert len(lines) == count
    assert all("run the newer version again" in line for line in lines)


# -- time ------------------------------------------------------------------------------------------


def test_a_machine_with_a_time_zone(box: Box) -> None:
    assert box.told(clock.zone, SITE) == []
    box.contain()
    assert box.told(clock.zone, SITE) == []


def test_a_machine_without_a_time_zone(box: Box) -> None:
    (box.folder / "root/etc/localtime").unlink()
    assert "has no time zone" in box.told(clock.zone, SITE)[0]
    assert box.told(clock.zone, f"timezone: Europe/Stockholm\n{SITE}") == []
    assert box.told(clock.zone) == []


@pytest.mark.parametrize(("zone", "count"), [("Etc/UTC", 1), ("UTC", 1), ("Europe/Stockholm", 0)])
def test_a_container_on_utc(box: Box, zone: str, count: int) -> None:
    here = box.folder / "root/etc/localtime"
    here.unlink()
    box.write(f"usr/share/zoneinfo/{zone}", "TZif2")
    here.symlink_to(box.folder / "root/usr/share/zoneinfo" / zone)
    assert box.told(clock.zone, SITE) == []
    box.contain()
    assert len(box.told(clock.zone, SITE)) == count
    assert box.told(clock.zone, f"timezone: Europe/Stockholm\n{SITE}") == []


@pytest.mark.parametrize(
    ("named", "count"),
    [("Europe/Stockholm", 0), ("CET-1CEST", 0), (":/etc/localtime", 0), ("Europe/Stokholm", 1)],
)
def test_a_time_zone_in_the_environment(box: Box, named: str, count: int) -> None:
    (box.folder / "root/etc/localtime").unlink()
    box.having(environment={"TZ": named})
    assert len(box.told(clock.zone, SITE)) == count


@pytest.mark.parametrize(("wrong", "count"), [(True, 1), (False, 0), (None, 0)])
def test_a_clock(box: Box, wrong: bool | None, count: int) -> None:
    box.having(clock_wrong=lambda: wrong)
    assert len(box.told(clock.synchronised)) == count


def test_the_kernel_can_be_asked() -> None:
    assert kernel_clock_wrong() in (True, False, None)


# -- who runs it -----------------------------------------------------------------------------------


def test_accounts() -> None:
    own = own_account()
    assert (own.uid, own.gids >= {os.getegid()}) == (os.geteuid(), True)
    service = service_account("[Service]\nUser=nobody\nSupplementaryGroups=tty none-of-this-name\n")
    assert service is not None
    assert (service.name, service.binds_low) == ("nobody", False)
    assert len(service.gids) > 1
    assert service_account("User=none-of-this-name\n") is None


# -- the bridge ------------------------------------------------------------------------------------


def test_pymodbus_fits(box: Box) -> None:
    assert box.told(running.seams) == []


def test_another_pymodbus(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.seams.version", lambda _: "3.17.0")
    (line,) = box.told(running.seams)
    assert line.startswith("pymodbus 3.17.0 does not fit (another version) -> this bridge needs pymodbus")


def test_whether_it_runs(box: Box) -> None:
    assert box.told(running.running, SITE, up()) == []
    assert box.told(running.running) == []
    (line,) = box.told(running.running, SITE)
    assert line.endswith(f"start it with `inverter-bridge run {box.folder}/site.yaml`")
    assert "by sudo" in box.told(running.running, SITE, Running("closed"))[0]
    box.write("etc/systemd/system/inverter-bridge.service", "[Service]\nUser=nobody\n")
    assert "systemctl start inverter-bridge" in box.told(running.running, SITE)[0]


def test_another_version_runs(box: Box) -> None:
    assert box.told(running.version, SITE, up(version=__version__)) == []
    assert box.told(running.version, SITE, up()) == []
    (line,) = box.told(running.version, SITE, up(version="0.0.1"))
    assert line.startswith(f"version 0.0.1 runs, and {__version__} is installed -> stop it")


def test_a_listener_that_does_not_serve(box: Box) -> None:
    told = [{"listener": "lan", "serving": True}, {"listener": "wire", "serving": False}]
    (line,) = box.told(running.listeners, SITE, up(listeners=told))
    assert line.startswith("listener wire does not serve")


@pytest.mark.parametrize(
    ("step", "site", "found"),
    [
        ({"link": "online"}, SITE, None),
        ({"link": "asleep", "words": "until 07:42"}, SITE, None),
        ({"link": "night"}, SITE, None),
        ({"link": "silent", "words": ""}, SITE, "device charger is silent -> see that"),
        (
            {"link": "silent", "words": "no inverter answers"},
            SITE,
            "device charger is silent: no inverter answers ->",
        ),
        ({"link": "wrong_device"}, SITE, "device charger is wrong device -> plug"),
        ({"link": "port_missing"}, SITE, None),  # the check of ports tells it
        ({"link": "port_missing"}, PTY_SITE, "device charger is port missing -> plug"),
        ({"link": "starting"}, SITE, "device charger is starting ->"),
    ],
)
def test_devices(box: Box, step: Mapping[str, object], site: str, found: str | None) -> None:
    own = {"device": "bridge", "link": "online", "uptime_s": 61.0}
    lines = box.told(running.devices, site, up(own, {"device": "charger", **step}))
    assert len(lines) == (found is not None)
    assert all(found is not None and line.startswith(found) for line in lines)


def test_devices_of_a_bridge_that_has_just_begun(box: Box) -> None:
    own = {"device": "bridge", "link": "online", "uptime_s": 59.0}
    assert box.told(running.devices, SITE, up(own, {"device": "charger", "link": "starting"})) == []


# -- all of it -------------------------------------------------------------------------------------


def test_a_site_file(box: Box) -> None:
    assert box.told(site_file, SITE) == []
    assert box.told(site_file) == []
    (line,) = box.told(site_file, "devices:\n  charger: {adapter: vedirect, port: /dev/ttyUSB0, unti: 20}\n")
    assert "site.yaml:3:" in line
    assert "'unti'" in line
    (warned,) = box.told(site_file, "devices:\n  charger: {adapter: vedirect, port: /dev/ttyUSB0}\n")
    assert "warning: " in warned


def test_a_machine_that_is_well(box: Box) -> None:
    box.having(account=ROOT)
    own = {"device": "bridge", "link": "online", "uptime_s": 61.0}
    elsewhere = 'devices:\n  charger: {adapter: vedirect, port: "socket://127.0.0.1:4001", unit: 20}\n'
    well = box.case(elsewhere, up(own, version=__version__, pid=1))
    assert findings(well) == []


def test_whatever_is_wrong_no_check_fails(box: Box) -> None:
    box.contain()
    for site in (None, "devices: [}", SITE):
        for bridge in (Running("unasked"), Running("no"), up({}, listeners=[{}])):
            case = box.case(site, bridge)
            for check in CHECKS:
                list(check(case))
