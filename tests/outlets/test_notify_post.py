"""Messages on their way: to a web server that hangs, fails, floods, refuses, and to one that is well."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bridge.datastore.clock import ManualClock
from bridge.datastore.operations import OperationFault
from bridge.outlets import notify_post
from bridge.outlets.notify import Message, State
from bridge.outlets.notify_post import Post, PostPlan

PATIENCE_S = 20.0


class Receiver:
    """A web server on loopback that keeps what it is sent, and misbehaves on request."""

    def __init__(self) -> None:
        self.status = 200
        self.hanging = False
        self.flooding = False
        self.tries = 0
        self.got: list[tuple[Mapping[str, str], str]] = []
        self.beats = 0

    async def post(self, request: web.Request) -> web.StreamResponse:
        self.tries += 1
        body = await request.text()
        if self.hanging:
            await asyncio.Event().wait()
        if self.flooding:
            answer = web.StreamResponse()
            await answer.prepare(request)
            with contextlib.suppress(ConnectionError):
                while True:
                    await answer.write(b"x" * 65536)
        if self.status < 400:
            self.got.append((dict(request.headers), body))
        return web.Response(status=self.status)

    async def beat(self, _: web.Request) -> web.Response:
        self.beats += 1
        return web.Response()

    @property
    def titles(self) -> list[str]:
        return [json.loads(body)["title"].removeprefix("Boathouse: ") for _, body in self.got]


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/topic", receiver.post)
    application.router.add_get("/beat", receiver.beat)
    runner = web.AppRunner(application, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield receiver, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def sending(post: Post) -> AsyncIterator[None]:
    task = asyncio.create_task(post.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(clock: ManualClock, true: Callable[[], bool], step_s: float = 1.0) -> None:
    """Let the clock run until something is true; the web server lives in real time."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await clock.advance(step_s)
            await asyncio.sleep(0.005)


def message(title: str, state: State = State.HAPPENED, device: str = "pump") -> Message:
    return Message(1_700_000_000.0, "offline", device, state, title, f"about {title}")


def made(at: str, clock: ManualClock, answer_s: float = PATIENCE_S, **plan: object) -> Post:
    return Post(PostPlan("Boathouse", f"{at}/topic", **plan), clock, lambda: True, answer_s=answer_s)  # type: ignore[arg-type]


async def test_json_and_what_ntfy_reads() -> None:
    clock = ManualClock()
    async with receiving() as (receiver, at):
        post = made(at, clock, headers={"Authorization": "Bearer x"})
        async with sending(post):
            post.put(message("pump: offline", State.RAISED))
            await until(clock, lambda: len(receiver.got) == 1)
    headers, body = receiver.got[0]
    assert json.loads(body) == {
        "title": "Boathouse: pump: offline",
        "message": "about pump: offline",
        "text": "Boathouse: pump: offline\nabout pump: offline",
        "site": "Boathouse",
        "device": "pump",
        "event": "offline",
        "state": "raised",
        "time": "2023-11-14T22:13:20Z",
    }
    assert (headers["Title"], headers["Priority"]) == ("Boathouse: pump: offline", "high")
    assert headers["Authorization"] == "Bearer x"


async def test_plain_text_with_a_title_of_other_letters() -> None:
    clock = ManualClock()
    async with receiving() as (receiver, at):
        post = made(at, clock, text=True)
        async with sending(post):
            post.put(message("Båthus"))
            await until(clock, lambda: len(receiver.got) == 1)
    headers, body = receiver.got[0]
    assert body == "about Båthus"
    assert headers["Title"].startswith("=?utf-8?")


@pytest.mark.parametrize("fault", ["status", "hanging"])
async def test_what_fails_is_sent_again_in_order(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    async with receiving() as (receiver, at):
        setattr(receiver, fault, 500 if fault == "status" else True)
        post = made(at, clock, 0.3 if fault == "hanging" else PATIENCE_S)
        async with sending(post):
            post.put(message("one"))
            post.put(message("two"))
            await until(clock, lambda: receiver.tries >= 3)
            setattr(receiver, fault, 200 if fault == "status" else False)
            await until(clock, lambda: "two" in receiver.titles, 5.0)
            await until(clock, lambda: "arrive again" in caplog.text)
    # a slow machine may have answered too late: then one was sent once more
    assert [*dict.fromkeys(receiver.titles)] == ["one", "two"]
    assert caplog.text.index("do not arrive") < caplog.text.index("arrive again")


async def test_what_is_refused_is_not_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    async with receiving() as (receiver, at):
        receiver.status = 403
        post = made(at, clock)
        async with sending(post):
            post.put(message("one"))
            await until(clock, lambda: "answered 403" in caplog.text)
            receiver.status = 200
            post.put(message("two"))
            await until(clock, lambda: len(receiver.got) == 1)
    assert receiver.titles == ["two"]
    assert "(1 messages before this one were lost.)" in json.loads(receiver.got[0][1])["message"]


async def test_an_endless_answer_is_not_read() -> None:
    clock = ManualClock()
    async with receiving() as (receiver, at):
        receiver.flooding = True
        post = made(at, clock)
        async with sending(post):
            post.put(message("one"))
            post.put(message("two"))
            await until(clock, lambda: receiver.tries == 2)


async def test_a_flood_is_paced_and_bounded() -> None:
    clock = ManualClock()
    async with receiving() as (receiver, at):
        post = made(at, clock)
        for number in range(300):
            post.put(message(str(number)))
        async with sending(post):
            await until(clock, lambda: len(receiver.got) == 10, 0.0)
            await clock.advance(29)
            assert len(receiver.got) == 10
            await until(clock, lambda: len(receiver.got) == 100, 30.0)
    assert receiver.titles[-1] == "299"
    assert "(200 messages before this one were lost.)" in json.loads(receiver.got[0][1])["message"]


async def test_what_is_over_before_it_was_told_is_not_told() -> None:
    clock = ManualClock()
    async with receiving() as (receiver, at):
        post = made(at, clock)
        post.put(message("began", State.RAISED))
        post.put(message("other", State.RAISED, "tank"))
        post.put(message("over", State.RESOLVED))
        async with sending(post):
            await until(clock, lambda: len(receiver.got) == 1)
            post.put(message("over", State.RESOLVED, "tank"))
            await until(clock, lambda: len(receiver.got) == 2)
    assert receiver.titles == ["other", "over"]


async def test_one_gives_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_post, "GIVE_UP_S", 60.0)
    clock = ManualClock()
    async with receiving() as (receiver, at):
        receiver.status = 503
        post = made(at, clock)
        async with sending(post):
            post.put(message("one"))
            await until(clock, lambda: not post._waiting)
            receiver.status = 200
            post.put(message("two"))
            await until(clock, lambda: len(receiver.got) == 1)
    assert receiver.titles == ["two"]
    assert receiver.tries >= 4


async def test_signs_of_life_while_serving() -> None:
    clock = ManualClock()
    async with receiving() as (receiver, at):
        post = Post(PostPlan("Boathouse", heartbeat=f"{at}/beat", every_s=60), clock, lambda: True)
        async with sending(post):
            await until(clock, lambda: receiver.beats == 1, 0.0)
            await until(clock, lambda: receiver.beats == 3, 60.0)
        silent = Post(PostPlan("Boathouse", heartbeat=f"{at}/beat", every_s=60), clock, lambda: False)
        async with sending(silent):
            await clock.advance(600)
            await asyncio.sleep(0.05)
    assert receiver.beats in (3, 4)  # one more may have been on its way


async def asked(post: Post) -> Mapping[str, object]:
    (step,) = [step async for step in post.operations()["notify_test"]({})]
    return step


async def test_a_test_message() -> None:
    clock = ManualClock()
    async with receiving() as (receiver, at):
        step = await asked(made(at, clock))
        assert (step["to"], step["status"]) == ("127.0.0.1", 200)
        assert receiver.titles == ["test"]
        receiver.status = 404
        with pytest.raises(OperationFault, match=r"127\.0\.0\.1 answered 404: expected 200, check `url`"):
            await asked(made(at, clock))
        receiver.hanging = True
        with pytest.raises(OperationFault, match=r"has not answered within 0\.3 s"):
            await asked(made(at, clock, 0.3))
    with pytest.raises(OperationFault, match="cannot be reached"):
        await asked(made(at, clock))
    with pytest.raises(OperationFault, match="nowhere to send"):
        await asked(Post(PostPlan("Boathouse"), clock, lambda: True))
