"""Each dialect as a whole, and an inverter's frames byte for byte."""

import pytest

from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import GX_IDENT, GX_KEEPALIVE, KEEPALIVE, ident, is_keepalive

# -- the inverter ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (GX_IDENT, "VIC"),
        (CanFrame(0x307, b"\0\0\0\0"), None),
        (CanFrame(0x307, b"\0\0\0\0A"), "A"),
        (CanFrame(0x307, b"abcdA B~"), "A B~"),
        (CanFrame(0x307, b"abcd\x1f\x7f\x80A"), "A"),
        (CanFrame(0x307, b"abcd    "), ""),
        (CanFrame(0x306, b"\0\0\0\0VIC\0"), None),
        (CanFrame(0x308, b"\0\0\0\0VIC\0"), None),
    ],
)
def test_who_an_inverter_says_it_is(frame: CanFrame, name: str | None) -> None:
    assert ident(frame) == name


def test_the_inverters_frames_byte_for_byte() -> None:
    assert CanFrame(0x305, bytes(8)) == KEEPALIVE
    assert CanFrame(0x306, bytes(8)) == GX_KEEPALIVE
    assert CanFrame(0x307, bytes.fromhex("1234567856494300")) == GX_IDENT
    assert [is_keepalive(CanFrame(id, b"")) for id in (0x304, 0x305, 0x306)] == [False, True, False]


# -- dialects ----------------------------------------------------------------------------------------

_PYLONTECH_HEARS = {
    *(0x351, 0x355, 0x356, 0x359, 0x35A, 0x35C, 0x35E, 0x35F, 0x370, 0x371, 0x372, 0x373, 0x374),
    *(0x375, 0x376, 0x377, 0x378, 0x379, 0x380, 0x381, 0x382),
}


@pytest.mark.parametrize(
    ("name", "sends", "hears", "speaks", "keepalive"),
    [
        ("pylontech", (0x351, 0x355, 0x356, 0x359, 0x35C, 0x35E), _PYLONTECH_HEARS, {0x305}, [0x305]),
        ("pylontech_new", (0x351, 0x355, 0x356, 0x35A, 0x35E, 0x35F), _PYLONTECH_HEARS, {0x305}, [0x305]),
        (
            "sma",
            (0x351, 0x355, 0x356, 0x35A, 0x35E, 0x35F),
            {0x351, 0x355, 0x356, 0x35A, 0x35B, 0x35E, 0x35F},
            set(range(0x300, 0x30A)),
            [],
        ),
        (
            "victron",
            (0x351, 0x355, 0x356, 0x35A, 0x35E, 0x35F, 0x370, 0x371, 0x372, 0x373, 0x379),
            _PYLONTECH_HEARS - {0x359, 0x35C} | {0x360},
            {0x305},
            [0x305, 0x306, 0x307],
        ),
    ],
)
def test_who_says_what(
    name: str, sends: tuple[int, ...], hears: set[int], speaks: set[int], keepalive: list[int]
) -> None:
    dialect = DIALECTS[name]  # type: ignore[index]
    assert dialect.sends == sends
    assert dialect.hears == hears
    assert dialect.inverter_speaks == speaks
    assert [frame.id for frame in dialect.keepalive] == keepalive
    assert dialect.sends_flags is (name == "pylontech")
    assert dialect.hires_soc is (name in ("sma", "victron"))
    assert dialect.zero_current_a == (0.1 if name.startswith("pylontech") else 0.0)
    assert dialect.padded is (name == "victron")


@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        ("pylontech", (8, 4, 6, 7, 2, 8)),
        ("pylontech_new", (8, 4, 6, 8, 8, 8)),
        ("sma", (8, 6, 6, 8, 8, 8)),
        ("victron", (8,) * 11),
    ],
)
def test_how_long_each_frame_is_sent(name: str, lengths: tuple[int, ...]) -> None:
    dialect = DIALECTS[name]  # type: ignore[index]
    assert tuple(dialect.length(id) for id in dialect.sends) == lengths


def test_what_a_sunny_island_takes() -> None:
    """SMA's technical information: values outside are dropped without a word."""
    assert DIALECTS["sma"].ranges == {
        "charge_voltage_limit_v": (41.0, 63.0),
        "charge_current_limit_a": (0.0, 1200.0),
        "discharge_current_limit_a": (0.0, 1200.0),
        "discharge_voltage_limit_v": (41.0, 48.0),
        "soc_pct": (0.0, 100.0),
        "soh_pct": (0.0, 100.0),
    }
    assert [name for name, dialect in DIALECTS.items() if dialect.ranges] == ["sma"]
    assert {name: dialect.gap_s for name, dialect in DIALECTS.items() if dialect.gap_s} == {"sma": 0.1}
