"""The load generator `mbload.c`, compiled where it is needed, and one run of it."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Cell

SOURCE = Path(__file__).with_name("mbload.c")
#: The unit and first register that every server of the benchmark serves; stock clients probe nothing there.
UNIT, FIRST = 20, 0x4000
#: The unit of the bridge whose device never obeys.
WAITING_UNIT = 21
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """What one run measured. `cpu_us` is the server's processor time per request."""

    rps: float
    p50_us: float
    p99_us: float
    errors: int
    replies: int
    cpu_us: float
    load_cpu: float
    kinds: dict[str, int]


def compiler() -> str:
    """Return a C compiler; raises RuntimeError with the cure when there is none."""
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        raise RuntimeError(
            "no C compiler found: the load generator needs one (Debian: apt install gcc libc6-dev)"
        )
    return found


def compile_load(directory: Path) -> Path:
    """Compile the generator; raises RuntimeError with the cure when there is no C compiler."""
    program = directory / "mbload"
    subprocess.run([compiler(), "-O2", "-o", str(program), str(SOURCE)], check=True)
    return program


def run_load(program: Path, port: int, server_pid: int, cell: Cell, seconds: float, *options: str) -> Run:
    """Load a server and count; `options` go to the generator (`--seq 0` checks every value)."""
    command = [
        str(program), "127.0.0.1", str(port), str(UNIT), "3", str(FIRST), str(cell.registers),
        str(cell.clients), str(seconds), "--pipeline", str(cell.pipeline), "--warmup", "0.2", *options,
    ]  # fmt: skip
    before = _cpu_s(server_pid)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=False,
        preexec_fn=_on_the_second_core,
    )
    used = _cpu_s(server_pid) - before
    if not done.stdout.strip():
        raise RuntimeError(f"the load generator said nothing (exit {done.returncode}): {done.stderr.strip()}")
    said: dict[str, Any] = json.loads(done.stdout)
    # Processor time covers the warm-up too, so requests are scaled to it.
    requests = said["ok"] * (said["seconds"] + 0.2) / said["seconds"]
    return Run(
        rps=said["rps"],
        p50_us=said["p50_us"],
        p99_us=said["p99_us"],
        errors=said["errors"] + said["out_of_order"],
        replies=said["ok"],
        cpu_us=used / requests * 1e6 if requests else float("nan"),
        load_cpu=said["load_cpu"],
        kinds=said["error_kinds"],
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def pin(core: int) -> None:
    """Keep this process on one core, where there is more than one to choose from."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[core % len(cores)]})


def _on_the_second_core() -> None:
    pin(1)
