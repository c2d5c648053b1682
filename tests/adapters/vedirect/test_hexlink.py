"""One request in flight, replies matched, urgent ones first."""

import asyncio

import pytest

from bridge.adapters.vedirect.hex import HexFrame, encode_get, encode_set
from bridge.adapters.vedirect.hexlink import GivenUp, HexLink, NoReply, Priority, Rejected
from bridge.datastore.clock import ManualClock

GET_MODE, SET_ON, SET_OFF = encode_get(0x0200), encode_set(0x0200, b"\x01"), encode_set(0x0200, b"\x04")
MODE_READ, MODE_SET = (7, 0x0200), (8, 0x0200)


class Far:
    """What goes out on the line, with the moment of each frame."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sent: list[tuple[float, bytes]] = []
        self.errors = 0
        self.link = HexLink(
            self.clock, lambda data: self.sent.append((self.clock.monotonic(), data)), self.error
        )

    def error(self) -> None:
        self.errors += 1

    @property
    def frames(self) -> list[bytes]:
        return [frame for _, frame in self.sent]

    def ask(
        self, frame: bytes, awaited: tuple[int, int], priority: Priority, **how
    ) -> asyncio.Task[HexFrame]:
        return asyncio.create_task(self.link.request(frame, awaited, priority, **how))


def reply(command: int, register: int | None = 0x0200, value: bytes = b"\x04", flags: int = 0) -> HexFrame:
    return HexFrame(command, register, flags, value, b"")


async def test_reply_is_matched_by_command_and_register() -> None:
    far = Far()
    task = far.ask(GET_MODE, MODE_READ, Priority.READ)
    await far.clock.advance(0.01)
    assert not far.link.received(reply(0xA))  # an async of the same register
    assert not far.link.received(reply(7, 0xEDF0))  # a late reply to something else
    assert not far.link.received(reply(8))  # a late acknowledgement
    assert far.link.received(reply(7))
    assert (await task).value == b"\x04"


async def test_three_tries_of_half_a_second_then_no_reply() -> None:
    far = Far()
    start = far.clock.monotonic()
    task = far.ask(GET_MODE, MODE_READ, Priority.READ)
    await far.clock.advance(1.6)
    with pytest.raises(NoReply):
        await task
    assert far.frames == [GET_MODE] * 3
    assert [round(at - start, 2) for at, _ in far.sent] == [0.0, 0.5, 1.0]
    assert far.errors == 3


async def test_a_command_goes_out_before_the_retry_of_a_read() -> None:
    far = Far()
    read = far.ask(GET_MODE, MODE_READ, Priority.READ)
    await far.clock.advance(0.1)
    write = far.ask(SET_ON, MODE_SET, Priority.COMMAND)
    await far.clock.advance(0.5)
    assert far.frames == [GET_MODE, SET_ON]
    far.link.received(reply(8, value=b"\x01"))
    await far.clock.advance(0.1)
    assert (await write).value == b"\x01"
    assert far.frames == [GET_MODE, SET_ON, GET_MODE]
    read.cancel()


async def test_an_off_goes_out_before_waiting_commands_and_retries() -> None:
    far = Far()
    on = far.ask(SET_ON, MODE_SET, Priority.COMMAND)
    await far.clock.advance(0.1)
    other = far.ask(encode_set(0xEDF0, b"\x64\x00"), (8, 0xEDF0), Priority.COMMAND)
    off = far.ask(SET_OFF, MODE_SET, Priority.OFF)
    await far.clock.advance(0.5)
    assert far.frames == [SET_ON, SET_OFF]
    for task in (on, other, off):
        task.cancel()


async def test_a_request_nobody_wants_any_more_is_not_retried() -> None:
    far = Far()
    wanted = True
    on = far.ask(SET_ON, MODE_SET, Priority.COMMAND, unwanted=lambda: not wanted)
    await far.clock.advance(0.1)
    wanted = False
    await far.clock.advance(0.6)
    with pytest.raises(GivenUp):
        await on
    assert far.frames == [SET_ON]


async def test_a_framing_complaint_makes_the_next_try_at_once_and_counts_as_one() -> None:
    far = Far()
    task = far.ask(GET_MODE, MODE_READ, Priority.READ)
    for sent in (1, 2, 3):
        await far.clock.advance(0.06)
        assert len(far.sent) == sent
        assert far.link.received(HexFrame(4, None, None, b"", b"\xaa\xaa"))
    with pytest.raises(NoReply):
        await task
    assert far.errors == 3


async def test_an_unknown_command_is_final() -> None:
    far = Far()
    task = far.ask(GET_MODE, MODE_READ, Priority.READ)
    await far.clock.advance(0.01)
    far.link.received(HexFrame(3, None, None, b"", b"\x02\x00"))
    with pytest.raises(Rejected):
        await task
    assert len(far.sent) == 1


async def test_a_reply_after_its_time_is_skipped() -> None:
    far = Far()
    task = far.ask(GET_MODE, MODE_READ, Priority.READ, tries=1)
    await far.clock.advance(0.6)
    assert not far.link.received(reply(7))
    with pytest.raises(NoReply):
        await task


async def test_until_ends_the_tries_early() -> None:
    far = Far()
    start = far.clock.monotonic()
    task = far.ask(GET_MODE, MODE_READ, Priority.READ, until=start + 0.7)
    await far.clock.advance(0.75)
    with pytest.raises(NoReply):
        await task
    assert len(far.sent) == 2


async def test_a_cancelled_waiter_passes_the_line_on() -> None:
    far = Far()
    first = far.ask(GET_MODE, MODE_READ, Priority.READ)
    await far.clock.advance(0.01)
    second = far.ask(SET_ON, MODE_SET, Priority.COMMAND)
    third = far.ask(SET_OFF, MODE_SET, Priority.COMMAND)
    await far.clock.advance(0.01)
    second.cancel()
    far.link.received(reply(7))
    await far.clock.advance(0.06)
    assert far.frames == [GET_MODE, SET_OFF]
    await first
    first.cancel()
    third.cancel()
    await asyncio.gather(second, third, return_exceptions=True)


async def test_a_cancelled_request_in_flight_frees_the_line() -> None:
    far = Far()
    first = far.ask(GET_MODE, MODE_READ, Priority.READ)
    await far.clock.advance(0.01)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = far.ask(SET_ON, MODE_SET, Priority.COMMAND)
    await far.clock.advance(0.06)
    assert far.frames == [GET_MODE, SET_ON]
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
