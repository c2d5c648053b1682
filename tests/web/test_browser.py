"""Every page in a real browser, on a phone and on a desk, by day and by night, judged by axe."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.datastore.values import LinkState
from bridge.outlets.web.passwords import Role

from .browsing import PASSWORDS, PATIENCE_S, modbus, yard
from .chromium import WALK_S, run

PHONE, DESK = 390, 1280
PATHS = (
    "/",
    "/devices/charger",
    "/devices/charger/write?path=/Mode",
    "/devices/bms",
    "/energy",
    "/energy?by=month&first=2020-01-01&last=2026-12-31&compare=yes",
    "/events",
    "/site",
    "/site/device",
    "/site/device?adapter=yard",
    "/site/device?name=charger",
    "/nowhere",
)
SITE = """\
site: Boatyard
state: "{folder}/state"
listeners: [{{tcp: "127.0.0.1:0", name: lan}}]
access: {{read: [127.0.0.0/8], write: [127.0.0.1]}}
devices:
  charger: {{adapter: yard, unit: 20, map: ./yard.yaml}}
  bms: {{adapter: can_bms, unit: 31, map: ./yard.yaml}}
outlets:
  web: {{listen: "127.0.0.1:{port}"{web}}}
  history: {{sample: 1 s, write: 10 s, include: ["charger:*", "bms:*"]}}
"""
HISTORY = "/api/v1/devices/charger/history?path=/Dc/0/Voltage&span=hour"
SCRIPT = '<script>alert("x")</script><img src=x onerror=alert(1)>'


@pytest.mark.timeout(WALK_S + 60)
async def test_every_page_on_phone_and_desk(tmp_path: Path) -> None:
    async with yard(tmp_path, site=SITE) as bridge:
        charger = bridge.house.datastore.devices["charger"]
        assert charger.identity is not None
        # what a device tells of itself is the one name that nobody here has chosen
        charger.learn(replace(charger.identity, product_name=SCRIPT, firmware=SCRIPT))
        charger.set_link(LinkState.ONLINE, SCRIPT)
        assert await modbus(bridge.modbus_port, "06 3010 0004")
        async with bridge.visitor() as visitor, asyncio.timeout(PATIENCE_S):
            await visitor.log_in()
            while (await visitor.get(HISTORY))[0] != 200:
                await asyncio.sleep(0.1)
        told = await run(
            "walk",
            tmp_path,
            base=bridge.base,
            role="operator",
            password=PASSWORDS[Role.OPERATOR],
            views=[{"width": PHONE, "scheme": "light"}, {"width": DESK, "scheme": "dark"}],
            paths=PATHS,
            shots="",
        )
        assert await modbus(bridge.modbus_port, "03 3010 0001") == bytes.fromhex("03 02 0004")
    serious = [
        (page["path"], page["width"], page.get("scheme"), found)
        for page in told["pages"]
        for found in page["violations"]
        if found["impact"] in ("serious", "critical")
    ]
    assert not serious
    assert [text for text in told["faults"] if not text.endswith("/nowhere")] == []
    assert len(told["pages"]) == 1 + 2 * len(PATHS)
    for page in told["pages"]:
        assert page["overflow"] <= 0, page
    for page in told["pages"][1:]:
        assert page["status"] == (404 if page["path"] == "/nowhere" else 200), page
        assert len(page["headings"]) == 1
