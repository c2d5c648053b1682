"""Tools of others that these tests need: where one is missing they fail under CI and are skipped elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.running import PATIENCE_S
from tests.repo.checkout import ROOT

#: What a first set-up may take on a slow line.
SET_UP_S = 240.0
JS = ROOT / "tests" / "interop" / "js"
OLD_PYMODBUS = ROOT / ".venv-pymodbus25"


def missing(what: str, cure: str) -> None:
    """Skip the test, or fail it under CI (CI=true in the environment)."""
    said = f"{what} is missing: {cure}"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


def tool(name: str, package: str) -> str:
    """Return where a program is."""
    found = shutil.which(name)
    if found is None:
        missing(name, f"install the Debian package {package}")
    return str(found)


def run(*command: str | Path, timeout_s: float = PATIENCE_S, cwd: Path | None = None) -> str:
    """Run a program and return what it printed, both streams; it must end well."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def compiled(source: Path, folder: Path) -> Path:
    """Compile a C program against libmodbus."""
    compiler, finder = tool("cc", "gcc libc6-dev"), tool("pkg-config", "pkg-config")
    asked = subprocess.run(
        [finder, "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        missing("libmodbus", "install the Debian package libmodbus-dev")
    program = folder / source.stem
    run(
        compiler,
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        program,
        source,
        *asked.stdout.split(),
        timeout_s=SET_UP_S,
    )
    return program


def javascript() -> Path:
    """Return the folder with the JavaScript master, its library installed beside it once."""
    npm = tool("npm", "npm")
    if not (JS / "node_modules" / "modbus-serial" / "package.json").exists():
        options = ("--no-package-lock", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")
        _set_up("modbus-serial", [npm, "install", *options], JS)
    return JS


def old_pymodbus() -> Path:
    """Return the interpreter of a virtual environment with pymodbus 2.5.3, made once."""
    python = OLD_PYMODBUS / "bin" / "python"
    ready = OLD_PYMODBUS / ".installed"
    if not ready.exists():
        _set_up("a virtual environment", [sys.executable, "-m", "venv", "--clear", str(OLD_PYMODBUS)], ROOT)
        wanted = ["pymodbus==2.5.3", "six", "pyserial"]
        _set_up("pymodbus 2.5.3", [str(python), "-m", "pip", "--quiet", "install", *wanted], ROOT)
        ready.touch()
    return python


def _set_up(what: str, command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SET_UP_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        missing(
            what, f"could not be installed ({done.stderr.strip().splitlines()[-1:]}), is there a network?"
        )
