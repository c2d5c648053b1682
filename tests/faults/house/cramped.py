"""`python -m tests.faults.house.cramped CASE FOLDER`: what needs a disk or an address of one's own.

Run in name spaces of its own (`unshare`), where it may mount and give addresses; it ends well or with a traceback.
"""

import asyncio
import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bridge.datastore import state as state_module
from bridge.datastore.durable import write_whole
from bridge.datastore.state import StateStore, read_saved
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import HistoryFile
from bridge.outlets.line_file import LineFile
from tests.faults.house.acts import EDITED, KEPT, LINE, SITE, day
from tests.server.plant import read, registers
from tests.server.plant import running as serving

#: Private, and in a name space where nobody else is.
ADDRESS = "10.77.0.7"
SIZE = 1 << 20


def fails(what: Callable[[], object]) -> Exception:
    try:
        what()
    except (OSError, sqlite3.Error) as fault:
        return fault
    raise AssertionError("the disk has taken more than it holds")


def a_full_disk(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", folder], check=True, timeout=20)
    state_module._RETRY_S = 0.05
    site = folder / "site.yaml"
    site.write_text(SITE)
    store = StateStore(folder / "state")
    store.open()
    history = HistoryFile(folder / "history.sqlite", Calendar("UTC"), KEPT)
    audit = LineFile(folder / "audit.jsonl", size_max=1 << 20, keep=3)

    async def save(key: str) -> None:
        async with asyncio.timeout(20):
            await store.save("s", key, "x" * 20_000)

    asyncio.run(save("before"))
    history.write(day(0), 0.0)
    audit.append(LINE % 0)
    audit.append(b"x" * (4096 - len(LINE % 0) - 1) + b"\n")  # the next line begins a page of its own
    filling = os.open(folder / "filling", os.O_WRONLY | os.O_CREAT)
    for step in (4096, 1):
        while True:
            try:
                if not os.write(filling, b"x" * step):
                    break
            except OSError as fault:
                if fault.errno != errno.ENOSPC:
                    raise
                break
    asyncio.run(save("while full"))  # returns: the bridge runs on
    assert store.get("s", "while full")
    assert read_saved(folder / "state", "s", "while full") is None
    assert "full" in str(fails(lambda: history.write(day(1), 0.0)))
    assert getattr(fails(lambda: audit.append(LINE % 1)), "errno", 0) == errno.ENOSPC
    assert getattr(fails(lambda: write_whole(site, EDITED)), "errno", 0) == errno.ENOSPC
    assert site.read_text() == SITE
    assert [path.name for path in folder.iterdir() if path.name.startswith(".site")] == []
    os.close(filling)
    (folder / "filling").unlink()
    asyncio.run(save("after"))
    assert read_saved(folder / "state", "s", "while full")
    history.write(day(1), 0.0)
    audit.append(LINE % 1)
    write_whole(site, EDITED)
    assert site.read_text() == EDITED
    lines = (folder / "audit.jsonl").read_bytes().splitlines()
    assert (lines[0], lines[2:]) == ((LINE % 0).rstrip(), [(LINE % 1).rstrip()])
    history.close()
    audit.close()
    store.close()


def a_disk_that_is_read_only(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "site.yaml").write_text(SITE.replace("state: state", f"state: {folder}/state"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", folder / "state"], check=True, timeout=20)
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "run", folder / "site.yaml"],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done
    (said,) = (line for line in done.stderr.splitlines() if line.startswith("Error"))
    assert f"state directory {folder}/state" in said
    assert "expected a directory this user may write" in said
    assert "Traceback" not in done.stderr


def a_site_file_that_is_mounted(folder: Path) -> None:
    site = folder / "site.yaml"
    site.touch()
    (folder / "outside.yaml").write_text(SITE)
    subprocess.run(["mount", "--bind", folder / "outside.yaml", site], check=True, timeout=20)
    for text in (EDITED, SITE):
        write_whole(site, text)
        assert site.read_text() == text == (folder / "outside.yaml").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["outside.yaml", "site.yaml"]


def an_address_that_goes(folder: Path) -> None:
    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, timeout=20)

    async def serve() -> None:
        async with serving() as plant:
            listener = plant.make_listener()
            listener._host = ADDRESS
            await listener.start()
            for _ in range(2):
                reader, writer = await asyncio.open_connection(*listener.address)
                writer.write(bytes.fromhex("000100000006") + bytes([20]) + read(7, 1))
                reply = await reader.readexactly(11)
                assert reply.endswith(registers(7)), reply
                ip("addr", "del", f"{ADDRESS}/32", "dev", "lo")
                try:
                    async with asyncio.timeout(0.2):
                        await asyncio.open_connection(*listener.address)
                except (OSError, TimeoutError):
                    pass
                else:
                    raise AssertionError("reached an address that is gone")
                ip("addr", "add", f"{ADDRESS}/32", "dev", "lo")
                writer.close()
            await listener.stop()

    ip("link", "set", "lo", "up")
    ip("addr", "add", f"{ADDRESS}/32", "dev", "lo")

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await serve()

    asyncio.run(bounded())


CASES = {
    case.__name__: case
    for case in (a_full_disk, a_disk_that_is_read_only, a_site_file_that_is_mounted, an_address_that_goes)
}

if __name__ == "__main__":
    CASES[sys.argv[1]](Path(sys.argv[2]))
