"""Invariant: any bytes, in any cutting, get only well-formed replies to what was asked, or a closed
connection; every request of a sound stream is answered; and a fresh connection is then served, with no
ERROR line."""

import asyncio
import itertools
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.plant import UNIT, Client, adu, read, registers, running

pdus = st.one_of(
    st.binary(min_size=1, max_size=253),
    st.builds(
        struct.Struct(">BHH").pack,
        st.sampled_from([1, 2, 3, 4, 5, 6]),
        st.sampled_from([0, 5, 199, 0x3010, 0x3011, 0xFFFF]),
        st.integers(0, 0xFFFF),
    ),
    st.builds(
        lambda function, address, count, data: (
            struct.pack(">BHHB", function, address, count, len(data)) + data
        ),
        st.sampled_from([15, 16, 22, 23]),
        st.sampled_from([0, 0x3010, 0x3011]),
        st.integers(0, 4),
        st.binary(max_size=16),
    ),
)
frames = st.builds(adu, st.integers(0, 0xFFFF), st.sampled_from([0, UNIT, UNIT, UNIT, 99, 255]), pdus)
streams = st.lists(st.one_of(frames, frames, frames, st.binary(max_size=20)), max_size=12).map(b"".join)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(stream=streams, cuts=st.lists(st.integers(0, 400), max_size=6))
def test_any_bytes(caplog: pytest.LogCaptureFixture, stream: bytes, cuts: list[int]) -> None:
    caplog.clear()
    asyncio.run(_session(stream, cuts))
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def _session(stream: bytes, cuts: list[int]) -> None:
    async with running() as plant:
        client = await plant.connect()
        places = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
        try:
            for start, end in itertools.pairwise(places):
                await client.send(stream[start:end])
                await asyncio.sleep(0)
            client.writer.write_eof()
        except OSError:
            pass  # closed on us already, as it may
        asked, sound = _asked(stream)
        await _only_well_formed(await client.closed(), asked, sound)
        await client.close()
        fresh = await plant.connect()
        assert await fresh.ask(read(7, 1)) == registers(7)
        await fresh.close()


def _asked(stream: bytes) -> tuple[list[tuple[int, int, int]], bool]:
    """Transaction id, unit id and function of every request before the first impossible header,
    and whether there was none of those."""
    asked = []
    while len(stream) >= 6:
        transaction, protocol, length = struct.unpack(">HHH", stream[:6])
        if protocol or not 2 <= length <= 254:
            return asked, False
        if len(stream) < 6 + length:
            break
        asked.append((transaction, stream[6], stream[7]))
        stream = stream[6 + length :]
    return asked, True


async def _only_well_formed(replies: bytes, asked: list[tuple[int, int, int]], sound: bool) -> None:
    """Replies answer what was asked, in order: all of it, or a beginning where the stream was not sound."""
    reader = asyncio.StreamReader()
    reader.feed_data(replies)
    reader.feed_eof()
    client = Client(reader, None)  # type: ignore[arg-type]
    for transaction, unit, function in asked:
        if reader.at_eof() and not sound:
            return
        answered, by, pdu = await client.reply()
        assert (answered, by) == (transaction, unit)
        assert pdu[0] in (function, function | 0x80)
        if pdu[0] != function or function & 0x80:
            assert len(pdu) == 2
            assert pdu[1] in (1, 2, 3, 4, 5, 6, 0x0B)
        elif function in (1, 2, 3, 4, 23):
            assert len(pdu) == 2 + pdu[1]
        elif function == 8:
            assert pdu[1:3] == bytes(2)
        elif function == 43:
            assert pdu[1] == 14
        else:
            assert len(pdu) == (7 if function == 22 else 5)
    assert reader.at_eof()
