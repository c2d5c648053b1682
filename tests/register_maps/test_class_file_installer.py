"""The installer works on a GX's file system, here a folder, and a broken class file stops nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.register_maps.class_file import class_file
from bridge.register_maps.class_file_installer import install_script
from tests.cerbo.rig import shipped

#: The shape of the client's program: imports, then what runs.
CLIENT = """#!/usr/bin/python3 -u
import os
import sys
sys.path.insert(1, os.path.dirname(__file__))
from functools import partial

import probe
import stock_meter

import logging
log = logging.getLogger()

def main():
    logging.basicConfig(format='%(levelname)-8s %(message)s')
    print('serving', ' '.join(probe.types))

main()
"""
MODULES = {"probe.py": "types = []\n", "stock_meter.py": "import probe\nprobe.types.append('stock_meter')\n"}
GOOD = "import probe\nprobe.types.append(__name__)\n"
NAME = "bluesmart_charger"

#: A GX has BusyBox; dash is as strict. Bash stands in where there is neither.
_SHELLS = (["busybox", "sh"], ["dash"], ["bash", "--posix"])
SHELLS = [shell for shell in _SHELLS[:2] if shutil.which(shell[0])] or [_SHELLS[2]]


@pytest.fixture(params=SHELLS, ids=lambda command: command[0])
def gx(request: pytest.FixtureRequest, tmp_path: Path) -> "Gx":
    return Gx(tmp_path / "gx", request.param)


class Gx:
    """A folder that looks like Venus OS to the installer."""

    def __init__(self, root: Path, shell: list[str]) -> None:
        self.root, self.shell = root, shell
        self.client = root / "opt/victronenergy/dbus-modbus-client"
        self.main = self.client / "dbus-modbus-client.py"
        self.rc = root / "data/rc.local"
        self.keep = root / "data/inverter-bridge"
        (root / "data").mkdir(parents=True)
        self.update_firmware()

    def update_firmware(self, client: str = CLIENT) -> None:
        shutil.rmtree(self.client, ignore_errors=True)
        self.client.mkdir(parents=True)
        self.main.write_text(client)
        self.main.chmod(0o755)
        for name, text in MODULES.items():
            (self.client / name).write_text(text)

    def script(self, text: str = GOOD, name: str = NAME) -> Path:
        file = self.root.parent / f"install_{name}.sh"
        file.write_text(install_script(shipped(name), text, "1.0"))
        return file

    def run(self, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "GX_ROOT": str(self.root)}
        return subprocess.run(
            [*self.shell, str(script), *arguments],
            env=environment, check=False, capture_output=True, text=True, timeout=30,
        )  # fmt: skip

    def serve(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-B", str(self.main)], check=False, capture_output=True, text=True, timeout=30
        )


def test_the_client_then_knows_the_class(gx: Gx) -> None:
    done = gx.run(gx.script())
    assert (done.returncode, done.stderr) == (0, "")
    assert gx.serve().stdout == f"serving stock_meter {NAME}\n"
    assert (gx.keep / "dbus-modbus-client.py.stock").read_text() == CLIENT
    assert os.access(gx.main, os.X_OK)
    assert os.access(gx.rc, os.X_OK)
    assert f"sh /data/inverter-bridge/install_{NAME}.sh apply" in gx.rc.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise RuntimeError('no such register')", "no such register"),
        ("import nothing_of_the_kind", "nothing_of_the_kind"),
        ("this is no Python", "SyntaxError"),
        ("import sys\nsys.exit(3)", "SystemExit"),
        ("import probe\nprobe.no_such_name()", "no_such_name"),
    ],
)
def test_a_class_file_that_fails_does_not_stop_the_client(gx: Gx, text: str, said: str) -> None:
    gx.run(gx.script(text))
    served = gx.serve()
    assert (served.returncode, served.stdout) == (0, "serving stock_meter\n")
    assert said in served.stderr
    assert NAME in served.stderr


def test_a_class_file_that_is_gone_does_not_either(gx: Gx) -> None:
    gx.run(gx.script())
    (gx.client / f"{NAME}.py").unlink()
    assert gx.serve().stdout == "serving stock_meter\n"


def test_a_firmware_update_is_survived(gx: Gx) -> None:
    gx.run(gx.script())
    newer = CLIENT.replace("serving", "serving newly")
    gx.update_firmware(newer)
    assert gx.serve().stdout == "serving newly stock_meter\n"
    assert gx.run(gx.keep / f"install_{NAME}.sh", "apply").returncode == 0
    assert gx.serve().stdout == f"serving newly stock_meter {NAME}\n"
    assert (gx.keep / "dbus-modbus-client.py.stock").read_text() == newer


def test_twice_is_once(gx: Gx) -> None:
    gx.run(gx.script())
    first, rc = gx.main.read_text(), gx.rc.read_text()
    for arguments in ((), ("apply",)):
        assert gx.run(gx.script(), *arguments).returncode == 0
    assert (gx.main.read_text(), gx.rc.read_text()) == (first, rc)


def test_a_newer_file_takes_the_place_of_the_older(gx: Gx) -> None:
    gx.run(gx.script())
    first = gx.main.read_text()
    gx.run(gx.script(GOOD + "probe.types.append('newer')\n"))
    assert gx.serve().stdout == f"serving stock_meter {NAME} newer\n"
    assert gx.main.read_text() == first


def test_uninstalling_leaves_everything_as_it_was(gx: Gx) -> None:
    gx.rc.write_text("#!/bin/sh\necho mine\nexit 0\n")
    gx.rc.chmod(0o755)
    gx.run(gx.script())
    done = gx.run(gx.script(), "uninstall")
    assert (done.returncode, done.stderr) == (0, "")
    assert gx.main.read_text() == CLIENT
    assert os.access(gx.main, os.X_OK)
    assert gx.rc.read_text() == "#!/bin/sh\necho mine\nexit 0\n"
    assert not gx.keep.exists()
    assert sorted(f.name for f in gx.client.iterdir()) == [
        "dbus-modbus-client.py",
        "probe.py",
        "stock_meter.py",
    ]


def test_the_kept_script_can_uninstall_itself(gx: Gx) -> None:
    gx.run(gx.script())
    assert gx.run(gx.keep / f"install_{NAME}.sh", "uninstall").returncode == 0
    assert gx.main.read_text() == CLIENT


def test_uninstalling_what_is_not_there_harms_nothing(gx: Gx) -> None:
    assert gx.run(gx.script(), "uninstall").returncode == 0
    assert gx.main.read_text() == CLIENT


def test_a_start_file_that_ends_early_runs_it_first(gx: Gx) -> None:
    gx.rc.write_text("#!/bin/sh\nexit 0\n")
    gx.run(gx.script())
    first, second, third = gx.rc.read_text().splitlines()
    assert (first, third) == ("#!/bin/sh", "exit 0")
    assert second.startswith("sh /data/inverter-bridge/")


def test_two_classes_live_side_by_side(gx: Gx) -> None:
    other = "smartshunt"
    gx.run(gx.script())
    gx.run(gx.script(name=other))
    assert set(gx.serve().stdout.split()) == {"serving", "stock_meter", NAME, other}
    gx.run(gx.script(), "uninstall")
    assert gx.serve().stdout == f"serving stock_meter {other}\n"
    gx.run(gx.script(name=other), "uninstall")
    assert gx.main.read_text() == CLIENT
    assert not gx.keep.exists()


def test_another_machine_is_left_alone(gx: Gx) -> None:
    shutil.rmtree(gx.client)
    done = gx.run(gx.script())
    assert done.returncode == 1
    assert "expected Venus OS" in done.stderr
    assert not gx.rc.exists()


@pytest.mark.parametrize("client", ["print('something else')\n", "def f(:\nimport os\n"])
def test_a_client_of_another_make_is_left_alone(gx: Gx, client: str) -> None:
    gx.update_firmware(client)
    done = gx.run(gx.script())
    assert done.returncode == 1
    assert "expected v1.83" in done.stderr
    assert gx.main.read_text() == client


def test_an_unknown_word_is_refused(gx: Gx) -> None:
    done = gx.run(gx.script(), "instal")
    assert done.returncode == 1
    assert "found 'instal'" in done.stderr
    assert gx.main.read_text() == CLIENT


@pytest.mark.parametrize("name", [NAME, "smartshunt"])
def test_the_generated_file_arrives_unchanged(gx: Gx, name: str) -> None:
    text = class_file(shipped(name), "1.0")
    gx.run(gx.script(text, name))
    assert (gx.client / f"{name}.py").read_text().rstrip() == text.rstrip()
