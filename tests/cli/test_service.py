"""`service`: what it writes, whom it calls, and what it refuses to touch. systemctl is a stand-in that notes."""

import os
import stat
from pathlib import Path

import pytest

from bridge.cli import main, service

SITE = 'listeners: [{tcp: "127.0.0.1:1502"}]\ndevices: {}\n'


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system with stand-ins that note their calls, and the files of the service in a folder of its own."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("systemctl", "useradd", "udevadm", "journalctl"):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/calls"\n')
        tool.chmod(0o755)
    for part in (tmp_path, *tmp_path.parents):  # pytest closes its folders, which is what installing refuses
        if part != Path("/") and part.stat().st_uid == os.getuid():
            part.chmod(part.stat().st_mode | stat.S_IXOTH)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(service, "UNIT", tmp_path / "systemd" / "inverter-bridge.service")
    monkeypatch.setattr(service, "UDEV_RULES", tmp_path / "udev" / "60-inverter-bridge.rules")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "site.yaml").chmod(0o644)
    program = tools / "inverter-bridge"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(service, "_program", lambda: program)
    return tmp_path


def calls(system: Path) -> list[str]:
    noted = system / "calls"
    return noted.read_text().splitlines() if noted.exists() else []


def test_install_restart_uninstall(system: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "install", str(system / "site.yaml")]) == 0
    unit = system / "systemd" / "inverter-bridge.service"
    assert f"run {system}/site.yaml\n" in unit.read_text()
    assert (system / "udev" / "60-inverter-bridge.rules").exists()
    assert calls(system)[-3:] == [
        "systemctl daemon-reload",
        "systemctl enable inverter-bridge",
        "systemctl restart inverter-bridge",
    ]
    assert main(["service", "restart"]) == 0
    assert calls(system)[-1] == "systemctl restart inverter-bridge"
    assert main(["service", "uninstall"]) == 0
    assert not unit.exists()
    assert "systemctl disable --now inverter-bridge" in calls(system)
    assert "the saved state stays" in capsys.readouterr().out


def test_a_bad_site_changes_nothing_and_stops_nobody(
    system: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = system / "site.yaml"
    assert main(["service", "install", str(site)]) == 0
    before = calls(system)
    site.write_text("devices: {charger: {adapter: vedirekt}}\n")
    assert main(["service", "restart"]) == 2
    assert main(["service", "install", str(site)]) == 2
    assert calls(system) == before
    assert "vedirect" in capsys.readouterr().err


def test_what_the_services_user_could_not_read_is_refused(
    system: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (system / "site.yaml").chmod(0o600)
    assert main(["service", "install", str(system / "site.yaml")]) == 1
    assert "closed to other users" in capsys.readouterr().err
    assert calls(system) == []


def test_only_root(system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["service", "install", str(system / "site.yaml")]) == 1
    assert "only root may do that: sudo" in capsys.readouterr().err


def test_a_system_without_systemd(
    system: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service.shutil, "which", lambda _: None)
    assert main(["service", "uninstall"]) == 1
    assert "no systemd" in capsys.readouterr().err


def test_a_failing_call_is_told(system: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (system / "bin" / "systemctl").write_text("#!/bin/sh\nexit 5\n")
    assert main(["service", "install", str(system / "site.yaml")]) == 1
    assert "`systemctl daemon-reload` failed (exit 5)" in capsys.readouterr().err


def test_restart_without_an_installed_service(system: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "restart"]) == 1
    assert "is not installed" in capsys.readouterr().err
    assert calls(system) == []


def test_logs(system: Path) -> None:
    assert main(["service", "logs", "-f", "-n", "7"]) == 0
    assert calls(system) == ["journalctl --unit inverter-bridge --lines 7 --follow"]
