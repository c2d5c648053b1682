"""Every key by itself: what is taken, and the exact words for what is not."""

from pathlib import Path

import pytest

from bridge.adapters.base import LeaseOptions
from bridge.datastore.spec import Lease, Safe
from bridge.datastore.wear import WearLimits
from bridge.site.addresses import HostPort
from tests.site.conftest import BenchOptions, Loads

DURATION = "expected seconds or a duration such as 500 ms, 30 s, 5 min, 1 h or 1 d"
LISTEN = 'expected host:port such as "0.0.0.0:502" or "[::]:502"'
DEVICE_KEYS = "adapter, lease, map, port, product, resume_within, safe, serial, unit, wear"

#: One line of YAML and the problems it has, each as `line:column: text`.
REFUSED = [
    ("- 1", ["1:1: found a list, expected a mapping such as 'devices: ..'"]),
    ("devixes: {}", [
        "1:1: found the unknown key 'devixes', expected one of access, automations, devices, include, links, "
        "listeners, log, mdns, outlets, serve, site, state, timezone, did you mean 'devices'?"
    ]),
    ("site: [a]", ["1:7: found a list, expected text"]),
    ("timezone: Europe/Stokholm", [
        "1:11: found 'Europe/Stokholm', expected a time zone such as Europe/Stockholm, "
        "did you mean 'Europe/Stockholm'?"
    ]),
    ("timezone: ../../etc/passwd", [
        "1:11: found '../../etc/passwd', expected a time zone such as Europe/Stockholm"
    ]),
    ("state: site.yaml", [
        "1:8: found the state directory site.yaml, which is none and cannot become one, "
        "name a directory of the bridge's own"
    ]),
    ("log: {level: inof}", [
        "1:14: found the text 'inof', expected one of debug, info, warning, error, did you mean 'info'?"
    ]),
    ("log: {devices: {pump: debug}}", [
        "1:17: found the unknown device 'pump', expected a device, but the site has none with a name"
    ]),
    ("log: debug", ["1:6: found the text 'debug', expected a mapping"]),
    ("access: {reed: []}", [
        "1:10: found the unknown key 'reed', expected one of read, write, did you mean 'read'?"
    ]),
    ("access: {read: 127.0.0.1}", ["1:16: found the text '127.0.0.1', expected a list"]),
    ("access: {read: [192.168.1.7/24]}", [
        "1:17: found the text '192.168.1.7/24', expected the network 192.168.1.0/24 or the "
        "address 192.168.1.7 alone"
    ]),
    ("access: {write: [1.2.3.400, 10.0.0.1]}", [
        "1:18: found the text '1.2.3.400', expected a network such as 192.168.1.0/24, an address or "
        "a host name"
    ]),
    ("listeners: {tcp: x}", ["1:12: found a mapping, expected a list, begin each entry with '- '"]),
    ("access: {write: [{from: 10.0.0.1, unit: [20]}]}", [
        "1:35: found the unknown key 'unit', expected one of from, paths, role, units, did you mean 'units'?"
    ]),
    ("access: {write: [{units: [20]}]}", ["1:18: found a mapping, expected 'from' or 'role' in it"]),
    ("access: {write: [{from: 10.0.0.1/8, paths: [Mode]}]}", [
        "1:25: found the text '10.0.0.1/8', expected the network 10.0.0.0/8 or the address 10.0.0.1 alone",
        "1:45: found the text 'Mode', expected paths such as /Mode or /Settings/*; left out: all",
    ]),
    ("access: {write: [7]}", [
        "1:18: found the number 7, expected a network, an address, a host name or role:NAME"
    ]),
    ("listeners: [7]", [
        "1:13: found the number 7, expected a mapping such as {tcp: \"0.0.0.0:502\"}"
    ]),
    ("listeners: [{name: lan}]", [
        "1:13: found no kind of listener, expected one of rtu, rtu_tcp, tcp, tls, udp, "
        "as in {tcp: \"0.0.0.0:502\"}"
    ]),
    ("listeners: [{tpc: 'a:1'}]", [
        "1:13: found no kind of listener, expected one of rtu, rtu_tcp, tcp, tls, udp, 'tpc' should be 'tcp'"
    ]),
    ("listeners: [{tcp: 'a:1', udp: 'a:1'}]", [
        "1:26: found 'udp' beside 'tcp', expected one of them, make two listeners of it"
    ]),
    ("listeners: [{udp: '502'}]", [f"1:19: found the text '502', {LISTEN}"]),
    ("listeners: [{udp: 'a:1', connections: 3}]", [
        "1:26: found the unknown key 'connections', expected one of name, reply_within, udp, units, write"
    ]),
    ("listeners: [{tcp: 'a:1', connections: 0}]", ["1:39: found the number 0, expected 1 to 10000"]),
    ("listeners: [{name: a, rtu: /dev/ttyUSB0, bauds: 1}]", [
        "1:42: found the unknown key 'bauds', expected one of baudrate, name, parity, reply_within, rtu, "
        "stop_bits, units, write, did you mean 'baudrate'?"
    ]),
    ("listeners: [{rtu: /dev/ttyUSB0, baudrate: 9601, parity: X, stop_bits: 3}]", [
        "1:43: found the number 9601, expected one of 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, "
        "230400, did you mean '9600'?",
        "1:57: found the text 'X', expected one of N, E, O",
        "1:71: found the number 3, expected one of 1, 2",
    ]),
    ("listeners: [{rtu: ttyUSB0}, {rtu: 'socket://a:1'}]", [
        "1:19: found the port 'ttyUSB0', expected a device path such as /dev/ttyUSB0 or a PTY, did you mean "
        "'/dev/ttyUSB0'?",
        "1:35: found the port 'socket://a:1', expected a device path such as /dev/ttyUSB0 or a PTY",
    ]),
    ("listeners: [{tls: 'a:1'}]", [
        "1:13: found no 'certificate', expected a file with the bridge's own certificate",
        "1:13: found no 'key', expected a file with its key",
        "1:13: found no 'client_ca', expected a file with the authority of the clients' certificates",
    ]),
    ("listeners: [{tls: 'a:1', certificate: a.pem, key: ., client_ca: site.yaml}]", [
        "1:39: found no file a.pem, expected one in PEM, a relative path begins at the site file",
        "1:51: found no file ., expected one in PEM, a relative path begins at the site file",
    ]),
    ("listeners: [{tcp: 502}]", [f"1:19: found the number 502, {LISTEN}"]),
    ("listeners: [{tcp: ':502'}]", [f"1:19: found the text ':502', {LISTEN}"]),
    ("listeners: [{tcp: '0.0.0.0:70000'}]", [f"1:19: found the text '0.0.0.0:70000', {LISTEN}"]),
    ("listeners: [{tcp: '1.2.3.256:502'}]", [f"1:19: found the text '1.2.3.256:502', {LISTEN}"]),
    ("listeners: [{tcp: '::1:502'}]", [f"1:19: found the text '::1:502', {LISTEN}"]),
    ("listeners: [{tcp: '[::g]:502'}]", [f"1:19: found the text '[::g]:502', {LISTEN}"]),
    ("listeners: [{tcp: 'a:1', reply_within: 0}]", [
        "1:40: found the number 0, expected more than 0, at most 60 s"
    ]),
    ("listeners: [{tcp: 'a:1', units: [0, 247, 248]}]", [
        "1:34: found the number 0, expected 1 to 247",
        "1:42: found the number 248, expected 1 to 247",
    ]),
    ("listeners: [{tcp: 'a:1', write: yes}]", ["1:33: found the text 'yes', expected true or false"]),
    ("listeners: [{tcp: 'a:1', name: my lan}]", [
        "1:32: found the text 'my lan', expected a word of letters, digits, _ and -"
    ]),
    ("devices: [a]", ["1:10: found a list, expected a mapping of names"]),
    ("devices: {a: }", ["1:13: found nothing, expected a mapping such as {adapter: vedirect, port: ..}"]),
    ("devices: {a: {unit: 1}}", [
        "1:14: found no 'adapter', expected an equipment family: bench, vedirect"
    ]),
    ("devices: {a: {adaptor: vedirect}}", [
        "1:14: found no 'adapter', expected an equipment family: bench, vedirect, "
        "'adaptor' should be 'adapter'"
    ]),
    ("devices: {a: {adapter: vedirekt}}", [
        "1:24: found the text 'vedirekt', expected an equipment family: bench, vedirect, "
        "did you mean 'vedirect'?"
    ]),
    ("devices: {a: {adapter: remote, host: x}}", [
        "1:24: adapter 'remote' is not available in this version, expected one of bench, vedirect"
    ]),
    ("devices: {a: {adapter: vedirect}}", [
        "1:14: found no 'port', expected a device path, a PTY or socket://host:port"
    ]),
    ("devices: {a: {adapter: vedirect, port: /dev/ttyUSB0, produzt: auto}}", [
        f"1:54: found the unknown key 'produzt', expected one of {DEVICE_KEYS}, did you mean 'product'?"
    ]),
    ("devices: {a: {adapter: vedirect, port: /dev/ttyUSB0, product: charger}}", [
        "1:63: found the text 'charger', expected one of auto, ac_charger, inverter, solar_charger, "
        "battery_monitor, dcdc, did you mean 'ac_charger'?"
    ]),
    ("devices: {a: {adapter: vedirect, port: ttyUSB0}}", [
        "1:40: found the port 'ttyUSB0', expected a device path such as /dev/ttyUSB0, a PTY or "
        "socket://host:port, did you mean '/dev/ttyUSB0'?"
    ]),
    ("devices: {a: {adapter: vedirect, port: 'tcp://10.0.0.1:4001'}}", [
        "1:40: found the port 'tcp://10.0.0.1:4001', expected a device path such as /dev/ttyUSB0, a PTY or "
        "socket://host:port"
    ]),
    ("devices: {a: {adapter: vedirect, port: 'socket://h:70000'}}", [
        "1:40: found the port 'socket://h:70000', expected a TCP port of 1 to 65535"
    ]),
    ("devices: {a: {adapter: bench, unit: 247}}", ["1:37: found the number 247, expected 1 to 246"]),
    ("devices: {a: {adapter: bench, unit: 0}}", ["1:37: found the number 0, expected 1 to 246"]),
    ("devices: {a: {adapter: bench, unit: '20'}}", ["1:37: found the text '20', expected a whole number"]),
    ("devices: {a: {adapter: bench, unit: 20.0}}", ["1:37: found the number 20.0, expected a whole number"]),
    ("devices: {a: {adapter: bench, unit: true}}", [
        "1:37: found the boolean true, expected a whole number"
    ]),
    ("devices: {a: {adapter: bench, loud: 1}}", ["1:37: found the number 1, expected true or false"]),
    ("devices: {a: {adapter: bench, ratio: high}}", ["1:38: found the text 'high', expected a number"]),
    ("devices: {a: {adapter: bench, words: one}}", ["1:38: found the text 'one', expected a list"]),
    ("devices: {a: {adapter: bench, poll: 3 parsecs}}", [f"1:37: found the text '3 parsecs', {DURATION}"]),
    ("devices: {a: {adapter: bench, poll: -1}}", [f"1:37: found the number -1, {DURATION}"]),
    ("devices: {a: {adapter: bench, poll: true}}", [f"1:37: found the boolean true, {DURATION}"]),
    ("devices: {a: {adapter: bench, poll: 2 h}}", ["1:37: found the text '2 h', expected 0.5 to 3600 s"]),
    ("devices: {a: {adapter: bench, wear: {per_day: -1, bust: 2}}}", [
        "1:47: found the number -1, expected 0 to 10000",
        "1:51: found the unknown key 'bust', expected one of burst, lowering_interval, "
        "lowerings_per_day, per_day, refill, did you mean 'burst'?",
    ]),
    ("devices: {a: {adapter: bench, lease: {/Mode: 60 s}}}", [
        "1:39: found a lease of /Mode without 'safe', expected a value, release or hold, "
        "say what comes at its end: {time: 60 s, safe: release}"
    ]),
    ("devices: {a: {adapter: bench, safe: 0, lease: {Mode: 60 s}}}", [
        "1:48: found the path 'Mode', expected one such as /Mode, begin it with /"
    ]),
    ("devices: {a: {adapter: bench, lease: {/Mode: {time: 1 ms, safe: [1]}}}}", [
        "1:53: found the text '1 ms', expected 1 to 604800 s",
        "1:65: found a list, expected a whole number or a number or text",
    ]),
    ("devices: {bridge: {adapter: bench}}", [
        "1:11: found 'bridge', which is the bridge itself, choose another name"
    ]),
    ("devices: {2nd: {adapter: bench}}", [
        "1:11: found the device name '2nd', expected a letter, then letters, digits, _ or -, at most 40, "
        "choose another name"
    ]),
    ("serve: [{unit: 5, device: a}]", [
        "1:9: found no 'map', expected name of a register map, or ./mine.yaml beside the site file"
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_refused(load: Loads, text: str, said: list[str]) -> None:
    found = load(text)
    assert [str(problem).removeprefix("site.yaml:") for problem in found.problems] == said
    assert found.site is None
    assert found.units == ()


def test_long_words_are_cut_and_stay_on_their_line(load: Loads) -> None:
    found = load("site: {" + "k" * 200 + ": 1}\nlog: 'a\n  b" + "c" * 200 + "'\n")
    assert [problem.message for problem in found.problems] == [
        "found a mapping, expected text",
        f"found the text 'a b{'c' * 57}..', expected a mapping",
    ]


def test_the_number_of_listeners_is_bounded(load: Loads) -> None:
    found = load("listeners:\n" + "".join(f"- {{tcp: 'a:{port}'}}\n" for port in range(5000)))
    assert [str(problem) for problem in found.problems] == [
        "site.yaml:102:3: found 5000 listeners, expected at most 100, listen on fewer addresses"
    ]


def test_all_errors_are_told_in_the_order_of_the_file(load: Loads) -> None:
    found = load("sit: a\nlisteners: [{tcp: 1}]\nlog: 1\ndevices: {a: 1, b: {adapter: x}}\n")
    assert [(problem.line, problem.column) for problem in found.problems] == [
        (1, 1), (2, 19), (3, 6), (4, 14), (4, 30),
    ]  # fmt: skip


def test_a_whole_site(load: Loads) -> None:
    found = load("""
site: Boathouse
timezone: Europe/Stockholm
state: saved
log: {level: warning, devices: {charger: debug}}
listeners:
  - {tcp: "0.0.0.0:502", name: lan}
  - {tcp: "[::1]:1502", name: scada, reply_within: 4 s, write: false, units: [20, 247]}
access: {read: [127.0.0.0/8, 192.168.1.0/24, Cerbo.local], write: [192.168.1.20, cerbo.local]}
devices:
  charger: {adapter: vedirect, port: "socket://10.0.0.31:4001", unit: 20, product: ac_charger, serial: 0123}
""")
    assert found.problems == ()
    assert found.warnings == ()
    site = found.site
    assert site is not None
    assert (site.name, site.timezone, site.state) == ("Boathouse", "Europe/Stockholm", Path("saved"))
    assert (site.log.level, dict(site.log.devices)) == ("warning", {"charger": "debug"})
    lan, scada = site.listeners
    assert (lan.url, lan.reply_within, lan.write, lan.units) == ("tcp://0.0.0.0:502", 0.4, True, None)
    assert (scada.tcp, scada.reply_within, scada.write) == (HostPort("::1", 1502), 4.0, False)
    assert (scada.url, scada.units) == ("tcp://[::1]:1502", (20, 247))
    assert [rule.who for rule in site.access.read] == ["127.0.0.0/8", "192.168.1.0/24", "cerbo.local"]
    assert [rule.who for rule in site.access.write] == ["192.168.1.20/32", "cerbo.local"]
    assert site.devices["charger"].serial == "0123"
    assert [(unit.listener, unit.unit, unit.map, unit.role) for unit in found.units] == [
        ("tcp://0.0.0.0:502", 20, "bluesmart_charger", "charger"),
        ("tcp://[::1]:1502", 20, "bluesmart_charger", "charger"),
    ]


def test_what_is_left_out(load: Loads) -> None:
    found = load("devices: {a: {adapter: bench, unit: 5}}")
    assert found.site is not None
    site = found.site
    assert site.name == "site"
    assert site.timezone is None
    assert site.state == Path("/home/skipper/.local/state/inverter-bridge")
    assert [listener.url for listener in site.listeners] == ["tcp://0.0.0.0:502"]
    assert [rule.who for rule in site.access.write] == ["127.0.0.0/8", "::1/128"]
    assert "192.168.0.0/16" in [rule.who for rule in site.access.read]
    assert site.devices["a"].wear.limits() == WearLimits()
    assert site.devices["a"].leases() == {}


@pytest.mark.parametrize(
    ("env", "state", "found"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, None, "/var/lib/a"),
        ({"STATE_DIRECTORY": "/var/lib/a"}, "/srv/x", "/srv/x"),
        ({"STATE_DIRECTORY": ""}, None, "/home/skipper/.local/state/inverter-bridge"),
        ({}, "~/x", "/home/skipper/x"),
        ({}, "x/y", "x/y"),
    ],
)
def test_state_directory(load: Loads, env: dict[str, str], state: str | None, found: str) -> None:
    site = load("{}" if state is None else f"state: {state}", env).site
    assert site is not None
    assert site.state == Path(found)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("1", 1.0), ("0.5", 0.5), ("500 ms", 0.5), ("500ms", 0.5), ("30 s", 30.0), ("5 min", 300.0),
     ("1 h", 3600.0), ("1.5 min", 90.0), ("'30'", None), ("1 d", None), ("5 m", None),
     ("1 h 5 min", None), (".inf", None)],
)  # fmt: skip
def test_durations(load: Loads, written: str, seconds: float | None) -> None:
    found = load(f"devices: {{a: {{adapter: bench, unit: 1, poll: {written}}}}}")
    if seconds is None:
        assert [(problem.line, problem.column) for problem in found.problems] == [(1, 46)]
    else:
        assert found.site is not None
        assert found.site.devices["a"].poll == seconds  # type: ignore[attr-defined]


def test_text_is_taken_as_written(load: Loads) -> None:
    found = load("""
devices:
  a: {adapter: bench, unit: 1, serial: 801E10, password: 0123, words: [on, 0o17, 1:30, true, 1.50]}
""")
    assert found.site is not None
    options = found.site.devices["a"]
    assert isinstance(options, BenchOptions)
    assert (options.serial, options.password) == ("801E10", "0123")
    assert options.words == ("on", "0o17", "1:30", "true", "1.50")


def test_wear_and_leases(load: Loads) -> None:
    found = load("""
devices:
  a:
    adapter: bench
    unit: 1
    wear: {burst: 3, refill: 2 min, per_day: 20, lowering_interval: 30 s, lowerings_per_day: 40}
    lease:
      /Mode: 60 s
      /Settings/ChargeCurrentLimit: {time: 5 min, safe: release}
    safe: 4
""")
    assert found.problems == ()
    assert found.site is not None
    options = found.site.devices["a"]
    assert options.wear.limits() == WearLimits(3, 120.0, 20, 30.0, 40)
    assert options.lease["/Mode"] == LeaseOptions(time=60)
    assert options.leases() == {
        "/Mode": Lease(60.0, 4),
        "/Settings/ChargeCurrentLimit": Lease(300.0, Safe.RELEASE),
    }


def test_every_kind_of_listener(load: Loads) -> None:
    found = load(
        """
listeners:
  - {tcp: "0.0.0.0:502", connections: 200}
  - {udp: "0.0.0.0:502"}
  - {rtu: /dev/ttyS0, baudrate: 38400, parity: E, stop_bits: 2, units: [5], write: true}
  - {rtu: /dev/ttyS1}
  - {rtu_tcp: "0.0.0.0:503"}
  - {tls: "0.0.0.0:802", certificate: a.pem, key: a.pem, client_ca: a.pem}
devices: {a: {adapter: bench, unit: 5}}
""",
        a_pem="",
    )
    assert found.problems == ()
    assert [unit.listener for unit in found.units] == [
        "tcp://0.0.0.0:502",
        "udp://0.0.0.0:502",
        "rtu:///dev/ttyS0",
        "rtu:///dev/ttyS1",
        "rtu_tcp://0.0.0.0:503",
        "tls://0.0.0.0:802",
    ]
    assert found.site is not None
    tcp, udp, first, second, rtu_tcp, tls = found.site.listeners
    assert [x.write for x in (tcp, udp, first, second, rtu_tcp, tls)] == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]
    assert (tcp.connections, rtu_tcp.connections) == (200, None)
    assert (first.baudrate, first.parity, first.stop_bits, first.units) == (38400, "E", 2, (5,))
    assert (second.baudrate, second.parity, second.stop_bits) == (19200, "N", 1)
    assert (second.reply_within, udp.reply_within) == (0.3, 0.4)
    assert tls.key == "a.pem"


def test_entries_of_access_for_some(load: Loads) -> None:
    found = load(
        """
access:
  read: [192.168.1.0/24, "role:viewer"]
  write:
    - 192.168.1.20
    - {from: 192.168.1.30, units: [20, 247], paths: [/Mode, /Settings/*]}
    - {role: operator, units: [20]}
devices: {a: {adapter: bench, unit: 5}}
"""
    )
    assert found.problems == ()
    assert found.site is not None
    assert [(r.who, r.role, r.units, r.paths) for r in found.site.access.write] == [
        ("192.168.1.20/32", None, None, None),
        ("192.168.1.30/32", None, (20, 247), ("/Mode", "/Settings/*")),
        (None, "operator", (20,), None),
    ]
    assert found.site.access.read[1].role == "viewer"
