"""The vectors of the protocol, captured and made, by name."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "data" / "can"
VECTORS: dict[str, dict[str, Any]] = {
    vector["name"]: vector for vector in json.loads((FOLDER / "vectors.json").read_text(encoding="utf-8"))
}


def frame_id(vector: dict[str, Any]) -> int:
    return int(vector["id"], 16)


def data(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["hex"])


def of(context: str) -> list[dict[str, Any]]:
    return [vector for vector in VECTORS.values() if vector["ctx"] == context]
