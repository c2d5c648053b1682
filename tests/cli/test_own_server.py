"""The commands against the bridge's own server, image and datastore; only the equipment is scripted."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from bridge.adapters.base import Adapter
from bridge.datastore.clock import SystemClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Outcome, Value
from bridge.register_maps.bridge_unit import BridgeUnit
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.image import UnitImage
from bridge.server.access import Access
from bridge.server.counters import Counters
from bridge.server.listener import TcpListener
from bridge.server.terms import Terms
from bridge.server.units import Units
from tests.cli.conftest import UNIT, Command, write_site

LIMIT = "/Settings/ChargeCurrentLimit"
SPECS = (
    PointSpec("/Dc/0/Voltage", "V"),
    PointSpec("/Mode", writable=True, choices={1: "on", 4: "off"}, accept={0: 4}, off=4),
    PointSpec(LIMIT, "A", writable=True, minimum=3, maximum=30, step=0.1),
)


class Scripted(Adapter):
    """Puts every value in force unless `replies` says otherwise, after `takes_s`."""

    def __init__(self, boat: "Boat") -> None:
        self._boat = boat
        self.replies: dict[str, tuple[Outcome, Value]] = {}
        self.takes_s = 0.0

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def command(self, changes: Mapping[str, Value], deadline: float) -> Mapping[str, Outcome]:
        await asyncio.sleep(self.takes_s)
        outcomes = {}
        for path, value in changes.items():
            outcomes[path], in_force = self.replies.get(path, (Outcome.CONFIRMED, value))
            self._boat.device.publish("text", {path: in_force})
        return outcomes


class Boat:
    """A charger behind the bridge's own server, in a thread of its own. For `with`."""

    def __init__(self, write_access: tuple[str, ...] = ("127.0.0.0/8",)) -> None:
        self._write_access = write_access
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def do(self, act: Callable[[], object]) -> None:
        """Run something in the bridge's loop and wait for it."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (act(), done.set()))
        assert done.wait(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        clock, maps, units = SystemClock(), Catalogue(), Units()
        self.datastore = Datastore(clock, StateStore())
        own = self.datastore.add("bridge")
        own.declare((), (), ())
        self.device = self.datastore.add("charger")
        self.device.declare(SPECS, [GroupSpec("text", stale_after_s=None)], [["text"]])
        self.adapter = Scripted(self)
        own_map, charger_map = maps.load("bridge").map, maps.load("bluesmart_charger").map
        assert own_map is not None
        assert charger_map is not None
        bridge_unit = BridgeUnit(own_map, own, clock)
        bridge_unit.add(UNIT, self.device)
        units.put(247, bridge_unit)
        units.put(UNIT, UnitImage(charger_map, self.device, clock, UNIT))
        access = Access(write=self._write_access, clock=clock)
        listener = TcpListener(
            "127.0.0.1", 0, Terms("lan", units, access, clock, Counters(), reply_within_s=0.05)
        )
        await listener.start()
        self.port = listener.address[1]
        living = asyncio.create_task(self.device.run(self.adapter))
        await asyncio.sleep(0)
        self.device.publish("text", {"/Dc/0/Voltage": 13.42, "/Mode": 1, LIMIT: 12.5})
        self._ready.set()
        await self._ended.wait()
        await listener.stop()
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


@pytest.fixture
def boat() -> Iterator[Boat]:
    with Boat() as boat:
        yield boat


@pytest.fixture
def site(boat: Boat, tmp_path: Path) -> str:
    return write_site(tmp_path, boat.port)


def written(ended) -> tuple[int, str, Value | None]:
    (row,) = ended.objects
    return ended.status, row["outcome"], row["value"]


def test_read(site: str, command: Command) -> None:
    rows = command("read", "--site", site, "charger", "--json").objects
    known = {row["path"]: (row["value"], row["status"]) for row in rows}
    assert known["/Dc/0/Voltage"] == (13.42, "ok")
    assert known["/Dc/0/Temperature"] == (None, "absent")
    assert known["/Link/State"] == (1, "ok")


def test_the_bridges_own_unit(site: str, command: Command) -> None:
    assert command("read", "--site", site, "bridge", "/Server/Requests", "--json").status == 0


def test_nothing_of_a_lost_device_is_shown_as_new(boat: Boat, site: str, command: Command) -> None:
    boat.do(boat.device.forget)
    rows = command("read", "--site", site, "charger", "--json").objects
    told = {row["path"]: row["status"] for row in rows}
    assert {status for path, status in told.items() if not path.startswith("/Link/")} == {"stale"}
    assert told["/Link/State"] == "ok"


@pytest.mark.parametrize(
    ("value", "reply", "expected"),
    [
        ("10", None, (0, "confirmed", 10)),
        ("2", None, (1, "refused", 12.5)),
        ("10", (Outcome.ADJUSTED, 6.0), (1, "adjusted", 6)),
        ("10", (Outcome.REFUSED, 12.5), (1, "refused", 12.5)),
        ("10", (Outcome.TIMED_OUT, 12.5), (1, "timed_out", 12.5)),
        ("10", (Outcome.BUSY, 12.5), (1, "busy", 12.5)),
    ],
)
@pytest.mark.parametrize("takes_s", [0.0, 0.4], ids=["at once", "after 05"])
def test_write_tells_the_true_outcome(
    boat: Boat, site: str, command: Command, value: str, reply, expected, takes_s: float
) -> None:
    boat.adapter.takes_s = takes_s
    if reply is not None:
        boat.adapter.replies[LIMIT] = reply
    assert written(command("write", "--site", site, "charger", LIMIT, value, "--json")) == expected


def test_write_by_the_word_of_the_map(boat: Boat, site: str, command: Command) -> None:
    assert written(command("write", "--site", site, "charger", "/Mode", "off", "--json")) == (
        0,
        "confirmed",
        4,
    )
    assert written(command("write", "--site", site, "charger", "/Mode", "0", "--json"))[:2] == (
        0,
        "confirmed",
    )


def test_write_while_the_device_is_gone(boat: Boat, site: str, command: Command) -> None:
    boat.do(lambda: boat.device.set_link(LinkState.PORT_MISSING))
    ended = command("write", "--site", site, "charger", LIMIT, "10", "--json")
    assert written(ended)[:2] == (1, "offline")
    assert "the device is not heard" in ended.err


def test_write_to_what_is_read_only(site: str, command: Command) -> None:
    ended = command("write", "--site", site, "charger", "/Dc/0/Voltage", "10", "--json")
    assert written(ended)[:2] == (1, "refused")
    assert f"those of charger that do: /Mode, {LIMIT}" in ended.err


def test_write_without_the_right(tmp_path: Path, command: Command) -> None:
    with Boat(write_access=("192.0.2.1",)) as boat:
        ended = command("write", "--site", write_site(tmp_path, boat.port), "charger", LIMIT, "10", "--json")
    assert written(ended)[:2] == (1, "refused")
    assert "access: {write: [127.0.0.1]}" in ended.err


def test_status(boat: Boat, site: str, command: Command) -> None:
    command("write", "--site", site, "charger", LIMIT, "2")
    charger, bridge = command("status", "--site", site, "--json").objects
    assert (charger["link"], charger["attempts"], charger["last_outcome"]) == ("online", 1, "refused")
    assert (charger["last_exception"], charger["last_address"]) == (3, 0x3011)
    assert bridge["device"] == "bridge"
