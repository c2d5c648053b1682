"""Who is logged in. Sessions live in memory alone: a restart of the bridge ends them all."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.datastore.clock import Clock
from bridge.outlets.web.passwords import Hashed, Role

#: More than one household has browsers; the oldest goes for the newest.
SESSIONS_MAX = 64
#: How long a session lasts without a request, and at all.
IDLE_S, LONGEST_S = 12 * 3600.0, 7 * 86400.0
_TOKEN_BYTES = 32


@dataclass(slots=True)
class Session:
    """One browser that has logged in. `csrf` must come with every request that changes something."""

    role: Role
    csrf: str
    began: float
    used: float
    #: What the password was when it was given: another one ends the session.
    salt: bytes = field(repr=False, default=b"")
    #: Event streams that it has open.
    streams: int = 0

    def vouches(self, token: str) -> bool:
        """True for the session's own CSRF token."""
        return hmac.compare_digest(self.csrf.encode(), token.encode("utf-8", "replace"))


class Sessions:
    """All sessions, by the token in the browser's cookie, of which only a hash is kept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, role: Role, kept: Hashed) -> tuple[str, Session]:
        """Begin a session; returns the token for the cookie."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock.monotonic()
        while len(self._sessions) >= SESSIONS_MAX:
            oldest = min(self._sessions, key=lambda key: self._sessions[key].used)
            del self._sessions[oldest]
        session = Session(role, secrets.token_urlsafe(_TOKEN_BYTES), now, now, kept.salt)
        self._sessions[_key(token)] = session
        return token, session

    def find(self, token: str) -> Session | None:
        """Return the session of a token, None for one that is over or never was."""
        key, now = _key(token), self._clock.monotonic()
        session = self._sessions.get(key)
        if session is None:
            return None
        if now - session.used > IDLE_S or now - session.began > LONGEST_S:
            del self._sessions[key]
            return None
        session.used = now
        return session

    def end(self, token: str) -> None:
        """End a session; nothing happens for one that is over."""
        self._sessions.pop(_key(token), None)

    def judge(self, kept: Mapping[Role, Hashed]) -> None:
        """End the sessions whose password is another one by now."""
        self._sessions = {
            key: session
            for key, session in self._sessions.items()
            if session.role in kept and kept[session.role].salt == session.salt
        }

    def lives(self, session: Session) -> bool:
        """True while a session has not been ended."""
        return any(session is one for one in self._sessions.values())


def _key(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
