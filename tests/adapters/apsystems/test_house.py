"""A roof in a running bridge, from the factory to the registers, in real time: as a new user meets it."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bridge.adapters.apsystems import pairing, znp_commands  # noqa: F401 - loading it is slow, and none of this
from bridge.adapters.apsystems.simulator import ApsystemsSimulator
from bridge.app import House
from bridge.cli import main
from bridge.house.learnt import learnt_product
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from tests.adapters.apsystems.roof_rig import DS3, QS1, YC600
from tests.house.wire import PATIENCE_S, Master, Reply

ROOF, EM24, THIRD, SUNSPEC = 50, 51, 53, 126
ECU = "D6B3011B1234"
PLACES = {YC600: ("yc600", "0x103A"), QS1: ("qs1", "0x2A3D"), DS3: ("ds3", "0x7C3A")}
POWER, HEARD = 0x3000, 0x300D
#: Pairing, its calls not spread as widely as on a real roof.
BETWEEN_S, LISTEN_S = 0.1, 0.8

Furnish = Callable[..., Awaitable["Home"]]


class Home:
    """A running house with a roof, and a shell."""

    def __init__(
        self, site: Path, simulator: ApsystemsSimulator, house: House, said: pytest.CaptureFixture[str]
    ) -> None:
        self.simulator = simulator
        self._site = site
        self._said = said
        self._port = house.listeners[0].address[1]

    def master(self, unit: int) -> Master:
        return Master(self._port, unit)

    async def command(self, *words: str) -> tuple[int, str]:
        """Run a command as a person does, but for the start of a process."""
        async with asyncio.timeout(2 * PATIENCE_S):
            status = await asyncio.to_thread(main, [*words, "--site", str(self._site)])
        said = self._said.readouterr()
        assert "Traceback" not in said.err
        return status, said.out + said.err


@pytest.fixture
async def furnish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Furnish]:
    """Make a running house; keyword arguments go to the simulator, `addresses` into the site file."""
    monkeypatch.setattr(pairing, "BETWEEN_S", BETWEEN_S)
    monkeypatch.setattr(pairing, "LISTEN_S", LISTEN_S)
    tasks: list[asyncio.Task[None]] = []

    async def make(*, addresses: bool, **simulated: object) -> Home:
        simulator = ApsystemsSimulator(ecu=ECU, **simulated)  # type: ignore[arg-type]
        simulator.coordinator.up_after_s = 0.1
        link, site = tmp_path / "radio", tmp_path / "site.yaml"
        inverters = ", ".join(
            f'{{serial: "{serial}", model: {model}{f", address: {at}" if addresses else ""}}}'
            for serial, (model, at) in PLACES.items()
        )
        site.write_text(
            f'state: "{tmp_path / "state"}"\n'
            'listeners: [{tcp: "127.0.0.1:0", name: lan}]\n'
            "devices:\n"
            f'  roof: {{adapter: apsystems, port: "{link}", ecu_id: {ECU}, unit: {ROOF}, poll: 5 s,\n'
            f"         inverters: [{inverters}]}}\n"
            "serve:\n"
            f"  - {{unit: {EM24}, map: personas/em24, device: roof}}\n"
            f"  - {{unit: {THIRD}, map: apsystems_inverter_3, device: roof}}\n"
            f"  - {{unit: {SUNSPEC}, map: personas/sunspec_pv, device: roof}}\n"
        )
        tasks.append(asyncio.create_task(simulator.run(link)))
        async with asyncio.timeout(PATIENCE_S):
            await simulator.playing.wait()
            load = load_site(site, os.environ, InstalledFamilies(), learnt_product)
            assert load.site is not None, load.problems
            house, started = House(load, InstalledFamilies()), asyncio.Event()
            tasks.append(asyncio.create_task(house.run(started.set)))
            await started.wait()
        return Home(site, simulator, house, capsys)

    try:
        yield make
    finally:
        for task in reversed(tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_three_inverters_are_paired_among_decoys(furnish: Furnish) -> None:
    home = await furnish(addresses=False, paired=False, decoys=3)
    status, said = await home.command("pair", "--list")
    assert (status, said.count("not paired")) == (0, 3)

    status, said = await home.command("pair")
    assert status == 0, said
    for serial, (_, address) in PLACES.items():
        assert f"{serial} is paired, its address is {address}" in said
        assert f"{serial}: answered" in said
    assert "echoes of neighbours" in said

    status, said = await home.command("pair", "--list")
    assert (status, said.count("pairing")) == (0, 3)
    status, said = await home.command("pair")
    assert (status, "all 3 inverters of the site have an address" in said) == (1, True)
    status, said = await home.command("pair", "--forget", DS3)
    assert (status, "forgotten" in said) == (0, True)
    status, said = await home.command("pair", "--list")
    assert (status, said.count("not paired")) == (0, 1)


async def test_one_that_is_not_found(furnish: Furnish) -> None:
    home = await furnish(addresses=False, paired=False)
    home.simulator.misbehave("dark", DS3)
    status, said = await home.command("pair", DS3)
    assert status == 1
    assert said.count("no answer yet") == 5
    assert f"{DS3} did not answer in 5 rounds" in said
    status, said = await home.command("pair", "--list", DS3)
    assert (status, "found several things to do" in said) == (2, True)


async def test_the_console(furnish: Furnish) -> None:
    home = await furnish(addresses=True)
    async with home.master(ROOF) as roof:
        await roof.until(HEARD, 3)
    status, said = await home.command("radio", "health")
    assert (status, "well: coordinator, up" in said) == (0, True)
    status, said = await home.command("radio", "raw", "2101")
    assert (status, "FE02610179071C" in said) == (0, True)
    status, said = await home.command("radio", "raw", "xyz")
    assert (status, "expected hexadecimal bytes" in said) == (1, True)
    home.simulator.misbehave("firmware", "stock")
    status, said = await home.command("radio", "start")
    assert (status, "expected product 2, release 2.7.2" in said) == (1, True)
    status, said = await home.command("radio", "health")
    assert (status, "flash the community's coordinator firmware" in said) == (1, True)


async def test_the_registers(furnish: Furnish) -> None:
    home = await furnish(addresses=True)
    async with home.master(ROOF) as roof, home.master(EM24) as em24, home.master(THIRD) as third:
        await known(roof)
        assert (await roof.read(0x0100)).words == [0x4230]
        assert (await third.read(0x0100)).words == [0x4231]
        assert text(await roof.read(0x4100, 6)) == text(await third.read(0x1000, 8)) == DS3
        assert 1000 < (await roof.read(POWER, 2)).words[1] < 2800  # W, of eight panels of 320 W at noon
        low, high = (await em24.read(0x28, 2)).words
        assert 10_000 < low + (high << 16) < 28_000
        async with home.master(SUNSPEC) as sunspec:
            assert text(await sunspec.read(40000, 2)) == "SunS"
            assert 1000 < (await sunspec.read(40084)).words[0] < 2800
            assert text(await sunspec.read(40052, 16)) == ECU
        # Limits: what cannot be limited, what is out of range, one that is obeyed, and no fourth inverter.
        assert (await roof.write(0x401C, 100)).exception == 3
        assert (await roof.write(0x411C, 19)).exception == 3
        assert await roof.settled(0x411C, 100) == 0
        assert home.simulator.inverter(DS3).limit_w == pytest.approx(100, abs=0.1)
        assert (await third.read(0x300E)).words == [100]
        assert (await roof.write(0x419C, 100)).exception == 2


async def known(roof: Master) -> None:
    """Wait until three inverters have answered for long enough that their power is known."""
    async with asyncio.timeout(2 * PATIENCE_S):
        while True:
            power = await roof.read(POWER, 2)
            if not power.exception and 1000 < power.words[1] < 0xFFFF:
                return
            await asyncio.sleep(0.1)


def text(reply: Reply) -> str:
    return reply.data[1:].rstrip(b"\0").decode()


def test_a_site_without_zigbee_loads_nothing_of_it(tmp_path: Path) -> None:
    """What a house of other families imports, and what one of this family does before it begins to run."""
    site = tmp_path / "site.yaml"
    code = (
        "import os, sys; from pathlib import Path; from bridge.app import House;"
        "from bridge.site.families import InstalledFamilies; from bridge.site.loader import load_site;"
        "load = load_site(Path(sys.argv[1]), os.environ, InstalledFamilies(), lambda *_: None);"
        "assert load.site is not None, load.problems; House(load, InstalledFamilies(), keep_state=False);"
        "print(*[m for m in sys.modules if m.partition('.')[0] in ('zigpy_znp', 'zigpy', 'astral')"
        " or m.startswith('bridge.adapters.apsystems')])"
    )

    def loaded(device: str) -> list[str]:
        site.write_text(f'state: "{tmp_path}"\nlisteners: []\ndevices: {{one: {device}}}\n')
        done = subprocess.run(
            [sys.executable, "-c", code, str(site)], capture_output=True, text=True, check=False, timeout=40
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert loaded("{adapter: vedirect, port: /dev/ttyUSB0, unit: 20}") == []
    roof = (
        f"{{adapter: apsystems, port: /dev/ttyUSB0, unit: 50, inverters: [{{serial: '{DS3}', model: ds3}}]}}"
    )
    assert loaded(roof) == ["bridge.adapters.apsystems", "bridge.adapters.apsystems.options"]
