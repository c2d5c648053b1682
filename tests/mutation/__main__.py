"""`make mutation ARGS="--room datastore"`: the score of a room, module by module, and what survived."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path
from time import monotonic

from tests.mutation.accepted import Accepted
from tests.mutation.operators import Mutant, mutants
from tests.mutation.rooms import ROOMS

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "build" / "mutation"
#: Draws the same sample in every run: a mutant's lot depends on nothing but itself.
SEED = "49"
NOTICED = ("killed", "timed_out")


def main() -> int:
    """Return 1 if a mutant survived that nobody has accepted."""
    asked = _arguments()
    label = asked.at or "now"
    work = HERE / label
    tree = work / "tree"
    _copy(tree, asked.at)
    clean = True
    for room_name in asked.room or list(ROOMS):
        clean &= _check(room_name, asked, work, tree)
    return 0 if clean else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument("--room", action="append", choices=list(ROOMS), help="may be repeated; left out: all")
    parser.add_argument(
        "--at", metavar="COMMIT", help="the tree of a commit, instead of the one that stands here"
    )
    parser.add_argument(
        "--module",
        metavar="TEXT",
        default="",
        help="only modules with TEXT in their path; several with commas",
    )
    parser.add_argument("--sample", type=int, help="so many mutants of each room, 0 for all")
    parser.add_argument("--again", action="store_true", help="only what survived last time; the rest is kept")
    parser.add_argument("--again-from", metavar="LABEL", help="as --again, but from the results of LABEL")
    return parser.parse_args()


def _copy(tree: Path, commit: str | None) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    if commit:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
    else:
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, tree / name)
    shutil.rmtree(tree / "tests/mutation", ignore_errors=True)
    shutil.copytree(ROOT / "tests/mutation", tree / "tests/mutation")


def _check(room_name: str, asked: argparse.Namespace, work: Path, tree: Path) -> bool:
    room = ROOMS[room_name]
    accepted = Accepted.read(ROOT / "tests/mutation/accepted.txt")
    everything = [m for path in room.module_paths(tree) for m in mutants(tree, path)]
    drawn = _drawn(everything, room.sample if asked.sample is None else asked.sample or None)
    result = work / f"{room_name}.jsonl"
    before = _results((HERE / asked.again_from / result.name) if asked.again_from else result)

    def is_asked(mutant: Mutant) -> bool:
        return any(part in mutant.module for part in asked.module.split(","))

    def is_settled(mutant: Mutant) -> bool:
        settled = before.get(mutant.key, {}).get("verdict") in NOTICED or accepted.reason(mutant) is not None
        return not is_asked(mutant) or bool((asked.again or asked.again_from) and settled)

    todo = [m for m in drawn if not is_settled(m)]
    known = [before[m.key] for m in drawn if is_settled(m) and m.key in before]
    print(f"{room_name}: {len(everything)} mutants, {len(drawn)} drawn, {len(todo)} to try", flush=True)
    began = monotonic()
    result.write_text("".join(json.dumps(line) + "\n" for line in known))
    if todo:
        _try(room_name, todo, work, tree, result)
    seconds = monotonic() - began
    print(f"{len(todo)} tried in {seconds:.0f} s, {len(todo) / max(seconds, 0.001):.1f} a second\n")
    for module, was, becomes in accepted.without_a_mutant(everything):
        print(f"accepted.txt: no such mutant any more, take it out: {module}\n- {was}\n+ {becomes}")
    return _report([m for m in drawn if is_asked(m)], _results(result), accepted)


def _drawn(everything: list[Mutant], sample: int | None) -> list[Mutant]:
    if sample is None or len(everything) <= sample:
        return everything
    lots = sorted(everything, key=lambda m: hashlib.sha1(f"{SEED}{m.key}".encode()).digest())
    chosen = set(lots[:sample])
    return [m for m in everything if m in chosen]


def _try(room_name: str, todo: list[Mutant], work: Path, tree: Path, result: Path) -> None:
    covering, todo_file = work / f"{room_name}.covering.json", work / f"{room_name}.todo.json"
    todo_file.write_text(json.dumps([asdict(m) for m in todo]))
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONHASHSEED": "0"}
    scratch = work / "scratch"
    environment["TMPDIR"] = str(scratch)
    scratch.mkdir(exist_ok=True)
    python = [sys.executable, "-m"]
    with (work / f"{room_name}.covering.log").open("w") as log:
        subprocess.run(
            [*python, "tests.mutation.covering", room_name, str(covering)],
            cwd=tree, env=environment, check=True, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    found = json.loads(covering.read_text())
    print(f"{len(found['seconds'])} tests, {sum(found['seconds'].values()):.0f} s with coverage", flush=True)
    subprocess.run(
        [*python, "tests.mutation.trials", room_name, str(covering), str(todo_file), str(result)],
        cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    shutil.rmtree(scratch, ignore_errors=True)


def _results(path: Path) -> dict[tuple[str, str, str, int], dict]:
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {tuple(line["key"]): line for line in lines}


def _report(drawn: list[Mutant], results: dict[tuple[str, str, str, int], dict], accepted: Accepted) -> bool:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    alive = []
    for mutant in drawn:
        verdict = results.get(mutant.key, {}).get("verdict", "not tried")
        if verdict not in NOTICED:
            if accepted.reason(mutant):
                verdict = "accepted"
            else:
                alive.append((mutant, verdict))
        counts[mutant.module][verdict] += 1
    for mutant, verdict in alive:
        note = "" if verdict == "survived" else f"  # {verdict}"
        print(f"{mutant.module}:{mutant.line}{note}\n- {mutant.was}\n+ {mutant.becomes}")
    columns = ("killed", "timed_out", "accepted", "survived", "uncovered", "not tried")
    print(f"\n{'module':44}{'mutants':>9}" + "".join(f"{c:>11}" for c in columns) + f"{'score':>8}")
    for module in sorted(counts):
        _row(module.removeprefix("bridge/"), counts[module], columns)
    _row("together", sum(counts.values(), Counter()), columns)
    return not alive


def _row(title: str, count: Counter[str], columns: tuple[str, ...]) -> None:
    total = count.total()
    score = 100 * sum(count[v] for v in NOTICED) / (total or 1)
    print(f"{title:44}{total:>9}" + "".join(f"{count[c]:>11}" for c in columns) + f"{score:>7.1f}%")


if __name__ == "__main__":
    sys.exit(main())
