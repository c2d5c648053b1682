"""The contract between the house and an equipment family.

A family is found by its entry point (`inverter_bridge.adapters`), which names a `Family` in the family's
light `options.py`. Its adapter and simulator are imported only when a site or a command uses them.

An adapter owns one device's session: it opens its line, talks the protocol through the family's codec,
publishes points, and executes commands. It never keeps values of its own that others could read: what is
known stands in the `Device`.
"""

import abc
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bridge.adapters.durations import Duration
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.operations import Operation
from bridge.datastore.spec import Lease, Safe
from bridge.datastore.values import Identity, Outcome, Path, Value
from bridge.datastore.wear import Wear, WearLimits


class WearOptions(BaseModel):
    """How often a device's nonvolatile memory may be written; what is left out keeps its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    burst: int = Field(default=10, ge=1, le=1000, description="writes that may follow each other at once")
    refill: Duration = Field(default=60.0, gt=0, le=86400, description="time after which one more is allowed")
    per_day: int = Field(default=100, ge=0, le=10000, description="writes a UTC day")
    lowering_interval: Duration = Field(
        default=10.0, gt=0, le=86400, description="pause between lowerings once the budget is spent"
    )
    lowerings_per_day: int = Field(default=200, ge=0, le=10000, description="such lowerings a UTC day")

    def limits(self) -> WearLimits:
        """Return the limits as the datastore counts them."""
        return WearLimits(
            burst=self.burst,
            refill_s=self.refill,
            per_day=self.per_day,
            lowering_interval_s=self.lowering_interval,
            lowerings_per_day=self.lowerings_per_day,
        )


class LeaseOptions(BaseModel):
    """A set-point that lives only while its writer keeps writing. `60 s` alone stands for `{time: 60 s}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: Duration = Field(ge=1, le=7 * 86400, description="how long a write stays in force, 1 s to 7 d")
    safe: int | float | str | None = Field(
        default=None, description="what comes at its end: a value, `release` or `hold`"
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: object) -> object:
        return {"time": written} if isinstance(written, int | float | str) else written


class DeviceOptions(BaseModel):
    """What every device of a site file may say; families add their own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    adapter: str = Field(description="equipment family")
    unit: int | None = Field(default=None, ge=1, le=246, description="Modbus unit id that serves the device")
    map: str | None = Field(default=None, description="register map instead of the family's native one")
    serial: str | None = Field(default=None, description="serial number that pins the device")
    wear: WearOptions = Field(default=WearOptions(), description="budget of writes to nonvolatile memory")
    lease: Mapping[str, LeaseOptions] = Field(default={}, description="set-points that are leased, by path")
    safe: int | float | str | None = Field(
        default=None, description="`safe` of every lease that has none of its own"
    )
    resume_within: Duration = Field(
        default=86400.0,
        le=366 * 86400,
        description="how old saved set-points may be at a restart and still be resumed",
    )

    def leases(self) -> Mapping[Path, Lease]:
        """Return the leases as the datastore keeps them. Raises ValueError for one without `safe`."""
        found: dict[Path, Lease] = {}
        for path, lease in self.lease.items():
            safe = self.safe if lease.safe is None else lease.safe
            if safe is None:
                raise ValueError(f"lease of {path}: found no safe, expected a value, release or hold")
            word = safe if isinstance(safe, str) else None
            found[path] = Lease(lease.time, Safe(word) if word in {"release", "hold"} else safe)
        return found


class Adapter(abc.ABC):
    """One device's session. Made anew for every start of the device, used on one event loop."""

    #: The longest a command may take, in seconds; what has no outcome by then is `timed_out`.
    command_deadline_s: float = 5.0

    @abc.abstractmethod
    async def run(self) -> None:
        """Talk to the device until cancelled.

        Losing the line is no failure: it is reported by `device.set_link` and reconnected inside. An
        exception that leaves `run` restarts this device alone, after a pause.
        """

    @abc.abstractmethod
    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        """Apply a batch of checked changes by monotonic `deadline` and say what became of each.

        Atomically where the device can, else in the order given, stopping at the first that is not
        confirmed; those not sent after it are REFUSED. A confirmed or adjusted value is published
        before returning. Called again while a former call runs when a change switches equipment off:
        that one goes out as the next frame, before any retry. Before each retry and each further
        frame compare `device.wanted(path)`: another value there means SUPERSEDED.
        """

    def check(self, changes: Mapping[Path, Value]) -> None:  # noqa: B027 - most adapters have no such rule
        """Raise `ValueRefused` for a batch whose changes contradict each other."""

    def wears(self, changes: Mapping[Path, Value]) -> Mapping[Path, Wear]:  # noqa: ARG002 - as overridden
        """Say which changes would write the device's nonvolatile memory now, and which way.

        A change to the value already stored there wears nothing and is confirmed without a frame.
        """
        return {}

    async def expired(self, paths: tuple[Path, ...]) -> bool:  # noqa: ARG002 - as overridden
        """End leases by their safe value or release; False when the device has not obeyed yet."""
        return True

    def operations(self) -> Mapping[str, Operation]:
        """Return by name what a person may ask of the device beside its points, as pairing."""
        return {}

    async def leave(self) -> None:  # noqa: B027 - most adapters have nothing to hand back
        """Hand back what must not outlive the bridge: called once, before an orderly stop ends `run`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which a simulator misbehaves on request."""

    name: str
    help: str


class Simulator(Protocol):
    """A stand-in for the equipment on a PTY or socket, at the line's true pace."""

    faults: tuple[Fault, ...]

    async def run(self, link: FilePath | None = None) -> None:
        """Open a PTY, make `link` point at it, and play the device until cancelled."""

    def misbehave(self, fault: str, argument: str = "") -> None:
        """Begin a fault of `faults` by name; `well` ends all. Raises ValueError for an unknown one."""


@dataclass(frozen=True)
class Family:
    """A family's entry: names and options now, code when asked for.

    `adapter`, `simulator` and `points` are `module:attribute` strings; `simulators` names those of product
    classes, the family's first one first. `native_maps` maps a product class to its native map; a family
    of a single product uses the class "".
    """

    name: str
    title: str
    options: type[DeviceOptions]
    adapter: str
    simulator: str
    native_maps: Mapping[str, str] = field(default_factory=dict)
    simulators: Mapping[str, str] = field(default_factory=dict)
    #: Product classes that stand in the protocol but are not available in this version.
    later: frozenset[str] = frozenset()
    #: Function of a product class that returns the paths its devices declare; "" where they are not known.
    points: str = ""
    #: Function that says who is on a port, see `probing.py`; "" for a family that has no ports of its own.
    probe: str = ""

    def native_map(self, options: DeviceOptions, identity: Identity | None) -> str | None:
        """Return the native map's name, None while the product class is not known."""
        product = getattr(options, "product", "auto" if len(self.native_maps) > 1 else "")
        if product == "auto":
            product = "" if identity is None else identity.product
        return self.native_maps.get(product)

    def declared(self, product: str | None) -> frozenset[str] | None:
        """Return the paths that devices of a product class have, None where that cannot be told now."""
        if not self.points or not product:
            return None
        found = _load(self.points)(product)
        return None if found is None else frozenset(found)

    def further_units(self, options: DeviceOptions) -> Mapping[int, str]:  # noqa: ARG002 - as overridden
        """Return the maps of units that a device has beyond its own: how many further on, and which map."""
        return {}

    def ports(self, options: DeviceOptions) -> tuple[str, ...]:
        """Return the exclusive ports the device would open."""
        port = getattr(options, "port", None)
        return () if port is None else (str(port),)

    def make(self, device: Device, options: DeviceOptions, clock: Clock) -> Adapter:
        """Import the adapter and make one for a device."""
        made = _load(self.adapter)(device, options, clock)
        assert isinstance(made, Adapter)  # noqa: S101 - a family that breaks the contract is a defect of ours
        return made

    def simulator_class(self, product: str | None = None) -> Any:
        """Import the simulator of a product class, or the family's first; its arguments are the family's own.

        Raises KeyError for a product class that has none.
        """
        return _load(self.simulator if product is None else self.simulators[product])


def _load(where: str) -> Any:
    module, _, attribute = where.partition(":")
    return getattr(importlib.import_module(module), attribute)
