"""What entries mean together: units, listeners, ports, maps."""

from pathlib import Path

import pytest

from bridge.site.ports import port_fault, port_identity
from tests.site.conftest import Loads

TWO_LISTENERS = "listeners: [{tcp: '0.0.0.0:502', name: lan}, {tcp: '0.0.0.0:1502', name: scada}]\n"
DEVICE = "devices: {a: {adapter: bench, unit: 1}}\n"

#: A site and its problems, each as `line:column: text`.
REFUSED = [
    (
        "devices:\n  a: {adapter: bench, unit: 1}\n  b: {adapter: bench, unit: 1}\n",
        [
            "3:29: found unit 1 again on tcp://0.0.0.0:502, device 'a' has it (site.yaml:2), "
            "choose another unit"
        ],
    ),
    (
        TWO_LISTENERS + DEVICE + "serve: [{unit: 1, map: bench, device: a, listeners: [scada]}]",
        [
            "3:16: found unit 1 again on tcp://0.0.0.0:1502, device 'a' has it (site.yaml:2), "
            "choose another unit"
        ],
    ),
    (
        "listeners: [{tcp: '0.0.0.0:502', name: lan}, {tcp: '127.0.0.1:502', name: lan}]",
        [
            "1:52: found 127.0.0.1:502, which site.yaml:1 listens on as 0.0.0.0:502, choose another port",
            "1:75: found the listener name 'lan' again, it stands in site.yaml:1, choose another name",
        ],
    ),
    (
        "listeners: [{tcp: '[::1]:502'}, {tcp: '[0:0::1]:502'}]",
        ["1:39: found [::1]:502, which site.yaml:1 listens on as [::1]:502, choose another port"],
    ),
    (
        "listeners: [{tcp: '0.0.0.0:502'}, {udp: '0.0.0.0:502'}, {rtu_tcp: '0.0.0.0:502'}, {udp: 'a:503'}]",
        [
            "1:67: found 0.0.0.0:502, which site.yaml:1 listens on as 0.0.0.0:502, choose another port",
        ],
    ),
    (
        "listeners: [{rtu: /dev/ttyUSB9, name: bus}, {rtu: /dev/../dev/ttyUSB9}]\n"
        "devices:\n  a: {adapter: vedirect, port: /dev/ttyUSB8, unit: 1}\n",
        [
            "1:51: found the port '/dev/../dev/ttyUSB9', which listener 'bus' has (site.yaml:1), "
            "give each a port of its own"
        ],
    ),
    (
        "listeners: [{rtu: /dev/./ttyUSB9}]\ndevices:\n  a: {adapter: vedirect, port: /dev/ttyUSB9, unit: 1}\n",
        [
            "1:19: found the port '/dev/./ttyUSB9', which device 'a' has (site.yaml:3), "
            "give each a port of its own"
        ],
    ),
    (
        DEVICE + "serve: [{unit: 2, map: bench, device: b, listeners: [lan], sources: {m: c}}]",
        [
            "2:39: found the unknown device 'b', expected one of a",
            "2:54: found the unknown listener 'lan', expected one of tcp://0.0.0.0:502",
            "2:73: found the unknown device 'c', expected one of a",
        ],
    ),
    (
        TWO_LISTENERS + DEVICE + "serve: [{unit: 2, map: bench, device: a, listeners: [scda, lan]}]",
        [
            "3:54: found the unknown listener 'scda', expected one of lan, scada, tcp://0.0.0.0:1502, "
            "tcp://0.0.0.0:502, did you mean 'scada'?"
        ],
    ),
    (
        DEVICE + "serve: [{unit: 2, map: bench, device: a, listeners: []}]",
        ["2:53: found an empty list, expected names of listeners"],
    ),
    (
        DEVICE + "serve: [{unit: 2, map: bench, device: a, role: grid}]",
        ["2:42: 'role' is not available in this version, remove it"],
    ),
    (
        DEVICE + "serve: [{unit: 2, map: bluesmart_chager, device: a}]",
        [
            "2:24: found the unknown map 'bluesmart_chager', expected a shipped one, or ./mine.yaml beside "
            "the site file, did you mean 'bluesmart_charger'?"
        ],
    ),
    (
        "devices: {a: {adapter: bench, unit: 1, map: ./mine.yaml}}",
        [
            "1:45: found no map file ./mine.yaml, a relative path begins at the site file",
        ],
    ),
    (
        "devices: {a: {adapter: bench, unit: 1, map: bridge}}",
        ["1:45: found the map 'bridge', which serves unit 247 alone, choose the map of a device"],
    ),
    (
        DEVICE + "serve: [{unit: 2, map: personas/serial_meter, device: a}]",
        [
            "2:24: found the persona 'personas/serial_meter' on tcp://0.0.0.0:502, but its readers look for "
            "it on rtu only, choose other listeners"
        ],
    ),
    (
        "devices:\n  a: {adapter: vedirect, port: /dev/x/../ttyUSB9}\n"
        "  b: {adapter: vedirect, port: /dev/ttyUSB9}\n",
        [
            "3:32: found the port '/dev/ttyUSB9', which device 'a' has (site.yaml:2), "
            "give each a port of its own"
        ],
    ),
    (
        "devices:\n  a: {adapter: vedirect, port: 'socket://localhost:4001'}\n"
        "  b: {adapter: vedirect, port: 'SOCKET://127.0.0.1:04001/'}\n",
        [
            "3:32: found the port 'SOCKET://127.0.0.1:04001/', which device 'a' has (site.yaml:2), "
            "give each a port of its own"
        ],
    ),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_refused(load: Loads, text: str, said: list[str]) -> None:
    found = load(text)
    assert [str(problem).removeprefix("site.yaml:") for problem in found.problems] == said
    assert found.site is None


#: A site that is right, and what is odd about it.
WARNED = [
    ("{}", ["1:1: found no devices: only the bridge's own unit 247 is served, add devices"]),
    (
        "listeners: []\n" + DEVICE,
        ['1:12: found no listeners: nothing is served, add one: - {tcp: "0.0.0.0:502"}'],
    ),
    (
        "devices: {a: {adapter: bench}}",
        ["1:14: device 'a' has no unit and no view: it is read, but nothing serves it, add unit: 1 to 246"],
    ),
    (
        "listeners: [{tcp: '0.0.0.0:502', units: [2, 247]}]\n" + DEVICE,
        [
            "1:42: found unit 2, which no device of this site has on tcp://0.0.0.0:502, remove it, "
            "or add its device",
            "2:37: unit 1 of device 'a' is on no listener, look at the listeners' units",
        ],
    ),
    (
        DEVICE + "access: {read: [192.168.1.0/24], write: [192.168.1.20, 10.0.0.1]}",
        ["2:56: found 10.0.0.1/32, which may write but not read, add it to access.read"],
    ),
    (DEVICE + "access: {read: [cerbo.local], write: [192.168.1.20]}", []),
    (DEVICE + "access: {read: ['role:viewer', 10.0.0.0/8], write: [192.168.1.20]}", []),
    (
        DEVICE + "access: {read: [{from: 10.0.0.0/8, paths: [/Mode]}]}",
        ["2:43: found 'paths', which limit writing alone, remove them"],
    ),
    (DEVICE + "access: {read: [192.168.1.0/24]}", []),
]


@pytest.mark.parametrize(("text", "said"), WARNED)
def test_warned(load: Loads, text: str, said: list[str]) -> None:
    found = load(text)
    assert [str(problem).removeprefix("site.yaml:") for problem in found.warnings] == said
    assert found.problems == ()
    assert found.site is not None


def test_units_are_judged_listener_by_listener(load: Loads) -> None:
    found = load(
        "listeners:\n"
        "  - {tcp: '0.0.0.0:502', name: lan, units: [1, 3]}\n"
        "  - {tcp: '0.0.0.0:1502', units: [2, 3]}\n"
        "devices:\n  a: {adapter: bench, unit: 1}\n  b: {adapter: bench, unit: 2}\n  c: {adapter: bench}\n"
        "serve:\n"
        "  - {unit: 3, map: bluesmart_charger, device: c, listeners: [lan], reply_within: 2 s}\n"
        "  - {unit: 3, map: bench, device: a, listeners: ['tcp://0.0.0.0:1502'], sources: {other: b}}\n"
    )
    assert found.problems == ()
    assert found.warnings == ()
    assert [
        (u.listener, u.unit, u.device, u.map, u.role, u.reply_within, u.sources) for u in found.units
    ] == [
        ("tcp://0.0.0.0:502", 1, "a", "bench", None, None, None),
        ("tcp://0.0.0.0:502", 3, "c", "bluesmart_charger", "charger", 2.0, None),
        ("tcp://0.0.0.0:1502", 2, "b", "bench", None, None, None),
        ("tcp://0.0.0.0:1502", 3, "a", "bench", None, None, {"other": "b"}),
    ]


def test_a_map_of_ones_own_is_checked_with_the_site(load: Loads) -> None:
    text = "devices: {a: {adapter: bench, unit: 1, map: ./mine.yaml}}"
    mine = "name: mine\ntitle: Mine\nregisters:\n  - {address: 0x3000, type: u16, path: /Soc}\n"
    assert [unit.map for unit in load(text, mine_yaml=mine).units] == ["./mine.yaml"]
    found = load(text, mine_yaml=mine.replace("u16", "u61"))
    assert [(p.file, p.line, p.column) for p in found.problems] == [("mine.yaml", 4, 29)]


def test_a_persona_serves_where_its_readers_look(load: Loads) -> None:
    found = load(DEVICE + "serve: [{unit: 2, map: personas/lan_meter, device: a}]")
    assert [(unit.unit, unit.role) for unit in found.units] == [(1, None), (2, "grid")]


@pytest.mark.parametrize(
    ("product", "learnt", "map_name", "warnings"),
    [
        ("auto", None, None, []),
        ("auto", "ac_charger", "bluesmart_charger", []),
        ("auto", "something new", None, []),
        ("ac_charger", None, "bluesmart_charger", []),
        ("ac_charger", "inverter", "bluesmart_charger", []),
        ("auto", "inverter", "phoenix_inverter", []),
    ],
)
def test_the_native_map_follows_the_product_class(
    load: Loads, product: str, learnt: str | None, map_name: str | None, warnings: list[str]
) -> None:
    text = f"devices: {{a: {{adapter: vedirect, port: /dev/ttyUSB0, unit: 20, product: {product}}}}}"
    found = load(text, learnt=learnt)
    assert [(unit.unit, unit.map) for unit in found.units] == [(20, map_name)]
    assert [str(problem) for problem in found.warnings] == warnings


def test_listeners_may_let_the_system_choose_their_port(load: Loads) -> None:
    assert load("listeners: [{tcp: '127.0.0.1:0'}, {tcp: '0.0.0.0:0'}]\n" + DEVICE).problems == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/dev/ttyUSB0", "/dev//ttyUSB0", True),
        ("/dev/ttyUSB0", "/dev/ttyUSB1", False),
        ("socket://Gateway.local:4001", "socket://gateway.local.:4001", True),
        ("socket://[::1]:4001", "socket://localhost:4001", True),
        ("socket://h:4001", "socket://h:4002", False),
    ],
)
def test_names_of_ports(one: str, other: str, same: bool) -> None:
    assert port_fault(one) is None
    assert port_fault(other) is None
    assert (port_identity(one) == port_identity(other)) is same


def test_a_link_is_the_port_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "pts").touch()
    (tmp_path / "charger").symlink_to("pts")
    assert port_identity(str(tmp_path / "charger")) == port_identity(str(tmp_path / "pts"))


def test_a_chosen_map_needs_points_that_its_device_has(load: Loads) -> None:
    mine = "title: Mine\nregisters:\n  - {address: 1, type: u16, path: /Dc/0/Voltag}\n  - {address: 2, type: u16, path: /State}\n"
    text = "devices: {a: {adapter: vedirect, port: /dev/ttyUSB0, unit: 1, map: ./mine.yaml, product: %s}}"
    found = load(text % "ac_charger", mine_yaml=mine)
    assert [(p.file, p.line, p.column) for p in found.problems] == [("mine.yaml", 3, 5)]
    assert "did you mean /Dc/0/Voltage" in found.problems[0].hint
    assert load(text % "auto", mine_yaml=mine).problems == ()
    assert len(load(text % "auto", learnt="ac_charger", mine_yaml=mine).problems) == 1


def test_a_sum_needs_devices_of_the_site(load: Loads) -> None:
    mine = (
        'registers: [{address: 1, type: s16, path: /P, source: {sum: [/Dc/0/Current, "metr:/Dc/0/Current"]}}]'
    )
    text = "devices: {a: {adapter: vedirect, port: /dev/ttyUSB0, unit: 1, map: ./mine.yaml}}"
    (problem,) = load(text, mine_yaml=mine).problems
    assert "metr:/Dc/0/Current" in problem.message
    view = (
        "devices: {a: {adapter: vedirect, port: /dev/ttyUSB0}, b: {adapter: vedirect, port: /dev/ttyUSB1}}\n"
        "serve: [{unit: 1, map: ./mine.yaml, device: a, sources: {metr: b}}]"
    )
    assert load(view, mine_yaml=mine).problems == ()
