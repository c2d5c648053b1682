"""What a device is: its points with all that is declared of them, its identity, the map that serves it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.values import Identity, Path, identity_from
from bridge.exchange.fields import (
    ExchangeFault,
    decoded,
    encoded,
    flag,
    listed,
    mapping,
    number,
    optional_number,
    text,
    value,
)

_FLAGS = ("text", "writable", "nonvolatile", "self_clearing", "after_restart", "heartbeat")
_LIMITS = ("minimum", "maximum", "refresh_s")
_LIMITS_FROM = ("minimum_from", "maximum_from")
_CONFIRM_S = 0.4


@dataclass(frozen=True, slots=True)
class About:
    """One device as its bridge declares it. Reports name points by their place in `points`."""

    points: tuple[PointSpec, ...]
    identity: Identity | None = None
    map: str | None = None

    def encode(self) -> bytes:
        """Return the message, the same for the same content."""
        return encoded({"digest": self.digest, **self._fields()})

    @property
    def digest(self) -> str:
        """Twelve characters that change when anything here does."""
        written = json.dumps(self._fields(), sort_keys=True).encode()
        return hashlib.sha256(written).hexdigest()[:12]

    def _fields(self) -> dict[str, object]:
        who = self.identity
        return {
            "map": self.map,
            "identity": None if who is None else {name: getattr(who, name) for name in Identity.__slots__},
            "points": [_written(spec) for spec in self.points],
        }


def decode_about(payload: bytes) -> About:
    """Read the message. Raises ExchangeFault."""
    fields = decoded(payload)
    points = tuple(_read(found) for found in listed(fields, "points"))
    if len({spec.path for spec in points}) != len(points):
        raise ExchangeFault("found a point twice in 'points'")
    found = fields.get("map")
    if found is not None and not isinstance(found, str):
        raise ExchangeFault("found neither text nor null in 'map'")
    return About(points, identity_from(fields.get("identity")), found)


def _written(spec: PointSpec) -> dict[str, object]:
    """Return what differs from a plain point."""
    found: dict[str, object] = {"path": spec.path}
    if spec.unit_of_measure:
        found["unit_of_measure"] = spec.unit_of_measure
    found |= {name: True for name in _FLAGS if getattr(spec, name)}
    found |= {name: limit for name in _LIMITS if (limit := getattr(spec, name)) is not None}
    found |= {name: limit for name in _LIMITS_FROM if (limit := getattr(spec, name)) is not None}
    if spec.choices is not None:
        found["choices"] = {str(number): name for number, name in spec.choices.items()}
    if spec.accept:
        found["accept"] = {str(taken): meant for taken, meant in spec.accept.items()}
    if spec.step:
        found["step"] = spec.step
    if spec.off is not None:
        found["off"] = spec.off
    if spec.lease is not None:
        safe = spec.lease.safe
        word = {"word": safe.value} if isinstance(safe, Safe) else {"value": safe}
        found["lease"] = {"seconds": spec.lease.seconds, **word}
    if spec.confirm_s != _CONFIRM_S:
        found["confirm_s"] = spec.confirm_s
    return found


def _read(found: object) -> PointSpec:
    if not isinstance(found, dict):
        raise ExchangeFault("found a point that is no object in 'points'")
    path = text(found, "path")
    if not path.startswith("/"):
        raise ExchangeFault(f"found the path {path[:40]!r}, expected one that begins with /")
    confirm_s = optional_number(found, "confirm_s")
    step = optional_number(found, "step")
    flags = {name: flag(found, name) for name in _FLAGS}
    limits = {name: optional_number(found, name) for name in _LIMITS}
    limits_from = {name: _path(found, name) for name in _LIMITS_FROM}
    return PointSpec(
        path,
        text(found, "unit_of_measure", ""),
        text=flags["text"],
        writable=flags["writable"],
        minimum=limits["minimum"],
        maximum=limits["maximum"],
        minimum_from=limits_from["minimum_from"],
        maximum_from=limits_from["maximum_from"],
        choices=_choices(found),
        accept=_accepted(found),
        step=0.0 if step is None else step,
        nonvolatile=flags["nonvolatile"],
        off=None if found.get("off") is None else value(found["off"]),
        self_clearing=flags["self_clearing"],
        lease=_lease(mapping(found, "lease")),
        refresh_s=limits["refresh_s"],
        after_restart=flags["after_restart"],
        confirm_s=_CONFIRM_S if confirm_s is None else confirm_s,
        heartbeat=flags["heartbeat"],
    )


def _path(found: Mapping[str, object], key: str) -> Path | None:
    return None if found.get(key) is None else text(found, key)


def _choices(found: Mapping[str, object]) -> Mapping[int, str] | None:
    if "choices" not in found:
        return None
    written = mapping(found, "choices")
    return {_key(key): text(written, key) for key in written}


def _accepted(found: Mapping[str, object]) -> Mapping[int, int]:
    written = mapping(found, "accept")
    return {_key(key): int(number(written, key)) for key in written}


def _key(written: str) -> int:
    try:
        return int(written)
    except ValueError:
        raise ExchangeFault(f"found the key {written[:40]!r}, expected a whole number") from None


def _lease(found: Mapping[str, object]) -> Lease | None:
    if not found:
        return None
    seconds = number(found, "seconds")
    if seconds <= 0:
        raise ExchangeFault(f"found a lease of {seconds:g} s, expected more than zero")
    word = found.get("word")
    if word is None:
        return Lease(seconds, value(found.get("value")))
    try:
        return Lease(seconds, Safe(word))
    except ValueError:
        raise ExchangeFault("found an unknown end of a lease, expected release or hold") from None
