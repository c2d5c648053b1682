"""The section `outlets:` of a site file: what leaves the bridge beside Modbus. An outlet is on when named."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.site import defaults
from bridge.site.addresses import HostPort, access_entry, listen_address
from bridge.site.history import HistoryOutlet
from bridge.site.mqtt import MqttOutlet
from bridge.site.notices import NotifyOutlet
from bridge.site.sizes import Size

#: Outlets of later versions.
LATER_OUTLETS: frozenset[str] = frozenset()

_SIZE_MIN, _SIZE_MAX = 4 << 10, 1 << 30


def _line_file(written: str) -> str:
    """Take no file that another part of the bridge may own."""
    expected = "expected a file whose name ends in .jsonl or .log"
    if "\0" in written or Path(written).suffix not in {".jsonl", ".log"}:
        raise ValueError(expected)
    try:
        Path(written).expanduser()
    except RuntimeError:  # `~nobody/audit.log`
        raise ValueError(f"{expected}, in the home directory of somebody who has one") from None
    return written


def _bearable(size: int) -> int:
    if not _SIZE_MIN <= size <= _SIZE_MAX:
        raise ValueError("expected 4 KiB to 1 GiB")
    return size


def _network(entry: str) -> str:
    """Take no host name: who may see the page is judged at every request."""
    try:
        ipaddress.ip_network(entry)
    except ValueError:
        raise ValueError("expected a network such as 192.168.1.0/24, or an address") from None
    return entry


def _named(written: object) -> object:
    """`audit:` with nothing after it is the outlet with all its defaults."""
    return {} if written is None else written


class AuditOutlet(BaseModel):
    """Every attempt to write, one line of JSON each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, AfterValidator(_line_file)] = Field(
        default="audit.jsonl", description="where the lines go; a relative path begins in `state`"
    )
    size: Annotated[Size, AfterValidator(_bearable)] = Field(
        default=10 << 20, description="length at which a new file is begun"
    )
    keep: int = Field(default=5, ge=1, le=1000, description="older files that are kept")

    def path(self, state: Path) -> Path:
        """Return where the file lies, given the directory of the saved state."""
        return state / Path(self.file).expanduser()


class MetricsOutlet(BaseModel):
    """Figures for Prometheus at `/metrics`, and `/healthz`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Annotated[HostPort, BeforeValidator(listen_address)] = Field(
        default=HostPort("127.0.0.1", 9502), description="host:port to listen on"
    )
    points: bool = Field(default=True, description="false leaves the values of the devices out")
    labels: Mapping[Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")], str] = Field(
        default={}, description="further labels of every line, as the site's name among many"
    )


Network = Annotated[str, AfterValidator(access_entry), AfterValidator(_network)]


class WebOutlet(BaseModel):
    """The page for people, and the REST interface. Nobody has a password until `password` sets one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: Annotated[HostPort, BeforeValidator(listen_address)] = Field(
        default=HostPort("0.0.0.0", 8080),  # noqa: S104 - whoever comes must pass `allow` and know a password
        description="host:port to listen on",
    )
    allow: tuple[Network, ...] = Field(
        default=defaults.READ_ACCESS, description="networks and addresses that may see the page"
    )
    names: tuple[str, ...] = Field(default=(), description="further host names that the page is reached by")
    proxies: tuple[Network, ...] = Field(
        default=(), description="addresses of reverse proxies that are believed about who asks"
    )
    certificate: str | None = Field(
        default=None, min_length=1, description="a file with a certificate, for https; needs `key`"
    )
    key: str | None = Field(default=None, min_length=1, description="a file with its key")
    public: bool = Field(default=False, description="true shows the overview without a login")
    price: float | None = Field(
        default=None, ge=0, le=1e6, allow_inf_nan=False, description="what a kWh costs"
    )
    currency: str = Field(default="", max_length=8, description="of the price, such as EUR")

    @model_validator(mode="after")
    def _both(self) -> "WebOutlet":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("expected 'certificate' and 'key' together, or neither")
        return self


class Outlets(BaseModel):
    """The outlets of a site; None for one that is off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audit: Annotated[AuditOutlet | None, BeforeValidator(_named)] = Field(
        default=None, description="a file with every attempt to write"
    )
    metrics: Annotated[MetricsOutlet | None, BeforeValidator(_named)] = Field(
        default=None, description="figures for Prometheus, and whether serving lives"
    )
    web: Annotated[WebOutlet | None, BeforeValidator(_named)] = Field(
        default=None, description="the page for people, and the REST interface"
    )
    history: Annotated[HistoryOutlet | None, BeforeValidator(_named)] = Field(
        default=None, description="what all points have been, and what has flowed"
    )
    notify: Annotated[NotifyOutlet | None, BeforeValidator(_named)] = Field(
        default=None, description="messages to the owner when something happens"
    )
    mqtt: MqttOutlet | None = Field(
        default=None, description="points, commands and reports through an MQTT broker"
    )
