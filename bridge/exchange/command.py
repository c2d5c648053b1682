"""Changes asked for over MQTT, and what became of them.

A command names itself by an id and says until when it may begin: on the monotonic clock of one run of the
bridge (`session`, `before`), or by wall time (`until`). With both a bridge can promise that none begins
twice, and none begins late, whatever a network has kept, doubled or delayed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.datastore.values import Outcome, Path, Value
from bridge.exchange.fields import (
    ExchangeFault,
    decoded,
    encoded,
    mapping,
    number,
    optional_number,
    text,
    value,
)

_ID_LONGEST = 100
_CHANGES_MOST = 256
_LONGEST = 64 << 10
_WORDS = {outcome.word: outcome for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class Command:
    """One batch of changes to one device. `sender` is shown in logs and in the audit."""

    id: str
    changes: Mapping[Path, Value]
    session: str | None = None
    before: float | None = None
    until: float | None = None
    sender: str = ""

    def encode(self) -> bytes:
        """Return the message."""
        limits = {"session": self.session, "before": self.before, "until": self.until}
        return encoded(
            {
                "id": self.id,
                "changes": dict(self.changes),
                **{name: limit for name, limit in limits.items() if limit is not None},
                **({"from": self.sender} if self.sender else {}),
            }
        )


def decode_command(payload: bytes) -> Command:
    """Read the message. Raises ExchangeFault."""
    fields = decoded(payload, _LONGEST)
    name = text(fields, "id")
    if not 0 < len(name) <= _ID_LONGEST:
        raise ExchangeFault(f"found an 'id' of {len(name)} characters, expected 1 to {_ID_LONGEST}")
    written = mapping(fields, "changes")
    if not 0 < len(written) <= _CHANGES_MOST:
        raise ExchangeFault(f"found {len(written)} changes, expected 1 to {_CHANGES_MOST}")
    session = None if fields.get("session") is None else text(fields, "session")
    before, until = optional_number(fields, "before"), optional_number(fields, "until")
    if until is None and (session is None or before is None):
        raise ExchangeFault("found no end of its time, expected 'until', or 'session' and 'before'")
    changes = {path: value(one) for path, one in written.items()}
    return Command(name, changes, session, before, until, text(fields, "from", "")[:_ID_LONGEST])


@dataclass(frozen=True, slots=True)
class CommandReply:
    """What became of a command by `at` of the bridge's run. `values`: what its points are then, None: absent.

    `reason` is for people, and only there where the batch was refused before anything was done.
    """

    id: str
    session: str
    at: float
    outcomes: Mapping[Path, Outcome]
    values: Mapping[Path, Value | None] = field(default_factory=dict)
    reason: str = ""

    def encode(self) -> bytes:
        """Return the message."""
        return encoded(
            {
                "id": self.id,
                "session": self.session,
                "at": round(self.at, 3),
                "outcomes": {path: outcome.word for path, outcome in self.outcomes.items()},
                "values": dict(self.values),
                **({"reason": self.reason} if self.reason else {}),
            }
        )


def decode_reply(payload: bytes) -> CommandReply:
    """Read the message. Raises ExchangeFault."""
    fields = decoded(payload)
    written, values = mapping(fields, "outcomes"), mapping(fields, "values")
    try:
        outcomes = {path: _WORDS[text(written, path)] for path in written}
    except KeyError as unknown:
        raise ExchangeFault(f"found the unknown outcome {unknown}") from None
    return CommandReply(
        text(fields, "id"),
        text(fields, "session"),
        number(fields, "at"),
        outcomes,
        {path: None if one is None else value(one) for path, one in values.items()},
        text(fields, "reason", ""),
    )
