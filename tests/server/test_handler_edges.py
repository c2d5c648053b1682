"""The request handler where one bit of a judgement decides: rights, waits, counts and the last address."""

import ipaddress

import pytest
import yaml
from pymodbus.exceptions import NoSuchIdException

from bridge.datastore.values import Outcome
from bridge.server.access import AccessError, Peer, Rule
from bridge.server.access_rule import scalar
from bridge.server.codes import Code, batch_code
from bridge.server.formats import format_code
from tests.server.plant import (
    LIMIT,
    MODE,
    UNIT,
    Client,
    Plant,
    adu,
    read,
    registers,
    running,
    write,
    write_many,
)

READ_WRITE = bytes.fromhex("17 0003 0001 3011 0001 02 0014")
COIL = write(0, 0xFF00, 5)


@pytest.mark.parametrize(
    "pdu", [read(0, 1), read(0, 1, 1), write(MODE, 1), COIL, write_many(MODE, 1), READ_WRITE]
)
async def test_a_good_request_is_counted_once_and_never_as_an_exception(
    plant: Plant, client: Client, pdu: bytes
) -> None:
    assert (await client.ask(pdu))[0] == pdu[0]
    assert (plant.counters.requests, plant.counters.exceptions) == (1, 0)


@pytest.mark.parametrize(
    "pdu",
    [read(0x2000, 1), read(0, 126), read(5, 1, 1), write(0x2000, 1), write(1, 0, 5), b"\x63", b"\x03\x00"],
)
async def test_a_bad_request_is_counted_once_and_once_as_an_exception(
    plant: Plant, client: Client, pdu: bytes
) -> None:
    assert (await client.ask(pdu))[0] == pdu[0] | 0x80
    assert (plant.counters.requests, plant.counters.exceptions) == (1, 1)


@pytest.mark.parametrize(("count", "code"), [(0, 3), (1, 1), (125, 1), (126, 3)])
async def test_not_one_register_is_read_without_the_right_and_each_refusal_counts(
    plant: Plant, count: int, code: int
) -> None:
    await plant.access.reload([Rule("127.0.0.0/8", units=(21,))], None)
    client = await plant.connect()
    assert await client.ask(read(0, count)) == bytes([0x83, code])
    assert (plant.counters.requests, plant.counters.exceptions) == (1, 1)
    await client.close()


async def test_who_may_write_a_unit_but_not_read_it_writes_and_reads_nothing(plant: Plant) -> None:
    await plant.access.reload([Rule("127.0.0.0/8", units=(21,))], [Rule("127.0.0.1", units=(UNIT,))])
    client = await plant.connect()
    coils, mask = bytes.fromhex("0F 0000 0001 01 01"), bytes.fromhex("16 3010 0000 0004")
    for pdu in (write(MODE, 4), write(0, 0xFF00, 5), write_many(MODE, 4), coils, mask):
        assert (await client.ask(pdu))[0] == pdu[0]
    for pdu in (read(MODE, 1), READ_WRITE):
        assert await client.ask(pdu) == bytes([pdu[0] | 0x80, 0x01])
    await client.close()


@pytest.mark.parametrize(("reply_within_s", "waited"), [(2.0, 0.4), (0.1, 0.1)])
async def test_the_shorter_wait_of_listener_and_point_ends_in_05(
    reply_within_s: float, waited: float
) -> None:
    async with running(reply_within_s=reply_within_s) as plant:
        client = await plant.connect()
        plant.adapter.free.clear()
        await client.send(adu(1, UNIT, write(LIMIT, 20)))
        await plant.adapter.asked.wait()
        await plant.clock.advance(waited + 0.01)
        assert await client.reply() == (1, UNIT, b"\x86\x05")
        await client.close()


async def test_an_answered_write_leaves_nothing_waiting_at_its_unit(plant: Plant, client: Client) -> None:
    for value in (20, 61):
        await client.ask(write(LIMIT, value))
    await plant.until(lambda: not plant.units.views[UNIT]._waiting)


@pytest.mark.parametrize("unit", [19, 21])
async def test_a_unit_without_registers_is_no_unit_of_pymodbuss_either(plant: Plant, unit: int) -> None:
    plant.units.put(21, None)
    with pytest.raises(NoSuchIdException):
        await plant.listener._server.async_getValues(unit, 3, 0, 1)  # type: ignore[attr-defined]


async def test_bits_beyond_the_first_byte_are_those_of_their_addresses(plant: Plant) -> None:
    server = plant.listener._server  # type: ignore[attr-defined]
    assert await server.async_getValues(UNIT, 2, 0, 20) == [number % 3 == 0 for number in range(20)]
    assert await server.context.async_getValues(UNIT, 2, 10, 20) == 2  # not all of them are there
    assert await server.context.async_getValues(UNIT, 3, 199, 2) == 2


@pytest.mark.parametrize(
    ("paths", "path", "covered"),
    [
        (None, "/Mode", True),
        (("/Mode",), "/Mode", True),
        (("/Mode",), "/Mode2", False),
        (("/Settings/*",), "/Settings/ChargeCurrentLimit", True),
        (("/Settings/*",), "/Settings", False),
        (("/Settings/*",), "/SettingsOfAnother", False),
        (("*",), "/Mode", True),
        ((), "/Mode", False),
    ],
)
def test_what_an_entry_covers(paths: tuple[str, ...] | None, path: str, covered: bool) -> None:
    assert Rule("10.0.0.1", paths=paths).covers(path) is covered


@pytest.mark.parametrize(
    "text",
    ["cerbo.local", "192.168.1.0/24", "a b", 'say "x"', "back\\slash", '\\"', "fe80::1", "true, false", ""],
)
def test_a_text_in_a_printed_line_is_read_back_as_it_was(text: str) -> None:
    assert yaml.safe_load(f"[{scalar(text)}, {scalar(text)}]") == [text, text]


def test_a_peer_is_shown_with_its_role() -> None:
    address = ipaddress.ip_address("10.0.0.1")
    assert [str(Peer(address)), str(Peer(address, "scada"))] == ["10.0.0.1", "10.0.0.1 (scada)"]


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        (read(0, 1), 0),
        (read(0, 125), 0),
        (read(0, 126), 3),
        (read(0, 2000, 1), 0),
        (read(0, 2001, 2), 3),
        (read(0, 1) + b"\0", 3),
        (read(0, 1, 4) + b"\0", 3),
        (read(0, 126, 4), 3),
        (read(0, 1, 1)[:-1], 3),
        (write(0, 0x0000, 5), 0),
        (write(0, 0xFF00, 5), 0),
        (write(0, 0x0001, 5), 3),
        (write(0, 0xFF01, 5), 3),
        (write(0, 1) + b"\0", 3),
        (write(0, 1)[:-1], 3),
        (bytes.fromhex("0F 0000 0001 01 01"), 0),
        (bytes.fromhex("0F 0000 0008 01 FF"), 0),
        (bytes.fromhex("0F 0000 0009 01 FF"), 3),
        (bytes.fromhex("0F 0000 0009 02 FF01"), 0),
        (bytes.fromhex("0F 0000 0000 01 01"), 3),
        (bytes.fromhex("0F 0000 0000 00"), 3),
        (bytes.fromhex("0F 0000 0001 01"), 3),
        (bytes.fromhex("0F 0000 0001 01 01 00"), 3),
        (bytes.fromhex("0F 0000 07B0 F6") + bytes(246), 0),
        (bytes.fromhex("0F 0000 07B1 F7") + bytes(247), 3),
        (write_many(0, 1), 0),
        (write_many(0, *range(123)), 0),
        (write_many(0, *range(124)), 3),
        (bytes.fromhex("10 0000 0001 02 00"), 3),
        (bytes.fromhex("10 0000 0000 00"), 3),
        (bytes.fromhex("10 0000 0000 02 0000"), 3),
        (bytes.fromhex("10 0000 0002 02 0000"), 3),
        (bytes.fromhex("10 0000 0001 02 0000 00"), 3),
        (bytes.fromhex("16 0000 0000 0000"), 0),
        (bytes.fromhex("16 0000 0000 00"), 3),
        (bytes.fromhex("16 0000 0000 0000 00"), 3),
        (READ_WRITE, 0),
        (READ_WRITE[:-1], 3),
        (READ_WRITE + b"\0", 3),
        (bytes.fromhex("17 0000 007D 0000 0001 02 0000"), 0),
        (bytes.fromhex("17 0000 007E 0000 0001 02 0000"), 3),
        (bytes.fromhex("17 0000 0000 0000 0001 02 0000"), 3),
        (bytes.fromhex("17 0000 0001 0000 0000 02 0000"), 3),
        (bytes.fromhex("17 0000 0001 0000 0000 00"), 3),
        (bytes.fromhex("17 0000 0001 0000 0079 F2") + bytes(242), 0),
        (bytes.fromhex("17 0000 0001 0000 007A F4") + bytes(244), 3),
        (bytes.fromhex("08 0000"), 0),
        (bytes.fromhex("08 0000 1234"), 0),
        (bytes.fromhex("08 0000 12"), 3),
        (bytes.fromhex("08 00"), 3),
        (bytes.fromhex("08 0001 1234"), 1),
        (bytes.fromhex("08 0100 1234"), 1),
        (b"\x07", 1),
        (b"\x00", 1),
        (b"\x80", 1),
    ],
)
def test_the_last_request_that_is_well_formed_and_the_first_that_is_not(pdu: bytes, code: int) -> None:
    assert format_code(pdu) == code


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ({"/A": Outcome.CONFIRMED, "/B": Outcome.CONFIRMED}, 0),
        ({"/A": Outcome.CONFIRMED, "/B": Outcome.BUSY}, 6),
        ({"/A": Outcome.OFFLINE, "/B": Outcome.BUSY}, 0x0B),
        ({"/A": Outcome.CONFIRMED}, 4),  # what is not told of was not done
        ({}, 4),
    ],
)
def test_a_batch_is_what_its_first_unconfirmed_change_is(outcomes: dict[str, Outcome], code: int) -> None:
    assert batch_code(["/A", "/B"], outcomes) == code


async def test_reading_is_answered_in_the_bytes_of_the_standard(client: Client) -> None:
    assert await client.ask(read(3, 2)) == registers(3, 4)
    assert await client.ask(read(0, 10, 2)) == bytes.fromhex("02 02 4902")


def test_the_exception_codes_are_those_of_the_standard() -> None:
    assert {code.name: code.value for code in Code} == {
        "ILLEGAL_FUNCTION": 0x01,
        "ILLEGAL_ADDRESS": 0x02,
        "ILLEGAL_VALUE": 0x03,
        "DEVICE_FAILURE": 0x04,
        "ACKNOWLEDGE": 0x05,
        "BUSY": 0x06,
        "NO_RESPONSE": 0x0B,
    }


@pytest.mark.parametrize("who", ["300.1.1.1", "10.0.0.0/33", "10.0.0.1/8", "-host", "a b", ""])
def test_an_entry_that_names_nobody_is_no_rule(who: str) -> None:
    with pytest.raises(AccessError):
        Rule(who)
