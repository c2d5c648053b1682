"""Captured frames and what they mean."""

import json
from pathlib import Path
from typing import Any

from bridge.adapters.apsystems.frames import MtDecoder, MtFrame

_FILE = Path(__file__).parents[2] / "data/apsystems/vectors.json"
VECTORS: dict[str, dict[str, Any]] = {one["id"]: one for one in json.loads(_FILE.read_text())}
FRAMES = [(name, bytes.fromhex(text)) for name, one in VECTORS.items() for text in one.get("frames", [])]


def frames(name: str) -> list[bytes]:
    return [bytes.fromhex(text) for text in VECTORS[name]["frames"]]


def decoded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = VECTORS[name]["decoded"]
    return found


def mt(frame: bytes) -> MtFrame:
    found = MtDecoder().receive(frame, 0.0)
    assert len(found) == 1, frame.hex()
    return found[0]


def payload(name: str) -> bytes:
    """Data of the message from the air that ends a vector."""
    data = mt(frames(name)[-1]).data
    return data[17 : 17 + data[16]]
