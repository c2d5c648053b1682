"""Answers of inverters: captured ones to the last digit, and those that are no readings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.adapters.apsystems import codec
from bridge.adapters.apsystems.codec import DecodeOptions, InverterReading, Model, Reason, Rejection
from tests.adapters.apsystems.vectors import VECTORS, decoded, payload

REPLIES = [("D08", Model.YC600), ("D09", Model.QS1), ("D10", Model.DS3), ("D11", Model.QS1)]
YC600, QS1, DS3 = payload("D08"), payload("D09"), payload("D10")


AS_SHIPPED = DecodeOptions()


def read(data: bytes, model: Model, options: DecodeOptions = AS_SHIPPED) -> InverterReading:
    found = codec.decode_reply(data, model, options)
    assert isinstance(found, InverterReading), found
    return found


def refused(data: bytes, model: Model) -> Rejection:
    found = codec.decode_reply(data, model)
    assert isinstance(found, Rejection), found
    return found


def with_bytes(data: bytes, at: int, text: str) -> bytes:
    new = bytes.fromhex(text)
    return data[:at] + new + data[at + len(new) :]


def summed(data: bytes) -> bytes:
    """Mend the inner sum of a DS3."""
    return data[:101] + (sum(data[8:101]) & 0xFFFF).to_bytes(2, "big") + data[103:]


@pytest.mark.parametrize(("name", "model"), REPLIES)
def test_captured_answers(name: str, model: Model) -> None:
    reading, told = read(payload(name), model), decoded(name)
    assert len(payload(name)) == told["data_len"]
    assert reading.serial == told["serial"]
    assert reading.model.label == told["type"]
    assert reading.seconds == told["seconds"]
    assert reading.temperature == pytest.approx(told["temp_c"], abs=0.006)
    # A raw zero is no measurement: unknown, where the capture's note says 0.0.
    assert (reading.ac_voltage or 0.0) == pytest.approx(told["ac_v"], abs=0.006)
    if told["freq_hz"] is None:
        assert reading.frequency is None
        assert reading.ac_voltage is None
    else:
        assert reading.frequency == pytest.approx(told["freq_hz"], abs=0.0006)
    assert [panel.voltage for panel in reading.panels] == pytest.approx(told["dc_v"], abs=0.006)
    assert [panel.current for panel in reading.panels] == pytest.approx(told["dc_a"], abs=0.0006)
    assert [panel.energy_raw for panel in reading.panels] == told["energy_raw"]
    assert [panel.energy_wh for panel in reading.panels] == pytest.approx(told["energy_wh"], abs=0.0006)
    assert reading.ac_power == told.get("ac_power_raw")
    assert reading.grid
    assert reading.doubts == ()
    assert Model.of_serial(reading.serial) is model


@pytest.mark.parametrize("name", ["D08", "D09", "D10", "D11"])
def test_signal(name: str) -> None:
    assert codec.signal_percent(decoded(name)["lqi"]) == pytest.approx(decoded(name)["signal_pct"], abs=0.06)


def test_two_answers_of_one_run_give_its_power() -> None:
    first, second = (read(bytes.fromhex(text), Model.DS3) for text in VECTORS["D13"]["af_data"])
    told = decoded("D13")
    assert [first.seconds, second.seconds] == told["seconds"]
    assert [[panel.energy_raw for panel in one.panels] for one in (first, second)] == told["energy_raw"]
    gained = [b.energy_wh - a.energy_wh for a, b in zip(first.panels, second.panels, strict=True)]
    assert gained == pytest.approx(told["increase_wh"], abs=0.0001)
    assert [wh * 3600 / told["span_s"] for wh in gained] == pytest.approx(told["power_w"], abs=0.006)


@pytest.mark.parametrize(
    ("data", "model", "reason", "words"),
    [
        (b"", Model.YC600, Reason.SHORT, "found 0 bytes, expected 94"),
        (YC600[:93], Model.YC600, Reason.SHORT, "found 93 bytes, expected 94"),
        (DS3[:104], Model.DS3, Reason.SHORT, "found 104 bytes, expected 105"),
        (with_bytes(YC600, 6, "1234"), Model.YC600, Reason.ENCRYPTED, "an encrypted model"),
        (DS3, Model.YC600, Reason.OTHER_MODEL, "set `model: ds3`"),
        (YC600, Model.DS3, Reason.OTHER_MODEL, "set `model: yc600`"),
        (QS1, Model.DS3, Reason.OTHER_MODEL, "set `model: qs1`"),
        (with_bytes(YC600, 9, "DE"), Model.YC600, Reason.OTHER_FRAME, "no answer to a poll"),
        (with_bytes(DS3, 50, "00"), Model.DS3, Reason.CHECKSUM, "found inner sum 3945"),
        (with_bytes(DS3, 101, "0000"), Model.DS3, Reason.CHECKSUM, "found inner sum 0000"),
        (with_bytes(YC600, 10, "0000"), Model.YC600, Reason.IMPLAUSIBLE, "temperature -258.7"),
        (with_bytes(QS1, 10, "FFFF"), Model.QS1, Reason.IMPLAUSIBLE, "temperature"),
        (with_bytes(YC600, 28, "FFFF"), Model.YC600, Reason.IMPLAUSIBLE, "AC voltage"),
        (summed(with_bytes(DS3, 26, "FFFF")), Model.DS3, Reason.IMPLAUSIBLE, "panel voltage 1365.3"),
        (summed(with_bytes(DS3, 30, "FFFF")), Model.DS3, Reason.IMPLAUSIBLE, "panel current"),
        (YC600[:10] + bytes(84), Model.YC600, Reason.START_UP, "has not begun to count"),
        (summed(with_bytes(DS3, 26, "00" * 32)), Model.DS3, Reason.START_UP, "has not begun to count"),
        (with_bytes(YC600[:10] + bytes(84), 18, "05"), Model.YC600, Reason.START_UP, "not measured yet"),
    ],
)
def test_what_is_no_reading(data: bytes, model: Model, reason: Reason, words: str) -> None:
    found = refused(data, model)
    assert found.reason is reason
    assert words in found.text


def test_a_surplus_byte_breaks_the_sum_of_a_ds3() -> None:
    assert refused(DS3[:60] + b"\xff" + DS3[60:], Model.DS3).reason is Reason.CHECKSUM


def test_a_sum_is_not_asked_of_those_that_have_none() -> None:
    assert YC600[90:92] == QS1[90:92] == b"\x00\x00"
    assert read(with_bytes(YC600, 90, "1234"), Model.YC600) == read(YC600, Model.YC600)


@pytest.mark.parametrize(
    ("volts", "hundredths", "grid"),
    [
        ("0039", "0043", False),  # 15 V and 0.67 Hz, as a DS3 without grid told
        ("0357", "0BB7", False),
        ("0357", "1F41", False),
        ("012F", "1389", False),
        ("0131", "1389", True),
        ("0357", "1389", True),
        ("0000", "0000", True),  # says nothing about the grid
        ("0000", "1389", True),
    ],
)
def test_the_grid(volts: str, hundredths: str, grid: bool) -> None:
    reading = read(summed(with_bytes(DS3, 34, volts + hundredths)), Model.DS3)
    assert reading.grid is grid
    assert (reading.ac_voltage is None) == (volts == "0000")
    assert (reading.frequency is None) == (hundredths == "0000")
    assert reading.panels == read(DS3, Model.DS3).panels


def test_panels_can_be_numbered_the_other_way_round() -> None:
    for data, model in ((YC600, Model.YC600), (QS1, Model.QS1), (DS3, Model.DS3)):
        swapped = read(data, model, DecodeOptions(swap_panels=True))
        assert swapped.panels == read(data, model).panels[::-1]


def test_the_scale_of_energy_can_be_set() -> None:
    told = read(DS3, Model.DS3, DecodeOptions(energy_wh_per_count=1 / 65535))
    assert [panel.energy_wh for panel in told.panels] == pytest.approx([92228419 / 65535, 102315610 / 65535])
    assert [panel.energy_raw for panel in told.panels] == decoded("D10")["energy_raw"]


def test_a_serial_of_another_model_is_doubted_and_read() -> None:
    reading = read(QS1, Model.YC600)
    assert "set `model: qs1`" in reading.doubts[0]
    assert len(reading.panels) == 2


@pytest.mark.parametrize(
    ("model", "bits", "counter"), [(Model.YC600, 32, 24), (Model.QS1, 16, 24), (Model.DS3, 16, 32)]
)
def test_where_clocks_and_counters_wrap(model: Model, bits: int, counter: int) -> None:
    assert (model.seconds_modulus, model.counter_modulus) == (1 << bits, 1 << counter)


def test_a_yc600_counts_seconds_in_four_bytes() -> None:
    assert read(with_bytes(YC600, 15, "00010002"), Model.YC600).seconds == 0x10002


def test_serials_in_messages() -> None:
    assert codec.reply_serial(DS3) == "703000069723"
    assert codec.reply_serial(DS3[:5]) is None
    assert codec.reply_serial(b"\xff\xff" + DS3) is None


@settings(max_examples=200, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=120),
        st.builds(
            lambda at, bits: with_bytes(DS3, at, bits.hex()), st.integers(0, 100), st.binary(max_size=9)
        ),
        st.builds(
            lambda at, bits: with_bytes(QS1, at, bits.hex()), st.integers(0, 90), st.binary(max_size=9)
        ),
    ),
    model=st.sampled_from(Model),
)
def test_any_bytes_are_a_reading_within_bounds_or_a_rejection(data: bytes, model: Model) -> None:
    found = codec.decode_reply(data, model)
    if isinstance(found, InverterReading):
        assert len(found.panels) == model.panels
        assert -50 <= found.temperature <= 125
        assert all(0 <= panel.voltage <= 100 and 0 <= panel.current <= 30 for panel in found.panels)
        assert all(0 <= panel.energy_raw < model.counter_modulus for panel in found.panels)
    else:
        assert "found" in found.text
