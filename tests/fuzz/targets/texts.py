"""Site files and map files: any text at all, and right ones with slips in them."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bridge.adapters.base import Family
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.layout import layout_of
from bridge.register_maps.loader import MapLoad, load_text
from bridge.register_maps.positions import Problem, lines_of
from bridge.register_maps.rows import rows_of
from bridge.site.families import InstalledFamilies
from bridge.site.loader import SiteLoad, load_site
from tests.docs.pages import BLOCKS
from tests.fuzz.target import Run, Target, ended
from tests.fuzz.targets.choices import Choices
from tests.fuzz.targets.trees import changed, tree_of
from tests.register_maps.test_loader import EXAMPLE

_SITE = """\
site: Boathouse
timezone: Europe/Stockholm
state: ./state
log: {level: info, devices: {charger: debug}}
listeners:
  - {tcp: "127.0.0.1:1502", name: lan, reply_within: 2 s, units: [20, 21, 247]}
  - {udp: "127.0.0.1:1502", write: false}
  - {rtu: /dev/ttyUSB9, baudrate: 38400, units: [42], write: true}
  - {rtu_tcp: "127.0.0.1:1503"}
access: {read: [127.0.0.0/8, 192.168.1.0/24], write: [192.168.1.20, cerbo.local]}
devices:
  charger: {adapter: vedirect, port: /dev/ttyUSB0, unit: 20, product: ac_charger, wear: {per_day: 5}}
  shunt: {adapter: vedirect, product: battery_monitor, port: "socket://192.168.1.31:4001", unit: 21, serial: HQ2}
  multi: {adapter: vebus_mk3, port: /dev/ttyUSB1, unit: 10, standby: true, lease: {/Mode: 60 s}, safe: 4}
  wagon: {adapter: modbus, map: series607, port: /dev/ttyUSB2, baudrate: 38400, remote_unit: 42, unit: 42,
    serial: WAGON1}
  pack: {adapter: can_battery, interface: socketcan, channel: can0, dialect: pylontech, unit: 30}
  si_bms: {adapter: can_bms, interface: slcan, channel: /dev/ttyACM0, dialect: sma, unit: 31,
    battery: {cells: 16, chemistry: lfp, capacity: 200}}
  island: {adapter: sunny_island, interface: slcan, channel: /dev/ttyACM0, unit: 32}
  roof: {adapter: apsystems, port: /dev/ttyAMA0, ecu_id: D8A3011B9781, reset_gpio: 18, location: [52.1, 5.2],
    unit: 50, poll: 5 min, inverters: [{serial: "408000158215", model: yc600},
    {serial: "802000018915", model: qs1, address: 0x3D2A}]}
  gx: {adapter: modbus, map: victron_gx_system, host: 192.168.1.5, remote_unit: 100}
  far: {adapter: remote, url: "mqtt://localhost", topic: far, device: charger, unit: 60}
serve:
  - {unit: 126, map: personas/sunspec_pv, device: roof, listeners: [lan]}
links:
  - {from: "shunt:/Soc", to: "si_bms:/Soc"}
automations:
  - surplus_charging: {grid_power: ["gx:/Ac/Grid/L1/Power"], charger: charger, minimum_current: 3, interval: 30 s}
outlets:
  web: {listen: "127.0.0.1:8080"}
  mqtt: {url: "mqtt://localhost", topic: inverter-bridge}
  metrics: {listen: "127.0.0.1:9502"}
"""
_WORDS = """
~ true false on 0 1 -1 247 248 0x10 017 1e999 .nan .inf -.inf 99999999999999999999 0.1 30s 5min 1h 500ms
"" '' "x" [] {} [[]] [~] {a: b} &a *a !!int !!str ? | > - # %YAML << "\\0" "\\ud800" ${A} ${B:-x} ${ ${A:-${A}}
site timezone state log level devices listeners tcp udp rtu rtu_tcp tls name units reply_within access read
write serve unit map device role sources adapter port product serial wear per_day lease safe include links from
to password password_file poll resume_within automations surplus_charging outlets web mqtt metrics history
notify listen url topic /Mode /Soc /Dc/0/Voltage charger:/Mode bridge:/Link vedirect modbus remote can_bms
socket://h:1 socket://[::1]:x /dev/null ./no.yaml ./site.yaml 0.0.0.0:502 [::]:502 :99999 1.2.3.4/33 role:x
registers coils discrete_inputs constants device detect address type u16 s32b f32b text hexstr e16 mapu16 bit
length scale 1/3 path value values accept invalid none stale exception zero alias repeat count stride source
sum missing negate mirror off extends kind persona poll self_clearing table input holding info format %.2f %s
{n} /P/{n} 0xFE00 65535 65536 methods rates hole_max fast unit_of_measure minimum maximum encoding utf-8 ascii
"""
_TOKENS = _WORDS.split()
_ENV = {"A": "20", "HOME": "/nonexistent"}


class SiteTexts:
    """Loads site files from a folder of its own."""

    def __init__(self, load: Callable[..., SiteLoad] = load_site) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-site-"))
        self._families: dict[str, Family] = dict(InstalledFamilies())
        self._maps = Catalogue()
        self._load = load

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def __call__(self, data: bytes) -> None:
        """Any text is a site, or problems that all carry a place inside the file."""
        path = self._folder / "site.yaml"
        path.write_bytes(data)
        found = self._load(path, _ENV, self._families, lambda _state, _device: None, self._maps)
        assert (found.site is None) == bool(found.problems), "neither a site nor a problem"
        if found.site is None:
            assert not found.units
        _placed((*found.problems, *found.warnings), data.decode("utf-8", "replace"), str(path))


def _placed(problems: Iterable[Problem], text: str, file: str) -> None:
    lines = lines_of(text)
    for problem in problems:
        assert problem.message
        assert "Traceback" not in str(problem)
        assert problem.line >= 1
        assert problem.column >= 1
        if problem.file == file:
            assert problem.line <= len(lines), problem
            assert problem.column <= len(lines[problem.line - 1]) + 1, problem


class MapTexts:
    """Loads map files; one that is right can be laid out, listed and shown."""

    def __init__(self, load: Callable[..., MapLoad] = load_text) -> None:
        self._load = load
        self._maps = Catalogue()

    def __call__(self, data: bytes) -> None:
        """Any text is a map, or errors that all carry a place inside the file."""
        text = data.decode("utf-8", "replace")
        found = self._load(text, "m.yaml", "m", extend=self._maps.load)
        if found.map is None:
            assert found.errors
            lines = lines_of(text)
            for error in found.errors:
                assert error.message
                assert 1 <= error.line <= len(lines) + 1, error
                assert 1 <= error.column <= max(map(len, lines)) + 2, error
            return
        assert not found.errors
        layout_of(found.map)
        for row in rows_of(found.map):
            row.as_json()


class Slips:
    """Right files with slips; the first byte says which one."""

    def __init__(self, bases: Iterable[str], judge: Run) -> None:
        self._bases = [tree_of(text) for text in bases]
        self._judge = judge

    def __call__(self, data: bytes) -> None:
        choices = Choices(data)
        base = self._bases[choices.byte() % len(self._bases)]
        self._judge(changed(base, choices, _TOKENS).encode("utf-8", "replace"))

    def close(self) -> None:
        """End what judges."""
        ended(self._judge)


def _sites() -> list[str]:
    shown = [block.text for block in BLOCKS if block.language == "yaml" and "devices:" in block.text]
    return [_SITE, *shown]


def _maps() -> list[str]:
    folder = Catalogue().folder
    small = [path.read_text() for path in sorted(folder.rglob("*.yaml")) if path.stat().st_size < 3000]
    return [EXAMPLE, *small]


def _slips(bases: Callable[[], list[str]]) -> Iterator[bytes]:
    for number in range(len(bases())):
        for kind in range(9):
            yield bytes((number, kind, 0, 7 * kind + number, kind, 31 * kind, 1, 2, 3, 4))


_BOMBS = (
    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
    "[" * 900,
    "{a: " * 300,
    "devices: &d {x: *d}",
    "unit: " + "9" * 2000,
    "<<: {a: 1}\n? [a]\n: b\n",
    "!!python/object/apply:os.system [x]",
    "a: !!binary \x00\ufeff\u2028\n---\nb: 1\n...\n",
    "include: [./site.yaml, /dev/null, ./, '']",
)
_MARKS = tuple(token.encode() for token in _TOKENS if len(token) > 1)


def _texts(bases: Callable[[], list[str]]) -> Iterator[bytes]:
    yield from (text.encode() for text in _BOMBS)
    yield from (text.encode() for text in bases() if len(text) < 4000)


TARGETS = (
    Target(
        "site_text",
        "any text is a site, or errors with a place in the file; in bounded time, never an exception",
        SiteTexts,
        4000,
        lambda: _texts(_sites),
        _MARKS,
    ),
    Target(
        "site_slips",
        "as any text, for right site files with entries changed, doubled, moved, renamed and left out",
        lambda: Slips(_sites(), SiteTexts()),
        200,
        lambda: _slips(_sites),
    ),
    Target(
        "map_text",
        "any text is a map that can be laid out and listed, or errors with a place; never an exception",
        MapTexts,
        4000,
        lambda: _texts(_maps),
        _MARKS,
    ),
    Target(
        "map_slips",
        "as any text, for shipped maps with entries changed, doubled, moved, renamed and left out",
        lambda: Slips(_maps(), MapTexts()),
        200,
        lambda: _slips(_maps),
    ),
)
