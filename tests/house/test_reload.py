"""Another site while serving: what changed begins anew, everybody else notices nothing."""

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.app import House, ReloadFault
from bridge.datastore.values import Origin, Outcome, Value, WriteRequest
from bridge.site.loader import SiteLoad, load_site
from tests.conformance.bench import FAMILY, BenchAdapter

from .wire import PATIENCE_S, Master

MAP = "title: A pump\nregisters:\n  - {address: 0x5000, type: u16, path: /Set/1/V, write: [0, 100]}\n"
PUMP = "  pump: {adapter: bench, unit: 20, map: ./bench.yaml}\n"
FAN = "  fan: {adapter: bench, unit: 21, map: ./bench.yaml}\n"
DEAF = "  deaf: {adapter: deaf, unit: 22, map: ./bench.yaml}\n"
HEAD = 'state: "{folder}/state"\nlisteners:\n  - {{tcp: "127.0.0.1:{port}", name: lan, reply_within: 20 s}}\n'


class DeafAdapter(BenchAdapter):
    """Takes a write and never says what became of it; its writers are patient."""

    async def command(self, changes: Mapping[str, Value], deadline: float) -> Mapping[str, Outcome]:
        await asyncio.Event().wait()
        raise AssertionError


FAMILIES = {"bench": FAMILY, "deaf": replace(FAMILY, name="deaf", adapter=f"{__name__}:DeafAdapter")}


class Plant:
    """A house of a site file that a test writes anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.house: House

    def load(self, text: str) -> SiteLoad:
        site = self.folder / "site.yaml"
        site.write_text(text)
        return load_site(site, os.environ, FAMILIES, lambda state, device: None)

    def text(self, *devices: str, more: str = "") -> str:
        return HEAD.format(folder=self.folder, port=0) + more + "devices:\n" + "".join(devices)

    async def reload(self, *devices: str, more: str = "") -> str:
        return await self.house.reload(self.load(self.text(*devices, more=more)))

    async def alive(self, *names: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not all(self.house.datastore.devices[name].alive for name in names):
                await asyncio.sleep(0.01)

    def master(self, unit: int) -> Master:
        return Master(self.house.listeners[0].address[1], unit)  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def serving(plant: Plant, *devices: str) -> AsyncIterator[None]:
    load = plant.load(plant.text(*devices))
    assert load.site is not None, load.problems
    plant.house = House(load, FAMILIES)
    started = asyncio.Event()
    running = asyncio.create_task(plant.house.run(started.set))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await started.wait()
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    (tmp_path / "bench.yaml").write_text(MAP)
    return Plant(tmp_path)


async def test_a_new_device_serves_and_nobody_else_is_touched(plant: Plant) -> None:
    async with serving(plant, PUMP):
        await plant.alive("pump")
        pump = plant.house.datastore.devices["pump"]
        view = plant.house.listeners[0].terms.units.views[20]
        async with plant.master(20) as client:
            assert (await client.read(0x5000)).words == [0]
            assert await plant.reload(PUMP, FAN) == "new: fan"
            await plant.alive("fan")
            assert (await client.read(0x5000)).words == [0]  # on the same connection
            assert (await client.read(0x5000, unit=21)).words == [0]
        assert plant.house.datastore.devices["pump"] is pump
        assert plant.house.listeners[0].terms.units.views[20] is view


async def test_a_device_that_is_gone_is_not_served(plant: Plant) -> None:
    async with serving(plant, PUMP, FAN):
        await plant.alive("pump", "fan")
        async with plant.master(20) as client:
            assert (await client.read(1000 + 16 * 21, unit=247)).words == [1]
            assert await plant.reload(PUMP) == "removed: fan"
            assert (await client.read(0x5000, unit=21)).exception == 0x0B
            assert (await client.read(1000 + 16 * 21, unit=247)).exception == 0x02
            assert (await client.read(0x5000)).words == [0]
        assert set(plant.house.datastore.devices) == {"bridge", "pump"}


async def test_a_device_that_changed_starts_anew_alone(plant: Plant) -> None:
    async with serving(plant, PUMP, FAN):
        await plant.alive("pump", "fan")
        pump, fan = (plant.house.datastore.devices[name] for name in ("pump", "fan"))
        said = await plant.reload(PUMP, FAN.replace("}", ", resume_within: 1 h}"))
        assert said == "started anew: fan"
        await plant.alive("fan")
        assert plant.house.datastore.devices["pump"] is pump
        assert plant.house.datastore.devices["fan"] is not fan
        async with plant.master(21) as client:
            assert (await client.read(0x5000)).words == [0]


async def test_a_unit_id_can_move_while_its_device_goes_on(plant: Plant) -> None:
    async with serving(plant, PUMP, FAN):
        await plant.alive("pump", "fan")
        await plant.reload(PUMP, FAN.replace("unit: 21", "unit: 33"))
        await plant.alive("fan")
        async with plant.master(33) as client:
            assert (await client.read(0x5000)).words == [0]
            assert (await client.read(0x5000, unit=21)).exception == 0x0B


@pytest.mark.parametrize("devices", [(PUMP,), (PUMP, DEAF.replace("}", ", resume_within: 1 h}"))])
async def test_a_write_that_waits_on_a_unit_that_goes_gets_0b(plant: Plant, devices: tuple[str, ...]) -> None:
    async with serving(plant, PUMP, DEAF):
        await plant.alive("pump", "deaf")
        deaf = plant.house.datastore.devices["deaf"]
        async with plant.master(22) as client:
            client.send(struct.pack(">BHH", 6, 0x5000, 7))
            async with asyncio.timeout(PATIENCE_S):
                while deaf.wanted("/Set/1/V") is None:
                    await asyncio.sleep(0.01)
            await plant.reload(*devices)
            assert (await client.reply()).exception == 0x0B


async def test_a_map_that_says_something_else_is_served_anew(plant: Plant) -> None:
    async with serving(plant, PUMP):
        await plant.alive("pump")
        (plant.folder / "bench.yaml").write_text(MAP.replace("0x5000", "0x5100"))
        assert await plant.reload(PUMP) == "started anew: pump"
        await plant.alive("pump")
        async with plant.master(20) as client:
            assert (await client.read(0x5100)).words == [0]
            assert (await client.read(0x5000)).exception == 0x02


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("devices: [\n", "line"),
        ("devices:\n  x: {adapter: nothing}\n", "nothing"),
        ("devices:\n  x: {adapter: bench, unit: 20, map: ./none.yaml}\n", "none.yaml"),
    ],
)
async def test_a_bad_file_changes_nothing(plant: Plant, broken: str, said: str) -> None:
    async with serving(plant, PUMP):
        await plant.alive("pump")
        pump, site = plant.house.datastore.devices["pump"], plant.house.site
        with pytest.raises(ReloadFault):
            await plant.house.reload(plant.load(broken))
        assert plant.house.site is site
        assert plant.house.datastore.devices["pump"] is pump
        async with plant.master(20) as client:
            assert (await client.read(0x5000)).words == [0]


async def test_an_address_in_use_changes_nothing(plant: Plant) -> None:
    async with serving(plant, PUMP):
        await plant.alive("pump")
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = taken.sockets[0].getsockname()[1]
        text = plant.text(PUMP, FAN).replace("devices:", f'  - {{tcp: "127.0.0.1:{port}"}}\ndevices:')
        with pytest.raises(ReloadFault, match="in use"):
            await plant.house.reload(plant.load(text))
        taken.close()
        await taken.wait_closed()
        assert set(plant.house.datastore.devices) == {"bridge", "pump"}
        assert len(plant.house.listeners) == 1
        async with plant.master(20) as client:
            assert (await client.read(0x5000)).words == [0]


async def test_the_state_stays_where_it_is(plant: Plant) -> None:
    async with serving(plant, PUMP):
        text = plant.text(PUMP).replace("/state", "/elsewhere")
        with pytest.raises(ReloadFault, match="restart the bridge"):
            await plant.house.reload(plant.load(text))


async def test_listeners_come_and_go(plant: Plant) -> None:
    async with serving(plant, PUMP):
        await plant.alive("pump")
        text = plant.text(PUMP).replace(
            "devices:", '  - {tcp: "127.0.0.2:0", name: more, units: [20]}\ndevices:'
        )
        await plant.house.reload(plant.load(text))
        more = plant.house.listeners[1]
        port = more.address[1]  # type: ignore[attr-defined]
        reader, writer = await asyncio.open_connection("127.0.0.2", port)
        writer.write(bytes.fromhex("0001 0000 0006 14 03 5000 0001 0002 0000 0006 F7 03 0000 0001"))
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.readexactly(11 + 9) == bytes.fromhex(
                "0001 0000 0005 14 03 02 0000 0002 0000 0003 F7 83 0B"
            )
        writer.close()
        await plant.reload(PUMP)
        assert not more.serving
        assert len(plant.house.listeners) == 1


async def test_rights_are_those_of_the_new_file(plant: Plant) -> None:
    async with serving(plant, PUMP):
        await plant.alive("pump")
        async with plant.master(20) as client:
            assert not (await client.ask(struct.pack(">BHH", 6, 0x5000, 5))).exception
            await plant.reload(PUMP, more="access: {write: [192.168.1.1]}\n")
            assert (await client.ask(struct.pack(">BHH", 6, 0x5000, 6))).exception == 0x01


async def test_links_are_those_of_the_new_file(plant: Plant) -> None:
    link = 'links:\n  - {from: "pump:/Values/8/V", to: "fan:/Set/1/V"}\n'
    async with serving(plant, PUMP, FAN):
        await plant.alive("pump", "fan")
        fan = plant.house.datastore.devices["fan"]
        assert await plant.reload(PUMP, FAN, more=link) == "links and automations"
        assert fan.fed == {"/Set/1/V"}
        await plant.reload(PUMP, FAN)
        assert not fan.fed
        outcome = await fan.write(WriteRequest({"/Set/1/V": 9}, Origin("web")), PATIENCE_S)
        assert [one.word for one in outcome.values()] == ["confirmed"]


async def test_reloading_over_and_over_under_load(plant: Plant) -> None:
    async with serving(plant, PUMP, FAN):
        await plant.alive("pump", "fan")
        stop = asyncio.Event()

        async def poll() -> int:
            count = 0
            async with plant.master(20) as client:
                while not stop.is_set():
                    assert (await client.read(0x5000)).words == [0]
                    count += 1
            return count

        polling = [asyncio.create_task(poll()) for _ in range(4)]
        for turn in range(10):
            await plant.reload(PUMP, *([FAN] if turn % 2 else []))
        stop.set()
        assert all(count > 0 for count in await asyncio.gather(*polling))
