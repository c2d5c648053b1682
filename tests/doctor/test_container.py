"""What a container keeps from the bridge."""

import pytest

from bridge.doctor.container import devices, network, peers
from bridge.doctor.finding import Check
from tests.doctor.boxes import CABLE, Box, up

OUTSIDE = 'listeners: [{tcp: "0.0.0.0:502"}]\ndevices: {}\n'
LOOPBACK = 'listeners: [{tcp: "127.0.0.1:502"}]\ndevices: {}\n'
ROUTES = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
)


@pytest.mark.parametrize("name", [".dockerenv", "run/.containerenv"])
def test_a_container_is_known_by_its_mark(box: Box, name: str) -> None:
    assert not box.machine.in_container
    box.write(name)
    assert box.machine.in_container


@pytest.mark.parametrize(
    ("file", "text"), [("1/cgroup", "0::/docker/0123"), ("1/environ", "HOME=/\0container=lxc\0")]
)
def test_a_container_is_known_by_its_first_process(box: Box, file: str, text: str) -> None:
    box.kernel(file, text)
    assert box.machine.in_container


def test_ports_that_only_the_machine_has(box: Box) -> None:
    box.add("ttyUSB0", "1-1", usb=CABLE)
    box.add("ttyACM1", "1-2", usb=CABLE)
    (box.roots.dev / "ttyACM1").unlink()
    assert box.told(devices) == []  # not in a container: udev is at work, or the port is going
    box.contain()
    (line,) = box.told(devices)
    assert line.startswith("the machine has ttyACM1, and this container does not")
    assert "volumes: [/dev:/dev]" in line
    (box.roots.dev / "ttyACM1").touch()
    assert box.told(devices) == []


def test_a_network_of_its_own(box: Box) -> None:
    box.link("lo", ifindex="1", iflink="1")
    box.link("eth0", ifindex="2", iflink="57", uevent="INTERFACE=eth0")
    assert box.told(network, OUTSIDE) == []
    box.contain()
    (line,) = box.told(network, OUTSIDE)
    assert "a network of its own (eth0)" in line
    assert line.endswith("network_mode: host (docs/docker.md)")
    assert box.told(network, LOOPBACK) == []
    assert box.told(network) == []


@pytest.mark.parametrize(
    "links",
    [
        {"eth0": {"ifindex": "2", "iflink": "2"}},
        {"eth0": {"ifindex": "2", "iflink": "2"}, "vethab12": {"ifindex": "9", "iflink": "8"}},
        {"eth0": {"ifindex": "2", "iflink": "5", "uevent": "DEVTYPE=macvlan"}},
        {"eth0": {"ifindex": "2", "iflink": "5", "uevent": "DEVTYPE=ipvlan"}},
        {},
    ],
    ids=["host", "host of others", "macvlan", "ipvlan", "none"],
)
def test_a_network_in_which_clients_have_their_addresses(box: Box, links: dict[str, dict[str, str]]) -> None:
    box.contain()
    for name, files in links.items():
        box.link(name, **files)
    assert box.told(network, OUTSIDE) == []


@pytest.mark.parametrize(
    ("connected", "found"),
    [
        ({"172.17.0.1": 3}, True),
        ({"172.17.0.1": 3, "127.0.0.1": 1}, True),
        ({"172.17.0.1": 3, "192.168.1.20": 1}, False),
        ({"192.168.1.20": 2}, False),
        ({"127.0.0.1": 2}, False),
        ({}, False),
    ],
)
def test_clients_that_carry_a_gateways_address(box: Box, connected: dict[str, int], found: bool) -> None:
    box.kernel("net/route", ROUTES)
    running = up(listeners=[{"listener": "lan", "serving": True, "peers": connected}])
    lines = box.told(peers, OUTSIDE, running)
    assert [
        line.startswith("all clients of listener lan carry the gateway's address 172.17.0.1")
        for line in lines
    ] == ([True] if found else [])
    box.contain()
    assert all("network_mode: host" in line for line in box.told(peers, OUTSIDE, running))


@pytest.mark.parametrize("check", [devices, network, peers])
def test_nothing_to_see(box: Box, check: Check) -> None:
    box.contain()
    assert box.told(check, OUTSIDE, up(listeners=[{"listener": "lan"}])) == []
