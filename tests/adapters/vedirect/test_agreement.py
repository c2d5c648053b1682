"""Which messages are believed on a line that damages some."""

import pytest

from bridge.adapters.vedirect.agreement import DOUBT_S, Agreement

V, STATE = "/Dc/0/Voltage", "/State"


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        ([26.0, 26.1, 26.0], [False, True, True]),
        ([26.0, 26.0, 86.0, 26.1], [False, True, False, True]),  # one wrong block between right ones
        ([26.0, 26.0, 20.0, 20.05, 20.0], [False, True, False, True, True]),  # a real change, told twice
        ([26.0, 26.0, None, None], [False, True, False, True]),
    ],
)
def test_measurements_after_damage(said: list[float | None], believed: list[bool]) -> None:
    agreement = Agreement(lambda path: path == V)
    agreement.damaged(0.0)
    assert [agreement.believes("text", {V: value}, 1.0 + n) for n, value in enumerate(said)] == believed


def test_codes_must_be_equal_to_the_last_bit() -> None:
    agreement = Agreement(lambda path: path == V)
    agreement.damaged(0.0)
    said = [3, 3, 2, 3, 4, 4]
    assert [agreement.believes(0x0201, {STATE: code}, 1.0) for code in said] == [
        False,
        True,
        False,
        True,
        False,
        True,
    ]


def test_a_clean_line_holds_nothing_back() -> None:
    agreement = Agreement(lambda path: path == V)
    assert all(agreement.believes("text", {V: float(value)}, value) for value in range(10))
    agreement.damaged(10.0)
    assert not agreement.believes("text", {V: 90.0}, 11.0)
    assert agreement.believes("text", {V: 50.0}, 10.0 + DOUBT_S)


def test_sources_do_not_vouch_for_each_other() -> None:
    agreement = Agreement(lambda path: path == V)
    agreement.damaged(0.0)
    assert not agreement.believes(0x0201, {STATE: 3}, 1.0)
    assert not agreement.believes(0xED8D, {STATE: 3}, 1.0)


def test_a_block_with_other_fields_is_another_story() -> None:
    agreement = Agreement(lambda path: path == V)
    agreement.damaged(0.0)
    assert not agreement.believes("text", {V: 26.0, STATE: 3}, 1.0)
    assert not agreement.believes("text", {V: 26.0}, 2.0)
