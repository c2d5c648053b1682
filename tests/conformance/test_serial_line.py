"""RTU framing on a line shared with other slaves: Modbus over Serial Line 1.02, sections 2 and 6."""

from typing import cast

import pytest

from tests.conformance.bench import UNIT, WRITTEN
from tests.conformance.conftest import Connect
from tests.conformance.transports import Rtu, RtuTcp, crc

READ, TOLD = bytes.fromhex("03 6010 0001"), bytes.fromhex("03 02 4201")
#: What other slaves and their master say to each other.
FOREIGN_REQUEST = bytes.fromhex("63 03 0000 0010")
FOREIGN_REPLY = bytes.fromhex("63 03 20") + bytes(range(32))
FOREIGN_WRITE = bytes.fromhex("63 10 0000 0002 04 000A 0102")
FOREIGN_WRITTEN = bytes.fromhex("63 10 0000 0002")


def whole(frame: bytes) -> bytes:
    return frame + crc(frame)


OWN = whole(bytes((UNIT,)) + READ)

Master = Rtu | RtuTcp


@pytest.fixture(params=["rtu", "rtu_tcp"])
def master(request: pytest.FixtureRequest, connect: Connect) -> Master:
    return cast("Master", connect(request.param))


def answers(master: Master) -> bool:
    return master.ask(UNIT, READ) == TOLD


def test_1_the_crc_of_the_guide() -> None:
    """6.2.2: the frame 02 07 has the CRC 41 12, of which the low byte goes first."""
    assert crc(bytes.fromhex("02 07")) == bytes.fromhex("41 12")


@pytest.mark.parametrize("place", range(len(OWN)))
def test_2_a_damaged_request_gets_no_reply(connect: Connect, place: int) -> None:
    with cast("Rtu", connect("rtu")) as master:
        damaged = bytearray(OWN)
        damaged[place] ^= 0x10
        master.send(bytes(damaged))
        assert master.silent()
        master.pause()
        assert answers(master)


def test_3_a_request_in_pieces_is_one_request(master: Master) -> None:
    with master:
        for byte in OWN:
            master.send(bytes((byte,)))
        assert master.reply(UNIT) == TOLD


@pytest.mark.parametrize(
    "before",
    [
        [b"\0"],
        [b"\xff" * 7],
        [bytes(range(40))],
        [whole(FOREIGN_REQUEST), whole(FOREIGN_REPLY)],
        [whole(FOREIGN_REPLY)],
        [whole(FOREIGN_WRITE), whole(FOREIGN_WRITTEN)],
        [whole(FOREIGN_WRITTEN)],
        [whole(bytes.fromhex("63 83 02"))],
        [whole(bytes.fromhex("00 06 5600 0001"))],
    ],
    ids=[
        "a zero",
        "ones",
        "noise",
        "a foreign read",
        "a foreign reply alone",
        "a foreign write",
        "a foreign write's reply alone",
        "a foreign exception",
        "a broadcast",
    ],
)
def test_4_what_others_say_does_not_hide_our_request(master: Master, before: list[bytes]) -> None:
    """Whether it came with a pause before our request or in one piece with it."""
    with master:
        for said in before:
            master.send(said)
        assert answers(master)
        master.send(b"".join(before) + OWN)
        assert master.reply(UNIT) == TOLD


def test_5_half_a_frame_and_silence_are_forgotten(connect: Connect) -> None:
    with cast("Rtu", connect("rtu")) as master:
        master.send(bytes.fromhex("14 10 5000 0060 C0") + bytes(20))
        master.pause()
        assert answers(master)


def test_6_a_broadcast_write_is_not_executed(master: Master) -> None:
    """The bridge's own rule: nobody could tell a broadcast's writer what became of it."""
    with master:
        assert master.ask(WRITTEN, bytes.fromhex("06 5650 0007")) == bytes.fromhex("06 5650 0007")
        master.send(whole(bytes.fromhex("00 06 5650 0008")))
        assert master.silent()
        assert master.ask(WRITTEN, bytes.fromhex("03 5650 0001")) == bytes.fromhex("03 02 0007")


@pytest.mark.parametrize("own", [OWN, whole(bytes((UNIT,)) + bytes.fromhex("01 0000 07D0"))])
def test_7_the_next_request_is_heard_behind_one_that_nobody_waits_for(connect: Connect, own: bytes) -> None:
    """Two requests at once: a reply to the first would meet whatever comes after the second."""
    with cast("Rtu", connect("rtu")) as master:
        master.send(own + OWN)
        assert master.reply(UNIT) == TOLD
        assert master.silent()
