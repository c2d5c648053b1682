"""A campaign: every target for its share of the time, each in a process of its own, and what was found."""

import concurrent.futures
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.target import GROWN, KEPT, ROOT, Target
from tests.fuzz.targets import TARGETS

#: An input that takes longer than this, in seconds, hangs; and the memory that one process may take.
_HANG_S, _MEMORY_MB = 60, 1200
#: A process that ended early is started again this often.
_STARTS = 5
_MEMORY = Path("/dev/shm")
_PULSE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
_COUNT = re.compile(r"^#(\d+)", re.MULTILINE)
_INPUTS = re.compile(r"(?:crash|timeout|oom|leak)-[0-9a-f]+")


@dataclass(slots=True)
class Outcome:
    """What became of one target."""

    target: str
    executions: int = 0
    coverage: tuple[int, int] = (0, 0)
    corpus: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    #: Files kept in tests/data/fuzz, and in one line what each breaks.
    findings: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Say it in one line."""
        before, after = self.coverage
        return (
            f"{self.target:24} {self.executions:>10} executions in {self.seconds:5.0f} s  "
            f"coverage {before:>5} -> {after:<5}  corpus {self.corpus[0]:>4} -> {self.corpus[1]:<5} "
            f"findings {len(self.findings)}"
        )


def written(title: str, outcomes: Sequence[Outcome]) -> str:
    """Return the report of a campaign, or of what has been done of it; the last line says how it went."""
    lines = [title, *(outcome.line() for outcome in outcomes)]
    for outcome in outcomes:
        lines += [f"found: {outcome.target} {name}: {why}" for name, why in outcome.findings.items()]
        lines += [f"fault: {outcome.target}: {fault}" for fault in outcome.faults]
    counts = (
        sum(outcome.executions for outcome in outcomes),
        sum(len(outcome.findings) for outcome in outcomes),
        sum(len(outcome.faults) for outcome in outcomes),
    )
    return "\n".join((*lines, "{} executions, {} findings, {} faults\n".format(*counts)))


def campaign(
    names: Sequence[str], minutes: float, seed: int, jobs: int, told: Callable[[Sequence[Outcome]], None]
) -> list[Outcome]:
    """Fuzz the targets, `jobs` at a time, and print what becomes of each; `told` hears of all so far."""
    share_s = minutes * 60 * jobs / len(names)
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = [
            pool.submit(_one, TARGETS[name], share_s, seed + number) for number, name in enumerate(names)
        ]
        try:
            for done in concurrent.futures.as_completed(running):
                outcome = done.result()
                outcomes.append(outcome)
                print(outcome.line(), flush=True)
                for said in (*outcome.findings.items(), *(("", fault) for fault in outcome.faults)):
                    print("    ", *said, flush=True)
                told(outcomes)
        except BaseException:
            for each in running:
                each.cancel()
            raise
    return sorted(outcomes, key=lambda outcome: names.index(outcome.target))


def _one(target: Target, share_s: float, seed: int) -> Outcome:
    outcome = Outcome(target.name)
    grown = GROWN / "corpus" / target.name
    found = GROWN / "findings" / target.name
    shutil.rmtree(found, ignore_errors=True)
    for folder in (grown, found, KEPT / target.name):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (grown / f"seed-{number}").write_bytes(data[: target.longest])
    outcome.corpus = (len(list(grown.iterdir())), 0)
    began = time.monotonic()
    for start in range(_STARTS):
        left_s = int(share_s - (time.monotonic() - began))
        if left_s < 1:
            break
        if not _run(target, outcome, grown, found, left_s, seed + 1000 * start):
            break
    outcome.seconds = time.monotonic() - began
    outcome.corpus = (outcome.corpus[0], len(list(grown.iterdir())))
    _keep(target.name, outcome, sorted(p for p in found.iterdir() if p.suffix == ""))
    folder = KEPT / target.name
    if not any(folder.iterdir()):
        folder.rmdir()
    return outcome


def _run(target: Target, outcome: Outcome, grown: Path, found: Path, left_s: int, seed: int) -> bool:
    """Let one process fuzz; True where it ended before its time."""
    words = found / "words.dict"
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
    command = [
        *(sys.executable, "-m", "tests.fuzz.child", "fuzz", target.name),
        *(f"-max_total_time={left_s}", f"-seed={seed % 2**32}", f"-max_len={target.longest}"),
        *(f"-timeout={_HANG_S}", f"-rss_limit_mb={_MEMORY_MB}", "-detect_leaks=0", "-print_final_stats=1"),
        *([f"-dict={words}"] if target.tokens else []),
        *(f"-artifact_prefix={found}/", str(grown), str(KEPT / target.name)),
    ]
    log = found / "log.txt"
    with log.open("w") as file, tempfile.TemporaryDirectory(prefix="fuzz-", dir=_memory()) as folder:
        try:
            code = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, "TMPDIR": folder},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                timeout=left_s + 180,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    words.unlink()
    told = log.read_text(errors="replace")
    pulses = _PULSE.findall(told)
    if pulses:
        first = outcome.coverage[0] or int(pulses[0][0])
        outcome.coverage = (first, int(pulses[-1][0]))
    counts = _COUNT.findall(told)
    outcome.executions += int(counts[-1]) if counts else 0
    if code == 0:
        return False
    if not _INPUTS.search(told):
        last = [line for line in told.splitlines() if line.strip()][-1:] or ["said nothing"]
        outcome.faults.append(f"the process ended with {code}: {last[0][:200]}")
    return True


def _memory() -> Path | None:
    """Return a folder that is memory rather than a disk, where there is one."""
    return _MEMORY if _MEMORY.is_dir() else None


def _keep(name: str, outcome: Outcome, inputs: Iterable[Path]) -> None:
    """Make findings small and put them where the tests replay them."""
    for found in inputs:
        if found.name == "small":
            continue
        small, why = found.with_name("small"), found.name.partition("-")[0]
        small.unlink(missing_ok=True)
        told = found.with_name(f"{found.name}.txt")
        if told.exists():
            why = told.read_text().partition("\n")[0]
        try:
            command = [sys.executable, "-m", "tests.fuzz.child", "shrink", name, str(found), str(small)]
            subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            small.unlink(missing_ok=True)
        data = (small if small.exists() else found).read_bytes()
        small.unlink(missing_ok=True)
        kept = KEPT / name / f"found-{hashlib.sha256(data).hexdigest()[:16]}"
        kept.write_bytes(data)
        outcome.findings[kept.name] = why


def _escaped(token: bytes) -> str:
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02X}" for byte in token
    )
