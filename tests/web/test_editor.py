"""The site file changed from the page: checked, compared, in force, taken back."""

import asyncio
import stat
from pathlib import Path

from bridge.outlets.web.passwords import Role
from bridge.outlets.web.versions import KEPT, Versions

from .browsing import PATIENCE_S, Visitor, Yard, modbus, yard
from .test_pages import page_of, words

FAN = "  fan: {adapter: yard, unit: 21, map: ./yard.yaml}\n"


def mark_in(page: str) -> str:
    return page.split('name="base" value="')[1].split('"')[0]


def with_fan(bridge: Yard) -> str:
    return bridge.site.read_text().replace("outlets:", f"{FAN}outlets:")


async def apply(visitor: Visitor, text: str) -> tuple[int, str]:
    base = mark_in(await page_of(visitor, "/site"))
    return await visitor.post("/site/apply", {"text": text, "base": base})


async def test_the_editor_is_for_operators(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in(Role.VIEWER)
        assert (await visitor.get("/site"))[0] == 403
        assert (await visitor.post("/site/apply", {"text": "devices:\n", "base": ""}))[0] == 403
        assert (await visitor.ask("/site/check", {"text": "devices:\n"}))[0] == 403
        assert (await visitor.post("/site/allow", {"address": "127.0.0.9"}))[0] == 403


async def test_a_live_check_speaks_like_a_compiler(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        text = bridge.site.read_text()
        _, told = await visitor.ask("/site/check", {"text": text})
        assert told == {"good": True, "said": "no fault found; 1 unit would be served"}
        _, told = await visitor.ask("/site/check", {"text": text.replace("unit: 20", "unti: 20")})
        assert not told["good"]
        first, line, caret = told["said"].split("\n")
        assert first.startswith("site.yaml:7:")
        assert "did you mean 'unit'" in first
        assert line[caret.index("^") :].startswith("unti")
        assert bridge.site.read_text() == text
        assert [file.name for file in tmp_path.glob(".site*")] == []


async def test_a_change_is_compared_and_takes_effect(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        former, text = bridge.site.read_text(), with_fan(bridge)
        _, page = await visitor.post("/site/review", {"text": text, "base": ""})
        assert f"+{FAN.rstrip()}" in words(page).replace("+ ", "+") or "fan: {adapter" in words(page)
        assert bridge.site.read_text() == former
        status, page = await apply(visitor, text)
        assert status == 200
        assert "In force: new: fan." in words(page)
        assert bridge.site.read_text() == text
        async with asyncio.timeout(PATIENCE_S):
            while await modbus(bridge.modbus_port, "03 3010 0001", 21) != bytes.fromhex("03 02 0001"):
                await asyncio.sleep(0.02)
        # and taken back
        status, page = await visitor.post("/site/undo", {})
        assert "removed: fan" in words(page)
        assert bridge.site.read_text() == former
        assert "fan" not in bridge.house.datastore.devices


async def test_a_bad_text_changes_nothing(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        former = bridge.site.read_text()
        for text in ("", "devices: [", former.replace("yard", "nothing"), former + "\x00", "\ud800"):
            status, page = await apply(visitor, text.encode("utf-8", "replace").decode())
            assert status in (413, 422), words(page)
        assert bridge.site.read_text() == former
        assert await modbus(bridge.modbus_port, "03 3010 0001") == bytes.fromhex("03 02 0001")


async def test_what_cannot_be_taken_while_running_leaves_the_file_alone(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        former = bridge.site.read_text()
        status, page = await apply(visitor, former.replace("/state", "/elsewhere"))
        assert status == 409
        assert "restart the bridge" in words(page)
        assert bridge.site.read_text() == former


async def test_two_who_edit_at_once(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        base = mark_in(await page_of(visitor, "/site"))
        text = with_fan(bridge)
        bridge.site.write_text(bridge.site.read_text() + "# somebody else\n")
        status, page = await visitor.post("/site/apply", {"text": text, "base": base})
        assert status == 409
        assert "changed meanwhile" in words(page)
        assert "# somebody else" in bridge.site.read_text()


async def test_the_last_ten_versions(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        texts = [bridge.site.read_text()]
        for number in range(KEPT + 2):
            texts.append(texts[0] + f"# change {number}\n")
            assert (await apply(visitor, texts[-1]))[0] == 200
        kept = Versions(tmp_path / "state").listed()
        assert [one.text() for one in kept] == texts[-2 : -2 - KEPT : -1]
        for one in kept:
            assert stat.S_IMODE(one.file.stat().st_mode) == 0o600
        page = await page_of(visitor, f"/site/versions/{kept[-1].number}")
        assert "-# change 11" in words(page)
        for wrong in ("0", "999999", "x", "..%2f1"):
            assert (await visitor.get(f"/site/versions/{wrong}"))[0] == 404


async def test_reading_the_file_again(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        bridge.site.write_text(with_fan(bridge))
        _, page = await visitor.post("/site/reload", {})
        assert "Read again: new: fan." in words(page)
        bridge.site.write_text("devices: [")
        status, _ = await visitor.post("/site/reload", {})
        assert status == 422
        assert set(bridge.house.datastore.devices) == {"bridge", "charger", "fan"}


async def test_a_device_by_a_form(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        page = await page_of(visitor, "/site/device?adapter=yard")
        assert 'name="option-unit"' in page
        sent = {
            "name": "fan",
            "adapter": "yard",
            "former": "",
            "option-unit": "33",
            "option-map": "./yard.yaml",
        }
        status, page = await visitor.post("/site/device", sent)
        assert status == 200, words(page)
        assert 'fan: {adapter: yard, unit: 33, map: "./yard.yaml"}' in words(page).replace("&quot;", '"')
        base, text = mark_in(page), page.split('name="text" value="')[1].split('"')[0]
        assert "fan" in text
        sent = {"name": "charger", "adapter": "yard", "former": "charger", "option-unit": "20x"}
        status, page = await visitor.post("/site/device", sent)
        assert status == 422  # the check names what does not fit
        assert "unit" in words(page)
        assert base
        status, page = await visitor.post("/site/device/remove", {"name": "charger"})
        assert status == 409  # it is the only one


async def test_the_page_itself_can_be_changed(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        text = bridge.site.read_text().replace(
            'web: {listen: "127.0.0.1:0"', 'web: {public: true, listen: "127.0.0.1:0"'
        )
        former = bridge.port
        assert (await apply(visitor, text))[0] == 200
        async with asyncio.timeout(PATIENCE_S):
            while bridge.port in (former, 0):
                await asyncio.sleep(0.02)
        async with Visitor(bridge.base) as anybody:
            assert (await anybody.get("/"))[0] == 200
