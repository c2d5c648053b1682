"""What fuzzing has found stays mended: every kept input is replayed. And every promise can be broken."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from bridge.adapters.modbus.codec import RtuCodec
from bridge.adapters.modbus.requests import Answer, Data
from bridge.adapters.remote.far_bridge import FarBridge
from bridge.adapters.trace import TraceEntry
from bridge.adapters.vedirect.codec import Message, VeDirectDecoder
from bridge.cli.errors import CommandFailed
from bridge.datastore.state_file import StateFile
from bridge.datastore.values import Outcome, Value
from bridge.outlets.door import Door
from bridge.outlets.history_file import HistoryFile
from bridge.outlets.web import html
from bridge.outlets.web.api import Api
from bridge.outlets.web.passwords import PasswordBook
from bridge.register_maps.image import UnitWrite
from bridge.register_maps.loader import MapLoad
from bridge.register_maps.positions import Problem
from bridge.site.loader import SiteLoad
from tests.fuzz.shrink import shrunk
from tests.fuzz.target import KEPT, Run, ended, portions
from tests.fuzz.targets import (
    TARGETS,
    can_frames,
    files,
    inverters,
    messages,
    packing,
    served,
    served_lines,
    texts,
    vedirect,
)
from tests.fuzz.targets.masters import Master
from tests.fuzz.targets.served_plant import StrictUnit
from tests.fuzz.targets.streams import StreamPromise
from tests.mqtt.rig import Equipment

#: Right inputs of each target that are tried beside the kept ones.
_SEEDS = 4


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs_break_nothing(name: str) -> None:
    target = TARGETS[name]
    kept = {file.name: file.read_bytes() for file in sorted((KEPT / name).glob("*"))}
    assert all(len(data) <= target.longest for data in kept.values())
    run = target.make()
    try:
        for data in itertools.islice(target.seeds(), _SEEDS):
            run(data[: target.longest])
        for file, data in kept.items():
            try:
                run(data)
            except Exception as fault:
                fault.add_note(f"input: {name}/{file}")
                raise
    finally:
        ended(run)


def test_every_kept_input_belongs_to_a_target() -> None:
    assert {folder.name for folder in KEPT.iterdir() if folder.is_dir()} <= set(TARGETS)


def test_what_is_kept_is_small() -> None:
    assert sum(file.stat().st_size for file in KEPT.rglob("*") if file.is_file()) < 200_000


def test_a_target_says_what_it_promises() -> None:
    for name in TARGETS:
        target = TARGETS[name]
        assert target.name == name
        assert target.promise
        assert list(itertools.islice(target.seeds(), 1))


# -- broken promises are found -----------------------------------------------------------------------


def fed(run: Run, name: str) -> None:
    """Feed all right inputs of a target."""
    feed(run, (data[: TARGETS[name].longest] for data in TARGETS[name].seeds()))


def feed(run: Run, inputs: Iterable[bytes]) -> None:
    for data in inputs:
        run(data)


def a_stream_that(receive: Callable[[VeDirectDecoder, bytes, float], list[Message]]) -> Run:
    class Broken(VeDirectDecoder):
        def receive(self, data: bytes, now: float) -> list[Message]:
            return receive(self, data, now)

    right = vedirect.PROMISE
    return StreamPromise(
        Broken,
        right.compare,
        right.sound,
        right.held,
        right.held_most,
        right.good,
        right.wanted,
        right.quiet_s,
    )


def loses_pieces(decoder: VeDirectDecoder, data: bytes, now: float) -> list[Message]:
    return VeDirectDecoder.receive(decoder, data[:15], now)


def goes_deaf(decoder: VeDirectDecoder, data: bytes, now: float) -> list[Message]:
    return VeDirectDecoder.receive(decoder, data, now) if now == 100.0 else []


def raises(_: VeDirectDecoder, data: bytes, __: float) -> list[Message]:
    return [data[200]] if data else []  # type: ignore[list-item]


class Credulous(RtuCodec):
    """Believes whatever is long enough."""

    def receive(self, data: bytes) -> Answer | None:
        return super().receive(data) or (Data(data[3:-2]) if len(data) == 17 else None)


class Inaccurate(StrictUnit):
    """Writes another value than was asked for."""

    def decode_registers(self, address: int, data: bytes) -> UnitWrite:
        write = super().decode_registers(address, data)
        changes = {path: 5 if path.endswith("Limit") else value for path, value in write.changes.items()}
        return UnitWrite(write.device, changes, write.addresses)


class Forgetful(StrictUnit):
    """Shows an old value in one register."""

    def _register(self, table: str, address: int) -> int | None:
        return 6 if (table, address) == ("holding", 0) else super()._register(table, address)


def site_elsewhere(*_: object) -> SiteLoad:
    return SiteLoad(None, (Problem("site.yaml", 0, 1, "found nothing"),), (), ())


def map_without_a_word(*_: object, **__: object) -> MapLoad:
    return MapLoad(None, ())


def wraps(kind: object, value: object, *rest: object) -> bytes:
    whole = isinstance(value, int) and getattr(kind, "name", "") == "u16"
    return (value & 0xFFFF).to_bytes(2, "big") if whole else packing.encode(kind, value, *rest)  # type: ignore[operator, return-value, arg-type]


def _broken() -> Iterator[tuple[str, str, Callable[[], Run]]]:
    yield "a decoder that loses a part of a long piece", "vedirect", lambda: a_stream_that(loses_pieces)
    yield "a decoder that a silence deafens", "vedirect", lambda: a_stream_that(goes_deaf)
    yield "a decoder that raises", "vedirect", lambda: a_stream_that(raises)
    yield "a master without a check", "modbus_rtu_replies", lambda: Master(Credulous, mbap=False)
    for name, kind in (
        ("server_tcp", served.Mbap),
        ("server_udp", served.Udp),
        ("server_rtu", served_lines.RtuLine),
        ("server_rtu_tcp", served_lines.RtuTcp),
    ):
        yield f"a write of another value, {name}", name, lambda kind=kind: kind(Inaccurate)
        yield f"an old value shown, {name}", name, lambda kind=kind: kind(Forgetful)
    yield "a fault outside its file", "site_text", lambda: texts.SiteTexts(site_elsewhere)
    yield "a map refused without a word", "map_text", lambda: texts.MapTexts(map_without_a_word)
    yield "a number that wraps", "packing", lambda: packing.Packing(wraps)


@pytest.mark.parametrize(
    ("name", "make"), [pytest.param(name, make, id=what) for what, name, make in _broken()]
)
def test_a_broken_promise_is_found(name: str, make: Callable[[], Run]) -> None:
    run = make()
    try:
        with pytest.raises((AssertionError, IndexError)):
            fed(run, name)
    finally:
        ended(run)


def climbs_out(_: Path, folder: Path) -> None:
    folder.with_name("evil").touch()
    raise CommandFailed("all was well")


def defect(*_: object) -> None:
    raise ZeroDivisionError


async def failing_page(*_: object) -> None:
    raise ZeroDivisionError


async def another_value(self: Equipment, changes: Mapping[str, Value], _: float) -> Mapping[str, Outcome]:
    self.done += [(path, "another") for path in changes]
    return dict.fromkeys(changes, Outcome.CONFIRMED)


@pytest.mark.parametrize(
    ("module", "what", "broken", "name"),
    [
        (can_frames, "encode", lambda spec, values, length: bytes(length), "can_frames"),
        (inverters, "limit_from_parameters", lambda model, data: -1.0, "apsystems_payloads"),
        (inverters, "reply_serial", lambda data: data.hex(), "apsystems_payloads"),
        (files, "unpack", climbs_out, "backup_file"),
        (
            files,
            "read_trace",
            lambda path: iter([TraceEntry(1.0, "<", b"x"), TraceEntry(0.0, "<", b"x")]),
            "trace_file",
        ),
        (PasswordBook, "matches", lambda self, role, password: self, "password_file"),
        (StateFile, "commit", lambda self, changes: None, "state_file"),
        (HistoryFile, "positions", defect, "history_file"),
        (Door, "_do", defect, "local_door"),
        (Equipment, "command", another_value, "mqtt_commands"),
        (FarBridge, "believed_until", lambda self, seconds: float("inf"), "mqtt_far_bridge"),
        (Api, "_session", failing_page, "web"),
        (html, "escape", lambda text: text, "web"),
    ],
    ids=[
        *("a frame encoded empty", "a limit below zero", "a serial number of any length"),
        *("a backup that climbs out", "a trace that runs backwards", "any password is right"),
        *("a state that keeps nothing", "a history that fails", "a door that never ends"),
        *("a command of another value", "a report believed for ever", "a page that fails", "text as a tag"),
    ],
)
def test_a_broken_function_is_found(
    monkeypatch: pytest.MonkeyPatch, module: object, what: str, broken: object, name: str
) -> None:
    monkeypatch.setattr(module, what, broken)
    run = TARGETS[name].make()
    try:
        with pytest.raises((AssertionError, ZeroDivisionError)):
            fed(run, name)
    finally:
        ended(run)


def test_a_message_that_comes_back_changed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    written = list(TARGETS["exchange"].seeds())
    other = b'{"v":1,"id":"x","changes":{"/A":1},"until":1}'
    monkeypatch.setattr(messages.Command, "encode", lambda self: other)
    with pytest.raises(AssertionError):
        feed(messages.run, written)


# -- the tools ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dice", [0, 1, 77, 255])
def test_portions_are_the_whole(dice: int) -> None:
    data = bytes(range(200))
    assert b"".join(portions(data, dice)) == data


def test_a_finding_is_made_small() -> None:
    found = b"much before \x07 and \x09 much behind" * 3
    small = shrunk(found, lambda data: b"\x07" in data and b"\x09" in data, lambda: False)
    assert sorted(small) == [7, 9]


def test_shrinking_ends_when_its_time_is_over() -> None:
    assert shrunk(b"abc", lambda data: True, lambda: True) == b"abc"
