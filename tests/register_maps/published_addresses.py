"""The baseline of every address that a shipped map has published.

An address, its type and its scale never move once published: clients far away hold them. To publish added
rows, run `python -m tests.register_maps.published_addresses`; rows that changed or went it refuses.
"""

import json
import sys
from pathlib import Path

from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.rows import Json, rows_of

FOLDER = Path(__file__).parent.parent / "data" / "maps"
COMMAND = "python -m tests.register_maps.published_addresses"
#: What must never change of a row.
PINNED = ("table", "address", "type", "length", "scale", "path", "write", "values", "mirror", "constant")

Rows = list[dict[str, Json]]


def now(name: str) -> Rows:
    """The rows of a map as it stands."""
    loaded = Catalogue().load(name).map
    assert loaded is not None, name
    rows = []
    for row in rows_of(loaded):
        constant = None if row.register is None else row.register.value
        entry: dict[str, Json] = {**row.as_json(), "constant": constant}
        rows.append({key: entry.get(key) for key in PINNED})
    return rows


def baseline_file(name: str) -> Path:
    return FOLDER / f"{name.replace('/', '.')}.json"


def baseline(name: str) -> Rows:
    """The rows once published, none for a new map."""
    file = baseline_file(name)
    rows: Rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return rows


def compare(published: Rows, present: Rows) -> tuple[Rows, Rows]:
    """The published rows that are no longer so, and the present ones that are not yet published."""
    broken = [row for row in published if row not in present]
    added = [row for row in present if row not in published]
    return broken, added


def main() -> int:
    """Add what is new to the baseline; 1 when something published has changed or gone."""
    status = 0
    for name in Catalogue().names():
        present = now(name)
        broken, _ = compare(baseline(name), present)
        if broken:
            print(f"{name}: published rows have changed or gone, nothing written: {broken}", file=sys.stderr)
            status = 1
            continue
        lines = ",\n ".join(json.dumps(row) for row in present)
        baseline_file(name).parent.mkdir(parents=True, exist_ok=True)
        baseline_file(name).write_text(f"[{lines}]\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
