"""The parts of a site, checked one by one; what they mean together is checked in `rules`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bridge.adapters.base import DeviceOptions
from bridge.adapters.durations import Duration
from bridge.site import defaults
from bridge.site.addresses import HostPort, access_entry, listen_address

Level = Literal["debug", "info", "warning", "error"]
UnitId = Annotated[int, Field(ge=1, le=246)]
#: Listeners may name the bridge's own unit as well.
ListenedUnit = Annotated[int, Field(ge=1, le=247)]
AccessEntry = Annotated[str, AfterValidator(access_entry)]


class Section(BaseModel):
    """A mapping of the site file: unknown keys are errors, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Log(Section):
    """How much is logged."""

    level: Level = Field(default="info", description="debug, info, warning or error")
    devices: Mapping[str, Level] = Field(default={}, description="another level for single devices, by name")


class Access(Section):
    """Who may connect: networks, addresses, host names."""

    read: tuple[AccessEntry, ...] = Field(default=defaults.READ_ACCESS, description="who may read")
    write: tuple[AccessEntry, ...] = Field(default=defaults.WRITE_ACCESS, description="who may write")


class TcpListener(Section):
    """Modbus TCP on one address."""

    tcp: Annotated[HostPort, BeforeValidator(listen_address)] = Field(description="host:port to listen on")
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
    def method(self) -> str:
        """The kind of listener, as a map's `detect.methods` names it."""
        return "tcp"

    @property
    def url(self) -> str:
        """The listener as `check` names it."""
        return f"tcp://{self.tcp}"

    def serves(self, unit: int) -> bool:
        """True where a unit id is heard on this listener."""
        return self.units is None or unit in self.units


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


class Basics(Section):
    """The single values and small mappings at the top of the file."""

    site: str = Field(default="", description="name of the site")
    timezone: str | None = Field(default=None, description="IANA name such as Europe/Stockholm")
    state: str | None = Field(default=None, description="directory of the saved state")
    log: Log = Log()
    access: Access = Access()


@dataclass(frozen=True, slots=True)
class Site:
    """A whole site, checked. `directory` is where the site file lies, `timezone` None the system's own."""

    name: str
    timezone: str | None
    state: Path
    log: Log
    listeners: tuple[TcpListener, ...]
    access: Access
    devices: Mapping[str, DeviceOptions]
    serve: tuple[View, ...]
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
