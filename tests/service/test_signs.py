"""Signs of life as systemd hears them: datagrams on its socket."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from bridge.datastore.clock import ManualClock
from bridge.service.signs import Signs


@pytest.fixture
def systemd(tmp_path: Path) -> socket.socket:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(0)
    return heard


def told(systemd: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(systemd.recv(4096))
        except BlockingIOError:
            return found


def environment(systemd: socket.socket, **further: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": systemd.getsockname(), **further}


def test_ready_and_stopping(systemd: socket.socket) -> None:
    with systemd:
        signs = Signs(ManualClock(), environment(systemd))
        signs.ready()
        signs.stopping()
        assert told(systemd) == [b"READY=1\nSTATUS=serving", b"STOPPING=1"]


async def test_a_sign_in_half_the_time_granted_and_none_while_not_serving(systemd: socket.socket) -> None:
    clock = ManualClock()
    serving = True
    with systemd:
        signs = Signs(clock, environment(systemd, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid())))
        assert signs.every_s == 15
        task = asyncio.create_task(signs.run(lambda: serving))
        await clock.advance(31)
        assert told(systemd) == [b"WATCHDOG=1"] * 3
        serving = False
        await clock.advance(60)
        assert told(systemd) == []
        task.cancel()


@pytest.mark.parametrize(
    "further",
    [{}, {"WATCHDOG_USEC": "no number"}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}],
)
async def test_no_watchdog_of_ours(systemd: socket.socket, further: dict[str, str]) -> None:
    with systemd:
        await Signs(ManualClock(), environment(systemd, **further)).run(lambda: True)
        assert told(systemd) == []


def test_without_systemd_nothing_is_sent_and_its_death_harms_nobody(systemd: socket.socket) -> None:
    Signs(ManualClock(), {}).ready()
    gone = environment(systemd)
    systemd.close()
    Signs(ManualClock(), gone).ready()


def test_a_socket_without_a_file() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0inverter-bridge-test-" + str(os.getpid()))
        heard.settimeout(0)
        Signs(ManualClock(), {"NOTIFY_SOCKET": "@inverter-bridge-test-" + str(os.getpid())}).stopping()
        assert told(heard) == [b"STOPPING=1"]
