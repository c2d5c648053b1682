"""The request handler on a serial line, and on RTU over TCP."""

import asyncio
from collections.abc import Iterator

from bridge.server.rtu import SILENCE_S
from tests.fuzz.target import Target, portions
from tests.fuzz.targets.choices import WORTH_TRYING, Choices, rtu, stream_seeds
from tests.fuzz.targets.masters import crc
from tests.fuzz.targets.oracle import UNIT, WRITES, Oracle
from tests.fuzz.targets.served import AGAIN, Served
from tests.fuzz.targets.served_plant import OWNER, FakeStream, line_session, listener

#: Longest PDU of a request built from choices: every part of it is looked at for a check of its own.
_DATA_MOST = 30


def _ambiguous(frame: bytes) -> bool:
    """True where a part of a frame has a right check of its own: nobody could say which is meant."""
    size = len(frame)
    return any(
        (start, end) != (0, size) and crc(frame[start : end - 2]) == frame[end - 2 : end]
        for start in range(size - 3)
        for end in range(start + 4, size + 1)
    )


#: Where the count of further bytes stands in replies of these functions, and the fixed ones' lengths.
_REPLIES_COUNTED = frozenset({1, 2, 3, 4, 12, 17, 23})
_REPLIES_FIXED = {11: 5, 15: 5, 16: 5, 7: 2}


def _is_reply(pdu: bytes) -> bool:
    """True for what a line cannot tell from a reply: it is somebody else's."""
    if pdu[0] in _REPLIES_COUNTED:
        counted = len(pdu) >= 2 and len(pdu) == 2 + pdu[1]
        if pdu[0] in (3, 4, 23):
            return counted and pdu[1] % 2 == 0  # registers are two bytes each
        return counted and not (pdu[0] < 3 and len(pdu) == 5)  # which a request for bits is as well
    return pdu[0] >= 0x80 or _REPLIES_FIXED.get(pdu[0]) == len(pdu)


class _Lines(Served):
    """What both kinds of RTU share: frames built from choices, each after a silence, or any bytes at all."""

    async def session(self, data: bytes) -> None:
        choices = Choices(data)
        built, dice = choices.byte() & 1, choices.byte()
        await self.open()
        try:
            if built:
                await self._requests(choices, dice)
            else:
                await self._anything(data[2:], dice)
            await self.wait(2 * SILENCE_S)
            self.heard()
            await self.pass_on([rtu(UNIT, AGAIN[0])])
            assert self.heard() == [rtu(UNIT, AGAIN[1])], "a good request after silence is not answered"
        finally:
            await self.hang_up()

    async def open(self) -> None:
        raise NotImplementedError

    async def pass_on(self, pieces: list[bytes]) -> None:
        raise NotImplementedError

    def heard(self) -> list[bytes]:
        raise NotImplementedError

    async def wait(self, seconds: float) -> None:
        await self.plant.clock.advance(seconds)  # type: ignore[attr-defined]  # a ManualClock

    async def hang_up(self) -> None:
        raise NotImplementedError

    async def _requests(self, choices: Choices, dice: int) -> None:
        oracle = Oracle()
        for _ in range(8):
            if not choices.left:
                break
            unit, pdu = choices.request()
            frame = rtu(unit, pdu[:_DATA_MOST])
            pdu = frame[1:-2]
            if len(frame) < 4 or _ambiguous(frame) or (_is_reply(pdu) and unit == UNIT):
                continue
            wanted = [rtu(unit, oracle.reply(unit, pdu))] if unit == UNIT else []
            await self.wait(2 * SILENCE_S)
            await self.pass_on([frame] if dice & 1 else portions(frame, dice))
            found = self.heard()
            assert found == wanted, f"{frame.hex()}: found {found}, expected {wanted}"
        self.check_done(oracle)

    async def _anything(self, stream: bytes, dice: int) -> None:
        await self.pass_on([stream] if dice & 1 else portions(stream, dice))
        for reply in self.heard():
            assert reply[0] == UNIT
            assert crc(reply[:-2]) == reply[-2:]
            assert 5 <= len(reply) <= 256
        asked = {pdu for pdu in _framed(stream) if pdu[0] in WRITES}
        # of a master that has not waited, a mask may be laid over any value there has been, and a change
        # that is under way already is joined, not done twice
        states = [Oracle().values]
        for batch in self.plant.executed():
            done = any(batch.items() <= _does(pdu, values).items() for pdu in asked for values in states)
            assert done, f"nobody asked for {batch}"
            states.append({**states[-1], **{path: int(value) for path, value in batch.items()}})


def _framed(stream: bytes) -> Iterator[bytes]:
    """Yield the PDU of whatever in a stream can be taken for a request to our unit."""
    for start in range(len(stream) - 3):
        if stream[start] == UNIT:
            for end in range(start + 4, min(len(stream), start + 256) + 1):
                if crc(stream[start : end - 2]) == stream[end - 2 : end]:
                    yield stream[start + 1 : end - 2]


def _does(pdu: bytes, values: dict[str, int]) -> dict[str, int]:
    """Return what a request changes where the points have these values."""
    oracle = Oracle()
    oracle.values = dict(values)
    oracle.reply(UNIT, pdu)
    return oracle.executed[0] if oracle.executed else {}


class RtuLine(_Lines):
    """RTU on a serial line."""

    async def open(self) -> None:
        self._session, self._line = line_session(self.plant)
        self._task = asyncio.get_running_loop().create_task(self._session.run())

    async def pass_on(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            if piece:
                self._line.arriving.put_nowait(piece)
                for _ in range(3):
                    await asyncio.sleep(0)
        await self.wait(0.01)

    def heard(self) -> list[bytes]:
        heard, self._line.sent = self._line.sent, []
        return heard

    async def hang_up(self) -> None:
        self._task.cancel()
        await self._session.end()
        await asyncio.gather(self._task, return_exceptions=True)


def _reply_size(sent: bytes) -> int | None:
    """Return how long the reply at the beginning is, None where only its check tells."""
    function = sent[1]
    if function & 0x80:
        return 5
    if function in (1, 2, 3, 4, 23):
        return 5 + sent[2]
    if function == 43:
        end = 8
        for _ in range(sent[7]):
            end += 2 + sent[end + 1]
        return end + 2
    return {5: 8, 6: 8, 15: 8, 16: 8, 22: 10}.get(function)


class RtuTcp(_Lines):
    """RTU over TCP: a line of its own for each connection."""

    async def open(self) -> None:
        self._transport = FakeStream(listener(self.plant, rtu=True)(), OWNER)

    async def pass_on(self, pieces: list[bytes]) -> None:
        await self._transport.feed(pieces)
        await self._transport.settle()
        for _ in range(20):
            await asyncio.sleep(0)

    def heard(self) -> list[bytes]:
        """Cut what was sent into frames by what their functions are long, an echo by its check."""
        sent, self._transport.sent = bytes(self._transport.sent), bytearray()
        found = []
        while sent:
            size = _reply_size(sent)
            sizes = range(5, len(sent) + 1) if size is None else [size]
            fitting = [size for size in sizes if crc(sent[: size - 2]) == sent[size - 2 : size]]
            assert fitting, f"no frame begins {sent.hex()}"
            found.append(sent[: fitting[0]])
            sent = sent[fitting[0] :]
        return found

    async def hang_up(self) -> None:
        self._transport.close()
        await self._transport.settle()


TARGETS = (
    Target(
        "server_rtu",
        "any bytes on a line: right replies to our requests, silence to all else, nothing else written",
        RtuLine,
        400,
        lambda: stream_seeds(rtu, 1, 0),
        WORTH_TRYING,
    ),
    Target(
        "server_rtu_tcp",
        "as on a line, over TCP",
        RtuTcp,
        400,
        lambda: stream_seeds(rtu, 1, 0),
        WORTH_TRYING,
    ),
)
