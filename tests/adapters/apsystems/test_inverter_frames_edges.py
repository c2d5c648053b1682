"""Limits at their edges, byte for byte."""

import pytest

from bridge.adapters.apsystems import inverter_frames as inner
from bridge.adapters.apsystems.codec import Model
from bridge.adapters.apsystems.ecu import Ecu
from tests.adapters.apsystems.test_codec import with_bytes

ECU = Ecu.parse("D8A3011B9780")


@pytest.mark.parametrize(
    ("code", "length", "accepted"),
    [
        (0xDE, 10, True),
        (0xDE, 12, True),
        (0xDF, 10, False),
        (0xDD, 10, None),
        (0xE0, 10, None),
        (0xDE, 9, None),
    ],
)
def test_an_answer_to_a_limit(code: int, length: int, accepted: bool | None) -> None:
    data = (bytes(6) + b"\xfb\xfb\x06" + bytes((code,)) + bytes(4))[:length]
    assert inner.limit_accepted(data) is accepted
    assert inner.limit_accepted(with_bytes(data, 6, "FBFA")[:length]) is None
    assert inner.limit_accepted(bytes(length)) is None


@pytest.mark.parametrize("watts", [20, 20.5, 699.99, 700])
def test_a_limit_is_never_more_than_was_asked_for(watts: float) -> None:
    ds3 = inner.limit_request(ECU, Model.DS3, watts)
    assert int.from_bytes(ds3[13:15], "big") == int(watts * 16.59)
    for model in (Model.YC600, Model.QS1):
        body = inner.limit_request(ECU, model, watts)
        assert body[9:12] == b"\x1c\x8c\x02"
        assert int.from_bytes(body[12:14], "big") == int(watts * 28.89)
        assert (body[8], body[14], len(body)) == (6, 0, 19)


@pytest.mark.parametrize("watts", [19.99, 700.01, -20])
def test_a_limit_out_of_range_is_never_sent(watts: float) -> None:
    for model in Model:
        with pytest.raises(ValueError, match="expected 20 to 700 W a channel"):
            inner.limit_sequence(ECU, model, watts)


@pytest.mark.parametrize(("counts", "watts"), [("0000", 0.0), ("0102", 258), ("FFFF", 0xFFFF)])
def test_a_limit_read_back(counts: str, watts: int) -> None:
    ds3 = with_bytes(bytes(6) + b"\xfb\xfb" + bytes(92), 13, counts)
    assert inner.limit_from_parameters(Model.DS3, ds3) == pytest.approx(watts / 16.59, rel=1e-12)
    assert inner.limit_from_parameters(Model.DS3, ds3[:15]) == pytest.approx(watts / 16.59, rel=1e-12)
    assert inner.limit_from_parameters(Model.DS3, ds3[:14]) is None
    classic_ = with_bytes(bytes(6) + b"\xfb\xfb" + bytes(92), 80, counts + "3B66")
    for model in (Model.YC600, Model.QS1):
        assert inner.limit_from_parameters(model, classic_) == pytest.approx(watts / 28.89, rel=1e-12)
        assert inner.limit_from_parameters(model, classic_[:84]) == pytest.approx(watts / 28.89, rel=1e-12)
        assert inner.limit_from_parameters(model, classic_[:83]) is None
        assert inner.limit_from_parameters(model, with_bytes(classic_, 82, "3B67")) is None
        assert inner.limit_from_parameters(model, with_bytes(classic_, 6, "FBFA")) is None
    assert inner.limit_from_parameters(Model.DS3, with_bytes(ds3, 6, "FAFB")) is None


def test_an_inner_frame_of_any_length() -> None:
    assert inner.inner_frame(b"") == bytes.fromhex("FBFB000000FEFE")
    longest = inner.inner_frame(b"\xff" * 255)
    assert (
        longest[2:3] + longest[258:]
        == bytes.fromhex("FF") + (256 * 255 & 0xFFFF).to_bytes(2, "big") + b"\xfe\xfe"
    )
    assert inner.sum16(b"\xff" * 300) == 300 * 255 - 0x10000
    assert (inner.LIMIT_W, inner.LIMIT_TOLERANCE_W) == ((20, 700), 2.0)


def test_the_queries_byte_for_byte() -> None:
    head = ECU.reversed_id.hex()
    assert inner.model_request(ECU).hex() == head + "fbfb06dc000000000000e2fefe"
    assert inner.reboot_request(ECU).hex() == head + "fbfb06c1000000000000c7fefe"
    assert inner.read_parameters_request(ECU).hex() == head + "fbfb06de000000000000e4fefe"
    assert inner.poll_request(ECU).hex() == head + "fbfb06bb000000000000c1fefe"
