"""The command `check`: what it prints, in which shape, and how it ends."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.check import check
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from bridge.datastore.values import Identity

RIGHT = """\
state: saved
listeners: [{tcp: "127.0.0.1:5020"}]
devices:
  charger: {adapter: vedirect, port: /dev/ttyUSB0, unit: 20, product: ac_charger}
"""
LEARNT = RIGHT.replace(", product: ac_charger", "")


@dataclass(frozen=True)
class Ended:
    status: int
    out: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Run":
    monkeypatch.chdir(tmp_path)
    return Run()


class Run:
    def __call__(self, text: str | None, *options: str, name: str = "site.yaml") -> Ended:
        if text is not None:
            Path(name).write_text(text)
        result = CliRunner().invoke(check, [name, *options])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Ended(result.exit_code, result.output)


def test_a_right_site_is_a_table(run: Run) -> None:
    ended = run(RIGHT)
    assert ended.status == 0
    assert [line.split() for line in ended.out.splitlines()] == [
        ["listener", "unit", "device", "map", "role"],
        ["tcp://127.0.0.1:5020", "20", "charger", "bluesmart_charger", "charger"],
    ]


def test_json_of_a_right_site(run: Run) -> None:
    ended = run(RIGHT, "--json")
    assert ended.status == 0
    assert json.loads(ended.out) == {
        "errors": [],
        "units": [
            {
                "listener": "tcp://127.0.0.1:5020",
                "unit": 20,
                "device": "charger",
                "map": "bluesmart_charger",
                "role": "charger",
            }
        ],
        "warnings": [],
    }


def test_json_of_a_wrong_site(run: Run) -> None:
    ended = run(RIGHT.replace("unit", "unti"), "--json")
    assert ended.status == 2
    assert json.loads(ended.out) == {
        "errors": [
            {
                "file": "site.yaml",
                "line": 4,
                "column": 52,
                "message": "found the unknown key 'unti', expected one of adapter, lease, map, port, "
                "product, resume_within, safe, serial, unit, wear",
                "hint": "did you mean 'unit'?",
            }
        ],
        "units": [],
        "warnings": [],
    }


def test_errors_show_their_line_with_a_caret(run: Run) -> None:
    ended = run("sit: é\nsite: [1]\nlog:  {level: inof}\n")
    assert ended.status == 2
    assert ended.out.splitlines() == [
        "site.yaml:1:1: found the unknown key 'sit', expected one of access, automations, devices, include, "
        "links, listeners, log, mdns, outlets, serve, site, state, timezone, did you mean 'site'?",
        "    1 | sit: é",
        "      | ^",
        "site.yaml:2:7: found a list, expected text",
        "    2 | site: [1]",
        "      |       ^",
        "site.yaml:3:15: found the text 'inof', expected one of debug, info, warning, error, "
        "did you mean 'info'?",
        "    3 | log:  {level: inof}",
        "      |               ^",
        "",
        "site.yaml:1:1: warning: found no devices: only the bridge's own unit 247 is served, add devices",
        "    1 | sit: é",
        "      | ^",
        "",
        "3 errors: nothing would be served",
    ]


def test_the_caret_stands_under_wide_and_long_lines(run: Run) -> None:
    tab = run("{site: 'a\tb', log: 3}").out.splitlines()
    assert tab[1] == "    1 | {site: 'a b', log: 3}"
    assert tab[2] == "      |                    ^"
    wide = run("{site: '船船', log: 3}").out.splitlines()
    assert wide[2] == "      |                     ^"
    long = run("{site: '" + "x" * 300 + "', log: 3}").out.splitlines()
    assert len(long[1]) < 120
    assert long[1][long[2].index("^")] == "3"


def test_control_characters_do_not_reach_the_terminal(run: Run) -> None:
    ended = run("site: \x1b[31m\n")
    assert ended.status == 2
    assert "\x1b" not in ended.out
    assert "found the character U+001B, which YAML does not allow, remove it" in ended.out
    assert "\x1b" not in run('log: "\\e[31m"').out


def test_errors_of_an_included_file_show_its_own_line(run: Run) -> None:
    Path("more.yaml").write_text("# more\nlog: 3\n")
    ended = run("include: more.yaml\n")
    assert ended.out.splitlines()[:3] == [
        "more.yaml:2:6: found the number 3, expected a mapping",
        "    2 | log: 3",
        "      |      ^",
    ]


def test_warnings_end_well(run: Run) -> None:
    ended = run("site: x\n", "--json")
    assert ended.status == 0
    found = json.loads(ended.out)
    assert found["errors"] == found["units"] == []
    assert [(w["file"], w["line"], w["column"]) for w in found["warnings"]] == [("site.yaml", 1, 1)]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_such_file(run: Run, options: tuple[str, ...]) -> None:
    ended = run(None, *options)
    assert ended.status == 2
    assert "found no such file" in ended.out


def test_what_a_running_bridge_has_learnt_is_read_beside_it(run: Run) -> None:
    assert json.loads(run(LEARNT, "--json").out)["units"][0]["map"] is None
    assert "not known yet" in run(LEARNT).out
    store = StateStore(Path("saved"))
    store.open()
    try:
        device = Device("charger", ManualClock(), store.memory("charger"))
        device.learn(Identity(serial="HQ1", product="ac_charger"))
    finally:
        store.close()
    running = StateStore(Path("saved"))
    running.open()
    try:
        assert json.loads(run(LEARNT, "--json").out)["units"][0]["map"] == "bluesmart_charger"
    finally:
        running.close()
