"""Ports to listen on, and GX devices, on loopback and in tables of sockets as the kernel prints them."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.discovery.ports import Roots
from bridge.doctor.finding import Running
from bridge.doctor.network import gx, low_ports, taken_ports
from tests.doctor.boxes import PI, Box, up

SITE = 'listeners: [{{{kind}: "{at}"}}]\ndevices: {{}}\n'
LOW = SITE.format(kind="tcp", at="0.0.0.0:502")
GX = "devices:\n  gx: {{adapter: modbus, map: {map}, host: '127.0.0.1:{port}', remote_unit: 100, unit: 1{more}}}\n"
#: A Modbus TCP server of inode 4242 on all addresses, and one UDP socket of inode 4243 on 192.168.1.5.
TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 00000000:01F6 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1\n"
    "   1: 0100007F:01F6 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4244 1\n"
)
UDP = TCP.splitlines()[0] + "\n   0: 0501A8C0:01F6 00000000:0000 07 0:0 00:0 0     0        0 4243 2\n"


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def refusing() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_port_that_this_user_may_not_listen_on(box: Box) -> None:
    (line,) = box.told(low_ports, LOW)
    assert "listener tcp://0.0.0.0:502 wants port 502, which user pi may not listen on" in line
    assert "service install SITE" in line
    box.contain()
    assert "cap_add: [NET_BIND_SERVICE]" in box.told(low_ports, LOW)[0]


def test_ports_that_it_may_listen_on(box: Box) -> None:
    assert box.told(low_ports, SITE.format(kind="tcp", at="0.0.0.0:1502")) == []
    assert box.told(low_ports, SITE.format(kind="tcp", at="127.0.0.1:0")) == []
    assert box.told(low_ports, LOW, up()) == []
    assert box.told(low_ports) == []
    box.kernel("sys/net/ipv4/ip_unprivileged_port_start", "502\n")
    assert box.told(low_ports, LOW) == []
    box.kernel("sys/net/ipv4/ip_unprivileged_port_start", "1024\n")
    box.having(account=replace(PI, binds_low=True))
    assert box.told(low_ports, LOW) == []


def test_the_service_has_the_right(box: Box) -> None:
    unit = "[Service]\nUser=nobody\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"
    box.write("etc/systemd/system/inverter-bridge.service", unit)
    assert box.told(low_ports, LOW) == []
    box.write("etc/systemd/system/inverter-bridge.service", "[Service]\nUser=nobody\n")
    assert "user nobody" in box.told(low_ports, LOW)[0]


@pytest.mark.parametrize(
    ("kind", "at", "taken"),
    [
        ("tcp", "0.0.0.0:502", True),
        ("tcp", "192.168.1.5:502", True),
        ("tcp", "0.0.0.0:503", False),
        ("udp", "0.0.0.0:502", True),
        ("udp", "192.168.1.5:502", True),
        ("udp", "192.168.1.6:502", False),
    ],
)
def test_a_port_that_is_taken(box: Box, kind: str, at: str, taken: bool) -> None:
    box.kernel("net/tcp", TCP)
    box.kernel("net/udp", UDP)
    (box.program(99, "mbusd") / "3").symlink_to("socket:[4242]" if kind == "tcp" else "socket:[4243]")
    site = SITE.format(kind=kind, at=at)
    told = [f"port 502 of listener {kind}://{at} is taken by mbusd (pid 99)"] if taken else []
    assert [line.partition(" -> ")[0] for line in box.told(taken_ports, site)] == told
    assert box.told(taken_ports, site, up()) == []  # by the bridge itself
    assert box.told(taken_ports, site, Running("closed")) == []


def test_the_port_of_this_very_process(box: Box, listening: int) -> None:
    box.having(roots=Roots(proc=Path("/proc")))
    (line,) = box.told(taken_ports, SITE.format(kind="tcp", at=f"127.0.0.1:{listening}"))
    assert f"(pid {os.getpid()})" in line
    assert box.told(taken_ports, SITE.format(kind="tcp", at="127.0.0.1:0")) == []


def test_a_gx_that_takes_connections(box: Box, listening: int) -> None:
    assert box.told(gx, GX.format(map="victron_gx_system", port=listening, more="")) == []


def test_a_gx_whose_modbus_is_off(box: Box, refusing: int) -> None:
    (line,) = box.told(gx, GX.format(map="victron_gx_vebus", port=refusing, more=""))
    assert f"GX 127.0.0.1:{refusing} of device gx refuses connections" in line
    assert "Settings, Services, Modbus TCP; in newer menus Settings, Integrations" in line


def test_what_is_no_gx_or_asked_otherwise(box: Box, refusing: int) -> None:
    assert box.told(gx, GX.format(map="em24", port=refusing, more="")) == []
    assert box.told(gx, GX.format(map="victron_gx_system", port=refusing, more=", transport: udp")) == []
    assert box.told(gx) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (TimeoutError("timed out"), "cannot be reached (no answer within 3 s)"),
        (OSError(113, "No route to host"), "cannot be reached (No route to host)"),
        (socket.gaierror(-2, "Name or service not known"), "its name has no address"),
    ],
)
def test_a_gx_that_is_not_there(
    box: Box, monkeypatch: pytest.MonkeyPatch, fault: OSError, words: str
) -> None:
    def refuse(address: tuple[str, int], timeout: float) -> None:
        raise fault

    monkeypatch.setattr(socket, "create_connection", refuse)
    (line,) = box.told(gx, GX.format(map="victron_gx_system", port=502, more=""))
    assert words in line
