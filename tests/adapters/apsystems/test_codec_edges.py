"""Every field of every model from its own bytes, and bounds to the last count."""

import pytest

from bridge.adapters.apsystems import codec
from bridge.adapters.apsystems.codec import DecodeOptions, InverterReading, Model, Reason, Rejection
from tests.adapters.apsystems.test_codec import read, refused, summed, with_bytes
from tests.adapters.apsystems.vectors import payload

YC600, QS1, DS3 = payload("D08"), payload("D09"), payload("D10")


def group(volts_raw: int, amps_raw: int) -> str:
    """The three bytes of a panel's voltage and current, 12 bits each."""
    return bytes((amps_raw & 0xFF, volts_raw << 4 & 0xF0 | amps_raw >> 8, volts_raw >> 4)).hex()


def classic(data: bytes, **fields: tuple[int, str]) -> bytes:
    for at, text in fields.values():
        data = with_bytes(data, at, text)
    return data


# -- fields ------------------------------------------------------------------------------------------

PANELS = {Model.YC600: ((22, 42), (25, 37)), Model.QS1: ((25, 37), (22, 42), (19, 47), (16, 52))}


@pytest.mark.parametrize(
    ("data", "model", "panel"), [(d, m, p) for d, m in ((YC600, Model.YC600), (QS1, Model.QS1)) for p in range(m.panels)]
)  # fmt: skip
@pytest.mark.parametrize(("volts", "amps"), [(0x123, 0x456), (0x9F0, 0xABC), (0x00F, 0x0F0), (0xF0, 0xF)])
def test_each_panel_of_the_classic_models(
    data: bytes, model: Model, panel: int, volts: int, amps: int
) -> None:
    values, energy = PANELS[model][panel]
    before = read(data, model)
    told = read(with_bytes(with_bytes(data, values, group(volts, amps)), energy, "123456"), model)
    found = told.panels[panel]
    assert found.voltage == pytest.approx(volts * 82.5 / 4096, rel=1e-12)
    assert found.current == pytest.approx(amps * 27.5 / 4096, rel=1e-12)
    assert found.energy_raw == 0x123456
    assert found.energy_wh == pytest.approx(0x123456 * 8.311 / 3600, rel=1e-12)
    others = [p for n, p in enumerate(told.panels) if n != panel]
    assert others == [p for n, p in enumerate(before.panels) if n != panel]
    assert (told.seconds, told.temperature, told.frequency) == (
        *(before.seconds, before.temperature, before.frequency),
    )


@pytest.mark.parametrize(("data", "model"), [(YC600, Model.YC600), (QS1, Model.QS1)])
def test_what_the_classic_models_share(data: bytes, model: Model) -> None:
    told = read(classic(data, t=(10, "03E8"), period=(12, "0F4240"), volts=(28, "04C8")), model)
    assert told.temperature == pytest.approx(1000 * 0.2752 - 258.7, abs=1e-9)
    assert told.frequency == 50.0
    assert told.ac_voltage == pytest.approx(0x4C8 / (4 * 1.3277), rel=1e-12)
    none = read(classic(data, period=(12, "000000"), volts=(28, "0000")), model)
    assert (none.frequency, none.ac_voltage, none.grid) == (None, None, True)
    assert read(with_bytes(data, 12, "000001"), model).grid is False  # 50 MHz


@pytest.mark.parametrize(
    ("data", "model", "at", "text", "seconds"),
    [
        (YC600, Model.YC600, 15, "01020304", 0x01020304),
        (QS1, Model.QS1, 30, "0102", 0x0102),
        (DS3, Model.DS3, 38, "0102", 0x0102),
    ],
)
def test_seconds(data: bytes, model: Model, at: int, text: str, seconds: int) -> None:
    changed = with_bytes(data, at, text)
    assert read(summed(changed) if model is Model.DS3 else changed, model).seconds == seconds


@pytest.mark.parametrize("panel", [0, 1])
def test_each_panel_of_a_ds3(panel: int) -> None:
    changed = with_bytes(DS3, 26 + 2 * panel, "04D2")
    changed = with_bytes(with_bytes(changed, 30 + 2 * panel, "0123"), 50 + 4 * panel, "01020304")
    told, before = read(summed(changed), Model.DS3), read(DS3, Model.DS3)
    found = told.panels[panel]
    assert found.voltage == pytest.approx(0x4D2 / 48, rel=1e-12)
    assert found.current == pytest.approx(0x123 * 0.0125, rel=1e-12)
    assert found.energy_raw == 0x01020304
    assert found.energy_wh == pytest.approx(0x01020304 * 1.66e-5, rel=1e-12)
    assert told.panels[1 - panel] == before.panels[1 - panel]


@pytest.mark.parametrize(
    ("watts", "power"), [("0000", 0.0), ("07D0", 2000.0), ("07D1", None), ("FFFF", None), ("0102", 258.0)]
)
def test_the_own_power_of_a_ds3(watts: str, power: float | None) -> None:
    assert read(summed(with_bytes(DS3, 40, watts)), Model.DS3).ac_power == power


def test_the_other_fields_of_a_ds3() -> None:
    changed = with_bytes(with_bytes(with_bytes(DS3, 34, "0357"), 36, "1389"), 48, "0ABC")
    told = read(summed(changed), Model.DS3)
    assert told.ac_voltage == pytest.approx(0x357 / 3.8, rel=1e-12)
    assert told.frequency == 50.01
    assert told.temperature == pytest.approx(0xABC * 0.0198 - 23.84, abs=1e-9)


def test_a_scale_of_ones_own_counts_for_every_model() -> None:
    for data, model in ((YC600, Model.YC600), (QS1, Model.QS1), (DS3, Model.DS3)):
        told = read(data, model, DecodeOptions(energy_wh_per_count=0.5))
        assert [panel.energy_wh for panel in told.panels] == [panel.energy_raw / 2 for panel in told.panels]


@pytest.mark.parametrize(("lqi", "percent"), [(0, 0.0), (51, 20.0), (255, 100.0)])
def test_signal(lqi: int, percent: float) -> None:
    assert codec.signal_percent(lqi) == percent


@pytest.mark.parametrize(
    ("data", "serial"),
    [
        (b"", None),
        (bytes.fromhex("4080001582"), None),
        (bytes.fromhex("408000158215"), "408000158215"),
        (bytes.fromhex("408000158215FBFB"), "408000158215"),
        (bytes.fromhex("40800015821A"), None),
    ],
)
def test_the_serial_that_begins_a_message(data: bytes, serial: str | None) -> None:
    assert codec.reply_serial(data) == serial


# -- bounds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "most", "more", "said"),
    [
        (34, "05F0", "05F1", "AC voltage 400.3, expected 0 to 400"),
        (26, "12C0", "12C1", "panel voltage 100.0, expected 0 to 100"),
        (28, "12C0", "12C1", "panel voltage 100.0, expected 0 to 100"),
        (30, "0960", "0961", "panel current 30.0, expected 0 to 30"),
        (32, "0960", "0961", "panel current 30.0, expected 0 to 30"),
        (48, "1D5D", "1D5E", "temperature 125.0, expected -50 to 125"),
    ],
)
def test_the_most_that_is_believed_and_one_count_more(at: int, most: str, more: str, said: str) -> None:
    read(summed(with_bytes(DS3, at, most)), Model.DS3)
    found = refused(summed(with_bytes(DS3, at, more)), Model.DS3)
    assert found == Rejection(Reason.IMPLAUSIBLE, f"found {said}")


@pytest.mark.parametrize(("raw", "believed"), [("02F6", False), ("02F7", True)])
def test_the_coldest_that_is_believed(raw: str, believed: bool) -> None:
    """758 counts are -50.1 degrees, 759 are -49.8."""
    found = codec.decode_reply(with_bytes(YC600, 10, raw), Model.YC600)
    assert isinstance(found, InverterReading) is believed


@pytest.mark.parametrize(
    ("volts", "hundredths", "grid"),
    [
        (304, 5000, True),
        (303, 5000, False),
        (874, 3000, True),
        (874, 2999, False),
        (874, 8000, True),
        (874, 8001, False),
        (303, 0, False),
        (0, 2999, False),
    ],
)
def test_where_a_grid_begins_and_ends(volts: int, hundredths: int, grid: bool) -> None:
    text = f"{volts:04X}{hundredths:04X}"
    assert read(summed(with_bytes(DS3, 34, text)), Model.DS3).grid is grid


def start(seconds: int = 0, energy: int = 0, volts: int = 0, degrees: str = "03E8") -> bytes:
    data = classic(
        YC600[:10] + bytes(84),
        t=(10, degrees),
        seconds=(15, f"{seconds:08X}"),
        energy=(42, f"{energy:06X}"),
        volts=(22, group(volts, 0)),
    )
    return with_bytes(data, 28, "04C8")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (start(), Reason.START_UP),
        (start(volts=5), Reason.START_UP),
        (start(seconds=1), None),
        (start(energy=1), None),
        (start(seconds=1, degrees="0000"), Reason.START_UP),
        (start(seconds=1, degrees="FFFF"), Reason.START_UP),
        (start(seconds=1, volts=5, degrees="0000"), Reason.IMPLAUSIBLE),
    ],
)
def test_what_an_inverter_says_before_it_has_measured(data: bytes, reason: Reason | None) -> None:
    found = codec.decode_reply(data, Model.YC600)
    assert (found.reason if isinstance(found, Rejection) else None) is reason


# -- the frame around the values ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "model", "reason", "said"),
    [
        (DS3[:9], Model.DS3, Reason.SHORT, "found 9 bytes, expected 105"),
        (YC600[:10], Model.YC600, Reason.SHORT, "found 10 bytes, expected 94"),
        (
            with_bytes(YC600, 6, "FBFA"),
            Model.YC600,
            Reason.ENCRYPTED,
            f"found FBFA after serial {YC600[:6].hex()}, expected FBFB: an encrypted model, which this version "
            "cannot read",
        ),
        (
            with_bytes(DS3, 8, "51"),
            Model.DS3,
            Reason.OTHER_FRAME,
            "found a message beginning 51BBBB, expected 5CBBBB: no answer to a poll, or an unknown model",
        ),
        (
            with_bytes(YC600, 8, "5C"),
            Model.YC600,
            Reason.OTHER_FRAME,
            f"found a message beginning 5CB1{YC600[10:11].hex().upper()}, expected 51B1: no answer to a poll, "
            "or an unknown model",
        ),
        (
            with_bytes(DS3, 10, "BA"),
            Model.DS3,
            Reason.OTHER_FRAME,
            "found a message beginning 5CBBBA, expected 5CBBBB: no answer to a poll, or an unknown model",
        ),
        (
            DS3,
            Model.QS1,
            Reason.OTHER_MODEL,
            "found the answer of a DS3, expected that of a QS1: set `model: ds3`",
        ),
        (
            with_bytes(YC600, 0, "99"),
            Model.DS3,
            Reason.OTHER_MODEL,
            "found the answer of a YC600, expected that of a DS3: set `model: yc600`",
        ),
    ],
)
def test_why_a_message_is_no_reading(data: bytes, model: Model, reason: Reason, said: str) -> None:
    assert refused(data, model) == Rejection(reason, said)


def test_the_sum_of_a_ds3_covers_its_length_and_body() -> None:
    read(DS3 + b"\xff\xff", Model.DS3)  # what follows does not count
    for at in (60, 90, 100):
        changed = bytearray(DS3)
        changed[at] ^= 1
        assert refused(bytes(changed), Model.DS3).reason is Reason.CHECKSUM
        read(summed(bytes(changed)), Model.DS3)


def test_the_words_for_why_a_message_is_no_reading() -> None:
    assert {reason.value for reason in Reason} == {
        *("short", "encrypted", "other_model", "other_frame", "checksum", "start_up", "implausible"),
    }
    assert all(reason.value == reason.name.lower() for reason in Reason)
