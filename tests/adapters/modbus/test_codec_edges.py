"""Frames of a master at their edges: what is counted as broken, what is skipped without a word, what is kept."""

import pytest

from bridge.adapters.modbus.codec import MBAP_MAX, RTU_MAX, MbapCodec, RtuCodec
from bridge.adapters.modbus.requests import Answer, Data, Read, Refused, Request, WriteCoil, WriteRegisters
from bridge.register_maps.format import Table

MODEL = Read(Table.HOLDING, 0x05A0, 1)
REPLY = bytes.fromhex("2a030217b893c0")
GOOD = Data(bytes.fromhex("17b8"))
OTHER_UNIT = bytes.fromhex("2b0302000050d4")
BROKEN = REPLY[:-1] + b"\xc1"


def asked(unit: int = 42, request: Request = MODEL) -> RtuCodec:
    codec = RtuCodec()
    codec.ask(unit, request)
    return codec


@pytest.mark.parametrize(
    ("heard", "answer", "faults"),
    [
        (REPLY, GOOD, 0),
        (OTHER_UNIT + REPLY, GOOD, 0),  # a neighbour's reply is no fault
        (b"\x00\x2a" + REPLY, GOOD, 0),
        (BROKEN, None, 1),
        (BROKEN + REPLY, GOOD, 1),
        (BROKEN + BROKEN + REPLY, GOOD, 2),
        (bytes.fromhex("2a83020000") + REPLY, GOOD, 1),
        (bytes.fromhex("2a0302") + REPLY + b"\0\0", GOOD, 1),  # its beginning twice
        (b"\x2a\x04" + REPLY[2:], None, 0),
        (b"\x2a", None, 0),
        (REPLY[:-1], None, 0),
    ],
)
def test_rtu_counts_what_looked_like_a_reply(heard: bytes, answer: Answer | None, faults: int) -> None:
    whole, single = asked(), asked()
    assert whole.receive(heard) == answer
    answers = [found for byte in heard if (found := single.receive(bytes((byte,)))) is not None]
    assert answers == ([] if answer is None else [answer])
    assert (whole.faults, single.faults) == (faults, faults)


def test_rtu_exception() -> None:
    codec = asked()
    framed = RtuCodec()._framer.encode(b"\x83\x02", 42, 0)
    assert [codec.receive(framed[:-1]), codec.receive(framed[-1:])] == [None, Refused(2)]
    assert codec.faults == 0


@pytest.mark.parametrize("sent", [WriteCoil(3, True), WriteRegisters(3, b"\0\1"), Read(Table.COILS, 3, 9)])
def test_rtu_takes_a_reply_of_the_length_that_was_asked_for(sent: Request) -> None:
    codec = asked(7, sent)
    body = sent.pdu if not isinstance(sent, Read) else b"\x01\x02\xff\x01"
    framed = codec._framer.encode(body, 7, 0)
    assert codec.receive(framed) == (Data(b"\xff\x01") if isinstance(sent, Read) else Data())


def test_rtu_forgets_with_its_request() -> None:
    codec = asked()
    assert codec.receive(REPLY[:3]) is None
    codec.done()
    assert codec.receive(REPLY[3:]) is None
    codec.ask(42, MODEL)
    assert codec.receive(REPLY[3:]) is None  # the beginning went with the former request
    codec.ask(42, MODEL)
    assert codec.receive(REPLY) == GOOD
    assert codec.receive(REPLY) is None  # answered: nothing is waited for any more
    codec.ask(42, MODEL)
    assert codec.receive(REPLY[:3]) is None
    codec.ask(42, MODEL)
    assert codec.receive(REPLY[3:]) is None


def test_rtu_keeps_what_may_be_the_beginning() -> None:
    codec = asked()
    assert codec.receive(b"\xff\xff\x2a") is None
    assert codec.receive(REPLY[1:]) == GOOD
    codec.ask(42, MODEL)
    assert codec.receive(b"\xff\x2a\x03") is None
    assert codec.receive(REPLY[2:]) == GOOD


@pytest.mark.parametrize("unit", [1, 42, 247])
def test_rtu_names_the_unit(unit: int) -> None:
    codec = RtuCodec()
    frame = codec.ask(unit, MODEL)
    assert frame[:-2] == bytes((unit,)) + MODEL.pdu


# -- MBAP --------------------------------------------------------------------------------------------


def mbap(transaction: int, body: str, unit: int = 1, protocol: int = 0, length: int | None = None) -> bytes:
    pdu = bytes.fromhex(body)
    told = len(pdu) + 1 if length is None else length
    return b"".join(word.to_bytes(2, "big") for word in (transaction, protocol, told)) + bytes((unit,)) + pdu


READ = "03022222"
READ_DATA = Data(b"\x22\x22")


@pytest.mark.parametrize(
    ("heard", "answer", "faults"),
    [
        (mbap(1, READ), READ_DATA, 0),
        (mbap(1, "8302"), Refused(2), 0),
        (mbap(7, READ) + mbap(1, READ), READ_DATA, 0),  # late, of another request
        (mbap(1, READ, unit=2), None, 1),
        (mbap(1, "04022222"), None, 1),
        (mbap(1, "030411111111"), None, 1),
        (mbap(1, READ, unit=2) + mbap(1, READ), READ_DATA, 1),
        (mbap(1, READ, protocol=1) + mbap(1, READ), READ_DATA, None),
        (mbap(1, READ, protocol=0x100) + mbap(1, READ), READ_DATA, None),
        (mbap(1, READ, length=0) + mbap(1, READ), READ_DATA, None),
        (mbap(1, READ, length=1) + mbap(1, READ), READ_DATA, None),
        (mbap(1, READ, length=255) + mbap(1, READ), READ_DATA, None),
        (mbap(1, READ, length=0x1000) + mbap(1, READ), READ_DATA, None),
    ],
)
def test_mbap_counts_what_answers_nothing(heard: bytes, answer: Answer | None, faults: int | None) -> None:
    whole, single = MbapCodec(), MbapCodec()
    for codec in (whole, single):
        codec.ask(1, MODEL)
    assert whole.receive(heard) == answer
    answers = [found for byte in heard if (found := single.receive(bytes((byte,)))) is not None]
    assert answers == ([] if answer is None else [answer])
    if faults is None:
        assert 1 <= whole.faults <= len(heard)
        assert 1 <= single.faults <= len(heard)
    else:
        assert (whole.faults, single.faults) == (faults, faults)


def test_mbap_noise_is_one_fault_where_no_header_can_be_in_it() -> None:
    codec = MbapCodec()
    codec.ask(1, MODEL)
    assert codec.receive(bytes.fromhex("ffffffffffffff") + mbap(1, READ)) == READ_DATA
    assert codec.faults == 1


@pytest.mark.parametrize("pad", range(1, 12))
def test_mbap_finds_a_header_behind_any_number_of_bytes(pad: int) -> None:
    codec = MbapCodec()
    codec.ask(1, MODEL)
    assert codec.receive(b"\x01" * pad + mbap(1, READ)) == READ_DATA


@pytest.mark.parametrize("noise", [b"\x00" * n for n in range(1, 6)])
def test_mbap_finds_a_header_behind_zeros(noise: bytes) -> None:
    codec = MbapCodec()
    for transaction in (1, 2, 3):
        codec.ask(1, MODEL)
        answer = codec.receive((noise if transaction == 1 else b"") + mbap(transaction, READ))
        if answer is not None:
            break
    assert answer == READ_DATA


def test_mbap_longest_and_shortest_frames() -> None:
    codec = MbapCodec()
    codec.ask(1, Read(Table.HOLDING, 0, 125))
    assert codec.receive(mbap(1, "03fa" + "11" * 250)) == Data(b"\x11" * 250)
    codec.ask(1, MODEL)
    longest = mbap(9, "03" + "00" * 252)  # of nobody, and as long as a frame can be
    assert codec.receive(longest + mbap(9, "03") + mbap(2, READ)) == READ_DATA
    assert codec.faults == 0


def test_mbap_answers_once() -> None:
    codec = MbapCodec()
    codec.ask(1, MODEL)
    assert codec.receive(mbap(1, READ) + mbap(1, "03023333")) == READ_DATA
    assert codec.receive(mbap(1, READ)) is None
    codec.ask(1, MODEL)
    codec.done()
    assert codec.receive(mbap(2, READ)) is None
    assert codec.faults == 0


def test_mbap_asks_under_an_id_of_its_own() -> None:
    codec = MbapCodec()
    for transaction in (1, 2, 3):
        assert codec.ask(5, MODEL) == mbap(transaction, MODEL.pdu.hex(), unit=5)
    assert codec.receive(mbap(2, READ, unit=5)) is None
    assert codec.receive(mbap(3, READ, unit=5)) == READ_DATA


def test_mbap_a_reply_in_two_halves_over_two_requests_is_whole() -> None:
    """The first half of a late reply came before the next request: its rest is on its way."""
    codec = MbapCodec()
    codec.ask(1, MODEL)
    late, reply = mbap(1, READ), mbap(2, "03023333")
    assert codec.receive(late[:9]) is None
    codec.ask(1, MODEL)
    assert codec.receive(late[9:] + reply) == Data(b"\x33\x33")
    assert codec.faults == 0


def test_mbap_half_a_frame_goes_with_the_second_request_to_which_nothing_came() -> None:
    codec = MbapCodec()
    codec.ask(1, MODEL)
    assert codec.receive(mbap(1, READ, length=80)) is None
    codec.ask(1, MODEL)
    assert codec.receive(mbap(2, READ)) is None  # taken for the rest
    codec.ask(1, MODEL)
    assert codec.receive(b"") is None
    codec.ask(1, MODEL)
    assert codec.receive(mbap(4, READ)) == READ_DATA


def test_datagrams_are_each_whole() -> None:
    codec = MbapCodec(datagrams=True)
    codec.ask(1, MODEL)
    assert codec.receive(mbap(1, READ)[:8]) is None
    assert codec.receive(mbap(1, READ)[8:]) is None
    assert codec.receive(mbap(1, READ)) == READ_DATA
    codec.ask(1, MODEL)
    assert codec.receive(mbap(2, READ)[:7]) is None
    assert codec.receive(mbap(2, READ)) == READ_DATA


def test_a_datagram_that_is_nothing_but_a_bad_header_is_a_fault() -> None:
    codec = MbapCodec(datagrams=True)
    codec.ask(1, MODEL)
    assert codec.receive(mbap(1, "", protocol=1)) is None
    assert codec.faults == 1


def test_what_each_framing_is() -> None:
    """Longest frames: Modbus over Serial Line 1.02, 2.5.1.1; Modbus Messaging on TCP/IP 1.0b, 4.1."""
    assert (RTU_MAX, MBAP_MAX) == (256, 260)
    assert (RtuCodec.nameless, MbapCodec.nameless) == (True, False)
