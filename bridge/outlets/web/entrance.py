"""Logging in and out: the password is checked in a thread, one at a time, and not as often as one likes."""

import asyncio
import logging
import math
from pathlib import Path

from aiohttp import web

from bridge.datastore.clock import Clock
from bridge.outlets.web.gate import COOKIE, Refusal
from bridge.outlets.web.passwords import LENGTH_MAX, PasswordBook, PasswordFault, Role
from bridge.outlets.web.sessions import LONGEST_S, Session, Sessions
from bridge.outlets.web.throttle import Throttle
from bridge.outlets.web.visitors import visitor_of

_log = logging.getLogger(__name__)

#: How often a password that was set on the host is looked for.
_LOOK_EVERY_S = 5.0
#: A name, a password and what a browser puts around them.
_BODY_MAX = 4096
#: Logins that may wait for their turn.
_WAITING_MAX = 8


class Entrance:
    """Begins and ends sessions."""

    def __init__(
        self, state: Path, sessions: Sessions, clock: Clock, book: PasswordBook | None = None
    ) -> None:
        self.sessions = sessions
        #: Roles that have a password.
        self.roles: frozenset[Role] = frozenset()
        self._book = book or PasswordBook(state)
        self._clock = clock
        self._throttle = Throttle(clock)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._broken = ""

    async def look(self) -> None:
        """Read which passwords are set, and end the sessions of those that have changed."""
        try:
            kept = await asyncio.to_thread(self._book.read)
        except PasswordFault as fault:
            if str(fault) != self._broken:
                _log.error("outlet=web %s", fault)
            self._broken, kept = str(fault), {}
        else:
            self._broken = ""
        self.roles = frozenset(kept)
        self.sessions.judge(kept)

    async def keep_looking(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_EVERY_S)
            await self.look()

    async def log_in(self, request: web.Request, role_name: str, password: str) -> tuple[str, Session]:
        """Begin a session; returns the token for the cookie. Raises Refusal."""
        address = visitor_of(request).address
        wait_s = self._throttle.wait_s(address)
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            raise Refusal(
                429,
                f"too many wrong passwords: wait {seconds} s, then try again",
                {"Retry-After": str(seconds)},
            )
        if self._waiting >= _WAITING_MAX:
            raise Refusal(429, "many people log in just now: try again in a moment", {"Retry-After": "5"})
        try:
            role = Role(role_name)
        except ValueError:
            raise Refusal(400, "found an unknown role, expected operator or viewer") from None
        self._throttle.tried(address)
        self._waiting += 1
        try:
            async with self._turn:
                kept = await asyncio.to_thread(self._book.matches, role, password)
        except PasswordFault as fault:
            raise Refusal(503, str(fault)) from None
        finally:
            self._waiting -= 1
        if kept is None:
            _log.warning("outlet=web login=refused role=%s peer=%s", role.value, address)
            raise Refusal(401, f"that is not the password of the {role.value}")
        self._throttle.right(address)
        _log.info("outlet=web login=%s peer=%s", role.value, address)
        return self.sessions.begin(role, kept)


def check_small(request: web.Request) -> None:
    """Raise Refusal for a body that no login has."""
    if request.content_length is None or request.content_length > _BODY_MAX + LENGTH_MAX:
        raise Refusal(413, "found a request that is too long for a login")


def keep_cookie(request: web.Request, reply: web.StreamResponse, token: str) -> None:
    """Give a browser its session."""
    reply.set_cookie(
        COOKIE,
        token,
        max_age=int(LONGEST_S),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=visitor_of(request).secure,
    )


def drop_cookie(reply: web.StreamResponse) -> None:
    """Take a browser's session away."""
    reply.del_cookie(COOKIE, path="/")
