"""`password` on the host: sets, recovers, and is taken by a running bridge; and SIGHUP reads the site again."""

import asyncio
import contextlib
import os
import re
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.cli import main

from .browsing import PATIENCE_S, Visitor, modbus

SITE = """\
state: "{folder}/state"
listeners: [{{tcp: "127.0.0.1:0", name: lan}}]
outlets:
  web: {{listen: "127.0.0.1:0"}}
devices:
  charger: {{adapter: vedirect, port: "{folder}/nothing", unit: 20}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(SITE.format(folder=tmp_path))
    return file


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_it_is_kept_where_only_the_bridge_reads(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "correct horse\n")
    assert main(["password", str(site)]) == 0
    file = site.parent / "state" / "passwords.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "horse" not in file.read_text()
    assert str(file) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("password", "code", "said"),
    [
        ("short", 1, "expected a password of 8 to 256"),
        ("", 1, "found 0 characters"),
        ("x" * 257, 1, "found 257 characters"),
        ("12345678", 0, "is set"),
    ],
)
def test_what_is_a_password(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    password: str, code: int, said: str,
) -> None:  # fmt: skip
    typed(monkeypatch, password + "\n")
    assert main(["password", "--role", "viewer", str(site)]) == code
    told = capsys.readouterr()
    assert said in told.out + told.err


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[" * 20_000,
        '{"operator": {"salt": "00", "hash": "00", "n": 12345, "r": 8, "p": 5}}',  # no power of two
        '{"operator": {"salt": "00", "hash": "00", "n": 131072, "r": 16, "p": 1}}',  # 256 MiB
        '{"operator": {"salt": "00", "hash": "00", "n": 65536, "r": 1, "p": 1}}',  # more than 2^16r - 1
    ],
    ids=["half", "deep", "odd cost", "much memory", "narrow blocks"],
)
def test_a_damaged_file_is_named(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (site.parent / "state").mkdir()
    (site.parent / "state" / "passwords.json").write_text(content)
    typed(monkeypatch, "correct horse\n")
    assert main(["password", str(site)]) == 1
    assert "remove the file and set the passwords anew" in capsys.readouterr().err


def test_without_a_page_it_says_how_to_have_one(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text(site.read_text().replace('outlets:\n  web: {listen: "127.0.0.1:0"}\n', ""))
    typed(monkeypatch, "correct horse\n")
    assert main(["password", str(site)]) == 0
    assert "outlets:\n  web:" in capsys.readouterr().out


class Running:
    """A bridge in a process of its own, and what it logs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.page = self.modbus = 0

    async def logged(self, pattern: str) -> re.Match[str]:
        """Wait for a line."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S * 3):
            while line := (await self.process.stderr.readline()).decode():
                if found := re.search(pattern, line):
                    return found
        raise AssertionError(f"the bridge ended before it logged {pattern}")


@contextlib.asynccontextmanager
async def running(site: Path) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", "run", str(site),
        env={**os.environ}, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    bridge = Running(process)
    try:
        bridge.modbus = int((await bridge.logged(r"serving=tcp://127\.0\.0\.1:(\d+)"))[1])
        bridge.page = int((await bridge.logged(r"outlet=web serving=http://127\.0\.0\.1:(\d+)"))[1])
        yield bridge
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S * 3):
            await process.communicate()


async def test_a_running_bridge_takes_it(site: Path) -> None:
    async with running(site) as bridge, Visitor(f"http://127.0.0.1:{bridge.page}") as visitor:
        assert "No password is set" in (await visitor.get("/login"))[1]
        asked = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge", "password", str(site),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE_S * 3):
            await asked.communicate(b"correct horse\n")
        await visitor.log_in()
        assert (await visitor.get("/"))[0] == 200


async def test_sighup_reads_the_site_again(site: Path) -> None:
    async with running(site) as bridge:
        site.write_text(site.read_text().replace("unit: 20", "unit: 21"))
        bridge.process.send_signal(signal.SIGHUP)
        await bridge.logged("reloaded: started anew: charger")
        assert await modbus(bridge.modbus, "03 FE00 0001", 20) == bytes.fromhex("83 0B")
        site.write_text("devices: [")
        bridge.process.send_signal(signal.SIGHUP)
        await bridge.logged("not reloaded: .*site.yaml:1")
        assert bridge.process.returncode is None
