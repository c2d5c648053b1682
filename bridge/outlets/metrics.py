"""The figures of a bridge for Prometheus: listeners, peers, units, devices, lines, outcomes, budgets, points.

They are collected when somebody asks, from what the datastore knows at that moment, so that nothing is paid
for between two scrapes, and in slices, so that no reader waits for a whole page of them. A value that may not
be believed now (stale, absent) is left out, never repeated.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from bridge import __version__
from bridge.datastore.device import Device
from bridge.datastore.store import Datastore
from bridge.datastore.values import LinkState, Path, WriteAttempt
from bridge.outlets.http import add_healthz, application
from bridge.outlets.metrics_figures import ListenerFigures

_PREFIX = "inverter_bridge"
#: Values that are written before the loop may do something else.
_AT_ONCE = 25
#: Points of the bridge's own device that count up -> their metric and what it says.
_COUNTED: Mapping[str, tuple[str, str]] = {
    "/Server/ConnectionsRefused": ("connections_refused", "connections and datagrams turned away"),
    "/Server/Requests": ("requests", "well-framed requests that were answered"),
    "/Server/Exceptions": ("exceptions", "requests answered by an exception"),
    "/Server/WritesRefused": ("writes_refused", "writes without the right to write"),
    "/Server/Broadcasts": ("broadcasts", "frames to unit 0 on RTU lines"),
}


class _Slice(Collector):
    """What is written at once: a metric, or a part of its lines."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


class Metrics:
    """Collects the figures; `listeners` tells of those of the server.

    labels: further labels that every line carries, as the name of the site among many. points: False leaves
    the devices' values out.
    """

    def __init__(
        self,
        datastore: Datastore,
        own: Device,
        listeners: Callable[[], Iterable[ListenerFigures]],
        labels: Mapping[str, str] | None = None,
        *,
        points: bool = True,
    ) -> None:
        self._datastore = datastore
        self._own = own
        self._listeners = listeners
        self._labels = dict(labels or {})
        self._points = points
        self._outcomes: Counter[tuple[str, str, str]] = Counter()
        datastore.attempted.connect(self._attempted)

    async def page(self) -> bytes:
        """Return the figures in Prometheus's text format. The loop goes on meanwhile."""
        parts = []
        told = ""
        for metric in self._metrics():
            text = generate_latest(_Slice(metric))
            # A further slice of the same metric goes on under the heads of the first one.
            parts.append(text.split(b"\n", 2)[2] if metric.name == told else text)
            told = metric.name
            await asyncio.sleep(0)
        return b"".join(parts)

    # -- inside ------------------------------------------------------------------------------------

    def _metrics(self) -> Iterator[Metric]:
        """Yield every metric with its lines, one of many lines in slices."""
        yield self._gauge("info", "version of the bridge", [({"version": __version__}, 1.0)])
        yield from self._of_the_server()
        yield from self._of_the_devices()
        yield self._counter(
            "writes",
            "attempts to write, by what became of them",
            [
                ({"device": device, "outcome": outcome, "origin": origin}, float(count))
                for (device, outcome, origin), count in self._outcomes.items()
            ],
        )
        if self._points:
            for device in tuple(self._datastore):  # a reload may come between two slices
                paths = tuple(device.paths)
                for first in range(0, len(paths), _AT_ONCE):
                    lines = self._values(device, paths[first : first + _AT_ONCE])
                    yield self._gauge("point", "value of a point in its unit of measure", lines)

    def _attempted(self, attempt: WriteAttempt) -> None:
        self._outcomes[attempt.device, attempt.outcome.word, attempt.origin.kind] += 1

    def _of_the_server(self) -> Iterator[Metric]:
        uptime = self._own.value("/Uptime")
        if isinstance(uptime, int | float):
            yield self._gauge("uptime_seconds", "time since the start", [({}, float(uptime))])
        for path, (name, said) in _COUNTED.items():
            count = self._own.value(path)
            if isinstance(count, int | float):
                yield self._counter(name, said, [({}, float(count))])
        found = list(self._listeners())
        yield self._gauge(
            "listener_serving",
            "1 while the listener answers",
            [({"listener": one.name}, float(one.serving)) for one in found],
        )
        yield self._gauge(
            "connections",
            "open connections by peer",
            [
                ({"listener": one.name, "peer": peer}, float(count))
                for one in found
                for peer, count in one.peers.items()
            ],
        )
        yield self._gauge(
            "unit",
            "1 for each unit served",
            [
                ({"listener": one.name, "unit": str(unit), "device": device, "map": name}, 1.0)
                for one in found
                for unit, device, name in one.units
            ],
        )

    def _of_the_devices(self) -> Iterator[Metric]:
        found = [(device.name, device.status()) for device in self._datastore]
        yield self._gauge(
            "device_link",
            "1 at the state of the device's link, 0 at all others",
            [
                ({"device": name, "state": state.name.lower()}, float(status.link is state))
                for name, status in found
                for state in LinkState
            ],
        )
        yield self._gauge(
            "device_age_seconds",
            "time since the device proved alive",
            [({"device": name}, status.age_s) for name, status in found if status.age_s is not None],
        )
        yield self._counter(
            "device_errors",
            "faults of the line and the protocol",
            [({"device": name}, float(status.errors)) for name, status in found],
        )
        for metric, said, attribute in (
            ("device_uptime_seconds", "time the link has been online", "uptime_s"),
            ("device_wear_left", "writes left today that wear the device's memory", "wear_left"),
            ("device_set_points", "held and leased set-points in force", "set_points"),
        ):
            lines = [({"device": name}, float(getattr(status, attribute))) for name, status in found]
            yield self._gauge(metric, said, lines)

    def _values(self, device: Device, paths: Sequence[Path]) -> Iterator[tuple[Mapping[str, str], float]]:
        for path in paths:
            value = device.value(path)
            if isinstance(value, int | float):
                unit = device.spec(path).unit_of_measure
                yield {"device": device.name, "path": path, "unit_of_measure": unit}, float(value)

    def _gauge(self, name: str, said: str, lines: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
        return self._filled(GaugeMetricFamily(f"{_PREFIX}_{name}", said), f"{_PREFIX}_{name}", lines)

    def _counter(self, name: str, said: str, lines: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
        family = CounterMetricFamily(f"{_PREFIX}_{name}", said)
        return self._filled(family, f"{_PREFIX}_{name}_total", lines)

    def _filled(
        self, family: Metric, sample: str, lines: Iterable[tuple[Mapping[str, str], float]]
    ) -> Metric:
        for labels, value in lines:
            family.add_sample(sample, {**self._labels, **labels}, value)
        return family


def metrics_application(metrics: Metrics, serving: Callable[[], bool]) -> web.Application:
    """Return the pages `/metrics` and `/healthz`: 200 while serving lives, else 503."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=await metrics.page(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    made = application()
    made.router.add_get("/metrics", page)
    add_healthz(made, serving)
    return made
