"""FC 43/14: who a unit says it is."""

import pytest

from bridge import __version__
from bridge.datastore.clock import ManualClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.values import Identity
from bridge.register_maps.bridge_unit import BridgeUnit
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.pending_unit import PendingUnit
from bridge.server.identification import answer
from tests.server.plant import UNIT, Client, Plant

KNOWN = Identity("HQ2205ABCDE", "ac_charger", 0xA330, "Blue Smart IP22 Charger", "3.52")
BASIC = {0: "Test & Co", 1: "A330", 2: "3.52"}
REGULAR = {**BASIC, 3: "", 4: "Blue Smart IP22 Charger", 5: "Plain unit", 6: "charger"}


def told(pdu: bytes) -> tuple[tuple[int, ...], dict[int, str]]:
    """Return code, conformity, more and next object, and the objects."""
    assert pdu[:2] == bytes((43, 14))
    head, number, rest = tuple(pdu[2:6]), pdu[6], pdu[7:]
    found = {}
    while rest:
        found[rest[0]] = rest[2 : 2 + rest[1]].decode("ascii")
        rest = rest[2 + rest[1] :]
    assert len(found) == number
    return head, found


@pytest.mark.parametrize(
    ("code", "first", "expected"),
    [
        (1, 0, BASIC),
        (1, 2, {2: BASIC[2]}),
        (1, 3, BASIC),  # an object beyond the stream begins it anew
        (2, 0, REGULAR),
        (2, 5, {5: "Plain unit", 6: "charger"}),
        (2, 99, REGULAR),
        (3, 0, REGULAR),  # there is nothing extended
        (4, 0, {0: "Test & Co"}),
        (4, 6, {6: "charger"}),
    ],
)
async def test_streams_and_single_objects(
    plant: Plant, client: Client, code: int, first: int, expected: dict[int, str]
) -> None:
    plant.device.learn(KNOWN)
    head, found = told(await client.ask(bytes((43, 14, code, first))))
    assert head == (code, 0x82, 0, 0)
    assert found == expected


async def test_what_is_not_known_is_empty(client: Client) -> None:
    assert told(await client.ask(bytes((43, 14, 1, 0))))[1] == {0: "Test & Co", 1: "A330", 2: ""}


async def test_a_unit_whose_device_is_silent_or_unknown_does_not_say(plant: Plant, client: Client) -> None:
    plant.device.declare([], [GroupSpec("gone")], [["gone"]])
    plant.units.put(21, PendingUnit(plant.device, 21))
    plant.units.put(22, None)
    for unit in (UNIT, 21, 22, 99):
        assert await client.ask(bytes((43, 14, 1, 0)), unit=unit) == b"\xab\x0b"
        assert await client.ask(bytes.fromhex("08 0000 5555"), unit=unit) == b"\x88\x0b"


async def test_the_bridge_itself_always_says(plant: Plant, client: Client) -> None:
    load = Catalogue().load("bridge")
    assert load.map is not None
    plant.device.declare([], [GroupSpec("gone")], [["gone"]])
    plant.units.put(247, BridgeUnit(load.map, plant.device, ManualClock()))
    for unit in (0, 247, 255):
        found = told(await client.ask(bytes((43, 14, 1, 0)), unit=unit))[1]
        assert found == {0: "Inverter Bridge", 1: "", 2: __version__}


def test_more_than_one_reply_holds_is_told_in_parts() -> None:
    objects = tuple(bytes([65 + number]) * 60 for number in range(7))
    found: dict[int, str] = {}
    first, parts = 0, 0
    while True:
        reply = answer(bytes((43, 14, 2, first)), objects)
        assert isinstance(reply, bytes)
        assert len(reply) <= 253
        (_, _, more, following), some = told(reply)
        found.update(some)
        parts += 1
        if not more:
            break
        assert more == 0xFF
        first = following
    assert parts == 3
    assert found == {number: chr(65 + number) * 60 for number in range(7)}
