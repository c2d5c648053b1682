"""The private networks that this machine is in, and those that a person names."""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator

#: Nobody else's: RFC 1918.
_PRIVATE = tuple(ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
#: The largest network that is scanned, 254 hosts: a minute at most.
LARGEST = 24
#: Address and netmask of an interface (linux/sockios.h), and the size of what they fill in.
_SIOCGIFADDR, _SIOCGIFNETMASK = 0x8915, 0x891B
_IFREQ, _ADDRESS = struct.Struct("256s"), slice(20, 24)


def own_networks() -> tuple[ipaddress.IPv4Network, ...]:
    """Return the private IPv4 networks of this machine's interfaces, none larger than /24."""
    found: dict[ipaddress.IPv4Network, None] = {}
    for address, mask in _interfaces():
        own = ipaddress.ip_address(address)
        if not any(own in net for net in _PRIVATE):
            continue
        network = ipaddress.ip_network(f"{address}/{mask}", strict=False)
        if network.prefixlen < LARGEST:
            network = ipaddress.ip_network(f"{address}/{LARGEST}", strict=False)
        if isinstance(network, ipaddress.IPv4Network):
            found[network] = None
    return tuple(found)


def named_network(text: str) -> ipaddress.IPv4Network:
    """Return a network or address that a person names. Raises ValueError with what was expected."""
    try:
        network = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"found {text!r}, expected an IPv4 network or address such as 192.168.1.0/24"
        ) from None
    if network.prefixlen < LARGEST:
        raise ValueError(
            f"found {network}, expected at most 256 addresses (a /{LARGEST}): name the part in which the "
            "equipment is, or several such parts"
        )
    return network


def _interfaces() -> Iterator[tuple[str, str]]:
    """Yield address and netmask of each interface that has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            request = _IFREQ.pack(name.encode()[:15])
            try:
                address = fcntl.ioctl(asking, _SIOCGIFADDR, request)[_ADDRESS]
                mask = fcntl.ioctl(asking, _SIOCGIFNETMASK, request)[_ADDRESS]
            except OSError:
                continue  # it has none
            yield socket.inet_ntoa(address), socket.inet_ntoa(mask)
