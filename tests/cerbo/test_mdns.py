"""The bridge is found by name on loopback, by zeroconf as others use it, and never under a GX's own names."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

from bridge.datastore.clock import SystemClock
from bridge.server.mdns import MODBUS, PAGE, Announcer, Service, addresses_of

LOOPBACK = ["127.0.0.1"]
PATIENCE_S = 30.0


@asynccontextmanager
async def announced(*services: Service) -> AsyncIterator[Announcer]:
    announcer = Announcer(services, SystemClock(), LOOPBACK)
    task = asyncio.create_task(announcer.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await announcer.announced.wait()
        yield announcer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Seen:
    """Names that a browser sees come and go; those of other bridges on this machine are none of ours."""

    def __init__(self, own: str) -> None:
        self.names: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._own = own

    def add_service(self, _: object, __: str, name: str) -> None:
        self._note("came", name)

    def remove_service(self, _: object, __: str, name: str) -> None:
        self._note("went", name)

    def _note(self, what: str, name: str) -> None:
        if name.startswith(self._own):
            self.names.put_nowait((what, name))

    def update_service(self, *_: object) -> None: ...


async def test_a_listener_is_found_and_goes_with_the_bridge() -> None:
    browser = AsyncZeroconf(interfaces=LOOPBACK)
    seen = Seen("Boathouse")
    browsing = AsyncServiceBrowser(browser.zeroconf, f"{MODBUS}.local.", listener=seen)  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(PATIENCE_S):
            async with announced(Service(MODBUS, "Boathouse v1.2", "127.0.0.1", 5020, {"listener": "lan"})):
                assert await seen.names.get() == ("came", "Boathouse v1 2._modbus._tcp.local.")
                info = await browser.async_get_service_info(
                    f"{MODBUS}.local.", "Boathouse v1 2._modbus._tcp.local."
                )
                assert info is not None
                assert (info.port, info.parsed_addresses()) == (5020, LOOPBACK)
                assert info.decoded_properties == {"listener": "lan"}
            assert await seen.names.get() == ("went", "Boathouse v1 2._modbus._tcp.local.")
    finally:
        await browsing.async_cancel()
        await browser.async_close()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("192.168.1.7", False)],
)
def test_what_nobody_else_reaches_is_not_announced(host: str, loopback: bool) -> None:
    announcer = Announcer([Service(MODBUS, "a", host, 502)], SystemClock())
    assert bool(announcer.services) is not loopback


async def test_nothing_to_announce_ends_at_once() -> None:
    async with asyncio.timeout(PATIENCE_S):
        await Announcer([Service(MODBUS, "a", "127.0.0.1", 502)], SystemClock()).run()


@pytest.mark.parametrize("kind", [MODBUS, PAGE])
def test_no_name_of_the_gx_own_is_used(kind: str) -> None:
    """Names that dbus-modbus-client 1.83 asks for."""
    assert kind not in {"_victron-car-charger._tcp", "_victron-energy-meter._udp", "_victron-p1link._udp"}


@pytest.mark.parametrize(("host", "found"), [("192.168.1.7", ["192.168.1.7"]), ("fd00::1", [])])
def test_addresses_of_one_host(host: str, found: list[str]) -> None:
    assert addresses_of(host) == found


def test_addresses_of_any_host_leave_loopback_out() -> None:
    assert not [address for address in addresses_of("0.0.0.0") if address.startswith("127.")]


async def test_any_name_becomes_one_that_a_service_may_have() -> None:
    names = ["ö" * 80, "", "....", "a" * 200]
    services = [Service(MODBUS, name, "127.0.0.1", 5020 + n) for n, name in enumerate(names)]
    async with announced(*services) as announcer:
        assert announcer.announced.is_set()
