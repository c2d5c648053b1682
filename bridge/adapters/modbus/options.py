"""Options of a Modbus device and the family's entry. Light: imports nothing of its family."""

import re
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from bridge.adapters.base import DeviceOptions, Family
from bridge.adapters.durations import Duration
from bridge.datastore.values import Identity

#: How frames travel. `rtu_over_tcp` is RTU through a serial server or gateway.
Transport = Literal["tcp", "udp", "rtu", "rtu_over_tcp"]
#: Products that do more, or otherwise, than their map says; each has a module in `quirks`.
Quirk = Literal["series607"]
#: Maps whose products have a quirk module of the same name.
QUIRKS: Mapping[str, Quirk] = {"series607": "series607"}
#: Products that tell no serial number of their own.
_NAMELESS = frozenset({"series607"})

#: TCP and UDP port of Modbus (registered with IANA as mbap).
MODBUS_PORT = 502
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_SERIAL = re.compile(r"[A-Za-z0-9_]{1,40}")
_BAUDRATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)


def host_address(written: str) -> tuple[str, int]:
    """Return host and port of `host`, `host:port` or `[::1]:port`. Raises ValueError for another spelling."""
    found = _HOST.fullmatch(written)
    port = MODBUS_PORT if found is None or found["port"] is None else int(found["port"])
    if found is None or not 0 < port < 65536:
        raise ValueError("expected a host such as 192.168.1.5, meter.local:1502 or [fe80::1]:502")
    return found["host"].strip("[]"), port


class ModbusOptions(DeviceOptions):
    """A device that speaks Modbus, on a serial port or behind a host."""

    adapter: Literal["modbus"] = Field(description="equipment family")
    map: str = Field(min_length=1, description="a register map to read it with, such as em24, or ./mine.yaml")
    port: str | None = Field(
        default=None, min_length=1, description="serial port: a device path, a PTY or socket://host:port"
    )
    host: str | None = Field(
        default=None, min_length=1, description="host, or host:port, of Modbus TCP or UDP"
    )
    transport: Transport | None = Field(
        default=None, description="how frames travel; `tcp` with a host and `rtu` with a port unless named"
    )
    baudrate: int = Field(default=19200, description="speed of the serial port")
    parity: Literal["N", "E", "O"] = Field(default="N", description="parity of the serial port")
    stop_bits: Literal[1, 2] = Field(default=1, description="stop bits of the serial port")
    remote_unit: int = Field(default=1, ge=0, le=255, description="the device's own Modbus unit id")
    poll: Duration = Field(default=2.0, ge=0.1, le=3600, description="how often it is read; fast points 4 x")
    timeout: Duration = Field(default=1.0, ge=0.02, le=60, description="longest wait for a reply")
    retries: int = Field(default=2, ge=0, le=10, description="how often an unanswered request is repeated")
    pause: Duration = Field(default=0.0, le=10, description="least time between two requests to it")
    read_max: int = Field(default=125, ge=1, le=125, description="most registers that one request reads")
    nonvolatile: tuple[str, ...] = Field(
        default=(), description="points whose writing wears the device's memory"
    )
    refresh: Mapping[str, Duration] = Field(
        default={}, description="points the device forgets unless they are sent this often"
    )
    quirk: Quirk | None = Field(default=None, description="product whose peculiarities a map of your own has")

    @field_validator("host")
    @classmethod
    def _well_spelt(cls, host: str | None) -> str | None:
        if host is not None:
            host_address(host)
        return host

    @field_validator("baudrate")
    @classmethod
    def _standard(cls, rate: int) -> int:
        if rate not in _BAUDRATES:
            raise ValueError(f"expected one of {', '.join(map(str, _BAUDRATES))}")
        return rate

    @field_validator("serial")
    @classmethod
    def _plain(cls, serial: str | None) -> str | None:
        if serial is not None and not _SERIAL.fullmatch(serial):
            raise ValueError("expected letters, digits and _, at most 40: it becomes a name on the GX")
        return serial

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.port is None) == (self.host is None):
            raise ValueError("expected either `port` (a serial port) or `host` (TCP or UDP)")
        if self.port is not None and self.transport in ("tcp", "udp"):
            raise ValueError(f"expected `host` with `transport: {self.transport}`")
        if self.host is not None and self.transport == "rtu":
            raise ValueError("expected `port` with `transport: rtu`, or `transport: rtu_over_tcp`")
        if self.quirk_name in _NAMELESS and self.serial is None:
            raise ValueError(
                f"expected a `serial` of your choice, as serial: WAGON1: a {self.quirk_name} has no own one"
            )
        return self

    @property
    def quirk_name(self) -> str:
        """The product whose quirks apply, empty for one that is as its map says."""
        return self.quirk or QUIRKS.get(self.map) or ""

    @property
    def way(self) -> Transport:
        """How frames travel."""
        return self.transport or ("rtu" if self.host is None else "tcp")


class ModbusFamily(Family):
    """The map that a device is read with serves it as well, and its line is shared with others."""

    def native_map(self, options: DeviceOptions, identity: Identity | None) -> str | None:  # noqa: ARG002
        """Return the map the device is read with."""
        return options.map

    def ports(self, options: DeviceOptions) -> tuple[str, ...]:  # noqa: ARG002 - as overridden
        """Return nothing: a Modbus bus is shared by any number of devices."""
        return ()


FAMILY = ModbusFamily(
    name="modbus",
    title="Modbus equipment",
    options=ModbusOptions,
    adapter="bridge.adapters.modbus.adapter:ModbusAdapter",
    simulator="bridge.adapters.modbus.simulator:Series607Simulator",
    probe="bridge.adapters.modbus.probe:probe",
    simulators={"series607": "bridge.adapters.modbus.simulator:Series607Simulator"},
)
