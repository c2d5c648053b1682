"""A published address, type or scale never moves."""

import pytest

from bridge.register_maps.catalogue import Catalogue
from tests.register_maps.published_addresses import (
    COMMAND,
    FOLDER,
    Rows,
    baseline,
    baseline_file,
    compare,
    now,
)


@pytest.mark.parametrize("name", Catalogue().names())
def test_nothing_published_has_moved(name: str) -> None:
    broken, added = compare(baseline(name), now(name))
    assert not broken, f"{name}: published rows changed or went; give the new thing a new address: {broken}"
    assert not added, f"{name}: rows not yet in the baseline; publish them with `{COMMAND}`: {added}"


def test_no_published_map_has_gone() -> None:
    files = {baseline_file(name).name for name in Catalogue().names()}
    assert {file.name for file in FOLDER.glob("*.json")} <= files, "a shipped map was removed or renamed"


ROW: Rows = [{"table": "holding", "address": 1, "type": "u16", "path": "/A"}]


@pytest.mark.parametrize(
    ("present", "broken", "added"),
    [
        (ROW, 0, 0),
        ([], 1, 0),
        ([*ROW, {"table": "holding", "address": 2}], 0, 1),
        ([{**ROW[0], "address": 2}], 1, 1),
        ([{**ROW[0], "type": "s16"}], 1, 1),
    ],
)
def test_the_comparison_itself(present: Rows, broken: int, added: int) -> None:
    assert tuple(map(len, compare(ROW, present))) == (broken, added)
