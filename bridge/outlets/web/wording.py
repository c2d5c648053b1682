"""What the page says in words: links, ages, outcomes, values."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from bridge.datastore.spec import PointSpec
from bridge.datastore.values import LinkState, Outcome, Quality, Reading, Value

_LINKS: Mapping[LinkState, str] = {
    LinkState.STARTING: "starting: not heard yet",
    LinkState.ONLINE: "online",
    LinkState.ASLEEP: "asleep",
    LinkState.SILENT: "silent: nothing heard any more",
    LinkState.PORT_MISSING: "its port is missing: is the cable plugged in?",
    LinkState.WRONG_DEVICE: "another device is on its port",
    LinkState.NIGHT: "sleeps until daylight",
}
#: How a link looks: good, waiting for something usual, or a fault.
_LOOKS: Mapping[LinkState, str] = {
    LinkState.ONLINE: "good",
    LinkState.STARTING: "waiting",
    LinkState.ASLEEP: "waiting",
    LinkState.NIGHT: "waiting",
}
_OUTCOMES: Mapping[Outcome, str] = {
    Outcome.CONFIRMED: "confirmed by the device",
    Outcome.ADJUSTED: "the device has put another value in force",
    Outcome.REFUSED: "refused",
    Outcome.OFFLINE: "not done: the device cannot be reached",
    Outcome.SUPERSEDED: "overtaken by a newer write",
    Outcome.BUSY: "not done: too many writes, or its budget is spent",
    Outcome.TIMED_OUT: "sent, but the device has not answered",
    Outcome.PENDING: "still under way: the events show what becomes of it",
}


def link_said(state: LinkState, words: str) -> str:
    """Return a link in words, as `asleep until 07:42`."""
    said = _LINKS[state]
    if not words:
        return said
    return f"{said} {words}" if state in (LinkState.ASLEEP, LinkState.ONLINE) else f"{said}; {words}"


def link_look(state: LinkState) -> str:
    """Return `good`, `waiting` or `bad`."""
    return _LOOKS.get(state, "bad")


def outcome_said(outcome: Outcome) -> str:
    """Return an outcome in words."""
    return _OUTCOMES[outcome]


def age_said(age_s: float | None) -> str:
    """Return an age as a person says it."""
    if age_s is None:
        return "never"
    if age_s < 2:
        return "now"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if age_s >= 2 * length:
            return f"{age_s / length:.0f} {unit} ago"
    return f"{age_s:.0f} s ago"


def number_said(value: Value) -> str:
    """Return a value without digits that mean nothing."""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1e9 else f"{value:g}"
    return str(value)


def value_said(value: Value | None, spec: PointSpec | None) -> str:
    """Return a value with its name or its unit of measure."""
    if value is None:
        return "\N{EN DASH}"
    if spec is not None and spec.choices and isinstance(value, int) and value in spec.choices:
        return f"{spec.choices[value]} ({value})"
    unit = f"\N{NO-BREAK SPACE}{spec.unit_of_measure}" if spec is not None and spec.unit_of_measure else ""
    return f"{number_said(value)}{unit}"


def reading_said(reading: Reading, spec: PointSpec) -> str:
    """Return a reading: what may not be believed is not shown."""
    if reading.quality is Quality.OK:
        return value_said(reading.value, spec)
    return "none" if reading.quality is Quality.ABSENT else "\N{EN DASH}"


def moment_said(wall_s: float, zone: tzinfo | None) -> str:
    """Return a moment in the site's time zone."""
    return datetime.fromtimestamp(wall_s, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
