"""Framing of Modbus TCP, UDP and TLS: Messaging on TCP/IP Implementation Guide 1.0b, 3.1.3 and 4.2."""

import struct
from typing import cast

import pytest

from tests.conformance.bench import SLOW, UNIT
from tests.conformance.conftest import Connect
from tests.conformance.transports import Tcp, Udp

READ, TOLD = bytes.fromhex("03 6010 0001"), bytes.fromhex("03 02 4201")


def adu(transaction: int, pdu: bytes = READ, unit: int = UNIT, protocol: int = 0, length: int = 0) -> bytes:
    return struct.pack(">HHHB", transaction, protocol, length or len(pdu) + 1, unit) + pdu


@pytest.fixture(params=["tcp", "tls"])
def stream(request: pytest.FixtureRequest, connect: Connect) -> Tcp:
    return cast("Tcp", connect(request.param))


@pytest.mark.parametrize("transaction", [0, 1, 0x1234, 0xFFFF])
def test_1_the_transaction_id_comes_back(stream: Tcp, transaction: int) -> None:
    with stream:
        stream.send(adu(transaction))
        assert stream.next_reply() == (transaction, UNIT, TOLD)


def test_2_requests_in_one_segment_are_all_answered_in_order(stream: Tcp) -> None:
    with stream:
        stream.send(b"".join(adu(number) for number in range(200)))
        assert [stream.next_reply()[0] for _ in range(200)] == list(range(200))


def test_3_a_request_in_many_segments_is_one_request(stream: Tcp) -> None:
    with stream:
        for byte in adu(7):
            stream.send(bytes((byte,)))
        assert stream.next_reply() == (7, UNIT, TOLD)


def test_4_replies_stay_with_their_requests_while_a_device_keeps_one_waiting(stream: Tcp) -> None:
    with stream:
        stream.send(adu(1) + adu(2, bytes.fromhex("06 5001 0001"), SLOW) + adu(3) + adu(4)[:5])
        assert stream.next_reply() == (1, UNIT, TOLD)
        assert stream.next_reply() == (2, SLOW, bytes.fromhex("86 05"))
        assert stream.next_reply() == (3, UNIT, TOLD)
        stream.send(adu(4)[5:])
        assert stream.next_reply() == (4, UNIT, TOLD)


@pytest.mark.parametrize(
    "frame",
    [
        adu(1, protocol=1),
        adu(1, protocol=0x5555),
        adu(1, length=1),
        adu(1)[:4] + b"\0\0" + adu(1)[6:],
        adu(1, length=255),
        adu(1, length=0xFFFF),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["protocol 1", "protocol 5555", "length 1", "length 0", "length 255", "length FFFF", "HTTP"],
)
def test_5_what_is_no_header_ends_the_connection(stream: Tcp, frame: bytes) -> None:
    """Nobody can say where the next frame would begin; what was well-formed before is answered."""
    with stream:
        stream.send(adu(1))
        assert stream.next_reply() == (1, UNIT, TOLD)
        stream.send(frame)
        assert stream.receive() == b""


def test_6_the_longest_frame_is_one(stream: Tcp) -> None:
    longest = bytes.fromhex("08 0000") + bytes(250)
    with stream:
        stream.send(adu(1, longest))
        assert stream.next_reply() == (1, UNIT, longest)


def test_7_the_client_may_end_its_side_and_still_hear_the_replies(connect: Connect) -> None:
    with cast("Tcp", connect("tcp")) as master:
        master.send(adu(1) + adu(2))
        master.socket.shutdown(1)
        assert [master.next_reply()[0] for _ in range(2)] == [1, 2]
        assert master.receive() == b""


def test_8_connections_do_not_wait_for_each_other(connect: Connect) -> None:
    with cast("Tcp", connect("tcp")) as waiting, cast("Tcp", connect("tcp")) as other:
        waiting.send(adu(1, bytes.fromhex("06 5002 0001"), SLOW))
        other.send(adu(2))
        assert other.next_reply() == (2, UNIT, TOLD)
        assert waiting.next_reply()[2] == bytes.fromhex("86 05")


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0",
        adu(1)[:-1],
        adu(1) + b"\0",
        adu(1) + adu(2),
        adu(1, protocol=1),
        adu(1, length=300),
        bytes(1400),
    ],
    ids=["empty", "a byte", "cut", "too long", "two frames", "protocol 1", "length 300", "zeros"],
)
def test_9_a_datagram_that_is_not_one_frame_gets_no_reply(connect: Connect, datagram: bytes) -> None:
    with cast("Udp", connect("udp")) as master:
        master.send(datagram)
        assert master.silent()
        master.send(adu(9))
        assert master.next_reply() == (9, UNIT, TOLD)


def test_10_every_sender_gets_its_own_reply(connect: Connect) -> None:
    masters = [cast("Udp", connect("udp")) for _ in range(20)]
    for number, master in enumerate(masters):
        master.send(adu(number))
    for number, master in enumerate(masters):
        with master:
            assert master.next_reply() == (number, UNIT, TOLD)
