"""What a site file says of an MQTT broker. Light: imports no MQTT."""

from typing import Annotated, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

#: Ports as registered with IANA.
PLAIN_PORT, TLS_PORT = 1883, 8883
_EXPECTED = "expected an address such as mqtt://localhost or mqtts://broker.example:8883"


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if not (sound and url.isascii() and url.isprintable() and " " not in url and parts.hostname):
        raise ValueError(_EXPECTED)
    if parts.scheme not in ("mqtt", "mqtts") or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(_EXPECTED)
    if "@" in parts.netloc:
        raise ValueError(f"{_EXPECTED}; name and password go into `username` and `password_file`")
    return parts


def _url(written: str) -> str:
    _parts(written)
    return written


def topic_name(written: str) -> str:
    """Take a topic to publish below. Raises ValueError for one with wildcards, or a too long one."""
    good = written.isprintable() and not set(written) & set("+#") and len(written.encode()) <= 200
    if not good or not all(written.split("/")) or written.startswith("$"):
        raise ValueError("expected a topic such as inverter-bridge/boathouse, without +, # and empty levels")
    return written


Topic = Annotated[str, AfterValidator(topic_name)]


class BrokerOptions(BaseModel):
    """Where the broker is and who we are there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_url)] = Field(
        description="mqtt://host:port, or mqtts://host:port for TLS"
    )
    username: str | None = Field(default=None, min_length=1, description="name to log in with")
    password: str | None = Field(default=None, description="password; better `password_file`")
    ca: str | None = Field(
        default=None, min_length=1, description="a file with the authority of the broker's certificate"
    )
    certificate: str | None = Field(
        default=None, min_length=1, description="a file with a certificate to show; needs `key`"
    )
    key: str | None = Field(default=None, min_length=1, description="a file with its key")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("expected 'certificate' and 'key' together, or neither")
        if not self.encrypted and (self.ca is not None or self.certificate is not None):
            raise ValueError("expected a url that begins with mqtts:// beside 'ca' or 'certificate'")
        if self.password is not None and self.username is None:
            raise ValueError("expected 'username' beside the password")
        return self

    @property
    def encrypted(self) -> bool:
        """True where the way to the broker is encrypted."""
        return _parts(self.url).scheme == "mqtts"

    @property
    def broker_host(self) -> str:
        """The broker's host."""
        return _parts(self.url).hostname or ""

    @property
    def broker_port(self) -> int:
        """The broker's port."""
        return _parts(self.url).port or (TLS_PORT if self.encrypted else PLAIN_PORT)
