"""CAN buses: devices share them, as long as they mean the same bus and do not speak against each other."""

from collections.abc import Iterator

from bridge.adapters.can.options import CanOptions, bus_key
from bridge.register_maps.positions import Node, Problem
from bridge.site.checked import at
from bridge.site.models import RtuListener
from bridge.site.ports import port_identity
from bridge.site.sections import Draft, PlacedDevice

#: Families that hear or play the one battery of a bus: the ids of their frames are the same.
_BATTERIES = frozenset({"can_battery", "can_bms"})


def judge_buses(draft: Draft, problems: list[Problem]) -> None:
    """Check that devices of one bus agree on its bit rate, and that it has one battery and no other owner."""
    alone = dict(_exclusive_ports(draft))
    seen: dict[str, list[tuple[PlacedDevice, CanOptions]]] = {}
    for device in draft.devices:
        if not isinstance(device.options, CanOptions):
            continue
        options = device.options
        place = at(device.node, ["channel"])
        owner = alone.get(port_identity(options.channel)) if options.interface == "slcan" else None
        if owner is not None:
            problems.append(
                place.problem(
                    f"found the port '{options.channel}', which {owner} has", "give each a port of its own"
                )
            )
        neighbours = seen.setdefault(bus_key(options), [])
        for neighbour, theirs in neighbours:
            problems += _clash(device, options, neighbour, theirs)
        neighbours.append((device, options))


def _clash(
    device: PlacedDevice, options: CanOptions, neighbour: PlacedDevice, theirs: CanOptions
) -> Iterator[Problem]:
    there = f"'{neighbour.name}' ({neighbour.node.file}:{neighbour.node.line})"
    if options.bitrate != theirs.bitrate:
        place = at(device.node, ["bitrate"])
        found = f"found {options.bitrate} bit/s on {options.channel}"
        message = f"{found}, which {there} has with {theirs.bitrate} bit/s"
        yield (place if place is not device.node else at(device.node, ["channel"])).problem(
            message, "a bus has one bit rate, 500000 for batteries and inverters"
        )
    kinds = {device.family.name, neighbour.family.name}
    if device.family.name in _BATTERIES and neighbour.family.name in _BATTERIES:
        what = f"a {device.family.name} on {options.channel}, where the {neighbour.family.name} {there} is"
        hint = (
            "give each a bus of its own: both would speak with the same ids"
            if "can_bms" in kinds
            else "a bus has one battery: remove one of the two, or give each a bus of its own"
        )
        yield at(device.node, ["channel"]).problem(f"found {what}", hint)


def _exclusive_ports(draft: Draft) -> Iterator[tuple[str, str]]:
    """Give the ports that one device or listener has for itself, and who that is."""

    def whose(owner: str, node: Node) -> str:
        return f"{owner} ({node.file}:{node.line})"

    for device in draft.devices:
        for port in device.family.ports(device.options):
            yield port_identity(port), whose(f"device '{device.name}'", device.node)
    for placed in draft.listeners:
        if isinstance(placed.listener, RtuListener):
            name = placed.listener.name or placed.listener.url
            yield port_identity(placed.listener.rtu), whose(f"listener '{name}'", placed.node)
