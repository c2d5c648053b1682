"""Connections, descriptors and memory that run out under the real program: it refuses, and serves on."""

import asyncio
import contextlib
import os
import resource
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bridge.datastore.state import StateStore, read_saved
from bridge.datastore.state_file import Place, StateFile
from tests.faults.house.program import PATIENCE_S, READ, SITE, adu, ask, exactly, running, until

CLIENTS = 1000


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    """As many as a thousand clients need, for this process; the value is the system's limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * CLIENTS:
        pytest.skip(f"this system grants a process {hard} files, too few for {CLIENTS} clients")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * CLIENTS), hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_connections_are_served_and_leave_nothing(tmp_path: Path, many_descriptors: int) -> None:
    def as_a_shell_does() -> None:  # it may open more: the bridge must ask for them
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, many_descriptors))

    with running(tmp_path, prepare=as_a_shell_does) as program, contextlib.ExitStack() as stack:
        assert program.answers()
        descriptors, resident = program.descriptors(), program.resident_kib()
        clients = [
            stack.enter_context(program.connect(f"127.0.0.{number % 4 + 2}")) for number in range(CLIENTS)
        ]
        for number, client in enumerate(clients):
            client.sendall(adu(number, READ)[:9])  # and the rest once all others have said so much
        for number, client in enumerate(clients):
            client.sendall(adu(number, READ)[9:])
            assert exactly(client, 17)[:2] == number.to_bytes(2)
        assert program.descriptors() >= CLIENTS
        assert program.resident_kib() - resident < 64 * 1024
        for client in clients:
            client.close()
        until(lambda: program.descriptors() <= descriptors + 1)
        assert program.answers()
        assert program.end() == 0


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_clients_never_take_the_last_descriptors(tmp_path: Path, loop: str) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    environment = {}
    if loop == "asyncio":  # as where there is no wheel of uvloop
        (tmp_path / "uvloop.py").write_text("raise ImportError")
        environment["PYTHONPATH"] = str(tmp_path)
    device = f"devices: {{shunt: {{adapter: vedirect, port: {tmp_path}/line, unit: 21}}}}"
    with (
        running(
            tmp_path, SITE.replace("devices: {}", device), prepare=few, environment=environment
        ) as program,
        contextlib.ExitStack() as stack,
    ):
        early = stack.enter_context(program.connect("127.0.0.2"))
        assert ask(early)

        def one_more() -> bool:
            with contextlib.suppress(OSError):
                stack.enter_context(program.connect("127.0.0.3"))
            return program.descriptors() >= 64 - 16

        until(one_more)
        for _ in range(100):  # far more than there are descriptors
            one_more()
        until(lambda: program.logged("may open 64 files, of which the last 16"))
        assert not program.answers("127.0.0.4")
        master, slave = os.openpty()
        (tmp_path / "line").symlink_to(os.ttyname(slave))
        until(lambda: program.logged("device=shunt link=[a-z]+ was=port_missing"))  # opened all the same
        used, began = program.processor_s(), time.monotonic()
        while time.monotonic() < began + 1.5:
            assert ask(early)
            time.sleep(0.1)
        assert program.processor_s() - used < (time.monotonic() - began) / 2  # no loop that is always busy
        assert program.logged("may open 64 files") == 2  # once for each address
        assert program.logged("may open no file more") <= 1
        assert program.log().count("\n") < 16
        assert program.descriptors() <= 64 - 16 + 4
        stack.close()
        until(program.answers)
        assert program.end() == 0
        os.close(master)
        os.close(slave)


def test_without_memory_it_refuses_and_serves_on_or_ends_with_a_line(tmp_path: Path) -> None:
    with running(tmp_path) as program, contextlib.ExitStack() as stack:
        assert program.answers()
        status = Path(f"/proc/{program.process.pid}/status").read_text()
        size = int(status.partition("VmSize:")[2].split()[0]) * 1024
        resource.prlimit(program.process.pid, resource.RLIMIT_AS, (size + (1 << 20), resource.RLIM_INFINITY))
        for number in range(CLIENTS):
            if program.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                client = stack.enter_context(program.connect(f"127.0.0.{number % 4 + 2}"))
                client.sendall(adu(number, READ) * 400)
        stack.close()
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(program.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        if program.process.poll() is None:
            until(lambda: program.process.poll() is not None or program.answers())
            program.process.terminate()
            assert program.process.wait(PATIENCE_S) == 0
        else:
            assert program.process.returncode != 0
            assert "Traceback" not in program.log()
            assert program.log().splitlines()[-1].startswith("out of memory: ended at once")


async def test_without_memory_for_the_state_nobody_waits_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = StateFile.commit
    monkeypatch.setattr("bridge.datastore.state._RETRY_S", 0.01)
    short = True

    def without_memory(file: StateFile, changes: Mapping[Place, str | None]) -> None:
        if short:
            raise MemoryError
        commit(file, changes)

    monkeypatch.setattr(StateFile, "commit", without_memory)
    store = StateStore(tmp_path / "state")
    store.open()
    async with asyncio.timeout(PATIENCE_S):
        await store.save("s", "while short", 1)
        short = False
        await store.save("s", "after", 2)
    assert read_saved(tmp_path / "state", "s", "while short") == 1
    store.close()
