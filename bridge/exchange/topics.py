"""The topics of one bridge, all below one of its own. Words in small letters never are a point's path."""

from collections.abc import Callable

from bridge.datastore.values import Path

#: The bridge itself is a device of this name.
BRIDGE = "bridge"
_ABOUT, _AVAILABILITY, _COMMAND, _SET = "about", "availability", "command", "set"
ONLINE, OFFLINE = "online", "offline"


class Topics:
    """The topics below `root`, which has no slash at its end."""

    def __init__(self, root: str) -> None:
        self.root = root
        #: Retained `online` or `offline`; the broker says `offline` for a bridge it has lost.
        self.bridge = f"{root}/{BRIDGE}/{_AVAILABILITY}"
        #: What has changed on all devices, in numbered reports.
        self.live = f"{root}/{BRIDGE}/live"
        #: Questions to the bridge: its clock, and what all its points are.
        self.ask = f"{root}/{BRIDGE}/ask"
        #: What devices are, one retained message each.
        self.all_about = f"{root}/+/{_ABOUT}"
        self.all_commands = f"{root}/+/{_COMMAND}"
        self.all_sets = f"{root}/+/{_SET}/#"

    def about(self, device: str) -> str:
        """Return where it is told what a device is."""
        return f"{self.root}/{device}/{_ABOUT}"

    def availability(self, device: str) -> str:
        """Return where it is told whether a device can be believed."""
        return f"{self.root}/{device}/{'link' if device == BRIDGE else _AVAILABILITY}"

    def command(self, device: str) -> str:
        """Return where a device takes batches of changes."""
        return f"{self.root}/{device}/{_COMMAND}"

    def point(self, device: str, path: Path) -> str:
        """Return where a point is told."""
        return f"{self.root}/{device}{path}"

    def set_point(self, device: str, path: Path) -> str:
        """Return where a single value for a point is taken."""
        return f"{self.root}/{device}/{_SET}{path}"

    def reply(self, asker: str) -> str:
        """Return where one asker gets its replies."""
        return f"{self.root}/{BRIDGE}/reply/{asker}"

    def about_whom(self, topic: str) -> str | None:
        """Return the device whose `about` a topic is, None for another topic."""
        return self._device(topic, lambda rest: rest == _ABOUT)

    def commanded(self, topic: str) -> str | None:
        """Return the device whose `command` a topic is, None for another topic."""
        return self._device(topic, lambda rest: rest == _COMMAND)

    def to_set(self, topic: str) -> tuple[str, Path] | None:
        """Return the device and point that a `set` topic names, None for another topic."""
        device = self._device(topic, lambda rest: rest.startswith(f"{_SET}/"))
        return None if device is None else (device, topic[len(self.set_point(device, "")) :])

    def _device(self, topic: str, fits: Callable[[str], bool]) -> str | None:
        if not topic.startswith(f"{self.root}/"):
            return None
        device, _, rest = topic[len(self.root) + 1 :].partition("/")
        return device if fits(rest) else None
