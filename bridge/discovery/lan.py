"""Who speaks Modbus TCP in a network: GX devices, meters, SunSpec inverters, bridges.

Each host is asked a handful of reads, one after the other, on one connection. Sources: Victron,
CCGX-Modbus-TCP-register-list (unit 100, register 800: the serial number); SunSpec, common model; the
`detect` of the maps shipped for meters.
"""

import asyncio
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.datastore.clock import Clock
from bridge.discovery.modbus_tcp import ModbusTcp, NoConnection
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import RegisterMap, Table

MODBUS_PORT = 502
#: Connections under way at once: a home router loses track of many more.
_AT_ONCE = 64
#: A host of the same network accepts in milliseconds; one that sleeps on Wi-Fi takes longer.
CONNECT_WITHIN_S = 1.0
ANSWER_WITHIN_S = 1.0
#: Whatever a host does, it is left alone then.
_HOST_WITHIN_S = 25.0

_GX_UNIT, _GX_SERIAL, _GX_SERIAL_LENGTH = 100, 800, 6
#: A GX tells the MAC address of its Ethernet port.
_GX_SERIAL_TEXT = re.compile(r"[0-9a-f]{12}", re.IGNORECASE)
#: Maps of meters that say by a register which model they are.
_METERS = ("em24", "abb_b23")
_BRIDGE_UNIT, _BRIDGE = 247, "Inverter Bridge"
_SUNSPEC_UNITS, _SUNSPEC_MARK, _SUNSPEC_PLACE = (126, 1), b"SunS", 40000
#: Model 1 behind the mark, with its id and length: manufacturer, model and serial number, in bytes.
_COMMON, _COMMON_LENGTH = 40002, 68
_MANUFACTURER, _MODEL, _SERIAL = slice(4, 36), slice(36, 68), slice(100, 132)
_UNITS_ASKED = (1, 255)


@dataclass(frozen=True, slots=True)
class LanDevice:
    """One unit that was found. `map` reads it, None where none of the shipped ones does.

    kind: gx, meter, sunspec, bridge or modbus. options: what belongs into the site file beside the adapter.
    """

    host: str
    kind: str
    name: str
    unit: int
    serial: str = ""
    map: str | None = None
    text: str = ""
    options: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LanScan:
    """How a network is looked through. pace: factor on all waiting; progress is told of each host done."""

    clock: Clock
    port: int = MODBUS_PORT
    pace: float = 1.0
    progress: Callable[[], None] = lambda: None

    async def run(self, networks: Iterable[ipaddress.IPv4Network]) -> list[LanDevice]:
        """Return what was found, in order of addresses."""
        hosts = list(hosts_of(networks))
        meters = await asyncio.to_thread(_meters)
        free = asyncio.Semaphore(_AT_ONCE)

        async def look(host: str) -> list[LanDevice]:
            async with free:
                try:
                    async with self.clock.timeout(_HOST_WITHIN_S * self.pace):
                        return await self._host(host, meters)
                except (TimeoutError, NoConnection):
                    return []
                finally:
                    self.progress()

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look(host)) for host in hosts]
        return [device for task in tasks for device in task.result()]

    async def _host(self, host: str, meters: Sequence[RegisterMap]) -> list[LanDevice]:
        client = ModbusTcp(
            host,
            self.port,
            self.clock,
            connect_within_s=CONNECT_WITHIN_S * self.pace,
            answer_within_s=ANSWER_WITHIN_S * self.pace,
        )
        where = host if self.port == MODBUS_PORT else f"{host}:{self.port}"
        async with client:
            for ask in (_gx, _bridge):
                if (found := await ask(client, where)) is not None:
                    return [found]
            devices = [one for loaded in meters if (one := await _meter(client, where, loaded)) is not None]
            sunspec = await _sunspec(client, where)
            devices += [sunspec] if sunspec is not None else []
            if not devices and (other := await _other(client, where)) is not None:
                devices.append(other)
        return devices


def hosts_of(networks: Iterable[ipaddress.IPv4Network]) -> dict[str, None]:
    """Return the addresses of networks, each once, in order."""
    return {str(host): None for network in networks for host in network.hosts()}


def _meters() -> tuple[RegisterMap, ...]:
    catalogue = Catalogue()
    loaded = (catalogue.load(name).map for name in _METERS)
    return tuple(one for one in loaded if one is not None)


async def _gx(client: ModbusTcp, where: str) -> LanDevice | None:
    data = await client.registers(_GX_UNIT, _GX_SERIAL, _GX_SERIAL_LENGTH)
    serial = "" if data is None else data.decode("ascii", "replace").strip("\0 ")
    if not _GX_SERIAL_TEXT.fullmatch(serial):
        return None
    loaded = "victron_gx_system"
    options: dict[str, str | int] = {"map": loaded, "host": where, "remote_unit": _GX_UNIT}
    return LanDevice(where, "gx", "Victron GX", _GX_UNIT, serial, loaded, options=options)


async def _bridge(client: ModbusTcp, where: str) -> LanDevice | None:
    found = await client.identification(_BRIDGE_UNIT)
    if found is None or found.vendor != _BRIDGE:
        return None
    text = f"version {found.revision}: its own site file says what it serves"
    return LanDevice(where, "bridge", "another Inverter Bridge", _BRIDGE_UNIT, text=text)


async def _meter(client: ModbusTcp, where: str, loaded: RegisterMap) -> LanDevice | None:
    detect = loaded.detect
    if detect is None:
        return None
    function = 4 if loaded.device.access is Table.INPUT else 3
    for unit in detect.units or (1,):
        data = await client.registers(unit, detect.address, detect.type.length, function=function)
        raw = None if data is None else detect.type.unpack(data)
        model = None if raw is None or isinstance(raw, float) else detect.values.get(raw)
        if model is not None:
            name = f"{loaded.device.vendor_name} {model}".strip()
            options: dict[str, str | int] = {"map": loaded.name, "host": where, "remote_unit": unit}
            return LanDevice(where, "meter", name, unit, map=loaded.name, options=options)
    return None


async def _sunspec(client: ModbusTcp, where: str) -> LanDevice | None:
    for unit in _SUNSPEC_UNITS:
        mark = await client.registers(unit, _SUNSPEC_PLACE, 2)
        if mark != _SUNSPEC_MARK:
            continue
        common = await client.registers(unit, _COMMON, _COMMON_LENGTH) or b""
        name = f"{_text(common[_MANUFACTURER])} {_text(common[_MODEL])}".strip() or "SunSpec equipment"
        text = "speaks SunSpec, for which no map is shipped; a GX finds it by itself"
        return LanDevice(where, "sunspec", name, unit, _text(common[_SERIAL]), text=text)
    return None


async def _other(client: ModbusTcp, where: str) -> LanDevice | None:
    """Return a host that speaks Modbus, and no more is known of it."""
    for unit in _UNITS_ASKED:
        found = await client.identification(unit)
        if found is not None and (name := f"{found.vendor} {found.code}".strip()):
            return LanDevice(where, "modbus", name, unit, text=_no_map(found.revision))
    if not client.answered:
        return None
    return LanDevice(where, "modbus", "Modbus TCP device", _UNITS_ASKED[0], text=_no_map(""))


def _no_map(revision: str) -> str:
    version = f"version {revision}; " if revision else ""
    return f"{version}no map shipped is known to fit: `inverter-bridge maps list`, docs/map-format.md"


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("ascii", "replace").strip()
