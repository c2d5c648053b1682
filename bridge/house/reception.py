"""What people ask of the running bridge beside Modbus: finds the operation that a request means."""

import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence

from bridge import __version__
from bridge.adapters.base import Adapter
from bridge.datastore.operations import Operation, OperationFault
from bridge.datastore.store import Datastore
from bridge.logs import LEVELS, set_level
from bridge.register_maps.positions import nearest
from bridge.server.listening import Listener


class Reception:
    """The bridge's own operations, and the way to those of its devices."""

    def __init__(
        self, datastore: Datastore, adapters: Mapping[str, Adapter], listeners: Sequence[Listener]
    ) -> None:
        self._datastore = datastore
        self._adapters = adapters
        self._listeners = listeners
        self._own: Mapping[str, Operation] = {
            "health": self._health,
            "log": self._log,
            "peers": self._peers,
            "process": self._process,
            "status": self._status,
        }

    def find(self, device: str, name: str) -> Operation:
        """Return an operation of a device, or of the bridge itself (""). Raises OperationFault."""
        if not device:
            known, whose = self._own, "the bridge"
        elif device in self._adapters:
            known, whose = self._adapters[device].operations(), f"device '{device}'"
        else:
            raise OperationFault(_unknown("device", device, self._adapters))
        if name not in known:
            raise OperationFault(f"{whose} cannot '{name}': {_expected(name, known)}")
        return known[name]

    async def _health(self, _: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        """Tell of every listener whether it serves. Devices that are away are no fault of the bridge."""
        for listener in self._listeners:
            yield {"listener": listener.terms.name, "serving": listener.serving}

    async def _status(self, _: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        """Tell of every device: its link in words, its age, faults, budgets, and the level of its log."""
        for device in self._datastore:
            found = device.status()
            yield {
                "device": device.name,
                "link": found.link.name.lower(),
                "words": device.link_words,
                "age_s": found.age_s,
                "errors": found.errors,
                "uptime_s": found.uptime_s,
                "attempts": found.attempts,
                "wear_left": found.wear_left,
                "set_points": found.set_points,
                "log": _level_of(device.name),
            }

    async def _peers(self, _: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        """Tell of every listener who is connected now: connections by address."""
        for listener in self._listeners:
            yield {
                "listener": listener.terms.name,
                "serving": listener.serving,
                "peers": dict(sorted(listener.peers.items())),
            }

    async def _process(self, _: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        """Tell which program this is: its version is that of its start, whatever is installed since."""
        yield {"version": __version__, "pid": os.getpid()}

    async def _log(self, arguments: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        """Set the level of the log, or of one device's lines, until the bridge ends; without one tell all."""
        level, device = str(arguments.get("level", "")), str(arguments.get("of", ""))
        if "level" not in arguments:
            for name in ("", *self._adapters):
                yield {"level": _level_of(name), "of": name}
            return
        if level not in LEVELS:
            raise OperationFault(f"found the level '{level}', {_expected(level, LEVELS)}")
        if device and device not in self._adapters:
            raise OperationFault(_unknown("device", device, self._adapters))
        set_level(level, device)
        logging.getLogger(__name__).info("log level=%s of=%s", level, device or "everything")
        yield {"level": level, "of": device}


def _level_of(device: str) -> str | None:
    """Return the lowest level at which lines of a device, or of nobody (""), reach the log; None for none."""
    logger, handlers = logging.getLogger("bridge"), logging.getLogger().handlers
    for name, level in LEVELS.items():
        text = f"device={device}" if device else ""
        line = logging.LogRecord(logger.name, level, "", 0, text, None, None)
        if logger.isEnabledFor(level) and all(handler.filter(line) for handler in handlers):
            return name
    return None


def _unknown(what: str, name: str, known: Mapping[str, object]) -> str:
    return f"found the unknown {what} '{name}', {_expected(name, known)}"


def _expected(name: str, known: Mapping[str, object]) -> str:
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near else f"expected one of {', '.join(known) or 'none'}"
