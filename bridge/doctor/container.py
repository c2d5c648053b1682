"""What a container keeps from the bridge: the machine's ports, and its clients' addresses.

Sources: Linux, Documentation/ABI/testing/sysfs-class-net (iflink, uevent); proc(5), net/route.
"""

import ipaddress
from collections.abc import Iterator

from bridge.doctor.finding import Case, Finding
from bridge.doctor.machine import content, entries
from bridge.site.models import NetworkListener, Site

_CHECK = "container"
_HOST_NETWORK = "give the container the host's network: network_mode: host (docs/docker.md)"
#: Interfaces whose addresses are the network's own, although their other end is outside the container.
_OWN_ADDRESS = ("DEVTYPE=macvlan", "DEVTYPE=ipvlan")


def devices(case: Case) -> Iterator[Finding]:
    """Find ports of the machine that this container does not have."""
    machine = case.machine
    if not machine.in_container:
        return
    missing = [
        tty.name
        for tty in entries(machine.roots.sys / "class/tty")
        if tty.name.startswith(("ttyUSB", "ttyACM")) and not (machine.roots.dev / tty.name).exists()
    ]
    if missing:
        yield Finding(
            _CHECK,
            f"the machine has {', '.join(missing)}, and this container does not: its /dev is its own",
            "bind it: volumes: [/dev:/dev], and device_cgroup_rules for c 188:* and c 166:* (docs/docker.md)",
        )


def network(case: Case) -> Iterator[Finding]:
    """Find a container whose network hides who asks."""
    machine = case.machine
    if case.site is None or not machine.in_container or not _is_served_outside(case.site):
        return
    found = [link for link in entries(machine.roots.sys / "class/net") if link.name != "lo"]
    pairs = [
        link.name for link in found if _ends_outside(content(link / "ifindex"), content(link / "iflink"))
    ]
    own = [link for link in found if any(kind in content(link / "uevent") for kind in _OWN_ADDRESS)]
    if pairs and len(pairs) == len(found) and not own:
        yield Finding(
            _CHECK,
            f"this container has a network of its own ({', '.join(pairs)}): every client may arrive with the "
            "gateway's address, and UDP, mDNS and CAN interfaces are shut out",
            _HOST_NETWORK,
        )


def peers(case: Case) -> Iterator[Finding]:
    """Find that all who are connected carry the address of a gateway."""
    gateways = _gateways(content(case.machine.roots.proc / "net/route"))
    for told in case.running.listeners:
        connected = told.get("peers")
        if not isinstance(connected, dict):
            continue
        foreign = {address for address in map(str, connected) if not _is_loopback(address)}
        if foreign and foreign <= gateways:
            yield Finding(
                "peers",
                f"all clients of listener {told.get('listener')} carry the gateway's address "
                f"{', '.join(sorted(foreign))}: `access` cannot tell them apart",
                _HOST_NETWORK
                if case.machine.in_container
                else "let no router translate their addresses (NAT)",
            )


def _is_served_outside(site: Site) -> bool:
    """True where a listener is meant for other machines."""
    for listener in site.listeners:
        if isinstance(listener, NetworkListener):
            host = getattr(listener, listener.kind).host
            if host != "localhost" and not _is_loopback(host):
                return True
    return False


def _ends_outside(index: str, link: str) -> bool:
    return bool(link) and link != index


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _gateways(table: str) -> set[str]:
    """Return the gateways of a routing table; its addresses are hexadecimal in the machine's own order."""
    found = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 2 and int(fields[2], 16):
            found.add(str(ipaddress.IPv4Address(int(fields[2], 16).to_bytes(4, "little"))))
    return found
