"""Announces listeners on the local network (DNS-SD), so that people and masters find the bridge by name.

Only `_modbus._tcp` and, for the page, `_http._tcp`. Never a name that a GX asks for by itself: its client
takes what it finds there for one of Victron's own devices, and one with a custom name breaks it
(dbus-modbus-client 1.83, `mdns.py` and `CustomName`). Listeners on loopback are not announced.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bridge.datastore.clock import Clock

if TYPE_CHECKING:  # loaded when something is announced: a bridge on loopback need not carry it
    from zeroconf import ServiceInfo

_log = logging.getLogger(__name__)

MODBUS = "_modbus._tcp"
PAGE = "_http._tcp"
#: A network that is not there yet, as after a power cut, is asked for again this often.
_RETRY_S = 30.0
#: The longest name of a service (RFC 6763, 4.1.1), in bytes.
_NAME_MAX = 63


@dataclass(frozen=True, slots=True)
class Service:
    """What is announced: `_modbus._tcp` or `_http._tcp`, its name for people, where it listens."""

    kind: str
    name: str
    host: str
    port: int
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def on_loopback(self) -> bool:
        """True where nobody else could reach it."""
        address = _address(self.host)
        return self.host == "localhost" if address is None else address.is_loopback


class Announcer:
    """Announces services while `run` runs. `interfaces` are the addresses to speak on, left out: all."""

    def __init__(
        self, services: Iterable[Service], clock: Clock, interfaces: Sequence[str] | None = None
    ) -> None:
        self.services = [s for s in services if interfaces is not None or not s.on_loopback]
        self._clock = clock
        self._interfaces = interfaces
        self._complained = False
        #: Set while everything is announced.
        self.announced = asyncio.Event()

    async def run(self) -> None:
        """Announce until cancelled, then say goodbye. A network not there yet is logged and waited for."""
        while self.services:
            try:
                await self._announce()
            except Exception as fault:  # noqa: BLE001 - whatever fails here, the bridge goes on serving
                if not self._complained:
                    self._complained = True
                    _log.warning("mdns not announced yet (%s), trying on", str(fault) or type(fault).__name__)
            await self._clock.sleep(_RETRY_S)

    async def _announce(self) -> None:
        """Announce until cancelled. Raises OSError for a network that is not there."""
        from zeroconf import Error, IPVersion
        from zeroconf.asyncio import AsyncZeroconf

        services = _of_one_name_each(self.services)
        infos = [info for service in services if (info := self._info(service)) is not None]
        if not infos:
            raise OSError("found no network address")
        responder = AsyncZeroconf(
            interfaces=list(self._interfaces or sorted({a for i in infos for a in i.parsed_addresses()})),
            ip_version=IPVersion.V4Only,
        )
        try:
            await asyncio.gather(
                *(responder.async_register_service(info, allow_name_change=True) for info in infos)
            )
            for info in infos:
                _log.info("mdns announced=%s port=%d", info.name, info.port)
            self._complained = False
            self.announced.set()
            await asyncio.Event().wait()
        except Error as fault:
            raise OSError(str(fault) or type(fault).__name__) from fault
        finally:
            self.announced.clear()
            await responder.async_close()

    def _info(self, service: Service) -> "ServiceInfo | None":
        from zeroconf import ServiceInfo

        addresses = [self._interfaces[0]] if self._interfaces else addresses_of(service.host)
        if not addresses:
            return None
        return ServiceInfo(
            f"{service.kind}.local.",
            f"{_short(service.name)}.{service.kind}.local.",
            addresses=[ipaddress.IPv4Address(address).packed for address in addresses],
            port=service.port,
            properties=dict(service.properties),
            server=f"{socket.gethostname().partition('.')[0]}.local.",
        )


def _of_one_name_each(services: Iterable[Service]) -> list[Service]:
    """Number those whose names would become equal: two that register one name at once meet each other."""
    taken: set[tuple[str, str]] = set()
    found = []
    for service in services:
        name, number = _short(service.name), 1
        while (service.kind, name.lower()) in taken:
            number += 1
            name = _short(service.name, f" {number}")
        taken.add((service.kind, name.lower()))
        found.append(replace(service, name=name))
    return found


def addresses_of(host: str) -> list[str]:
    """Return the IPv4 addresses under which others reach a listener: all of this machine's for 0.0.0.0."""
    import ifaddr

    address = _address(host)
    if address is not None and not address.is_unspecified:
        return [str(address)] if address.version == 4 else []
    found = (ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips)
    return [ip for ip in found if isinstance(ip, str) and not ipaddress.ip_address(ip).is_loopback]


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _short(name: str, ending: str = "") -> str:
    """Return a name that a service may have, with an ending: a dot would begin another label."""
    room = _NAME_MAX - len(ending.encode())
    plain = name.replace(".", " ").encode()[:room].decode(errors="ignore").strip()
    return (plain or "Inverter Bridge") + ending
