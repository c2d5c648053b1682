"""The parts of a site, checked one by one; what they mean together is checked in `rules`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.adapters.base import DeviceOptions
from bridge.adapters.durations import Duration
from bridge.site import defaults
from bridge.site.addresses import HostPort, access_entry, listen_address
from bridge.site.automations import SurplusCharging
from bridge.site.outlets import Outlets
from bridge.site.points import PointName, Points

Level = Literal["debug", "info", "warning", "error"]
UnitId = Annotated[int, Field(ge=1, le=246)]
#: Listeners may name the bridge's own unit as well.
ListenedUnit = Annotated[int, Field(ge=1, le=247)]
AccessEntry = Annotated[str, AfterValidator(access_entry)]
Listen = Annotated[HostPort, BeforeValidator(listen_address)]
_LISTEN = "host:port to listen on"
#: What parts an entry of `access` may be written as in one word.
_ROLE = "role:"


class Section(BaseModel):
    """A mapping of the site file: unknown keys are errors, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Log(Section):
    """How much is logged."""

    level: Level = Field(default="info", description="debug, info, warning or error")
    devices: Mapping[str, Level] = Field(default={}, description="another level for single devices, by name")


class AccessRule(Section):
    """Who may do something: written as one word, or with the units and points it is limited to."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    who: AccessEntry | None = Field(
        default=None, alias="from", description="a network, an address or a host name"
    )
    role: str | None = Field(default=None, min_length=1, description="the role in a client's certificate")
    units: tuple[ListenedUnit, ...] | None = Field(default=None, description="units; left out: all")
    paths: tuple[Annotated[str, Field(pattern=r"^/[^*]*\*?$")], ...] | None = Field(
        default=None, description="paths such as /Mode or /Settings/*; left out: all"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, written: object) -> object:
        if isinstance(written, dict | AccessRule):
            if isinstance(written, dict) and not written.keys() & {"from", "who", "role"}:
                raise ValueError("expected 'from' or 'role' in it")
            return written
        if not isinstance(written, str):
            raise ValueError("expected a network, an address, a host name or role:NAME")  # noqa: TRY004 - pydantic's
        if written.startswith(_ROLE):
            return {"role": written.removeprefix(_ROLE)}
        return {"from": access_entry(written)}


def _all_of(entries: tuple[str, ...]) -> tuple[AccessRule, ...]:
    return tuple(AccessRule(who=entry) for entry in entries)


class Access(Section):
    """Who may connect: networks, addresses, host names, roles."""

    read: tuple[AccessRule, ...] = Field(default=_all_of(defaults.READ_ACCESS), description="who may read")
    write: tuple[AccessRule, ...] = Field(default=_all_of(defaults.WRITE_ACCESS), description="who may write")


class Listener(Section):
    """What all listeners have. `kind` is the key that makes one, and the scheme of its `url`."""

    kind: ClassVar[str]
    #: The kind as a map's `detect.methods` names it: a tunnel does not make another protocol.
    method: ClassVar[str]

    name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$",
        description="a word of letters, digits, _ and -",
    )
    reply_within: Duration = Field(
        default=defaults.REPLY_WITHIN_S, gt=0, le=60, description="longest wait for a write's outcome"
    )
    write: bool = Field(default=True, description="false serves reads alone, whatever `access` says")
    units: tuple[ListenedUnit, ...] | None = Field(
        default=None, description="units served here; left out: all of the site and 247"
    )

    @property
    def where(self) -> str:
        """What it listens on, as the file has it."""
        return str(getattr(self, self.kind))

    @property
    def url(self) -> str:
        """The listener as `check` names it."""
        return f"{self.kind}://{self.where}"

    def serves(self, unit: int) -> bool:
        """True where a unit id is heard on this listener."""
        return self.units is None or unit in self.units


class ConnectionListener(Listener):
    """A listener whose clients hold connections."""

    connections: int | None = Field(
        default=None, ge=1, le=10_000, description="most connections at once, 1 to 10000"
    )


class TcpListener(ConnectionListener):
    """Modbus TCP on one address."""

    kind: ClassVar[str] = "tcp"
    method: ClassVar[str] = "tcp"
    tcp: Listen = Field(description=_LISTEN)


class RtuTcpListener(ConnectionListener):
    """RTU frames on TCP connections."""

    kind: ClassVar[str] = "rtu_tcp"
    method: ClassVar[str] = "rtu"
    rtu_tcp: Listen = Field(description=_LISTEN)


class TlsListener(ConnectionListener):
    """Modbus TCP over TLS; both sides show certificates. Files in PEM, relative ones beside the site file."""

    kind: ClassVar[str] = "tls"
    method: ClassVar[str] = "tcp"
    tls: Listen = Field(description=_LISTEN)
    certificate: str = Field(min_length=1, description="a file with the bridge's own certificate")
    key: str = Field(min_length=1, description="a file with its key")
    client_ca: str = Field(min_length=1, description="a file with the authority of the clients' certificates")


class UdpListener(Listener):
    """Modbus in datagrams, whose senders can be forged."""

    kind: ClassVar[str] = "udp"
    method: ClassVar[str] = "udp"
    udp: Listen = Field(description=_LISTEN)
    write: bool = Field(default=False, description="true lets those write whom `access` lets")


class RtuListener(Listener):
    """Modbus RTU as a slave on a serial line, whose masters have no address."""

    kind: ClassVar[str] = "rtu"
    method: ClassVar[str] = "rtu"
    rtu: str = Field(min_length=1, description="a device path or a PTY")
    baudrate: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400] = Field(
        default=19200, description="bits a second"
    )
    parity: Literal["N", "E", "O"] = Field(default="N", description="N, E or O")
    stop_bits: Literal[1, 2] = Field(default=1, description="1 or 2")
    reply_within: Duration = Field(
        default=defaults.RTU_REPLY_WITHIN_S, gt=0, le=60, description="longest wait for a write's outcome"
    )
    write: bool = Field(default=False, description="true lets every master on the line write")


NetworkListener = TcpListener | RtuTcpListener | TlsListener | UdpListener
AnyListener = NetworkListener | RtuListener
#: The key that makes a listener -> what it is.
LISTENERS: Mapping[str, type[AnyListener]] = {
    found.kind: found for found in (TcpListener, UdpListener, RtuListener, RtuTcpListener, TlsListener)
}


class View(Section):
    """A device served once more, by another map or on some listeners only."""

    unit: UnitId = Field(description="Modbus unit id, 1 to 246")
    map: str = Field(description="name of a register map, or ./mine.yaml beside the site file")
    device: str = Field(description="name of a device of this site")
    listeners: tuple[str, ...] | None = Field(default=None, description="names of listeners; left out: all")
    role: str | None = Field(default=None, description="role that the device plays for its reader")
    reply_within: Duration | None = Field(
        default=None, gt=0, le=60, description="longest wait for a write's outcome"
    )
    sources: Mapping[str, str] = Field(
        default={}, description="devices behind the names that the map's sources use"
    )


def _some(factor: float) -> float:
    if factor == 0:
        raise ValueError("expected a number other than 0, which would hand nothing on")
    return factor


class Link(Section):
    """Points of one device that feed points of another; of two lists, each point the one at its place."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    sources: Points = Field(alias="from", description="the point that is read, such as shunt:/Soc, or a list")
    targets: Points = Field(alias="to", description="the point that is written, or a list of the same length")
    factor: Annotated[float, AfterValidator(_some)] = Field(
        default=1.0, allow_inf_nan=False, description="what the value is multiplied by; not 0"
    )
    offset: float = Field(default=0.0, allow_inf_nan=False, description="what is added after that")


class Basics(Section):
    """The single values and small mappings at the top of the file."""

    site: str = Field(default="", description="name of the site")
    timezone: str | None = Field(default=None, description="IANA name such as Europe/Stockholm")
    state: str | None = Field(default=None, description="directory of the saved state")
    log: Log = Log()
    access: Access = Access()
    mdns: bool = Field(default=True, description="false does not announce the TCP listeners on the network")


@dataclass(frozen=True, slots=True)
class LinkedPoint:
    """One point that feeds one other: source x `factor` + `offset`."""

    source: PointName
    target: PointName
    factor: float
    offset: float


@dataclass(frozen=True, slots=True)
class Site:
    """A whole site, checked. `directory` is where the site file lies, `timezone` None the system's own."""

    name: str
    timezone: str | None
    state: Path
    log: Log
    listeners: tuple[AnyListener, ...]
    access: Access
    devices: Mapping[str, DeviceOptions]
    serve: tuple[View, ...]
    links: tuple[LinkedPoint, ...]
    automations: tuple[SurplusCharging, ...]
    outlets: Outlets
    mdns: bool
    directory: Path


@dataclass(frozen=True, slots=True)
class ServedUnit:
    """One unit of one listener. `map` is None while the device's product class is not known.

    `reply_within` is the view's own wish in seconds, `sources` its further devices.
    """

    listener: str
    unit: int
    device: str
    map: str | None
    role: str | None
    reply_within: float | None = None
    sources: Mapping[str, str] | None = None
