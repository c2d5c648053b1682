"""Who may say what, and the DBC files that come with the bridge."""

from pathlib import Path

import pytest

from bridge.adapters.can.battery_frames import BATTERY_FRAMES
from bridge.adapters.can.dbc import FILES
from bridge.adapters.can.dialects import DIALECTS, Dialect

DOCS = Path(__file__).parents[3] / "docs" / "can"
SMA_ALONE = {0x351, 0x355, 0x356, 0x35A, 0x35B, 0x35E, 0x35F}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_whitelists(dialect: Dialect) -> None:
    assert set(dialect.sends) <= BATTERY_FRAMES.keys()
    assert dialect.hears <= BATTERY_FRAMES.keys()
    assert set(dialect.sends) <= dialect.hears | {0x360}
    assert {0x351, 0x355, 0x356, dialect.alarm_id} <= set(dialect.sends)
    assert not {0x305, 0x306, 0x307} & {*dialect.sends, *dialect.hears}
    assert all(0 < dialect.length(id) <= 8 for id in dialect.sends)


def test_no_other_id_on_a_bus_of_sma() -> None:
    sma = DIALECTS["sma"]
    assert set(sma.sends) <= SMA_ALONE
    assert sma.hears == SMA_ALONE
    assert sma.keepalive == ()
    assert sma.alarm_id == 0x35A
    assert sma.zero_current_a == 0.0
    assert (sma.gap_s, sma.repeat_s) == (0.1, 0.2)


@pytest.mark.parametrize(
    ("name", "id", "length"),
    [
        ("pylontech", 0x355, 4),
        ("pylontech", 0x356, 6),
        ("pylontech", 0x359, 7),
        ("pylontech", 0x35C, 2),
        ("pylontech_new", 0x35A, 8),
        ("sma", 0x355, 6),
        ("victron", 0x355, 8),
        ("victron", 0x356, 8),
    ],
)
def test_lengths(name: str, id: int, length: int) -> None:
    assert DIALECTS[name].length(id) == length  # type: ignore[index]


def test_flags_are_of_the_old_dialect_alone() -> None:
    assert [name for name, dialect in DIALECTS.items() if dialect.sends_flags] == ["pylontech"]
    assert [name for name, dialect in DIALECTS.items() if 0x359 in dialect.sends] == ["pylontech"]
    assert [name for name, dialect in DIALECTS.items() if 0x35C in dialect.hears] == [
        "pylontech",
        "pylontech_new",
    ]


@pytest.mark.parametrize("name", FILES)
def test_the_dbc_is_that_of_the_tables(name: str) -> None:
    found = (DOCS / name).read_text(encoding="utf-8")
    assert found == FILES[name], "write it anew with `python -m bridge.adapters.can.dbc docs/can`"
