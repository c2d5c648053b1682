"""What single products do otherwise than their maps say; `Quirk` alone changes nothing."""

import importlib
from collections.abc import Mapping

from bridge.datastore.clock import Clock
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Outcome, Path, Value


class Quirk:
    """One device's peculiarities. Made anew with each session; subclasses override what they need."""

    #: Points that the bridge makes itself: they are in the map, and not read from the device.
    makes: frozenset[Path] = frozenset()
    #: Least time between two requests to the device, in seconds.
    pause_s: float = 0.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def specs(self, specs: Mapping[Path, PointSpec]) -> dict[Path, PointSpec]:
        """Return the points with what the product changes of them."""
        return dict(specs)

    def heard(self, values: Mapping[Path, Value | None]) -> dict[Path, Value | None]:
        """Return what to publish of the values of one read, in their group."""
        return dict(values)

    def proof(self, path: Path) -> Path | None:  # noqa: ARG002 - as overridden
        """Return the point that shows whether a write of `path` has happened; None for the point itself."""
        return None

    def proven(self, path: Path, value: Value, shown: Mapping[Path, Value | None]) -> Outcome | None:
        """Judge by what was read after a write whether it has happened; None while it may still."""
        raise NotImplementedError


def quirk_of(product: str, clock: Clock) -> Quirk:
    """Import and make the quirks of a product; the empty one has none."""
    if not product:
        return Quirk(clock)
    module = importlib.import_module(f"{__name__}.{product}")
    made = module.QUIRK(clock)
    assert isinstance(made, Quirk)  # noqa: S101 - a module of ours that breaks the contract
    return made
