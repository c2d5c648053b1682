"""The private seams of pymodbus that the server stands on: there in this release, missed in others."""

import logging

import pytest
from pymodbus.framer import FramerBase, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.server import ModbusTcpServer

from bridge.server.requests import REQUESTS, MaskWrite, ReadWrite
from bridge.server.seams import SUPPORTED, SeamError, check_seams, missing_seams
from tests.server.plant import Plant


def test_the_installed_release_has_every_seam() -> None:
    check_seams()
    assert missing_seams() == []


@pytest.mark.parametrize("version", ["3.16.0", "3.15.9", "3.17.0", "3.17", "4.0.0", "2.5.3"])
def test_other_releases_are_refused_by_name(version: str) -> None:
    with pytest.raises(SeamError) as fault:
        check_seams(version)
    assert f"pymodbus {version} " in str(fault.value)
    assert SUPPORTED in str(fault.value)


@pytest.mark.parametrize("version", ["3.16.1", "3.16.12"])
def test_supported_releases_pass(version: str) -> None:
    check_seams(version)


def test_a_missing_seam_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def listen(server: object) -> bool:
        return True

    monkeypatch.setattr(ModbusTcpServer, "serve_forever", listen)
    with pytest.raises(SeamError, match=r"ModbusTcpServer\.serve_forever without 'background'"):
        check_seams()
    monkeypatch.delattr(FramerBase, "buildFrame")
    assert "FramerSocket without 'buildFrame'" in missing_seams()


def test_own_requests_replace_the_stock_ones_on_one_decoder_only() -> None:
    decoder = DecodePDU(True)
    for request in REQUESTS:
        decoder.register(request)
    assert type(decoder.decode(bytes.fromhex("16 3011 00f2 0025"))) is MaskWrite
    assert type(decoder.decode(bytes.fromhex("17 0003 0006 000e 0001 02 00ff"))) is ReadWrite
    assert type(DecodePDU(True).decode(bytes.fromhex("16 3011 00f2 0025"))) is not MaskWrite


def test_frames_are_built_from_the_ids_set_on_the_reply() -> None:
    decoder = DecodePDU(True)
    request = decoder.decode(bytes.fromhex("06 3011 0014"))
    assert request is not None
    request.transaction_id, request.dev_id = 0x1234, 20
    assert FramerSocket(decoder).buildFrame(request) == bytes.fromhex("1234 0000 0006 14 06 3011 0014")


def test_pymodbus_is_quiet_unless_told_otherwise() -> None:
    check_seams()
    assert logging.getLogger("pymodbus.logging").getEffectiveLevel() >= logging.ERROR


async def test_pymodbuss_own_door_to_the_values_leads_to_the_image(plant: Plant) -> None:
    server = plant.listener._server
    assert await server.async_getValues(20, 3, 5, 2) == [5, 6]
    assert await server.async_getValues(20, 4, 5, 2) == [1005, 1006]
    assert await server.async_getValues(20, 1, 0, 1) == [True]
    assert await server.async_getValues(20, 2, 0, 4) == [True, False, False, True]
    assert server.context.device_ids() == [20]
