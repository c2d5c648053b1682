"""The figures for Prometheus, read by a foreign parser of its format; and whether serving lives."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.datastore.clock import ManualClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Origin, WriteRequest
from bridge.outlets.http import HttpFault, HttpServer, application
from bridge.outlets.metrics import Metrics, metrics_application
from bridge.outlets.metrics_figures import ListenerFigures

Labels = frozenset[tuple[str, str]]


class Site:
    """A bridge of one pump, and what its metrics page says."""

    def __init__(self, labels: Mapping[str, str] | None = None, *, points: bool = True) -> None:
        self.clock = ManualClock()
        self.datastore = Datastore(self.clock, StateStore(None))
        own = self.datastore.add("bridge")
        own.declare([PointSpec("/Server/Requests"), PointSpec("/Uptime", "s")], [GroupSpec("own", None)], ())
        own.publish("own", {"/Server/Requests": 12, "/Uptime": 60})
        self.pump = self.datastore.add("pump")
        self.pump.declare(
            [PointSpec("/Flow", "l/s"), PointSpec("/Head", "m"), PointSpec("/Name", text=True)],
            [GroupSpec("live", 5.0)],
            [["live"]],
        )
        self.listeners = [
            ListenerFigures("lan", serving=True, peers={"192.168.1.5": 2}, units=((20, "pump", "pumps"),))
        ]
        self.metrics = Metrics(self.datastore, own, lambda: self.listeners, labels, points=points)

    async def lines(self) -> dict[tuple[str, Labels], float]:
        """Every sample, by name and labels."""
        return {
            (sample.name.removeprefix("inverter_bridge_"), frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families((await self.metrics.page()).decode())
            for sample in family.samples
        }


def named(**labels: str) -> Labels:
    return frozenset(labels.items())


async def test_what_is_told() -> None:
    site = Site()
    site.pump.publish("live", {"/Flow": 1.5, "/Head": None, "/Name": 'a "pump"\\'})
    await site.clock.advance(2)
    told = await site.lines()
    assert told["requests_total", named()] == 12
    assert told["uptime_seconds", named()] == 60
    assert told["listener_serving", named(listener="lan")] == 1
    assert told["connections", named(listener="lan", peer="192.168.1.5")] == 2
    assert told["unit", named(listener="lan", unit="20", device="pump", map="pumps")] == 1
    assert told["device_link", named(device="pump", state="online")] == 1
    assert told["device_link", named(device="pump", state="silent")] == 0
    assert told["device_age_seconds", named(device="pump")] == 2
    assert told["device_errors_total", named(device="pump")] == 0
    assert told["point", named(device="pump", path="/Flow", unit_of_measure="l/s")] == 1.5
    assert not [labels for name, labels in told if name == "point" and ("path", "/Head") in labels]  # absent


async def test_many_points_are_told_under_one_head_while_the_loop_goes_on() -> None:
    site = Site()
    paths = [f"/Cell/{number}/Voltage" for number in range(101)]
    pack = site.datastore.add("pack")
    pack.declare([PointSpec(path, "V") for path in paths], [GroupSpec("cells", 5.0)], [["cells"]])
    pack.publish("cells", {path: 3.0 + number / 1000 for number, path in enumerate(paths)})
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    page = await site.metrics.page()
    counting.cancel()
    assert turns > 10
    assert page.count(b"# TYPE inverter_bridge_point gauge\n") == 1
    told = await site.lines()
    for number, path in enumerate(paths):
        assert told["point", named(device="pack", path=path, unit_of_measure="V")] == 3.0 + number / 1000


async def test_a_device_that_goes_between_two_slices_harms_nothing() -> None:
    site = Site()
    site.pump.publish("live", {"/Flow": 1.5})
    page = asyncio.create_task(site.metrics.page())
    await asyncio.sleep(0)
    site.datastore.remove("pump")
    assert list(text_string_to_metric_families((await page).decode()))


async def test_a_stale_value_is_left_out() -> None:
    site = Site()
    site.pump.publish("live", {"/Flow": 1.5})
    await site.clock.advance(6)
    assert not [
        labels for name, labels in (await site.lines()) if name == "point" and ("device", "pump") in labels
    ]


async def test_writes_are_counted_by_what_became_of_them() -> None:
    site = Site()
    site.pump.refuse(WriteRequest({"/Flow": 1}, Origin("modbus", "192.168.1.5")), 2, "read-only")
    site.pump.refuse(WriteRequest({"/Flow": 2}, Origin("modbus", "192.168.1.5")), 2, "read-only")
    assert (await site.lines())["writes_total", named(device="pump", outcome="refused", origin="modbus")] == 2


async def test_further_labels_and_no_points() -> None:
    site = Site({"site": "boathouse"}, points=False)
    site.pump.publish("live", {"/Flow": 1.5})
    told = await site.lines()
    assert told["requests_total", named(site="boathouse")] == 12
    assert not [name for name, _ in told if name == "point"]


@asynccontextmanager
async def served(site: Site, serving: list[bool]) -> AsyncIterator[str]:
    server = HttpServer("metrics", "127.0.0.1", 0, metrics_application(site.metrics, lambda: serving[0]))
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


async def test_the_pages() -> None:
    serving = [True]
    async with served(Site(), serving) as at, aiohttp.ClientSession() as client:
        async with client.get(f"{at}/metrics") as page:
            assert page.status == 200
            assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert "inverter_bridge_requests_total 12.0" in await page.text()
        async with client.get(f"{at}/healthz") as page:
            assert (page.status, await page.text()) == (200, "serving\n")
        serving[0] = False
        async with client.get(f"{at}/healthz") as page:
            assert page.status == 503
        async with client.get(f"{at}/etc/passwd") as page:
            assert page.status == 404


async def test_an_address_that_is_taken_is_named() -> None:
    first = HttpServer("metrics", "127.0.0.1", 0, application())
    await first.start()
    second = HttpServer("metrics", "127.0.0.1", first.port, application())
    with pytest.raises(HttpFault, match=f"cannot listen on 127.0.0.1:{first.port}: the port is in use"):
        await second.start()
    elsewhere = HttpServer("metrics", "192.0.2.1", 9502, application())
    with pytest.raises(HttpFault, match="this machine has no such address"):
        await elsewhere.start()
    await first.stop()


def test_a_site_without_metrics_loads_no_web_server(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, bridge.app, bridge.house.outside; print(sorted({'aiohttp', 'prometheus_client'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


async def test_states_of_a_link_are_all_there() -> None:
    assert {labels for name, labels in await Site().lines() if name == "device_link"} == {
        named(device=device, state=state.name.lower()) for device in ("bridge", "pump") for state in LinkState
    }
