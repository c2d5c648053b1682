"""What the sections of a site mean together: names that exist, ports and units that do not clash."""

import ipaddress
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.register_maps.positions import Node, Problem
from bridge.site.addresses import HostPort
from bridge.site.buses import judge_buses
from bridge.site.checked import at, did_you_mean
from bridge.site.models import AccessRule, RtuListener, TlsListener
from bridge.site.mqtt_rules import judge_mqtt
from bridge.site.ports import port_fault, port_identity
from bridge.site.sections import NOT_YET, Draft, PlacedDevice, PlacedListener, PlacedView

#: What all devices of one line must agree on, by the attribute that also has what was left out.
_LINE_KEYS = {"baudrate": "baudrate", "parity": "parity", "stop_bits": "stop_bits", "transport": "way"}


def judge(
    draft: Draft, directory: Path, state: Path, problems: list[Problem], warnings: list[Problem]
) -> None:
    """Check all that needs no register map; `directory` is that of the site file."""
    _listeners(draft.listeners, problems)
    _certificates(draft, directory, problems)
    _products(draft.devices, problems)
    _leases(draft.devices, problems)
    _ports(draft, problems)
    judge_buses(draft, problems)
    for placed in draft.views:
        _view(draft, placed, problems)
    judge_mqtt(draft, directory, problems)
    _log(draft, problems)
    _state(draft, state, problems)
    _access(draft, warnings)
    if not draft.device_names:
        warnings.append(
            draft.root.problem("found no devices: only the bridge's own unit 247 is served", "add devices")
        )
    if not draft.listeners and at(draft.root, ["listeners"]).value == []:
        place = at(draft.root, ["listeners"])
        warnings.append(
            place.problem("found no listeners: nothing is served", 'add one: - {tcp: "0.0.0.0:502"}')
        )


def _listeners(listeners: Iterable[PlacedListener], problems: list[Problem]) -> None:
    for first, second in itertools.combinations(listeners, 2):
        one, two = _address(first), _address(second)
        if one is not None and two is not None and _clash(one, two):
            place, other = (at(placed.node, [placed.listener.kind]) for placed in (second, first))
            message = f"found {two[1]}, which {_where(other)} listens on as {one[1]}"
            problems.append(place.problem(message, "choose another port"))
        if first.listener.name is not None and first.listener.name == second.listener.name:
            message = (
                f"found the listener name '{second.listener.name}' again, it stands in {_where(first.node)}"
            )
            problems.append(at(second.node, ["name"]).problem(message, "choose another name"))


def _address(placed: PlacedListener) -> tuple[str, HostPort] | None:
    """Return the kind and the address of a listener on a network."""
    listener = placed.listener
    return None if isinstance(listener, RtuListener) else (listener.kind, getattr(listener, listener.kind))


def _clash(one: tuple[str, HostPort], two: tuple[str, HostPort]) -> bool:
    """True when two cannot listen beside each other; those whose port the system chooses need other kinds."""
    if one[0] != two[0] and ("udp" in (one[0], two[0]) or one[1].port == 0):
        return False
    return one[1].clashes(two[1])


def _certificates(draft: Draft, directory: Path, problems: list[Problem]) -> None:
    """The files of a TLS listener are there; what stands in them is judged when it opens."""
    for placed in draft.listeners:
        if not isinstance(placed.listener, TlsListener):
            continue
        for key in ("certificate", "key", "client_ca"):
            written = getattr(placed.listener, key)
            try:
                there = (directory / written).is_file()
            except (OSError, ValueError):
                there = False
            if not there:
                place = at(placed.node, [key])
                hint = "a relative path begins at the site file"
                problems.append(place.problem(f"found no file {written}, expected one in PEM", hint))


def _products(devices: Iterable[PlacedDevice], problems: list[Problem]) -> None:
    for device in devices:
        product = getattr(device.options, "product", "")
        if product in device.family.later:
            usable = ", ".join(["auto", *sorted(device.family.native_maps)])
            place = at(device.node, ["product"])
            problems.append(place.problem(f"product '{product}' {NOT_YET}", f"expected one of {usable}"))


def _leases(devices: Iterable[PlacedDevice], problems: list[Problem]) -> None:
    for device in devices:
        for path, lease in device.options.lease.items():
            key = at(device.node, ["lease"]).key_node(path)
            if not path.startswith("/"):
                problems.append(
                    key.problem(f"found the path '{path}', expected one such as /Mode", "begin it with /")
                )
            if lease.safe is None and device.options.safe is None:
                message = f"found a lease of {path} without 'safe', expected a value, release or hold"
                problems.append(
                    key.problem(message, "say what comes at its end: {time: 60 s, safe: release}")
                )


def _ports(draft: Draft, problems: list[Problem]) -> None:
    """Exclusive ports are well spelled, and nobody shares one under whatever names."""
    taken: dict[str, tuple[str, Node]] = {}

    def take(port: str, owner: str, node: Node, place: Node) -> None:
        first, where = taken.setdefault(port_identity(port), (owner, node))
        if where is not node:
            message = f"found the port '{port}', which {first} has ({_where(where)})"
            problems.append(place.problem(message, "give each a port of its own"))

    for device in draft.devices:
        for port in device.family.ports(device.options):
            place = at(device.node, ["port"])
            fault = port_fault(port)
            if fault is not None:
                problems.append(place.problem(f"found the port '{port}', {fault}", _port_hint(port)))
                continue
            take(port, f"device '{device.name}'", device.node, place)
    for placed in draft.listeners:
        if isinstance(placed.listener, RtuListener):
            port, place = placed.listener.rtu, at(placed.node, ["rtu"])
            if "://" in port or port_fault(port) is not None:
                message = f"found the port '{port}', expected a device path such as /dev/ttyUSB0 or a PTY"
                problems.append(place.problem(message, _port_hint(port)))
                continue
            take(port, f"listener '{placed.listener.name or placed.listener.url}'", placed.node, place)
    _lines(draft.devices, taken, problems)


def _lines(
    devices: Iterable[PlacedDevice], taken: Mapping[str, tuple[str, Node]], problems: list[Problem]
) -> None:
    """Ports that families share have one set of settings, and nobody who has them alone."""
    lines: dict[str, PlacedDevice] = {}
    for device in devices:
        port = getattr(device.options, "port", None)
        if not isinstance(port, str) or device.family.ports(device.options):
            continue
        place = at(device.node, ["port"])
        fault = port_fault(port)
        if fault is not None:
            problems.append(place.problem(f"found the port '{port}', {fault}", _port_hint(port)))
            continue
        owner = taken.get(port_identity(port))
        if owner is not None:
            message = f"found the port '{port}', which {owner[0]} has ({_where(owner[1])})"
            problems.append(place.problem(message, "give each a port of its own"))
            continue
        first = lines.setdefault(port_identity(port), device)
        for key, attribute in _LINE_KEYS.items():
            found, other = (getattr(one.options, attribute, None) for one in (device, first))
            if found != other:
                message = f"found {key} {found} on '{port}', on which device '{first.name}' has {other}"
                hint = "devices on one line have the same settings"
                problems.append(at(device.node, [key]).problem(f"{message} ({_where(first.node)})", hint))


def _port_hint(port: str) -> str:
    return f"did you mean '/dev/{port}'?" if port.startswith(("tty", "serial", "pts")) else ""


def _view(draft: Draft, placed: PlacedView, problems: list[Problem]) -> None:
    view, node = placed.view, placed.node
    if view.role is not None:
        problems.append(node.key_node("role").problem(f"'role' {NOT_YET}", "remove it"))
    known_name(at(node, ["device"]), view.device, "device", draft.device_names, problems)
    for source, device in view.sources.items():
        known_name(at(node, ["sources", source]), device, "device", draft.device_names, problems)
    if view.listeners is None:
        return
    if not view.listeners:
        problems.append(at(node, ["listeners"]).problem("found an empty list, expected names of listeners"))
    known = draft.listener_names | {listener.listener.url for listener in draft.listeners}
    for number, name in enumerate(view.listeners):
        known_name(at(node, ["listeners", number]), name, "listener", known, problems)


def _log(draft: Draft, problems: list[Problem]) -> None:
    levels = at(draft.root, ["log", "devices"])
    for name in draft.basics.log.devices:
        known_name(levels.key_node(name), name, "device", draft.device_names, problems)


def known_name(place: Node, name: str, what: str, names: frozenset[str], problems: list[Problem]) -> None:
    """Report a name that the site does not have."""
    if name not in names:
        there = (
            f"one of {', '.join(sorted(names))}" if names else f"a {what}, but the site has none with a name"
        )
        problems.append(
            place.problem(f"found the unknown {what} '{name}', expected {there}", did_you_mean(name, names))
        )


def _state(draft: Draft, state: Path, problems: list[Problem]) -> None:
    try:
        wrong = state.exists() and not state.is_dir()
    except (OSError, ValueError):
        wrong = True
    if wrong:
        message = f"found the state directory {state}, which is none and cannot become one"
        problems.append(at(draft.root, ["state"]).problem(message, "name a directory of the bridge's own"))


def _access(draft: Draft, warnings: list[Problem]) -> None:
    """Whoever may write but not read cannot even connect. Host names are not looked up here."""
    access = draft.basics.access
    for number, entry in enumerate(access.read):
        if entry.paths is not None:
            place = at(draft.root, ["access", "read", number, "paths"])
            warnings.append(place.problem("found 'paths', which limit writing alone", "remove them"))
    if "write" not in access.model_fields_set:
        return
    readable = [net for entry in access.read if entry.role is None and (net := _network(entry)) is not None]
    if len(readable) < len(access.read):
        return  # a host name or a role among them may be just this one
    for number, entry in enumerate(access.write):
        network = _network(entry)
        if network is not None and not any(_covers(wide, network) for wide in readable):
            place = at(draft.root, ["access", "write", number])
            message = f"found {entry.who}, which may write but not read"
            warnings.append(place.problem(message, "add it to access.read"))


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(entry: AccessRule) -> _Network | None:
    try:
        return None if entry.who is None else ipaddress.ip_network(entry.who)
    except ValueError:
        return None


def _covers(wide: _Network, narrow: _Network) -> bool:
    if isinstance(wide, ipaddress.IPv4Network):
        return isinstance(narrow, ipaddress.IPv4Network) and narrow.subnet_of(wide)
    return isinstance(narrow, ipaddress.IPv6Network) and narrow.subnet_of(wide)


def _where(node: Node) -> str:
    return f"{node.file}:{node.line}"
