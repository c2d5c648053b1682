"""docs/scada.md and the lines for mbpoll, tried on a whole bridge with a simulated charger."""

import asyncio
import os
import re
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.document_examples import examples_of
from bridge.register_maps.format import RegisterMap
from bridge.register_maps.snippets import TOOLS
from bridge.register_maps.snippets_values import Target
from tests.house.conftest import Boathouse
from tests.house.wire import PATIENCE_S, Master
from tests.repo.checkout import ROOT

PAGE = (ROOT / "docs/scada.md").read_text()
MODE, LIMIT, MAXIMUM, OUTCOME = 0x3010, 0x3011, 0x3014, 0xFE03
CI = os.environ.get("CI") == "true"
needs_mbpoll = pytest.mark.skipif(
    shutil.which("mbpoll") is None and not CI, reason="mbpoll is not installed (Debian package mbpoll)"
)

Make = Callable[..., Any]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def charger_map() -> RegisterMap:
    found = Catalogue().load("bluesmart_charger").map
    assert found is not None
    return found


async def shell(line: str, folder: Path) -> tuple[int, str]:
    """Run a line as a person would, `inverter-bridge` being that of this checkout; its status and all it said."""
    own = f'inverter-bridge() {{ PYTHONPATH="{ROOT}" "{sys.executable}" -m bridge "$@"; }}'
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{own}\n{line}"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(2 * PATIENCE_S):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def ready(house: Boathouse) -> None:
    """Wait until the charger's settings are known, and let the site file name the port that is served."""
    async with house.master() as master:
        await master.until(MODE, 1)
        async with asyncio.timeout(PATIENCE_S):
            while 0xFFFF in (await master.read(LIMIT)).words + (await master.read(MAXIMUM)).words:
                await asyncio.sleep(0.05)
    house.site.write_text(house.site.read_text().replace("127.0.0.1:0", f"127.0.0.1:{house.port}"))


async def started(boathouse: Make, listener: str = "", device: str = "") -> Boathouse:
    """A running house; `listener` and `device` are further keys of the site file."""
    house: Boathouse = await boathouse(extra=device, start=False)
    house.site.write_text(house.site.read_text().replace("name: lan", f"name: lan{listener}"))
    await house.start()
    await ready(house)
    return house


def here(text: str, house: Boathouse) -> str:
    return text.replace("1502", str(house.port))


@needs_mbpoll
@pytest.mark.timeout(120)
async def test_every_command_of_the_page(boathouse: Make) -> None:
    house = await started(boathouse)
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    assert len(lines) > 15
    for line in lines:
        status, said = await shell(here(line, house), house.folder)
        assert status == 0, f"{line}\n{said}"
    assert (house.folder / "charger.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("listener", ["", ", reply_within: 1 ms"], ids=["at once", "by 05"])
async def test_the_script_for_pymodbus(boathouse: Make, listener: str) -> None:
    house = await started(boathouse, listener)
    (script,) = blocks("python")
    (house.folder / "script.py").write_text(here(script, house))
    status, said = await shell(f'"{sys.executable}" script.py', house.folder)
    assert (status, said) == (0, "confirmed\n")
    async with house.master() as master:
        assert (await master.read(LIMIT)).words == [80]


def told_by_mbpoll() -> list[str]:
    """What the page says that mbpoll says of 05, 06 and 0B."""
    (row,) = re.findall(r"^\| mbpoll \|(.+)\|$", PAGE, re.MULTILINE)
    return re.findall(r"`([^`]+)`, exit status 1", row)


@needs_mbpoll
async def test_05_06_and_0b_as_the_page_shows_them(boathouse: Make) -> None:
    house = await started(boathouse, ", reply_within: 1 ms", ", wear: {burst: 1, refill: 1 h}")
    under_way, busy, silent = told_by_mbpoll()
    start = f"mbpoll -m tcp -p {house.port} -a 20 -0 -o 10"
    status, said = await shell(f"{start} -r 0x3011 127.0.0.1 80", house.folder)
    assert status == 1
    assert f"Write output (holding) register failed: {under_way}" in said.splitlines()
    async with house.master() as master:
        await master.until(OUTCOME, 1)
        assert (await master.read(OUTCOME, 3)).words == [1, LIMIT, 0]
    status, said = await shell(f"{start} -r 0x3011 127.0.0.1 90", house.folder)
    assert status == 1
    assert f"Write output (holding) register failed: {busy}" in said.splitlines()
    async with house.master() as master:
        assert (await master.read(OUTCOME, 3)).words == [6, LIMIT, 6]
        house.simulator.misbehave("silent")
        await master.until_exception(0x3000, 0x0B)
    status, said = await shell(f"{start} -r 0x3000 -c 1 -1 127.0.0.1", house.folder)
    assert status == 1
    assert f"Read output (holding) register failed: {silent}" in said.splitlines()


LINE = re.compile(r"mbpoll .* -r (0x[0-9A-F]{4}) -t (\S+)(?: -B)? -c (\d+) -1 \S+  # ")
FUNCTIONS = {"0": 1, "1": 2, "3": 4, "4": 3}


def printed(said: str, view: str) -> list[int]:
    """The numbers that mbpoll shows, as the words or bits on the wire."""
    shown = re.findall(r"^\[\d+\]: \t(\S+)", said, re.MULTILINE)
    if view == "int":
        packed = b"".join(struct.pack(">i", int(number)) for number in shown)
        return [int.from_bytes(packed[i : i + 2]) for i in range(0, len(packed), 2)]
    return [int(number, 16 if view == "hex" else 10) for number in shown]


async def wire(master: Master, function: int, address: int, count: int) -> list[int] | int:
    """What stands there, or the exception that says why not."""
    reply = await master.read(address, count, function=function)
    if reply.exception:
        return reply.exception
    return [reply.data[1] & 1] if function in (1, 2) else reply.words


@needs_mbpoll
@pytest.mark.timeout(180)
async def test_the_lines_for_mbpoll_show_what_stands_on_the_wire(boathouse: Make) -> None:
    house = await started(boathouse)
    text = TOOLS["mbpoll"](charger_map(), Target("127.0.0.1", house.port, 20))
    compared = 0
    async with house.master() as master:
        for line in text.splitlines():
            found = LINE.match(line)
            if found is None:
                assert line.startswith("#")
                continue
            table, _, view = found[2].partition(":")
            place = (
                FUNCTIONS[table],
                int(found[1], 16),
                int(found[3]) * (2 if view in ("int", "float") else 1),
            )
            before = await wire(master, *place)
            status, said = await shell(line, house.folder)
            after = await wire(master, *place)
            if before == after:
                compared += 1
                assert (status == 0) == isinstance(after, list), f"{line}\n{said}"
                assert after == printed(said, view) or isinstance(after, int), f"{line}\n{said}"
    assert compared > 40


@needs_mbpoll
@pytest.mark.timeout(120)
async def test_the_lines_that_write_do(boathouse: Make) -> None:
    house = await started(boathouse, ", reply_within: 5 s")
    text = TOOLS["mbpoll"](charger_map(), Target("127.0.0.1 -o 10", house.port, 20))
    lines = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   mbpoll")]
    wanted = {"-r 0x3010": MODE, "-r 0x3011": LIMIT, "-r 0x3020": 0x3020, "-t 0 ": 0x3020}
    async with house.master() as master:
        written = []
        for line in lines:
            address = next((number for part, number in wanted.items() if part in line), None)
            if address is None:
                continue
            status, said = await shell(line, house.folder)
            # On a machine on its knees the charger's word comes after 0.4 s: then 05 was answered, and it follows.
            assert status == 0 or "Acknowledge" in said, f"{line}\n{said}"
            raw = int(line.partition("  #")[0].split()[-1])
            await master.until(address, raw)
            written.append(address)
    assert set(written) == {MODE, LIMIT, 0x3020}


async def test_the_examples_of_the_document_are_answered_like_that(boathouse: Make) -> None:
    """Unit, function and length of each reply; the values are the charger's own."""
    house = await started(boathouse)
    async with house.master() as master:
        for example in examples_of(charger_map()):
            if example.reply[7] & 0x80:
                continue
            reply = await master.ask(example.request[7:], unit=example.request[6])
            assert reply.exception in (0, 5), example.title
            if not reply.exception:
                assert (reply.unit, reply.function) == (example.reply[6], example.reply[7])
                assert len(reply.data) == len(example.reply) - 8
