"""What people see and do on the pages, without a browser's scripts: all of it works so."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bridge.outlets.web.passwords import Role

from .browsing import PATIENCE_S, SITE, Visitor, modbus, yard

BMS = SITE.replace("outlets:", "  bms: {{adapter: can_bms, unit: 31, map: ./yard.yaml}}\noutlets:")


def words(page: str) -> str:
    """Return what a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


async def page_of(visitor: Visitor, path: str) -> str:
    status, page = await visitor.get(path)
    assert status == 200, page
    return page


async def test_the_login_leads_to_where_one_wanted_to_go(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        async with visitor.http.get("/devices/charger", allow_redirects=False) as reply:
            assert reply.headers["Location"] == "/login?after=/devices/charger"
        fields = {"role": "operator", "password": "correct horse", "after": "/devices/charger"}
        async with visitor.http.post("/login", data=fields, allow_redirects=False) as reply:
            assert (reply.status, reply.headers["Location"]) == (303, "/devices/charger")
        assert "Blue Smart" in await page_of(visitor, "/devices/charger")


@pytest.mark.parametrize(
    "after", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
async def test_the_login_leads_nowhere_else(tmp_path: Path, after: str) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        fields = {"role": "operator", "password": "correct horse", "after": after}
        async with visitor.http.post("/login", data=fields, allow_redirects=False) as reply:
            assert (reply.status, reply.headers["Location"]) == (303, "/")


async def test_the_overview_shows_every_device(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in(Role.VIEWER)
        said = words(await page_of(visitor, "/"))
        assert "26.61" in said
        assert "online" in said
        assert "on (1)" in said


async def test_a_device_with_registers_and_units_of_measure(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in(Role.VIEWER)
        page = await page_of(visitor, "/devices/charger")
        said = words(page)
        assert "unit 20 holding 0x3000 u16 ×100" in said
        assert "/Dc/0/Temperature none" in said
        assert "unit 20 on lan" in said
        assert "Write" not in said  # a viewer


async def test_a_write_is_confirmed_done_and_told(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        assert "wears the device" in await page_of(
            visitor, "/devices/charger/write?path=/Settings/AbsorptionVoltage"
        )
        asked = {"path": "/Settings/ChargeCurrentLimit", "value": "12.5"}
        status, page = await visitor.post("/devices/charger/write", asked)
        assert status == 200
        assert "from 25 A to 12.5 A ?" in words(page).replace("\N{NO-BREAK SPACE}", " ")
        assert await modbus(bridge.modbus_port, "03 3011 0001") == bytes.fromhex("03 02 00FA")
        status, page = await visitor.post("/devices/charger/write", {**asked, "confirmed": "yes"})
        assert "confirmed by the device" in words(page)
        assert await modbus(bridge.modbus_port, "03 3011 0001") == bytes.fromhex("03 02 007D")
        (outcome,) = (await visitor.read("/outcomes?device=charger"))["outcomes"]
        assert (outcome["origin"], outcome["old"], outcome["new"]) == ("web:operator@127.0.0.1", 25.0, 12.5)
        assert "operator@127.0.0.1" in words(await page_of(visitor, "/events"))


@pytest.mark.parametrize(
    ("path", "value", "status", "said"),
    [
        ("/Settings/ChargeCurrentLimit", "61", 422, "expected 0 to 60 A"),
        ("/Settings/ChargeCurrentLimit", "lots", 400, "expected a number"),
        ("/Settings/ChargeCurrentLimit", "12,5", 200, "confirmed"),
        ("/Mode", "off", 200, "confirmed"),
        ("/Mode", "2", 422, "expected one of 1 (on), 4 (off)"),
        ("/Name", SITE[:20], 200, "confirmed"),
        ("/Dc/0/Voltage", "1", 404, "no writable point"),
        ("/Nothing", "1", 404, "no writable point"),
    ],
)
async def test_what_may_be_written(tmp_path: Path, path: str, value: str, status: int, said: str) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        sent = {"path": path, "value": value, "confirmed": "yes"}
        found, page = await visitor.post("/devices/charger/write", sent)
        assert (found, said in words(page)) == (status, True), words(page)


async def test_an_event_stream_brings_what_changes(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        async with asyncio.timeout(PATIENCE_S), visitor.http.get("/api/v1/stream/charger") as reply:
            assert reply.content_type == "text/event-stream"
            await visitor.ask("/devices/charger/write", {"changes": {"/Settings/ChargeCurrentLimit": 7}})
            async for line in reply.content:
                if not line.startswith(b"data: "):
                    continue
                (device,) = json.loads(line[6:])["devices"]
                points = {point["path"]: point for point in device["points"]}
                if points["/Settings/ChargeCurrentLimit"]["value"] == 7:
                    break


async def test_a_logout_ends_the_streams(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        async with asyncio.timeout(PATIENCE_S), visitor.http.get("/api/v1/stream") as reply:
            await reply.content.readline()
            await visitor.ask("/logout", {})
            await reply.content.read()  # to its end


async def steps(visitor: Visitor, operation: str, arguments: object) -> list[dict[str, Any]]:
    headers = {"X-CSRF-Token": visitor.csrf}
    path = f"/api/v1/devices/charger/operations/{operation}"
    async with visitor.http.post(path, json=arguments, headers=headers) as reply:
        return [json.loads(line) for line in (await reply.text()).splitlines()]


async def test_pairing_tells_its_steps(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        page = await page_of(visitor, "/devices/charger")
        for title in ("Pair", "List inverters", "Forget", "Radio console"):
            assert f"<h3>{title}</h3>" in page
        told = await steps(visitor, "pair", {"serials": ["408", "nobody"]})
        assert [step.get("told", step).get("text", step) for step in told[:3]] == [
            "408: round 1", "408: answered", "nobody: round 1",
        ]  # fmt: skip
        assert told[3] == {"fault": "nobody was found: is there light on its panels?"}
        assert (await steps(visitor, "pair_list", {}))[-1] == {"done": True}
        assert "error" in (await steps(visitor, "launch", {}))[0]
        assert "operation pair" in words(await page_of(visitor, "/events"))


async def test_links_in_plain_words(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        from bridge.datastore.values import LinkState

        bridge.house.datastore.devices["charger"].set_link(LinkState.ASLEEP, "until 07:42")
        assert "asleep until 07:42" in words(await page_of(visitor, "/"))


async def test_a_bms_shows_what_it_would_send(tmp_path: Path) -> None:
    async with yard(tmp_path, site=BMS) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        said = words(await page_of(visitor, "/devices/bms"))
        assert "351 3002c8002c01c001" in said
        assert "Phase: observe (5)" in said
        assert "type its name: bms" in said
        assert "type its name" not in words(await page_of(visitor, "/devices/charger"))


@pytest.mark.parametrize(
    ("typed", "status", "left"), [("", 422, False), ("BMS", 422, False), ("bms", 200, True)]
)
async def test_leaving_observe_by_typing_its_name(
    tmp_path: Path, typed: str, status: int, left: bool
) -> None:
    async with yard(tmp_path, site=BMS) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        found, page = await visitor.post("/devices/bms/observe", {"typed": typed})
        assert found == status, words(page)
        assert ("observe: false" in bridge.site.read_text()) is left
        assert (getattr(bridge.house.site.devices["bms"], "observe", None) is False) is left


async def test_a_refused_writer_is_allowed_by_one_click(tmp_path: Path) -> None:
    site = SITE.replace("write: [127.0.0.1]", "write: [192.168.1.9]")
    async with yard(tmp_path, site=site) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        assert await modbus(bridge.modbus_port, "06 3010 0004") == bytes.fromhex("86 01")
        assert "Let 127.0.0.1 write" in words(await page_of(visitor, "/events"))
        status, page = await visitor.post("/site/allow", {"address": "127.0.0.1"})
        assert status == 200, words(page)
        assert re.search(r"write: \[192\.168\.1\.9[^]]*, 127\.0\.0\.1", bridge.site.read_text())
        assert await modbus(bridge.modbus_port, "06 3010 0004") == bytes.fromhex("06 3010 0004")


async def test_energy_needs_a_history(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in(Role.VIEWER)
        assert "history" in words(await page_of(visitor, "/energy"))
        assert (await visitor.get("/api/v1/devices/charger/history?path=/Dc/0/Voltage"))[0] == 404
