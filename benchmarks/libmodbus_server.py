"""Compiles the libmodbus server and becomes it, pinned as the others are. Prints its port."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.bench_family import POINTS
from benchmarks.load import FIRST, compiler, pin

SOURCE = Path(__file__).with_name("libmodbus_server.c")


def flags() -> list[str] | None:
    """Return how to compile against libmodbus, None where it is not installed."""
    finder = shutil.which("pkg-config")
    if finder is None:
        return None
    asked = subprocess.run(
        [finder, "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=False
    )
    return None if asked.returncode else asked.stdout.split()


def main() -> None:
    found = flags()
    if found is None:
        raise SystemExit("no libmodbus found (Debian: apt install libmodbus-dev pkg-config)")
    folder = Path(tempfile.mkdtemp())
    program = folder / "libmodbus_server"
    subprocess.run([compiler(), "-O2", "-o", str(program), str(SOURCE), *found], check=True)
    pin(0)
    held = os.open(program, os.O_RDONLY)  # so that nothing is left behind when it is killed
    os.set_inheritable(held, True)  # noqa: FBT003 - its only argument by place
    shutil.rmtree(folder)
    os.execv(f"/proc/self/fd/{held}", ["libmodbus_server", str(FIRST), str(POINTS)])


if __name__ == "__main__":
    main()
