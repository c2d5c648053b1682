"""`notify` of the section `outlets:`: what the owner is told of, and where."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.adapters.durations import Duration, seconds

OFFLINE, WEAR = "offline", "wear"
HOLD_PHASE, REFUSED_WRITE, LEASE_END, SPIKE = "hold phase", "refused write", "lease end", "energy spike"
_PLAIN = (HOLD_PHASE, REFUSED_WRITE, LEASE_END, SPIKE)
_SHARE = re.compile(r"wear +([0-9]{1,3}) *%")
DEFAULT_ON = ("offline 10 min", HOLD_PHASE, REFUSED_WRITE, LEASE_END, "wear 80 %", SPIKE)
_HEADER = r"^[A-Za-z0-9-]{1,64}$"


class Notice(NamedTuple):
    """One thing to be told of: `number` is seconds of `offline`, percent of `wear`."""

    kind: str
    number: float = 0.0


def notice(written: str) -> Notice:
    """Read `offline 10 min`, `wear 80 %`, `hold phase` and the like. Raises ValueError."""
    text = " ".join(written.split())
    if text in _PLAIN:
        return Notice(text)
    if text.startswith(f"{OFFLINE} "):
        after = text.removeprefix(f"{OFFLINE} ")
        return Notice(OFFLINE, seconds(int(after) if after.isdecimal() else after))
    share = _SHARE.fullmatch(text)
    if share is not None and 1 <= int(share[1]) <= 100:
        return Notice(WEAR, float(share[1]))
    raise ValueError(f"expected 'offline 10 min', 'wear 80 %' or one of {', '.join(_PLAIN)}")


def _well_spelt(written: str) -> str:
    notice(written)
    return written


def _web_address(written: str) -> str:
    expected = "expected an address such as https://ntfy.sh/my-boathouse"
    try:
        parts = urlsplit(written)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(expected) from None
    sound = written.isascii() and written.isprintable() and " " not in written
    if not (sound and port_is_right and parts.scheme in ("http", "https") and parts.hostname):
        raise ValueError(expected)
    return written


def _listed(written: object) -> object:
    return (written,) if isinstance(written, str) else written


def _one_line(written: str) -> str:
    if not written.isprintable() or not written.isascii():
        raise ValueError("expected one line of plain letters, digits and signs")
    return written


WebAddress = Annotated[str, AfterValidator(_web_address)]


class NotifyOutlet(BaseModel):
    """Messages to a web address when something happens, and when it is over; signs of life to another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: WebAddress | None = Field(default=None, description="where messages are sent to")
    format: Literal["json", "text"] = Field(
        default="json", description="json, or text for ntfy, which shows what it is sent"
    )
    headers: Mapping[Annotated[str, Field(pattern=_HEADER)], Annotated[str, AfterValidator(_one_line)]] = (
        Field(default={}, description="further headers, as {Authorization: Bearer ..}")
    )
    on: Annotated[tuple[Annotated[str, AfterValidator(_well_spelt)], ...], BeforeValidator(_listed)] = Field(
        default=DEFAULT_ON, description="what to tell of"
    )
    heartbeat: WebAddress | None = Field(
        default=None, description="asked for again and again while the bridge serves"
    )
    every: Duration = Field(default=60.0, ge=10, le=86_400, description="how often, 10 s to 1 d")

    @model_validator(mode="after")
    def _somewhere(self) -> "NotifyOutlet":
        if self.url is None and self.heartbeat is None:
            raise ValueError("expected 'url' or 'heartbeat' in it")
        return self

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What to tell of."""
        return tuple(map(notice, self.on))
