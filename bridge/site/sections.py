"""The sections of a site file, each entry checked by its own model. Entries that are wrong are left out."""

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.adapters.base import DeviceOptions, Family
from bridge.register_maps.positions import Node, Problem, nearest
from bridge.site import defaults
from bridge.site.addresses import listen_address
from bridge.site.automations import Automation, SurplusCharging
from bridge.site.checked import at, checked, did_you_mean, unknown_key
from bridge.site.families import KNOWN, FamilyError
from bridge.site.models import LISTENERS, AnyListener, Basics, Link, TcpListener, View
from bridge.site.outlets import LATER_OUTLETS, Outlets

#: More than any machine has use for; each pair of them is compared.
LISTENERS_MAX = 100
KEYS = frozenset(
    {*Basics.model_fields, "listeners", "devices", "serve", "links", "automations", "outlets", "include"}
)

NOT_YET = "is not available in this version"
_REMOVE = "remove it"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
#: The bridge itself is a device of this name.
_OWN_NAME = "bridge"


@dataclass(frozen=True, slots=True)
class PlacedListener:
    """A listener and its place; the place is that of the whole file where none is written."""

    listener: AnyListener
    node: Node


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """A device's options, its family, and its place."""

    name: str
    options: DeviceOptions
    family: Family
    node: Node


@dataclass(frozen=True, slots=True)
class PlacedView:
    """A view and its place."""

    view: View
    node: Node


@dataclass(frozen=True, slots=True)
class PlacedLink:
    """A link and its place."""

    link: Link
    node: Node


@dataclass(frozen=True, slots=True)
class PlacedAutomation:
    """An automation and its place, that of its own keys."""

    surplus: SurplusCharging
    node: Node


@dataclass(frozen=True, slots=True)
class Draft:
    """All entries that are right in themselves. The names are those of the wrong ones too."""

    root: Node
    basics: Basics
    listeners: tuple[PlacedListener, ...]
    listener_names: frozenset[str]
    devices: tuple[PlacedDevice, ...]
    device_names: frozenset[str]
    views: tuple[PlacedView, ...]
    links: tuple[PlacedLink, ...]
    automations: tuple[PlacedAutomation, ...]
    outlets: Outlets


def draft(root: Node, families: Mapping[str, Family], problems: list[Problem]) -> Draft:
    """Check every section by itself."""
    values = root.value if isinstance(root.value, dict) else {}
    problems += [unknown_key(root.key_node(key), KEYS) for key in values if key not in KEYS]
    own = {
        key: value for key, value in values.items() if key in Basics.model_fields and value.value is not None
    }
    basics = checked(Basics, replace(root, value=own), problems) or Basics()
    if basics.timezone is not None:
        _check_timezone(values["timezone"], problems)
    device_nodes = _mapping(values.get("devices"), problems)
    listener_nodes = _list(values.get("listeners"), problems)
    automations = tuple(
        PlacedAutomation(found.surplus_charging, at(node, ["surplus_charging"]))
        for node in _list(values.get("automations"), problems) or []
        if (found := checked(Automation, node, problems)) is not None
    )
    return Draft(
        root=root,
        basics=basics,
        listeners=_listeners(root, listener_nodes, problems),
        listener_names=frozenset(name for node in listener_nodes or [] if (name := _text(node, "name"))),
        devices=_devices(values.get("devices"), device_nodes, families, problems),
        device_names=frozenset({*device_nodes, *(placed.surplus.name for placed in automations)}),
        views=tuple(
            PlacedView(view, node)
            for node in _list(values.get("serve"), problems) or []
            if (view := checked(View, node, problems)) is not None
        ),
        links=tuple(
            PlacedLink(link, node)
            for node in _list(values.get("links"), problems) or []
            if (link := checked(Link, node, problems)) is not None
        ),
        automations=automations,
        outlets=_outlets(values.get("outlets"), problems),
    )


def _listeners(root: Node, nodes: list[Node] | None, problems: list[Problem]) -> tuple[PlacedListener, ...]:
    if nodes is None:
        return (PlacedListener(TcpListener(tcp=listen_address(defaults.LISTENER)), root),)
    if len(nodes) > LISTENERS_MAX:
        message = f"found {len(nodes)} listeners, expected at most {LISTENERS_MAX}"
        problems.append(nodes[LISTENERS_MAX].problem(message, "listen on fewer addresses"))
        return ()
    found = []
    for node in nodes:
        model = _kind(node, problems)
        if model is not None and (listener := checked(model, node, problems)) is not None:
            found.append(PlacedListener(listener, node))
    return tuple(found)


def _kind(node: Node, problems: list[Problem]) -> type[AnyListener] | None:
    """Return what a listener is by the key that makes it, None (and a problem) where there is none or two."""
    if not isinstance(node.value, dict):
        problems.append(node.problem(f'found {node.kind}, expected a mapping such as {{tcp: "0.0.0.0:502"}}'))
        return None
    kinds = [key for key in node.value if key in LISTENERS]
    if len(kinds) > 1:
        message = f"found '{kinds[1]}' beside '{kinds[0]}', expected one of them"
        problems.append(node.key_node(kinds[1]).problem(message, "make two listeners of it"))
        return None
    if not kinds:
        message = f"found no kind of listener, expected one of {', '.join(sorted(LISTENERS))}"
        near = {key: kind for key in node.value if (kind := nearest(key, LISTENERS)) is not None}
        hint = "".join(f"'{key}' should be '{kind}'" for key, kind in [*near.items()][:1])
        problems.append(node.problem(message, hint or 'as in {tcp: "0.0.0.0:502"}'))
        return None
    return LISTENERS[kinds[0]]


def _devices(
    section: Node | None, nodes: dict[str, Node], families: Mapping[str, Family], problems: list[Problem]
) -> tuple[PlacedDevice, ...]:
    found = []
    for name, node in nodes.items():
        if section is not None:
            _check_name(section.key_node(name), problems)
        family = _family(node, families, problems)
        if family is None:
            continue
        options = checked(family.options, node, problems)
        if options is not None:
            found.append(PlacedDevice(name, options, family, node))
    return tuple(found)


def _outlets(node: Node | None, problems: list[Problem]) -> Outlets:
    if node is None or node.value is None:
        return Outlets()
    if isinstance(node.value, dict):
        later = sorted(LATER_OUTLETS & node.value.keys())
        problems += [node.key_node(key).problem(f"outlet '{key}' {NOT_YET}", _REMOVE) for key in later]
        node = replace(node, value={k: item for k, item in node.value.items() if k not in LATER_OUTLETS})
    return checked(Outlets, node, problems) or Outlets()


def _family(node: Node, families: Mapping[str, Family], problems: list[Problem]) -> Family | None:
    """Return the family that a device names, None (and a problem) where there is none."""
    if not isinstance(node.value, dict):
        problems.append(
            node.problem(f"found {node.kind}, expected a mapping such as {{adapter: vedirect, port: ..}}")
        )
        return None
    adapter = node.value.get("adapter")
    if adapter is None:
        message = f"found no 'adapter', expected an equipment family: {', '.join(sorted(families))}"
        near = nearest("adapter", (key for key in node.value if key not in DeviceOptions.model_fields))
        problems.append(node.problem(message, f"'{near}' should be 'adapter'" if near else ""))
        return None
    name = adapter.text
    if name in families:
        try:
            return families[name]
        except FamilyError as fault:
            problems.append(adapter.problem(f"adapter '{name}': {fault}", "install it anew"))
            return None
    if name in KNOWN:
        hint = (
            f"expected one of {', '.join(sorted(families))}" if families else "install inverter-bridge by pip"
        )
        problems.append(adapter.problem(f"adapter '{name}' {NOT_YET}", hint))
    else:
        message = f"found {adapter.kind}, expected an equipment family: {', '.join(sorted(families))}"
        problems.append(adapter.problem(message, did_you_mean(name, {*families, *KNOWN})))
    return None


def _check_name(key: Node, problems: list[Problem]) -> None:
    if key.text == _OWN_NAME:
        problems.append(key.problem("found 'bridge', which is the bridge itself", "choose another name"))
    elif not _NAME.fullmatch(key.text):
        message = (
            f"found the device name '{key.text}', expected a letter, then letters, digits, _ or -, at most 40"
        )
        problems.append(key.problem(message, "choose another name"))


def _check_timezone(node: Node, problems: list[Problem]) -> None:
    try:
        zoneinfo.ZoneInfo(node.text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        hint = did_you_mean(node.text, known) if known else "this system knows none: install tzdata"
        problems.append(
            node.problem(f"found '{node.text}', expected a time zone such as Europe/Stockholm", hint)
        )


def _mapping(node: Node | None, problems: list[Problem]) -> dict[str, Node]:
    if node is None or node.value is None:
        return {}
    if isinstance(node.value, dict):
        return node.value
    problems.append(node.problem(f"found {node.kind}, expected a mapping of names"))
    return {}


def _list(node: Node | None, problems: list[Problem]) -> list[Node] | None:
    """Return a section's entries, None where it is left out."""
    if node is None or node.value is None:
        return None
    if isinstance(node.value, list):
        return node.value
    problems.append(node.problem(f"found {node.kind}, expected a list", "begin each entry with '- '"))
    return []


def _text(node: Node, key: str) -> str:
    inner = node.value.get(key) if isinstance(node.value, dict) else None
    return "" if inner is None else inner.text
