"""A house with its page on loopback, and a visitor who speaks plain HTTP and keeps cookies."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp

from bridge.app import House
from bridge.outlets.web.passwords import PasswordBook, Role
from bridge.site.loader import load_site

from .plant import FAMILIES, MAP

PATIENCE_S = 20.0
#: Cheap to check: the tests that judge the cost ask for the true one.
CHEAP = 1 << 4
PASSWORDS = {Role.OPERATOR: "correct horse", Role.VIEWER: "battery staple"}
SITE = """\
site: Boatyard
state: "{folder}/state"
listeners: [{{tcp: "127.0.0.1:0", name: lan}}]
access: {{read: [127.0.0.0/8], write: [127.0.0.1]}}
devices:
  # the charger of the dock
  charger: {{adapter: yard, unit: 20, map: ./yard.yaml}}
outlets:
  web: {{listen: "127.0.0.1:{port}"{web}}}
"""


class Visitor:
    """A browser without scripts. `base` as http://127.0.0.1:1234."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.csrf = ""

    async def __aenter__(self) -> Self:
        jar = aiohttp.CookieJar(unsafe=True)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        connector = aiohttp.TCPConnector(ssl=False, force_close=True)
        self.http = aiohttp.ClientSession(self.base, cookie_jar=jar, timeout=timeout, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def get(self, path: str, **more: Any) -> tuple[int, str]:
        async with self.http.get(path, allow_redirects=False, **more) as reply:
            return reply.status, await reply.text()

    async def post(self, path: str, fields: dict[str, str], **more: Any) -> tuple[int, str]:
        """Send a form with the token of the session."""
        sent = {"csrf": self.csrf, **fields}
        async with self.http.post(path, data=sent, allow_redirects=False, **more) as reply:
            return reply.status, await reply.text()

    async def ask(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        """Send JSON as a program does."""
        headers = {"X-CSRF-Token": self.csrf, **headers}
        async with self.http.post(f"/api/v1{path}", json=body, headers=headers) as reply:
            return reply.status, await reply.json()

    async def read(self, path: str) -> Any:
        async with self.http.get(f"/api/v1{path}") as reply:
            assert reply.status == 200, await reply.text()
            return await reply.json()

    async def log_in(self, role: Role = Role.OPERATOR) -> Self:
        status, told = await self.ask("/login", {"role": role.value, "password": PASSWORDS[role]})
        assert status == 200, told
        self.csrf = told["csrf"]
        return self


class Yard:
    """A running house."""

    def __init__(self, folder: Path, house: House, scheme: str) -> None:
        self.folder = folder
        self.house = house
        self.scheme = scheme
        self.site = folder / "site.yaml"

    @property
    def port(self) -> int:
        return self.page.port

    @property
    def page(self) -> Any:
        return self.house._outside.page  # type: ignore[union-attr]

    @property
    def base(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def modbus_port(self) -> int:
        return self.house.listeners[0].address[1]  # type: ignore[attr-defined,no-any-return]

    def visitor(self) -> Visitor:
        return Visitor(self.base)


@contextlib.asynccontextmanager
async def yard(
    folder: Path, web: str = "", site: str = SITE, scheme: str = "http", passwords: bool = True, port: int = 0
) -> AsyncIterator[Yard]:
    """Serve a site; `web` are further keys of its page."""
    (folder / "yard.yaml").write_text(MAP)
    file = folder / "site.yaml"
    file.write_text(site.format(folder=folder, web=web, port=port))
    if passwords:
        for role, password in PASSWORDS.items():
            PasswordBook(folder / "state", CHEAP).set(role, password)
    load = load_site(file, os.environ, FAMILIES, lambda state, device: None)
    assert load.site is not None, load.problems
    house = House(load, FAMILIES, site_file=file)
    started = asyncio.Event()
    running = asyncio.create_task(house.run(started.set))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not started.is_set():
                assert not running.done(), running.result()
                await asyncio.sleep(0.01)
            while not all(house.datastore.devices[name].alive for name in house.site.devices):
                await asyncio.sleep(0.01)
        yield Yard(folder, house, scheme)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def modbus(port: int, pdu: str, unit: int = 20) -> bytes:
    """Ask one thing over Modbus TCP; returns the PDU of the reply."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            sent = bytes.fromhex(pdu)
            writer.write(bytes([0, 1, 0, 0, 0, len(sent) + 1, unit]) + sent)
            head = await reader.readexactly(7)
            return await reader.readexactly(head[5] - 1)
        finally:
            writer.close()


def token_in(page: str) -> str:
    """Return the CSRF token that a page carries."""
    found = re.search(r'name="csrf" content="([^"]+)"', page)
    assert found is not None
    return found[1]
