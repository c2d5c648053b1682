"""Payloads to inverters: captured ones to the byte, and the sum of every limit."""

import pytest

from bridge.adapters.apsystems import inverter_frames as inner
from bridge.adapters.apsystems.ecu import Ecu
from bridge.adapters.apsystems.models import Model
from bridge.adapters.apsystems.simulated_replies import limit_reply, parameters_reply
from tests.adapters.apsystems.vectors import decoded, frames, mt, payload

ECU = Ecu.parse("D8A3011B9780")


def sent(name: str) -> bytes:
    """Data of a captured AF_DATA_REQUEST."""
    return mt(frames(name)[0]).data[10:]


def test_captured_payloads() -> None:
    assert inner.poll_request(Ecu.parse(decoded("D07")["ecu"])) == sent("D07")
    assert inner.normal_operation(ECU) == sent("D04")


@pytest.mark.parametrize(
    ("payload", "ends"),
    [
        (inner.poll_request(ECU), "06BB000000000000C1FEFE"),
        (inner.read_parameters_request(ECU), "06DE000000000000E4FEFE"),
        (inner.model_request(ECU), "06DC000000000000E2FEFE"),
        (inner.reboot_request(ECU), "06C1000000000000C7FEFE"),
        (inner.limit_request(ECU, Model.DS3, 100), "06AA270000067B0158FEFE"),
        (inner.limit_request(ECU, Model.YC600, 100), "061C8C020B49000104FEFE"),
    ],
)
def test_payloads_by_the_rule_of_the_sum(payload: bytes, ends: str) -> None:
    assert payload.hex().upper() == "80971B01A3D8FBFB" + ends


@pytest.mark.parametrize("model", Model)
def test_the_sum_is_right_for_every_whole_watt(model: Model) -> None:
    low, high = inner.LIMIT_W
    not_01 = []
    for watts in range(low, high + 1):
        frame = inner.limit_request(ECU, model, watts)[6:]
        assert frame[2] == len(frame) - 7
        assert int.from_bytes(frame[-4:-2], "big") == sum(frame[2:-4])
        if frame[-4] != 1:
            not_01.append(watts)
    if model is Model.DS3:
        # A program that hard-wires the sum's upper byte to 01 is known to be wrong for these.
        assert (len(not_01), not_01[:4]) == (46, [31, 32, 33, 47])


@pytest.mark.parametrize("watts", [19, 19.9, 701, -5, float("nan")])
def test_limits_out_of_range(watts: float) -> None:
    with pytest.raises(ValueError, match="expected 20 to 700 W a channel"):
        inner.limit_request(ECU, Model.DS3, watts)


def test_a_limit_is_set_queried_wrongly_and_queried() -> None:
    order, dummy, query = inner.limit_sequence(ECU, Model.DS3, 250)
    assert order == inner.limit_request(ECU, Model.DS3, 250)
    assert query == inner.read_parameters_request(ECU)
    assert dummy.hex().upper() == "80971B01A3D8FBFB06DE0000000000" + "0000FEFE"


@pytest.mark.parametrize("model", Model)
def test_a_limit_read_back(model: Model) -> None:
    for watts in (20, 123, 700):
        data = parameters_reply(model, "703000017664", watts)
        assert inner.limit_from_parameters(model, data) == pytest.approx(watts, abs=0.05)


@pytest.mark.parametrize("model", Model)
@pytest.mark.parametrize("data", [b"", b"\x00" * 94, payload("D08")[:20]], ids=["none", "zeros", "short"])
def test_a_limit_that_is_not_there(model: Model, data: bytes) -> None:
    if model is Model.DS3 and len(data) == 20:
        data = data[:13]
    assert inner.limit_from_parameters(model, data) is None


def test_what_a_ds3_says_to_a_limit() -> None:
    assert inner.limit_accepted(limit_reply("703000017664", accepted=True)) is True
    assert inner.limit_accepted(limit_reply("703000017664", accepted=False)) is False
    assert inner.limit_accepted(payload("D10")) is None
    assert inner.limit_accepted(b"") is None
