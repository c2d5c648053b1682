"""Signals: how rooms hear of what happens without being asked and without being called by name."""

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Signal(Generic[T]):
    """A list of listeners called in the order they came; a failing one is logged and harms nobody."""

    __slots__ = ("_failing", "_listeners", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._listeners: list[Callable[[T], None]] = []
        self._failing: list[Callable[[T], None]] = []

    def connect(self, listener: Callable[[T], None]) -> Callable[[], None]:
        """Add a listener; the answer disconnects it again."""
        self._listeners.append(listener)

        def disconnect() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)
            if listener in self._failing:
                self._failing.remove(listener)

        return disconnect

    def emit(self, event: T) -> None:
        """Tell every listener before returning; one that fails is logged once until it is well again."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - one listener's fault must not stop the others or the sender
                if listener not in self._failing:
                    self._failing.append(listener)
                    _log.exception("signal=%s listener=%r failed", self._name, listener)
            else:
                if self._failing and listener in self._failing:
                    self._failing.remove(listener)
                    _log.warning("signal=%s listener=%r well again", self._name, listener)
