"""What points are, from one bridge: numbered reports of what has changed, and whole ones for who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.datastore.values import LinkState, Value
from bridge.exchange.fields import (
    ExchangeFault,
    decoded,
    encoded,
    flag,
    listed,
    mapping,
    number,
    text,
    value,
    whole,
)


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One device. `values` and `stale` name points by their place in the device's `about` of that digest.

    A value of None is absent. alive: whether the device's unit may be believed at all.
    """

    about: str
    link: LinkState
    alive: bool
    values: Mapping[int, Value | None] = field(default_factory=dict)
    stale: tuple[int, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What was so at `at`, seconds on the bridge's own monotonic clock in its run `session`.

    Reports of changes are numbered without gaps. An answer carries the number of the newest of those; it is
    `whole` where it names every point of every device, and otherwise only tells the clock.
    """

    session: str
    number: int
    at: float
    devices: Mapping[str, DeviceReport] = field(default_factory=dict)
    whole: bool = False

    def encode(self) -> bytes:
        """Return the message."""
        devices = {name: _written(device) for name, device in self.devices.items()}
        return encoded(
            {
                "session": self.session,
                "n": self.number,
                "at": round(self.at, 3),
                **({"whole": True} if self.whole else {}),
                **({"devices": devices} if devices else {}),
            }
        )


def decode_report(payload: bytes) -> Report:
    """Read the message. Raises ExchangeFault."""
    fields = decoded(payload)
    devices = mapping(fields, "devices")
    return Report(
        text(fields, "session"),
        whole(fields, "n"),
        number(fields, "at"),
        {name: _read(mapping(devices, name)) for name in devices},
        flag(fields, "whole"),
    )


def _written(device: DeviceReport) -> dict[str, object]:
    found: dict[str, object] = {"about": device.about, "link": device.link.value, "alive": device.alive}
    if device.words:
        found["words"] = device.words
    if device.values:
        found["values"] = {str(place): one for place, one in device.values.items()}
    if device.stale:
        found["stale"] = list(device.stale)
    return found


def _read(fields: Mapping[str, object]) -> DeviceReport:
    try:
        link = LinkState(whole(fields, "link"))
        values = {
            int(place): None if one is None else value(one)
            for place, one in mapping(fields, "values").items()
        }
    except ValueError:
        raise ExchangeFault("found an unknown state of a link, or a point that is no number") from None
    stale = tuple(place for place in listed(fields, "stale") if isinstance(place, int))
    return DeviceReport(
        text(fields, "about"), link, flag(fields, "alive"), values, stale, text(fields, "words", "")
    )


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a bridge, answered by a report on the response topic with the same correlation data."""

    whole: bool

    def encode(self) -> bytes:
        """Return the message."""
        return encoded({"whole": self.whole})


def decode_ask(payload: bytes) -> Ask:
    """Read the message. Raises ExchangeFault."""
    return Ask(flag(decoded(payload, 1024), "whole"))
