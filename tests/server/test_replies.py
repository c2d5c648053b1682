"""The table of replies, row by row, over a real socket."""

import pytest

from bridge.datastore.values import LinkState, Outcome
from tests.server.plant import (
    CONSTANT,
    LIMIT,
    MODE,
    TOTAL,
    Client,
    Plant,
    adu,
    read,
    registers,
    write,
    write_many,
)

COILS_15 = bytes.fromhex("0f 0000 0001 01 01")
READ_WRITE = bytes.fromhex("17 0003 0002 3011 0001 02 0014")  # read 3 and 4, write 20 to the limit


@pytest.mark.parametrize(
    ("request_pdu", "reply"),
    [
        pytest.param(read(5, 2), registers(5, 6), id="FC3"),
        pytest.param(read(5, 2, 4), registers(1005, 1006, function=4), id="FC4"),
        pytest.param(read(0, 1, 1), bytes.fromhex("01 01 01"), id="FC1"),
        pytest.param(read(0, 12, 2), bytes.fromhex("02 02 49 02"), id="FC2"),
        pytest.param(read(0, 125), registers(*range(125)), id="FC3-most"),
        pytest.param(write(LIMIT, 20), write(LIMIT, 20), id="FC6"),
        pytest.param(write(0, 0xFF00, 5), write(0, 0xFF00, 5), id="FC5-on"),
        pytest.param(write(0, 0x0000, 5), write(0, 0x0000, 5), id="FC5-off"),
        pytest.param(COILS_15, bytes.fromhex("0f 0000 0001"), id="FC15"),
        pytest.param(write_many(MODE, 4, 20), bytes.fromhex("10 3010 0002"), id="FC16"),
        pytest.param(bytes.fromhex("16 3011 0000 0014"), bytes.fromhex("16 3011 0000 0014"), id="FC22"),
        pytest.param(READ_WRITE, registers(3, 4, function=23), id="FC23"),
        pytest.param(bytes.fromhex("08 0000 5555"), bytes.fromhex("08 0000 5555"), id="FC8"),
        pytest.param(bytes.fromhex("08 0000"), bytes.fromhex("08 0000"), id="FC8-no-data"),
        pytest.param(
            bytes.fromhex("08 0000") + bytes(250), bytes.fromhex("08 0000") + bytes(250), id="FC8-most"
        ),
    ],
)
async def test_good_requests(client: Client, request_pdu: bytes, reply: bytes) -> None:
    assert await client.ask(request_pdu) == reply


@pytest.mark.parametrize(
    ("request_pdu", "code"),
    [
        *[
            pytest.param(bytes([function]), 1, id=f"unknown-{function}")
            for function in (0, 7, 9, 11, 17, 20, 24, 100)
        ],
        pytest.param(bytes([0x83, 1]), 1, id="unknown-0x83"),
        pytest.param(bytes.fromhex("2b 0d 01 00"), 1, id="FC43-another-MEI-type"),
        pytest.param(b"\x2b", 3, id="FC43-bare"),
        pytest.param(bytes.fromhex("2b 0e 01"), 3, id="FC43-short"),
        pytest.param(bytes.fromhex("2b 0e 01 00 00"), 3, id="FC43-trailing"),
        pytest.param(bytes.fromhex("2b 0e 00 00"), 3, id="FC43-code-0"),
        pytest.param(bytes.fromhex("2b 0e 05 00"), 3, id="FC43-code-5"),
        pytest.param(bytes.fromhex("2b 0e 04 07"), 2, id="FC43-no-such-object"),
        pytest.param(b"\x08", 3, id="FC8-bare"),
        pytest.param(bytes.fromhex("08 0001 0000"), 1, id="FC8-restart"),
        pytest.param(bytes.fromhex("08 000b 0000"), 1, id="FC8-counters"),
        pytest.param(bytes.fromhex("08 0000 00"), 3, id="FC8-half-a-word"),
        pytest.param(read(0, 0), 3, id="FC3-none"),
        pytest.param(read(0, 126), 3, id="FC3-too-many"),
        pytest.param(read(0, 126, 4), 3, id="FC4-too-many"),
        pytest.param(read(0, 0, 1), 3, id="FC1-none"),
        pytest.param(read(0, 2001, 1), 3, id="FC1-too-many"),
        pytest.param(read(0, 2001, 2), 3, id="FC2-too-many"),
        pytest.param(read(0, 1)[:-1], 3, id="FC3-short"),
        pytest.param(read(0, 1) + b"\0", 3, id="FC3-trailing"),
        pytest.param(b"\x03", 3, id="FC3-bare"),
        pytest.param(write(0, 0x1234, 5), 3, id="FC5-neither"),
        pytest.param(write(0, 0x0001, 5), 3, id="FC5-one"),
        pytest.param(write(LIMIT, 20)[:-1], 3, id="FC6-short"),
        pytest.param(write(LIMIT, 20) + b"\0", 3, id="FC6-trailing"),
        pytest.param(bytes.fromhex("0f 0000 0000 00"), 3, id="FC15-none"),
        pytest.param(bytes.fromhex("0f 0000 07b1 f7") + bytes(0xF7), 3, id="FC15-too-many"),
        pytest.param(bytes.fromhex("0f 0000 0001 02 0100"), 3, id="FC15-size"),
        pytest.param(bytes.fromhex("10 3011 0000 00"), 3, id="FC16-none"),
        pytest.param(bytes.fromhex("10 3011 007c f8") + bytes(0xF6), 3, id="FC16-too-many"),
        pytest.param(bytes.fromhex("10 3011 0001 04 0014"), 3, id="FC16-size"),
        pytest.param(write_many(LIMIT, 20) + b"\0", 3, id="FC16-trailing"),
        pytest.param(write_many(LIMIT, 20)[:-1], 3, id="FC16-short"),
        pytest.param(bytes.fromhex("16 3011 0000"), 3, id="FC22-short"),
        pytest.param(bytes.fromhex("17 0003 0000 3011 0001 02 0014"), 3, id="FC23-reads-none"),
        pytest.param(bytes.fromhex("17 0003 007e 3011 0001 02 0014"), 3, id="FC23-reads-too-many"),
        pytest.param(bytes.fromhex("17 0003 0001 3011 0000 00"), 3, id="FC23-writes-none"),
        pytest.param(bytes.fromhex("17 0003 0001 3011 007a f4") + bytes(0xF0), 3, id="FC23-writes-too-many"),
        pytest.param(READ_WRITE + b"\0", 3, id="FC23-trailing"),
        pytest.param(read(0x2000, 1), 2, id="FC3-nowhere"),
        pytest.param(read(199, 2), 2, id="FC3-past-the-end"),
        pytest.param(read(0xFFFF, 2), 2, id="FC3-past-65535"),
        pytest.param(read(1, 1, 1), 2, id="FC1-nowhere"),
        pytest.param(read(15, 10, 2), 2, id="FC2-past-the-end"),
        pytest.param(write(0x2000, 1), 2, id="FC6-nowhere"),
        pytest.param(write(CONSTANT, 1), 2, id="FC6-read-only"),
        pytest.param(write(TOTAL, 1), 2, id="FC6-part-of-a-value"),
        pytest.param(write(5, 0xFF00, 5), 2, id="FC5-nowhere"),
        pytest.param(write_many(LIMIT, 20, 1), 2, id="FC16-one-read-only"),
        pytest.param(write(LIMIT, 61), 3, id="FC6-out-of-range"),
        pytest.param(write(LIMIT, 0xFFFF), 3, id="FC6-invalid-pattern"),
        pytest.param(write(MODE, 2), 3, id="FC6-not-a-choice"),
        pytest.param(write_many(MODE, 4, 61), 3, id="FC16-one-out-of-range"),
        pytest.param(bytes.fromhex("16 3011 0000 003d"), 3, id="FC22-out-of-range"),
        pytest.param(bytes.fromhex("16 3012 0000 0001"), 2, id="FC22-read-only"),
        pytest.param(bytes.fromhex("17 2000 0001 3011 0001 02 0014"), 2, id="FC23-reads-nowhere"),
        pytest.param(bytes.fromhex("17 0003 0001 2000 0001 02 0014"), 2, id="FC23-writes-nowhere"),
        pytest.param(bytes.fromhex("17 2000 0001 3011 0001 02 ffff"), 2, id="FC23-address-before-value"),
    ],
)
async def test_bad_requests(plant: Plant, client: Client, request_pdu: bytes, code: int) -> None:
    assert await client.ask(request_pdu) == bytes([request_pdu[0] | 0x80, code])
    assert plant.adapter.commands == []
    assert await client.ask(read(7, 1)) == registers(7)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.ADJUSTED, 0x04),
        (Outcome.REFUSED, 0x04),
        (Outcome.SUPERSEDED, 0x06),
        (Outcome.BUSY, 0x06),
        (Outcome.OFFLINE, 0x0B),
        (Outcome.TIMED_OUT, 0x0B),
    ],
)
@pytest.mark.parametrize(
    "pdu", [write(LIMIT, 20), write_many(LIMIT, 20), READ_WRITE], ids=["FC6", "FC16", "FC23"]
)
async def test_outcomes(plant: Plant, client: Client, pdu: bytes, outcome: Outcome, code: int) -> None:
    plant.adapter.outcomes["/Settings/ChargeCurrentLimit"] = outcome
    assert await client.ask(pdu) == bytes([pdu[0] | 0x80, code])
    assert plant.attempts[-1].outcome is outcome


async def test_a_batch_is_told_by_its_first_change_not_confirmed(plant: Plant, client: Client) -> None:
    plant.adapter.outcomes["/Settings/ChargeCurrentLimit"] = Outcome.BUSY
    assert await client.ask(write_many(MODE, 4, 20)) == bytes([0x90, 0x06])
    plant.adapter.outcomes["/Mode"] = Outcome.OFFLINE
    assert await client.ask(write_many(MODE, 1, 20)) == bytes([0x90, 0x0B])


@pytest.mark.parametrize(
    ("request_pdu", "code", "addresses"),
    [
        (write(LIMIT, 61), 3, [LIMIT]),
        (write_many(MODE, 4, 61), 3, [MODE, LIMIT]),
        (write(CONSTANT, 1), 2, [CONSTANT]),  # no point is known, the request's own address is
        (write(LIMIT, 0xFFFF), 3, [LIMIT]),
    ],
)
async def test_refused_attempts_are_recorded(
    plant: Plant, client: Client, request_pdu: bytes, code: int, addresses: list[int | None]
) -> None:
    await client.ask(request_pdu)
    assert [attempt.address for attempt in plant.attempts] == addresses
    assert {(a.outcome, a.exception_code, a.unit, str(a.origin)) for a in plant.attempts} == {
        (Outcome.REFUSED, code, 20, "modbus:127.0.0.1")
    }
    assert plant.device.status().attempts == len(addresses)


async def test_still_under_way_is_05_and_the_same_value_again_hears_the_outcome(
    plant: Plant, client: Client
) -> None:
    plant.adapter.free.clear()
    await client.send(adu(1, 20, write(LIMIT, 20)))
    await plant.adapter.asked.wait()
    await plant.clock.advance(0.5)
    assert await client.reply() == (1, 20, bytes([0x86, 0x05]))
    await client.send(adu(2, 20, write(LIMIT, 20)))
    await plant.until(lambda: plant.device.status().attempts == 2)
    plant.adapter.free.set()
    assert await client.reply() == (2, 20, write(LIMIT, 20))
    assert plant.adapter.commands == [{"/Settings/ChargeCurrentLimit": 20}]
    assert await client.ask(read(LIMIT, 1)) == registers(20)


async def test_the_register_keeps_the_devices_value_until_confirmed(plant: Plant, client: Client) -> None:
    other = await plant.connect()
    plant.adapter.free.clear()
    await client.send(adu(1, 20, write(LIMIT, 20)))
    await plant.adapter.asked.wait()
    assert await other.ask(read(LIMIT, 1)) == registers(16)
    plant.adapter.free.set()
    assert await client.reply() == (1, 20, write(LIMIT, 20))
    assert await other.ask(read(LIMIT, 1)) == registers(20)
    await other.close()


@pytest.mark.parametrize("link", [LinkState.SILENT, LinkState.PORT_MISSING, LinkState.WRONG_DEVICE])
async def test_a_line_already_down_is_0b_at_once(plant: Plant, client: Client, link: LinkState) -> None:
    plant.device.set_link(link)
    assert await client.ask(write(LIMIT, 20)) == bytes([0x86, 0x0B])
    assert plant.adapter.commands == []


async def test_units_not_hosted_or_never_seen_answer_0b_to_every_function(
    plant: Plant, client: Client
) -> None:
    plant.units.put(21, None)
    for unit in (19, 21, 247, 0, 255):
        for pdu in (read(0, 1), read(0, 0), write(LIMIT, 20), b"\x63"):
            assert await client.ask(pdu, unit=unit) == bytes([pdu[0] | 0x80, 0x0B])


async def test_units_0_and_255_mean_247(plant: Plant, client: Client) -> None:
    plant.units.put(247, plant.unit)
    for unit in (0, 255, 247):
        assert await client.ask(read(3, 1), unit=unit) == registers(3)
        assert await client.ask(write(LIMIT, 20), unit=unit) == write(LIMIT, 20)
        assert plant.attempts[-1].unit == 247


async def test_freshness_comes_after_the_address(plant: Plant, client: Client) -> None:
    plant.unit.stale = True
    assert await client.ask(read(0, 1)) == bytes([0x83, 0x0B])
    assert await client.ask(read(0x2000, 1)) == bytes([0x83, 0x02])
    assert await client.ask(READ_WRITE) == bytes([0x97, 0x0B])
    assert plant.adapter.commands == []


async def test_a_views_reply_within_bounds_the_wait(plant: Plant, client: Client) -> None:
    plant.units.put(22, plant.unit, reply_within_s=0.1)
    plant.adapter.free.clear()
    await client.send(adu(1, 22, write(LIMIT, 20)))
    await plant.adapter.asked.wait()
    await plant.clock.advance(0.2)
    assert await client.reply() == (1, 22, bytes([0x86, 0x05]))


@pytest.mark.parametrize("pdu", [read(0, 1), read(0, 1, 1), READ_WRITE], ids=["FC3", "FC1", "FC23"])
async def test_a_defect_of_ours_is_04_and_one_line(
    plant: Plant, client: Client, caplog: pytest.LogCaptureFixture, pdu: bytes
) -> None:
    plant.unit.fault = KeyError("lost")
    for _ in range(3):
        assert await client.ask(pdu) == bytes([pdu[0] | 0x80, 0x04])
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "KeyError" in errors[0].getMessage()
    assert errors[0].exc_info is None
    plant.unit.fault = None
    assert await client.ask(read(7, 1)) == registers(7)


async def test_counters(plant: Plant, client: Client) -> None:
    for pdu in (read(0, 1), read(0x2000, 1), write(LIMIT, 20), write(LIMIT, 61)):
        await client.ask(pdu)
    assert plant.counters.snapshot() == {
        "/Server/Connections": 1,
        "/Server/ConnectionsRefused": 0,
        "/Server/Requests": 4,
        "/Server/Exceptions": 2,
        "/Server/WritesRefused": 0,
        "/Server/Broadcasts": 0,
    }
