"""`cerbo-check` against running bridges, right ones and ones that would fail on a GX."""

from pathlib import Path

import pytest

from bridge.cli import cerbo_sunspec
from bridge.cli.cerbo_play import _APPLICATION, _PHASE_CONFIG
from bridge.cli.cerbo_wire import refuses_quickly
from tests.cerbo.conftest import Command, Ended, scripted, serving
from tests.cerbo.examples import specs_of, values_of
from tests.cerbo.rig import LIMIT, METER, ROOF, Bridge, shipped

NATIVE = "bluesmart_charger"


EM24 = "  - {unit: 1, map: personas/em24, device: roof}"
TCP = '{tcp: "127.0.0.1:5020", name: lan}'


def write_site(folder: Path, *views: str, listeners: str = TCP) -> Path:
    file = folder / "site.yaml"
    serve = "\n".join(views or (EM24,))
    file.write_text(
        f"""\
state: {folder / "state"}
listeners: [{listeners}]
devices:
  charger: {{adapter: vedirect, product: ac_charger, port: /dev/ttyUSB7, unit: 20}}
  roof: {{adapter: vedirect, product: solar_charger, port: /dev/ttyUSB8}}
serve:
{serve}
"""
    )
    return file


def fill(bridge: Bridge) -> None:
    loaded = shipped(NATIVE)
    values = values_of(loaded, "HQ2133FWXYZ")
    bridge.serve(20, loaded, bridge.device("charger", values, specs_of(loaded, values)))
    bridge.serve(1, "personas/em24", bridge.device("roof", {**ROOF, "/Ac/PowerLimit": 600}, [LIMIT]))


def unit_of(ended: Ended, unit: int) -> dict:
    return next(row for row in ended.json["units"] if row["unit"] == unit)


class TestARightBridge:
    @pytest.fixture
    def ended(self, tmp_path: Path, command: Command) -> Ended:
        """The report, made anew for each test."""
        with serving(fill) as bridge:
            return command("cerbo-check", write_site(tmp_path), "--at", f"127.0.0.1:{bridge.port}", "--json")

    def test_a_persona_is_shown_by_a_stock_gx(self, ended: Ended) -> None:
        found = unit_of(ended, 1)
        assert found["verdict"] == "shown"
        assert found["shown_as"] == "Carlo Gavazzi EM24 Ethernet"
        assert found["service"] == "com.victronenergy.grid.cg_D8A3011B9780"
        assert found["problems"] == []
        assert found["slowest_s"] > 0
        assert ended.status == 0

    def test_a_native_map_needs_its_class_file(self, ended: Ended) -> None:
        found = unit_of(ended, 20)
        assert found["verdict"] == "class_file"
        assert found["service"] == "com.victronenergy.charger.bridge_HQ2133FWXYZ"
        assert found["problems"] == []
        assert any(f"maps class-file {NATIVE}" in note for note in found["notes"])

    def test_another_port_than_502_is_not_scanned(self, ended: Ended) -> None:
        assert ended.json["scans"] == []


def test_for_a_person(tmp_path: Path, command: Command) -> None:
    with serving(fill) as bridge:
        ended = command("cerbo-check", write_site(tmp_path), "--at", f"127.0.0.1:{bridge.port}")
    assert ended.status == 0
    assert "unit 1, roof by personas/em24: a GX shows it" in ended.out
    assert f"unit 20, charger by {NATIVE}: a GX shows it once its class file is installed" in ended.out


class TestClassFiles:
    def check(self, tmp_path: Path, command: Command, change: tuple[str, str]) -> Ended:
        file = tmp_path / f"{NATIVE}.py"
        assert command("maps", "class-file", NATIVE, "--out", file).status == 0
        file.write_text(file.read_text().replace(*change))
        with serving(fill) as bridge:
            at = f"127.0.0.1:{bridge.port}"
            return command("cerbo-check", write_site(tmp_path), "--at", at, "--json", "--class-file", file)

    def test_an_installed_one_shows_its_devices(self, tmp_path: Path, command: Command) -> None:
        ended = self.check(tmp_path, command, ("", ""))
        assert unit_of(ended, 20)["verdict"] == "shown"
        assert ended.json["class_files"][0]["problem"] is None
        assert ended.status == 0

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("MAP_FINGERPRINT = '", "MAP_FINGERPRINT = 'f", "fingerprint f"),
            (f"MAP_NAME = '{NATIVE}'", "MAP_NAME = 'no_such_map'", "no_such_map"),
            ("MAP_NAME", "OTHER_NAME", "expected a class file of ours"),
        ],
    )
    def test_one_that_no_longer_matches_is_noticed(
        self, tmp_path: Path, command: Command, old: str, new: str, said: str
    ) -> None:
        ended = self.check(tmp_path, command, (old, new))
        assert said in ended.json["class_files"][0]["problem"]
        assert ended.status == 1

    def test_one_that_is_not_there(self, tmp_path: Path, command: Command) -> None:
        ended = command("cerbo-check", write_site(tmp_path), "--class-file", tmp_path / "none.py")
        assert ended.status == 1
        assert "none.py: could not be read" in ended.err


class TestWhatGoesWrong:
    def check(self, tmp_path: Path, command: Command, port: int, *views: str) -> Ended:
        file = write_site(tmp_path, EM24, *views)
        return command("cerbo-check", file, "--at", f"127.0.0.1:{port}", "--json")

    def test_nobody_there(self, tmp_path: Path, command: Command) -> None:
        with scripted(lambda *_: 0x0B) as port:
            pass
        ended = self.check(tmp_path, command, port)
        assert ended.status == 1
        assert "does not take connections" in unit_of(ended, 1)["problems"][0]

    def test_a_device_that_is_not_heard_is_no_fault(self, tmp_path: Path, command: Command) -> None:
        def lost(bridge: Bridge) -> None:
            fill(bridge)
            for device in bridge.store:
                device.forget()

        with serving(lost) as bridge:
            ended = self.check(tmp_path, command, bridge.port)
        assert [row["verdict"] for row in ended.json["units"]] == ["not_heard", "not_heard"]
        assert ended.status == 0
        assert "its link is: online" in unit_of(ended, 20)["notes"][0]

    @pytest.mark.parametrize(
        ("register", "answer", "said"),
        [
            (_APPLICATION, [1], "found 1, expected 7"),
            (_APPLICATION, 2, "found exception 02, expected 7"),
            (_PHASE_CONFIG, [9], "found 9, expected 0 to 4"),
            (0x5000, [0x5249, 0x4720, 0x3031, 0, 0, 0, 0], "found 'RIG 01', expected letters"),
            (0x5000, [0xFFFF] * 7, "bytes that are no text"),
            (0x5000, [0] * 7, "found '', expected letters"),
            (0x0302, 2, "registers 0x0302 to 0x0302: found exception 02"),
            (0x0000, 2, "registers 0x0000 to 0x004F: found exception 02"),
            (0xA100, None, "registers 0xA100 to 0xA100: found no answer"),
        ],
    )
    def test_an_em24_that_is_none(
        self, tmp_path: Path, command: Command, register: int, answer: list[int] | int | None, said: str
    ) -> None:
        right = {0x0B: [1648], _APPLICATION: [7], _PHASE_CONFIG: [0], 0x5000: [0x4142, *[0] * 6]}

        def script(unit: int, function: int, address: int, count: int) -> list[int] | int | None:
            if unit != 1:
                return 0x0B
            if address == register:
                return answer
            if address in right:
                return right[address]
            return [0] * count if address in (0, 0x0302, 0x0304, 0xA100) else 2

        with scripted(script) as port:
            found = unit_of(self.check(tmp_path, command, port), 1)
        assert found["verdict"] == "wrong"
        assert any(said in problem for problem in found["problems"]), found["problems"]

    def test_one_that_answers_late(self, tmp_path: Path, command: Command) -> None:
        with scripted(lambda *_: 0x0B, late={0x000B: 1.2}) as port:
            found = unit_of(self.check(tmp_path, command, port), 1)
        assert found["verdict"] == "wrong"
        assert "expected within 1 s" in found["problems"][0]

    def test_one_that_is_taken_for_something_else(self, tmp_path: Path, command: Command) -> None:
        def genset(unit: int, function: int, address: int, count: int) -> list[int] | int:
            return [0xD500] if address == 10609 else 2

        with scripted(genset) as port:
            found = unit_of(self.check(tmp_path, command, port), 20)
        assert "looks like Datakom" in found["problems"][0]

    def test_two_units_with_one_identity(self, tmp_path: Path, command: Command) -> None:
        def twice(bridge: Bridge) -> None:
            fill(bridge)
            bridge.serve(2, "personas/em24", bridge.store.devices["roof"])

        with serving(twice) as bridge:
            ended = self.check(
                tmp_path, command, bridge.port, "  - {unit: 2, map: personas/em24, device: roof}"
            )
        assert unit_of(ended, 1)["verdict"] == "shown"
        assert "identity cg_D8A3011B9780 of unit 1 (roof) too" in unit_of(ended, 2)["problems"][0]

    def test_a_wrong_site_file(self, tmp_path: Path, command: Command) -> None:
        file = tmp_path / "wrong.yaml"
        file.write_text("devcies: {}\n")
        ended = command("cerbo-check", file)
        assert ended.status == 2
        assert "devices" in ended.err

    def test_an_address_that_is_none(self, tmp_path: Path, command: Command) -> None:
        ended = command("cerbo-check", write_site(tmp_path), "--at", "nowhere:x")
        assert ended.status == 2
        assert "--at" in ended.err


class TestSunspec:
    SERVE = "  - {unit: 126, map: personas/sunspec_pv, device: roof}"

    def check(self, tmp_path: Path, command: Command, bridge: Bridge, unit: int = 126) -> dict:
        serve = self.SERVE.replace("126", str(unit))
        at = f"127.0.0.1:{bridge.port}"
        return unit_of(command("cerbo-check", write_site(tmp_path, serve), "--at", at, "--json"), unit)

    def test_it_is_shown(self, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        def with_sunspec(bridge: Bridge) -> None:
            fill(bridge)
            bridge.serve(126, "personas/sunspec_pv", bridge.store.devices["roof"])

        with serving(with_sunspec) as bridge:
            monkeypatch.setattr(cerbo_sunspec, "SUNSPEC_PORT", bridge.port)
            found = self.check(tmp_path, command, bridge)
        assert found["problems"] == []
        assert found["verdict"] == "shown"
        assert found["shown_as"] == "PV inverter Inverter Bridge YC600 of one phase"
        assert found["service"] == "com.victronenergy.pvinverter.pv_D8A3011B9780"
        assert any("can be limited" in note for note in found["notes"])

    def test_another_port_and_unit_are_told(self, tmp_path: Path, command: Command) -> None:
        def three_phases(bridge: Bridge) -> None:
            fill(bridge)
            bridge.serve(127, "personas/sunspec_pv", bridge.device("meter", METER))

        with serving(three_phases) as bridge:
            found = self.check(tmp_path, command, bridge, 127)
        assert "expected 502" in found["problems"][0]
        assert any("502:127" in note for note in found["notes"])
        assert any("cannot be limited" in note for note in found["notes"])

    @pytest.mark.parametrize(
        ("answers", "said"),
        [
            ({}, "found no SunSpec mark"),
            (
                {40000: [0x5375, 0x6E53], 40002: [1, 66], 40070: [0xFFFF, 0]},
                "expected 1 and one of 101 to 103",
            ),
            ({40000: [0x5375, 0x6E53], 40002: [1, 66]}, "registers 40070 to 40071"),
        ],
    )
    def test_models_that_lead_nowhere(
        self, tmp_path: Path, command: Command, answers: dict[int, list[int]], said: str
    ) -> None:
        with scripted(lambda unit, function, address, count: answers.get(address, 2)) as port:
            file = write_site(tmp_path, self.SERVE)
            ended = command("cerbo-check", file, "--at", f"127.0.0.1:{port}", "--json")
        assert any(said in problem for problem in unit_of(ended, 126)["problems"])


async def test_a_port_that_refuses_is_no_obstacle_one_that_answers_is_told() -> None:
    with scripted(lambda *_: 2) as port:
        assert "takes connections" in (await refuses_quickly("127.0.0.1", port) or "")
    assert await refuses_quickly("127.0.0.1", port) is None


class TestScan:
    def test_it_finds_the_first_type_that_matches(self, tmp_path: Path, command: Command) -> None:
        """The bridge of the site listens on 502; it is asked where it really is."""
        from bridge.cli import cerbo_check

        with serving(fill) as bridge, pytest.MonkeyPatch.context() as patch:
            patch.setattr(cerbo_check, "_SCAN_PORT", bridge.port)
            ended = command("cerbo-check", write_site(tmp_path), "--at", f"127.0.0.1:{bridge.port}", "--json")
        assert [(row["unit"], row["model"]) for row in ended.json["scans"]] == [
            (1, "Carlo Gavazzi EM24 Ethernet")
        ]


class TestSerial:
    def check(self, tmp_path: Path, command: Command, rtu: str, *views: str) -> dict[int, dict]:
        file = write_site(tmp_path, *views, listeners="{rtu: /dev/ttyS9, " + rtu + "}")
        return {row["unit"]: row for row in command("cerbo-check", file, "--json").json["units"]}

    def test_the_rules_of_the_scan(self, tmp_path: Path, command: Command) -> None:
        views = [f"  - {{unit: {unit}, map: personas/abb_b23, device: roof}}" for unit in (2, 9)]
        found = self.check(tmp_path, command, "baudrate: 19200", *views)
        assert found[2]["verdict"] == "shown"
        assert found[2]["problems"] == []
        assert any("tries units 1, 2, 10, 61" in note for note in found[9]["notes"])
        assert not any("tries units" in note for note in found[2]["notes"])
        assert found[20]["verdict"] == "class_file"

    @pytest.mark.parametrize(
        ("rtu", "said"),
        [
            ("baudrate: 9600", "found 9600 bits a second, expected one of 19200, 38400, 115200"),
            ("baudrate: 19200, parity: E", "found 8E1, expected 8N1"),
            ("baudrate: 19200, stop_bits: 2", "found 8N2, expected 8N1"),
        ],
    )
    def test_lines_that_no_gx_speaks(self, tmp_path: Path, command: Command, rtu: str, said: str) -> None:
        found = self.check(tmp_path, command, rtu, "  - {unit: 2, map: personas/abb_b23, device: roof}")
        assert said in found[2]["problems"][0]
        assert found[2]["verdict"] == "wrong"


def test_the_help_is_there(command: Command) -> None:
    assert "Victron GX" in command("cerbo-check", "--help").out
    assert command("cerbo-check").status == 2
