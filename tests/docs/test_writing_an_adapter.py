"""The family that docs/writing-an-adapter.md writes works, as it stands there."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import bridge.adapters
from bridge.adapters.line import LineLost
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Origin, Outcome, WriteRequest
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Kind
from bridge.register_maps.loader import load_text
from bridge.site.loader import load_site
from tests.docs.pages import blocks_of
from tests.repo.checkout import ROOT

BLOCKS = {block.title: block.text for block in blocks_of(ROOT / "docs/writing-an-adapter.md") if block.title}
FAMILY = "bridge.adapters.heater"
PERSON = Origin("modbus", "test")


class Heater(NamedTuple):
    """The page's four modules."""

    options: ModuleType
    codec: ModuleType
    adapter: ModuleType
    simulator: ModuleType


@pytest.fixture
def heater(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heater]:
    """Put the page's code where it says that it stands."""
    for title, text in BLOCKS.items():
        file = tmp_path / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "bridge/adapters/heater/__init__.py").touch()
    monkeypatch.setattr(
        bridge.adapters, "__path__", [*bridge.adapters.__path__, str(tmp_path / "bridge/adapters")]
    )
    importlib.invalidate_caches()
    yield Heater(*(importlib.import_module(f"{FAMILY}.{name}") for name in Heater._fields))
    for name in [name for name in sys.modules if name.startswith(FAMILY)]:
        del sys.modules[name]
    if hasattr(bridge.adapters, "heater"):
        delattr(bridge.adapters, "heater")


class JoinedLine:
    """Both ends of a line in memory: the adapter's `Line` and the simulator's `Wire`."""

    def __init__(self, heater: Any) -> None:
        self.port, self.heard, self.lost = "joined", False, False
        self.sent: list[bytes] = []
        self.deaf = False
        self._heater = heater
        self._arrived: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def read(self) -> bytes:
        data = await self._arrived.get()
        if data is None:
            raise LineLost(self.port, "unplugged")
        self.heard = True
        return data

    def write(self, data: bytes) -> None:
        if self.lost:
            raise LineLost(self.port, "unplugged")
        self.sent.append(data)
        if not self.deaf:
            self._heater.hear(data)

    def close(self) -> None:
        self.lost = True

    async def send(self, data: bytes) -> None:
        self._arrived.put_nowait(data)

    async def unplug(self) -> None:
        self.lost = True
        self._arrived.put_nowait(None)

    async def replug(self) -> None:
        self.lost = False


class Rig(NamedTuple):
    clock: ManualClock
    device: Device
    line: JoinedLine
    simulator: Any

    async def write(self, path: str, value: float) -> Outcome:
        """Write, and let time pass until the outcome is there."""
        writing = asyncio.create_task(self.device.write(WriteRequest({path: value}, PERSON), 20.0))
        for _ in range(40):
            await self.clock.advance(0.5)
            if writing.done():
                break
        return (await writing)[path]


@asynccontextmanager
async def joined(heater: Heater, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    clock = ManualClock()
    simulator = heater.simulator.HeaterSimulator(clock)
    line = JoinedLine(simulator)

    async def open_line(*_: object) -> JoinedLine:
        await line.replug()
        return line

    monkeypatch.setattr(heater.adapter, "open_line", open_line)
    device = Datastore(clock, StateStore(None)).add("heater")
    options = heater.options.HeaterOptions(adapter="heater", port="joined")
    adapter = heater.adapter.HeaterAdapter(device, options, clock)
    device.attach(adapter)
    tasks = [asyncio.create_task(work) for work in (adapter.run(), device.run(adapter), simulator.play(line))]
    try:
        await clock.advance(2.5)
        yield Rig(clock, device, line, simulator)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_is_heard(heater: Heater, monkeypatch: pytest.MonkeyPatch) -> None:
    async with joined(heater, monkeypatch) as rig:
        assert rig.device.link is LinkState.ONLINE
        shown = {path: rig.device.value(path) for path in rig.device.paths}
        assert shown == {"/Ac/Power": 1250, "/Settings/Target": 21.5, "/Mode": 1, "/Serial": "heater"}


async def test_silence_and_noise_are_not_believed(heater: Heater, monkeypatch: pytest.MonkeyPatch) -> None:
    async with joined(heater, monkeypatch) as rig:
        for fault in ("silent", "noise"):
            rig.simulator.misbehave(fault)
            await rig.clock.advance(6)
            assert not rig.device.alive
            rig.simulator.misbehave("well")
            await rig.clock.advance(2)
            assert rig.device.alive
        assert rig.device.status().errors > 0


@pytest.mark.parametrize(
    ("path", "value", "frame"), [("/Mode", 4, b"M=4*44\r\n"), ("/Settings/Target", 19.0, b"T=19.0*")]
)
async def test_commands_are_confirmed_by_the_report(
    heater: Heater, monkeypatch: pytest.MonkeyPatch, path: str, value: float, frame: bytes
) -> None:
    async with joined(heater, monkeypatch) as rig:
        assert await rig.write(path, value) is Outcome.CONFIRMED
        assert rig.line.sent[0].startswith(frame)
        assert rig.device.value(path) == value


async def test_what_is_not_obeyed_is_not_confirmed(heater: Heater, monkeypatch: pytest.MonkeyPatch) -> None:
    async with joined(heater, monkeypatch) as rig:
        rig.line.deaf = True
        assert await rig.write("/Mode", 4) is Outcome.REFUSED
        assert rig.device.value("/Mode") == 1


async def test_a_silent_heater_times_out_after_three_tries(
    heater: Heater, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with joined(heater, monkeypatch) as rig:
        rig.simulator.misbehave("silent")
        writing = asyncio.create_task(rig.device.write(WriteRequest({"/Mode": 4}, PERSON), 20.0))
        await rig.clock.advance(15)
        assert (await writing)["/Mode"] is Outcome.TIMED_OUT
        assert rig.line.sent == [b"M=4*44\r\n"] * 3


async def test_unplugged_it_is_offline_and_comes_back(
    heater: Heater, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with joined(heater, monkeypatch) as rig:
        await rig.line.unplug()
        await rig.clock.advance(0.01)
        assert rig.device.link is LinkState.PORT_MISSING
        await rig.clock.advance(4)
        assert rig.device.link is LinkState.ONLINE


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_codec_finds_the_good_frames(heater: Heater, size: int) -> None:
    good = heater.codec.encode("P=1250;T=21.5;M=1")
    stream = b"\x00\xff" * 200 + b"\n" + good + b"P=1;T=2" + b"\r\n" + good[:-4] + b"00\r\n" + good
    decoder = heater.codec.Decoder()
    found = [r for at in range(0, len(stream), size) for r in decoder.receive(stream[at : at + size])]
    assert found == [heater.codec.Report(1250, 21.5, 1)] * 2
    assert decoder.errors >= 3


def test_what_the_page_shows_of_the_line_is_so(heater: Heater) -> None:
    text = (ROOT / "docs/writing-an-adapter.md").read_text(encoding="utf-8")
    assert heater.codec.encode("P=1250;T=21.5;M=1").decode().strip() + "\n" in text


def test_the_map_and_the_site_file_know_it(heater: Heater, tmp_path: Path) -> None:
    load = load_text(BLOCKS["maps/heater.yaml"], "heater.yaml", "heater", Kind.NATIVE, Catalogue().load)
    assert load.map is not None, load.errors
    points = {spec.path for spec in heater.adapter.POINTS}
    site = tmp_path / "site.yaml"
    site.write_text(
        "devices:\n  cabin: {adapter: heater, port: /dev/ttyUSB0, unit: 60, map: ./maps/heater.yaml}\n"
    )
    checked = load_site(site, {}, {"heater": heater.options.FAMILY}, lambda *_: None)
    assert checked.problems == ()
    assert [(unit.unit, unit.device) for unit in checked.units] == [(60, "cabin")]
    assert {path for path in points if path not in BLOCKS["maps/heater.yaml"]} == set()


@pytest.mark.parametrize(
    ("fault", "known"), [("silent", True), ("well", True), ("sleepy", False), ("noise 3", False)]
)
def test_the_simulator_knows_its_faults(heater: Heater, fault: str, known: bool) -> None:
    simulator = heater.simulator.HeaterSimulator(ManualClock())
    word, _, argument = fault.partition(" ")
    if known:
        simulator.misbehave(word, argument)
    else:
        with pytest.raises(ValueError, match="expected one of silent, noise, well"):
            simulator.misbehave(word, argument)
