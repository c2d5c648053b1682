"""What a running bridge tells of itself over its local door, beside what stands in status blocks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.cli.errors import CommandFailed

#: Words that go on with the state's name in one breath: `asleep until 07:42`.
_GOES_ON = re.compile(r"until\b|since\b|\(")

Step = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Told:
    """Devices by name, listeners in the site's order. Empty where nobody could be asked."""

    devices: Mapping[str, Step] = field(default_factory=dict)
    listeners: tuple[Step, ...] = ()

    def words(self, device: str) -> str:
        """Return what a person should know of a device's link beside its state; often nothing."""
        return str(self.devices.get(device, {}).get("words") or "")

    def level(self, device: str) -> str:
        """Return the level of a device's log."""
        return str(self.devices.get(device, {}).get("log") or "nothing")


def ask_bridge(site: Path) -> Told:
    """Ask the bridge of a site that runs on this machine; an empty answer where that cannot be done."""
    from bridge.cli.door import ask  # heavy, and not needed for help

    try:
        devices = {str(step["device"]): step for step in ask(site, "status")}
        return Told(devices, tuple(ask(site, "peers")))
    except CommandFailed:
        return Told()


def link_text(state: str, words: str) -> str:
    """Join the name of a link's state and its words as a person would."""
    if not words:
        return state
    return f"{state} {words}" if _GOES_ON.match(words) else f"{state}: {words}"


def counted(peers: object) -> str:
    """Return who is connected, the address with most connections first."""
    if not isinstance(peers, dict) or not peers:
        return "nobody"
    found = sorted(peers.items(), key=lambda peer: (-int(peer[1]), str(peer[0])))
    return ", ".join(f"{address} ({count})" for address, count in found)
