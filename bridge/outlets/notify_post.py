"""Messages on their way to a web address, and signs of life to another: they wait, and hold nobody up.

POST of JSON {"title", "message", "text", "site", "device", "event", "state", "time"}, or of the message
alone, with the headers Title and Priority that ntfy shows.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from urllib.parse import urlsplit

import aiohttp

from bridge import __version__
from bridge.datastore.clock import Clock
from bridge.datastore.operations import Operation, OperationFault
from bridge.outlets.notify import Message, State

_log = logging.getLogger(__name__)

#: Messages that may wait; of more, the oldest are lost, which the next one says.
WAITING_MAX = 100
#: So many at once, then one in so many seconds.
BURST, REFILL_S = 10, 30.0
#: How long an answer may take, in seconds.
ANSWER_S = 10.0
#: Pauses between tries double from the first to the longest; after so long a message is lost. In seconds.
RETRY_FIRST_S, RETRY_CAP_S, GIVE_UP_S = 5.0, 300.0, 6 * 3600.0
#: Answers of the 4xx kind that are no judgement of the message.
_TRY_AGAIN = frozenset({408, 425, 429})
_PRIORITY = {
    State.RAISED: "high",
    State.HAPPENED: "default",
    State.RESOLVED: "default",
    State.TEST: "default",
}


@dataclass(frozen=True, slots=True)
class PostPlan:
    """Where messages go, and how. `url` None sends none, `heartbeat` None no signs of life."""

    site: str
    url: str | None = None
    text: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    heartbeat: str | None = None
    every_s: float = 60.0


class PostFault(Exception):
    """A message did not arrive; the text says why. `final`: it would not if it were sent again."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class Post:
    """Takes messages at any time, and sends them while `run`; `serving` says whether there is life."""

    def __init__(
        self, plan: PostPlan, clock: Clock, serving: Callable[[], bool], *, answer_s: float = ANSWER_S
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._serving = serving
        self._answer_s = answer_s
        self._waiting: deque[Message] = deque()
        self._under_way: Message | None = None
        self._stirred = asyncio.Event()
        self._lost = 0
        self._tokens = float(BURST)
        self._filled_at = clock.monotonic()
        self._failing: set[str] = set()

    def put(self, message: Message) -> None:
        """Take a message. What began and ended before it could be told is not told at all."""
        if self._plan.url is None:
            return
        began = next((one for one in self._waiting if message.ends(one)), None)
        if began is not None and began is not self._under_way:
            self._waiting.remove(began)
            return
        self._waiting.append(message)
        if len(self._waiting) > WAITING_MAX:
            del self._waiting[0 if self._under_way is None else 1]
            self._lost += 1
        self._stirred.set()

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._plan.url is not None:
                group.create_task(self._send_all(self._plan.url))
            if self._plan.heartbeat is not None:
                group.create_task(self._beat(self._plan.heartbeat))

    def operations(self) -> Mapping[str, Operation]:
        """Return what people may ask for."""
        return {"notify_test": self._test}

    # -- inside ------------------------------------------------------------------------------------

    async def _send_all(self, url: str) -> None:
        while True:
            if not self._waiting:
                self._stirred.clear()
                await self._stirred.wait()
                continue
            await self._pace()
            if not self._waiting:
                continue  # what waited was over before its turn
            self._under_way = self._waiting[0]
            await self._deliver(url, self._under_way)
            self._waiting.popleft()
            self._under_way = None

    async def _pace(self) -> None:
        """Wait for the right to send one more."""
        while True:
            now = self._clock.monotonic()
            self._tokens = min(float(BURST), self._tokens + (now - self._filled_at) / REFILL_S)
            self._filled_at = now
            if self._tokens >= 1 - 1e-9:
                self._tokens -= 1
                return
            await self._clock.sleep((1 - self._tokens) * REFILL_S)

    async def _deliver(self, url: str, message: Message) -> None:
        """Send one message, again and again where that may help."""
        pause, began = RETRY_FIRST_S, self._clock.monotonic()
        lost = self._lost
        while True:
            try:
                await self._send(url, message, lost)
            except PostFault as fault:
                self._failed("messages", fault)
                if fault.final or self._clock.monotonic() - began >= GIVE_UP_S:
                    self._lost += 1
                    return
            else:
                self._lost -= lost
                self._well("messages")
                return
            await self._clock.sleep(pause)
            pause = min(2 * pause, RETRY_CAP_S)

    async def _beat(self, url: str) -> None:
        while True:
            if self._serving():
                try:
                    await self._ask("GET", url, {}, None)
                except PostFault as fault:
                    self._failed("heartbeat", fault)
                else:
                    self._well("heartbeat")
            await self._clock.sleep(self._plan.every_s)

    async def _send(self, url: str, message: Message, lost: int) -> int:
        body = message.body + (f" ({lost} messages before this one were lost.)" if lost else "")
        title = f"{self._plan.site}: {message.title}"
        headers = {"Title": _as_header(title), "Priority": _PRIORITY[message.state], **self._plan.headers}
        if self._plan.text:
            return await self._ask("POST", url, headers, body)
        stamp = datetime.fromtimestamp(message.time, UTC).isoformat(timespec="seconds")
        return await self._ask(
            "POST",
            url,
            headers,
            {
                "title": title,
                "message": body,
                "text": f"{title}\n{body}",
                "site": self._plan.site,
                "device": message.device,
                "event": message.event,
                "state": message.state.value,
                "time": stamp.replace("+00:00", "Z"),
            },
        )

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: object) -> int:
        """Ask once; returns the status. The answer itself is not read: it may be of any length."""
        where = urlsplit(url).hostname  # the rest of an address may be a secret
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=self._answer_s),
                    headers={"User-Agent": f"inverter-bridge/{__version__}"},
                ) as session,
                session.request(
                    method,
                    url,
                    headers=headers,
                    data=body.encode() if isinstance(body, str) else None,
                    json=body if isinstance(body, dict) else None,
                ) as answer,
            ):
                status = answer.status
                answer.close()
        except TimeoutError:
            raise PostFault(f"{where} has not answered within {self._answer_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            said = " ".join(str(fault).split()).replace(url, where or "") or type(fault).__name__
            raise PostFault(f"{where} cannot be reached: {said[:200]}") from None
        if status >= 400:
            final = status < 500 and status not in _TRY_AGAIN
            cure = ": expected 200, check `url` and `headers` of `notify`" if final else ""
            raise PostFault(f"{where} answered {status}{cure}", final=final)
        return status

    def _failed(self, what: str, fault: PostFault) -> None:
        if what not in self._failing:
            self._failing.add(what)
            _log.error("outlet=notify %s do not arrive: %s", what, fault)

    def _well(self, what: str) -> None:
        if what in self._failing:
            self._failing.remove(what)
            _log.warning("outlet=notify %s arrive again", what)

    async def _test(self, _: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        """Send a message past all that wait, and say what became of it."""
        if self._plan.url is None:
            raise OperationFault("found no `url` in `notify`: there is nowhere to send a test to")
        message = Message(
            self._clock.now(), "test", "", State.TEST, "test", "If you can read this, messages arrive."
        )
        began = time.monotonic()
        try:
            status = await self._send(self._plan.url, message, 0)
        except PostFault as fault:
            raise OperationFault(str(fault)) from None
        yield {
            "to": urlsplit(self._plan.url).hostname,
            "status": status,
            "took_s": round(time.monotonic() - began, 3),
        }


def _as_header(text: str) -> str:
    """Return a text as a header may carry it: other letters than ASCII in the form of RFC 2047."""
    plain = " ".join(text.split())
    return (
        plain
        if plain.isascii() and plain.isprintable()
        else Header(plain, "utf-8", maxlinelen=10_000).encode()
    )
