"""Names that are looked up for `access`, and a name server that says nothing."""

import asyncio
import socket
import threading
from collections.abc import Collection

import pytest

from bridge.datastore.clock import ManualClock
from bridge.server.access import (
    LOOK_UP_WITHIN_S,
    RESOLVE_EVERY_S,
    Access,
    Address,
    Peer,
    peer_address,
    resolve_name,
)

PATIENCE_S = 20.0
CERBO = Peer(peer_address("192.0.2.20"))


class NameServer:
    """Knows one name, and may fall silent."""

    def __init__(self) -> None:
        self.silent = False
        self.asked = 0

    async def find(self, name: str) -> Collection[Address]:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        return {CERBO.address}


async def test_a_silent_one_costs_no_right_and_holds_up_no_other_look_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, server = ManualClock(), NameServer()
    access = Access(None, ["cerbo.lan"], clock=clock, resolver=server.find)
    running = asyncio.create_task(access.run())
    await clock.advance(1)
    assert access.may_write(CERBO)
    server.silent = True
    await clock.advance(5 * (RESOLVE_EVERY_S + LOOK_UP_WITHIN_S))
    assert server.asked >= 5  # asked again and again
    assert access.may_write(CERBO)
    assert caplog.text.count("no answer within 10 s") == 1
    server.silent = False
    await clock.advance(RESOLVE_EVERY_S + LOOK_UP_WITHIN_S)
    assert "access=cerbo.lan cannot be looked up" in caplog.text
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_reload_waits_for_it_no_longer_than_a_look_up_may_take() -> None:
    clock, server = ManualClock(), NameServer()
    access = Access(None, None, clock=clock, resolver=server.find)
    server.silent = True
    reload = asyncio.create_task(access.reload(None, ["cerbo.lan"]))
    await clock.advance(LOOK_UP_WITHIN_S - 1)
    assert not reload.done()
    await clock.advance(2)
    await reload


async def test_a_name_is_not_asked_for_again_while_its_look_up_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, asked = threading.Event(), []

    def hang(name: str, *_: object, **__: object) -> list[object]:
        asked.append(name)
        answer.wait(PATIENCE_S)
        return [(0, 0, 0, "", (str(CERBO.address), 0))]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    first = asyncio.create_task(resolve_name("cerbo.lan"))
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(TimeoutError, match="still owes an answer"):
            await resolve_name("cerbo.lan")
    answer.set()
    async with asyncio.timeout(PATIENCE_S):
        assert await first == {CERBO.address}
        assert await resolve_name("cerbo.lan") == {CERBO.address}
    assert asked == ["cerbo.lan"] * 2
