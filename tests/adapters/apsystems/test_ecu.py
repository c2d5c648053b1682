"""Identities, serial numbers and addresses in all their spellings."""

import pytest

from bridge.adapters.apsystems.ecu import Ecu, parse_serial, parse_short, short_text

ECU = Ecu.parse("D8A3011B9780")


def test_an_identity_and_all_that_follows_from_it() -> None:
    assert ECU.reversed_id == bytes.fromhex("80971B01A3D8")
    assert ECU.ieee_wire == bytes.fromhex("FFFF80971B01A3D8")
    assert ECU.ieee == "D8:A3:01:1B:97:80:FF:FF"
    assert ECU.pan_wire == bytes.fromhex("D8A3")
    assert ECU.short_wire == bytes.fromhex("A3D8")
    assert ECU.short == 0xD8A3


@pytest.mark.parametrize(
    ("text", "default"), [("D8A3011B9780", True), ("d6b3011b9780", True), ("D8A3011B9781", False)]
)
def test_identities_that_others_use_are_known(text: str, default: bool) -> None:
    assert Ecu.parse(text).is_default is default


@pytest.mark.parametrize("text", ["", "D8A3011B978", "D8A3011B97800", "D8A3011B978G", "0xD8A3011B97"])
def test_what_is_no_identity(text: str) -> None:
    with pytest.raises(ValueError, match="expected 12 hexadecimal"):
        Ecu.parse(text)


@pytest.mark.parametrize(
    ("written", "short"),
    [(0x103A, 0x103A), ("0x103A", 0x103A), ("3A10", 0x103A), ("3a10", 0x103A), ("0X2d", 0x2D), (1, 1)],
)
def test_addresses_in_both_spellings(written: int | str, short: int) -> None:
    assert parse_short(written) == short


@pytest.mark.parametrize("written", [0, -1, 0xFFFF, 70000, "0000", "FFFF", "0x0", "3A1", "103A5", "", "x"])
def test_what_is_no_address(written: int | str) -> None:
    with pytest.raises(ValueError, match="expected 0x0001 to 0xFFFE"):
        parse_short(written)


def test_one_spelling_is_shown() -> None:
    assert short_text(0x103A) == "0x103A"
    assert parse_short(short_text(0x2D)) == 0x2D


def test_the_ecus_own_address_is_nobody_elses() -> None:
    assert [ECU.may_be_inverter(short) for short in (0, 0xD8A3, 0xFFFF, 0x103A)] == [
        False,
        False,
        False,
        True,
    ]


def test_serial_numbers_are_digits() -> None:
    assert parse_serial("408000158215") == bytes.fromhex("408000158215")
    for wrong in ("40800015821", "4080001582155", "40800015821A", ""):
        with pytest.raises(ValueError, match="expected the 12 digits"):
            parse_serial(wrong)
