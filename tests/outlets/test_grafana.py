"""The dashboard for Grafana asks for figures that there are, by labels that they have."""

import json
import re
from collections.abc import Iterator
from typing import Any

from bridge.datastore.values import Origin, WriteRequest
from tests.outlets.test_metrics import Site
from tests.repo.checkout import ROOT

DASHBOARD: dict[str, Any] = json.loads((ROOT / "docker" / "grafana" / "inverter-bridge.json").read_text())
METRIC = re.compile(r"inverter_bridge_(\w+)(?:\{([^}]*)\})?")


def queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


async def test_every_figure_exists() -> None:
    site = Site()
    for path in ("/Server/Exceptions", "/Server/WritesRefused", "/Server/ConnectionsRefused"):
        own = site.datastore.devices["bridge"]
        own.declare([own.spec(one) for one in own.paths] + [type(own.spec("/Uptime"))(path)], (), ())
        own.publish("own", {path: 0})
    site.pump.publish("live", {"/Flow": 1.5})
    site.pump.refuse(WriteRequest({"/Flow": 1}, Origin("modbus", "192.168.1.5")), 2, "read-only")
    there: dict[str, set[str]] = {}
    for name, labels in await site.lines():
        there.setdefault(name, set()).update(label for label, _ in labels)
    asked = [found for query in queries() for found in METRIC.findall(query)]
    assert len(asked) >= 18
    for name, selector in asked:
        assert name in there, name
        assert {label for label, _ in re.findall(r"(\w+)(=~|!~|!=|=)", selector)} <= there[name], (
            name,
            selector,
        )


def test_panels_have_their_own_place() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
