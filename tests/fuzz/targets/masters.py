"""Replies as a Modbus master takes them, over RTU and over TCP."""

from collections.abc import Callable, Iterator

from bridge.adapters.modbus.codec import MBAP_MAX, RTU_MAX, Codec, MbapCodec, RtuCodec
from bridge.adapters.modbus.requests import Answer, Data, Read, Refused, Request, WriteCoil, WriteRegisters
from bridge.register_maps.format import Table
from tests.fuzz.target import Run, Target, portions

_UNIT = 42
_REQUESTS: tuple[Request, ...] = (
    Read(Table.HOLDING, 0x3001, 6),
    Read(Table.INPUT, 0, 125),
    Read(Table.COILS, 3, 10),
    Read(Table.DISCRETE, 0, 1),
    WriteCoil(4700, True),
    WriteRegisters(1, b"\0\2"),
    WriteRegisters(1, b"\0\2\0\3"),
    WriteRegisters(1, b"\0\2", many=True),
)


def crc(data: bytes) -> bytes:
    """The check of RTU, worked out bit by bit."""
    number = 0xFFFF
    for byte in data:
        number ^= byte
        for _ in range(8):
            number = number >> 1 ^ (0xA001 if number & 1 else 0)
    return number.to_bytes(2, "little")


def _reply(request: Request) -> bytes:
    """A right reply's PDU."""
    if isinstance(request, Read):
        return bytes((request.pdu[0], request.size)) + bytes(n & 0xFF for n in range(request.size))
    return request.pdu[:5]


def _rtu(pdu: bytes, _: int) -> bytes:
    frame = bytes((_UNIT,)) + pdu
    return frame + crc(frame)


def _mbap(pdu: bytes, transaction: int) -> bytes:
    return (
        transaction.to_bytes(2, "big") + bytes(2) + (len(pdu) + 1).to_bytes(2, "big") + bytes((_UNIT,)) + pdu
    )


def _sound(request: Request, answer: Answer, stream: bytes, frame: Callable[[bytes], bytes]) -> None:
    """An answer stands in the stream, whole, for this request."""
    function = request.pdu[0]
    if isinstance(answer, Refused):
        assert frame(bytes((function | 0x80, answer.code))) in stream
    elif isinstance(request, Read):
        assert len(answer.data) == request.size
        assert frame(bytes((function, request.size)) + answer.data) in stream
    else:
        assert answer == Data()
        known = (
            request.pdu[1:3]
            if not isinstance(request, WriteRegisters) or request.single
            else request.pdu[1:5]
        )
        heads = frame(bytes((function,)) + known)[: -2 if frame is _framed_rtu else None]
        assert heads[-3:] in stream


def _framed_rtu(pdu: bytes) -> bytes:
    return _rtu(pdu, 0)


class Master:
    """A codec with one request under way, fed with anything: a reply is heard, or nothing; then a good one."""

    def __init__(self, make: Callable[[], Codec], *, mbap: bool) -> None:
        self._make = make
        self._mbap = mbap
        self._frame = _mbap if mbap else _rtu

    def __call__(self, data: bytes) -> None:
        """Hold one input to all that is promised. Its first byte says how it is cut, its second what is asked."""
        if len(data) < 2:
            return
        request, stream = _REQUESTS[data[1] % len(_REQUESTS)], data[2:]
        whole = self._answer(request, [stream])
        cut = self._answer(request, portions(stream, data[0]))
        assert cut == whole

    def _answer(self, request: Request, pieces: list[bytes]) -> Answer | None:
        codec = self._make()
        asked = codec.ask(_UNIT, request)
        transaction = int.from_bytes(asked[:2], "big")
        answer: Answer | None = None
        for piece in pieces:
            heard = codec.receive(piece)
            assert heard is None or answer is None, "two answers to one request"
            answer = answer or heard
            held = len(codec._buffer)  # type: ignore[attr-defined]
            assert held <= (MBAP_MAX if self._mbap else RTU_MAX) or answer is not None
        if answer is not None:
            stream = b"".join(pieces)
            if self._mbap:
                _sound(request, answer, stream, lambda pdu: _mbap(pdu, transaction))
            else:
                _sound(request, answer, stream, _framed_rtu)
        self._recovers(codec, request)
        return answer

    def _recovers(self, codec: Codec, request: Request) -> None:
        """After a request that nobody answers, the next one hears its reply."""
        heard = None
        for _ in range(2):
            codec.done()
            transaction = int.from_bytes(codec.ask(_UNIT, request)[:2], "big")
        heard = codec.receive(self._frame(_reply(request), transaction))
        assert heard == (Data(_reply(request)[2:]) if isinstance(request, Read) else Data()), heard


def _rtu_run() -> Run:
    return Master(RtuCodec, mbap=False)


def _mbap_run() -> Run:
    return Master(MbapCodec, mbap=True)


def _seeds(*, mbap: bool) -> Iterator[bytes]:
    for number, request in enumerate(_REQUESTS):
        good = (_mbap if mbap else _rtu)(_reply(request), 1)
        refused = (_mbap if mbap else _rtu)(bytes((request.pdu[0] | 0x80, 2)), 1)
        yield bytes((number, number)) + good
        yield bytes((number + 9, number)) + good[:5] + refused + good


TARGETS = (
    Target(
        "modbus_rtu_replies",
        "any bytes, however cut: at most one answer, which stands in them whole; the next reply is heard",
        _rtu_run,
        600,
        lambda: _seeds(mbap=False),
    ),
    Target(
        "modbus_tcp_replies",
        "as over RTU, with headers and late replies under former transaction ids",
        _mbap_run,
        600,
        lambda: _seeds(mbap=True),
        (b"\0\1\0\0\0", b"\0\2\0\0\0\3", b"\0\0\0\x0f\x2a"),
    ),
)
