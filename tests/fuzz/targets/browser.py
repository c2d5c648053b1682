"""The page and the REST interface of a running house, spoken to by a browser that sends anything."""

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bridge.outlets.web.gate import COOKIE, CSRF_HEADER
from bridge.outlets.web.passwords import Hashed, Role
from tests.fuzz.target import Target
from tests.fuzz.targets.served_plant import Loop
from tests.web.browsing import Yard, yard

#: Text that must never come back as a tag.
MARK = b"<fz7>"
_WHO = ("nobody", "viewer", "operator without the token of the form", "operator")
#: What an operator may change here at all; the site file is left to those who have no right to it.
_CHANGES = ("/api/v1/devices/", "/devices/charger/write", "/site/review", "/api/v1/site/check")
_PASSES, _PATIENCE = 40, 400
_TICK_S = 0.0005


class _Stream(asyncio.Transport):
    """The bridge's end of a browser's connection."""

    def __init__(self, peer: str) -> None:
        super().__init__({"peername": (peer, 40000), "sockname": ("127.0.0.1", 8080)})
        self.sent = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += data

    def writelines(self, parts: Any) -> None:
        for part in parts:
            self.sent += part

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


class Browser:
    """A house, and requests to it.

    The first byte says who asks, and whether the rest is the request as it goes over the wire or its first
    line, headers and body, to which cookie, host and length are added.
    """

    def __init__(self) -> None:
        self._loop = Loop()
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-web-"))
        self._tokens: dict[Role, tuple[str, str]] = {}
        self._yard: Yard
        self._house = yard(self._folder)
        self._loop.run(self._begin())

    async def _begin(self) -> None:
        self._yard = await self._house.__aenter__()
        self._log_in()

    def _log_in(self) -> None:
        sessions = self._yard.page._sessions
        sessions._sessions.clear()
        kept = self._yard.page._entrance._book.read()
        for role in Role:
            token, session = sessions.begin(role, kept.get(role, Hashed(b"", b"")))
            self._tokens[role] = token, session.csrf

    def close(self) -> None:
        """End the house."""

        async def end() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._house.__aexit__(None, None, None)

        self._loop.close(end())
        shutil.rmtree(self._folder, ignore_errors=True)

    def __call__(self, data: bytes) -> None:
        """Hold one request to all that is promised."""
        if data:
            self._loop.run(self._session(data[0], data[1:]))

    async def _session(self, how: int, data: bytes) -> None:
        who = how & 3
        before = self._state()
        request = data if how & 0x80 else self._request(who, data)
        server = self._yard.page._listener._runner.server
        protocol, transport = server(), _Stream("127.0.0.1" if how & 0x40 == 0 else "8.8.8.8")
        protocol.connection_made(transport)
        protocol.data_received(request)
        for turn in range(_PATIENCE):
            if transport.closed or _is_whole(bytes(transport.sent)):
                break
            if turn > _PASSES and protocol._current_request is None and not transport.sent:
                break  # it waits for the rest of a request
            await asyncio.sleep(0 if turn < _PASSES else _TICK_S)
        protocol.connection_lost(None)
        for _ in range(3 if who < 3 else _PASSES):  # what an operator has begun goes on
            await asyncio.sleep(0)
        self._judge(bytes(transport.sent))
        path = data.split(b"\n")[0].partition(b" ")[2]
        may = who == 3 and not how & 0x80 and path.startswith(tuple(p.encode() for p in _CHANGES))
        if not may:
            assert self._state() == before, f"{_WHO[who]} has changed the bridge"
        self._mend()

    def _request(self, who: int, data: bytes) -> bytes:
        head, _, body = data.partition(b"\n\n")
        line, *headers = head.split(b"\n")
        if who == 3 and line.startswith(b"POST /site"):
            line = line.replace(b"POST", b"GET", 1)  # rewriting the site file is for the tests of the editor
        if who:
            token, csrf = self._tokens[Role.VIEWER if who == 1 else Role.OPERATOR]
            headers.append(f"Cookie: {COOKIE}={token}".encode())
            if who != 2:
                headers.append(f"{CSRF_HEADER}: {csrf}".encode())
        if not any(header.lower().startswith(b"host:") for header in headers):
            headers.append(b"Host: 127.0.0.1:8080")
        headers.append(f"Content-Length: {len(body)}".encode())
        lines = [line + b" HTTP/1.1", *headers]
        return b"\r\n".join(line.replace(b"\r", b"") for line in lines) + b"\r\n\r\n" + body

    def _state(self) -> tuple[object, ...]:
        device = self._yard.house.datastore.devices["charger"]
        written = tuple(device.value(path) for path in ("/Mode", "/Name", "/Settings/ChargeCurrentLimit"))
        files = sorted(path.name for path in self._folder.iterdir())
        return (*written, self._yard.site.read_bytes(), tuple(files))

    def _judge(self, sent: bytes) -> None:
        for reply in re.split(rb"HTTP/1\.[01] (?=\d{3} )", sent)[1:]:
            assert int(reply[:3]) < 500 or b"not serving" in reply, reply[:2000]
            head, _, body = reply.partition(b"\r\n\r\n")
            if b"text/html" in head:
                assert MARK not in body, "text came back as a tag"
            assert b"\nfz7" not in head, "text became a header"
            assert b"Traceback" not in body

    def _mend(self) -> None:
        """Let sessions and pauses of one input not spoil the next."""
        page = self._yard.page
        page._entrance._throttle = type(page._entrance._throttle)(page._clock)
        if len(page._sessions) != len(Role):
            self._log_in()


def _is_whole(sent: bytes) -> bool:
    head, found, body = sent.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
        if line.startswith(b"content-type: text/event-stream"):
            return True
        if line.startswith(b"transfer-encoding: chunked"):
            return body.endswith(b"0\r\n\r\n")
    return True


_LINES = (
    *(
        "GET /",
        "GET /login",
        "GET /devices/charger",
        "GET /devices/charger/write?path=/Mode&value=4",
        "HEAD /",
    ),
    *("GET /energy?day=2026-01-31", "GET /events?device=charger&kind=write", "GET /site", "GET /site/device"),
    *("GET /site/versions/1", "GET /static/page.css", "GET /healthz", "GET /api/v1/devices", "GET /nowhere"),
    *("GET /api/v1/devices/charger", "GET /api/v1/devices/charger/points?path=/Mode", "GET /api/v1/session"),
    *("GET /api/v1/events?after=0&limit=5", "GET /api/v1/outcomes?device=charger&path=/Mode&limit=2"),
    *("GET /api/v1/devices/charger/history?path=/Dc/0/Voltage&from=0&to=100", "GET /api/v1/stream"),
    *("GET /api/v1/stream/charger", "OPTIONS *", "DELETE /site", "GET /energy?device=charger&by=month"),
)
_JSON = "Content-Type: application/json"
_FORM = "Content-Type: application/x-www-form-urlencoded"
_BODIES = (
    f'POST /api/v1/login\n{_JSON}\n\n{{"role": "viewer", "password": "x"}}',
    f'POST /api/v1/devices/charger/write\n{_JSON}\n\n{{"changes": {{"/Mode": 4, "/Name": "<fz7>"}}}}',
    f'POST /api/v1/devices/charger/operations/pair\n{_JSON}\n\n{{"serials": ["nobody", "<fz7>"]}}',
    f'POST /api/v1/site/check\n{_JSON}\n\n{{"text": "devices: {{<fz7>: 1}}"}}',
    f"POST /login\n{_FORM}\n\nrole=operator&password=%3Cfz7%3E",
    f"POST /logout\n{_FORM}\n\n",
    f"POST /devices/charger/write\n{_FORM}\n\npath=%2FMode&value=4&confirmed=yes",
    f"POST /devices/charger/write\n{_FORM}\n\npath=%2FName&value=%3Cfz7%3E",
    f"POST /devices/charger/observe\n{_FORM}\n\nobserve=on",
    f"POST /site/review\n{_FORM}\n\ntext=devices%3A%20%7B%3Cfz7%3E%7D",
    f"POST /site/apply\n{_FORM}\n\ntext=x&seen=y",
    f"POST /site/device\n{_FORM}\n\nname=%3Cfz7%3E&adapter=yard&unit=21",
    f"POST /site/device/remove\n{_FORM}\n\nname=charger",
    f"POST /site/allow\n{_FORM}\n\naddress=8.8.8.8",
    f"POST /site/undo\n{_FORM}\n\nnumber=1",
    "POST /site/review\nContent-Type: multipart/form-data; boundary=b\n\n--b\r\n"
    'Content-Disposition: form-data; name="text"\r\n\r\nx\r\n--b--\r\n',
)


def _seeds() -> Iterator[bytes]:
    for who in range(4):
        for text in (*_LINES, *_BODIES):
            yield bytes((who,)) + text.encode()
    for text in (
        "GET /<fz7>",
        "GET /devices/%3Cfz7%3E",
        "GET /?<fz7>",
        "GET /%ed%a0%80",
        "GET /api/v1/x\nHost: <fz7>",
    ):
        yield b"\x02" + text.encode()
        yield b"\x00" + text.encode()
    yield b"\x80GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    yield b"\x80POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n"
    yield b"\x40GET /"
    yield b"\x00GET /devices/x%0d%0afz7:%20y"
    yield b"\x03POST /devices/charger/write\nContent-Type: application/x-www-form-urlencoded\n\nx=%0d%0afz7:"


_WORDS = """
GET POST HEAD PUT /api/v1 /devices charger /write /site /review /apply /undo /events /energy /outcomes /history
/stream operations pair path= value= text= number= after= limit= from= to= by= day month year device= %00 %2e%2e
%3Cfz7%3E <fz7> "><fz7> %ed%a0%80 \\ud800 1e999 NaN -1 99999999999999999999 application/json charset=utf-16
charset=nothing X-Forwarded-For: Origin: Sec-Fetch-Site: Cookie: Content-Encoding: gzip deflate Range: bytes=0-
If-None-Match: Expect: 100-continue "changes" "serials" "role" "password" "text"
"""

TARGETS = (
    Target(
        "web",
        "any request: no 5xx, nothing logged as a fault, nothing changed without the right, no text as a tag",
        Browser,
        1500,
        _seeds,
        tuple(word.encode() for word in _WORDS.split()),
    ),
)
