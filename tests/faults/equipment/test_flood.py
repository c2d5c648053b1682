"""A far end that sends without a pause, at ten times the speed of its line: noise, or frames that nobody asked for.

What is kept of it has a bound, nothing of it is believed, and its device is there again when it ends.
"""

import random
from collections import deque
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import pytest

from bridge.adapters.apsystems.frames import MtDecoder
from bridge.adapters.modbus.codec import MbapCodec, RtuCodec
from bridge.adapters.modbus.requests import Read
from bridge.adapters.vebus_mk3.frames import FrameDecoder
from bridge.adapters.vedirect.codec import VeDirectDecoder
from bridge.register_maps.format import Table
from tests.faults.equipment.board import Board, Bridge
from tests.faults.equipment.kinds import KINDS, ROOF, Kind

PORT = "ttyUSB0"
CHUNK = 1024
CHUNKS = 100
#: What a codec may hold back of whatever it is fed, in bytes: its longest frame or block, and some.
KEPT = 8_192


def noise(seed: int = 1) -> Callable[[], bytes]:
    dice = random.Random(seed)
    return lambda: dice.randbytes(CHUNK)


def always(data: bytes) -> Callable[[], bytes]:
    return lambda: (data * (CHUNK // len(data) + 1))[:CHUNK]


#: Noise, and beginnings of frames that never end, as each codec knows them.
FLOODS: dict[str, Callable[[], bytes]] = {
    "noise": noise(),
    "zeros": always(b"\x00"),
    "ones": always(b"\xff"),
    "text without end": always(b"\r\nV\t12800"),
    "one endless line": always(b"x"),
    "frames without end": always(b":7F0ED00"),
    "headers": always(b"\x00\x00\x00\x00\x00\xfd"),
    "starts": always(b"\xfe\xff\x44\x81"),
}


def awaiting_rtu() -> RtuCodec:
    codec = RtuCodec()
    codec.ask(42, Read(Table.HOLDING, 0, 100))
    return codec


def awaiting_mbap() -> MbapCodec:
    codec = MbapCodec()
    codec.ask(42, Read(Table.HOLDING, 0, 100))
    return codec


#: A fresh codec, with a request under way where it is a master's.
CODECS: dict[str, Callable[[], Any]] = {
    "vedirect": VeDirectDecoder,
    "vebus_mk3": FrameDecoder,
    "modbus RTU": awaiting_rtu,
    "modbus TCP": awaiting_mbap,
    "apsystems": MtDecoder,
}


def kept(thing: object, seen: set[int]) -> int:
    """Count the bytes, characters and entries that something holds, however deep."""
    if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType):
        return 0
    seen.add(id(thing))
    if isinstance(thing, bytes | bytearray | str):
        return len(thing)
    if isinstance(thing, dict):
        return sum(1 + kept(key, seen) + kept(value, seen) for key, value in thing.items())
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return sum(1 + kept(each, seen) for each in thing)
    own = [getattr(thing, name, None) for name in getattr(thing, "__slots__", ())]
    return sum(kept(each, seen) for each in (*own, getattr(thing, "__dict__", None)))


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("codec", CODECS)
def test_what_a_codec_keeps_has_a_bound(codec: str, flood: str) -> None:
    made, more = CODECS[codec](), FLOODS[flood]
    empty = kept(made, set())
    for place in range(3 * KEPT // CHUNK):
        made.receive(more(), *([] if codec.startswith("modbus") else [0.001 * place]))
    assert kept(made, set()) - empty < KEPT


@pytest.mark.parametrize("flood", ["noise", "frames without end"])
@pytest.mark.parametrize("kind", [*KINDS, ROOF], ids=lambda kind: kind.name)
async def test_a_device_is_there_again_when_it_ends(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, flood: str
) -> None:
    board = Board(monkeypatch)
    plug = board.ports[PORT] = board.made(kind, kind.serials[0], **kind.first)
    calm = board.ports["calm"] = board.made(kind, kind.serials[1], **kind.second)
    own = {
        port: (kind, kind.meant(serial)) for port, serial in zip((PORT, "calm"), kind.serials, strict=True)
    }
    async with board, Bridge(board, own) as bridge:
        await bridge.known(60)
        for _ in range(CHUNKS):
            plug.say(FLOODS[flood]())
            await bridge.clock.advance(0.01)
        assert bridge["calm"].alive
        await bridge.until(lambda: bridge[PORT].alive, 40)
        await bridge.known(60)
        assert all(kind.is_first(value) for value in bridge.seen[PORT][kind.measured])
        assert (plug.moves, calm.moves) == ([], [])
