"""What a check finds, and what it is given to look at."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.adapters.base import DeviceOptions
from bridge.doctor.machine import Machine
from bridge.site.loader import SiteLoad
from bridge.site.models import Site


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to do: what was looked at, what is wrong and where, and what helps."""

    check: str
    found: str
    cure: str


#: What the running bridge tells over its local door: one operation's steps.
Steps = tuple[Mapping[str, object], ...]


@dataclass(frozen=True, slots=True)
class Running:
    """The bridge of the site on this machine.

    state: `yes`; `no` where nobody answers; `closed` where this user may not ask; `unasked` without a site.
    """

    state: Literal["yes", "no", "closed", "unasked"]
    devices: Steps = ()
    listeners: Steps = ()
    version: str = ""
    pid: int | None = None
    #: What hindered a test message to the owner; empty where it arrived, or none is wanted.
    unsent: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """All that can be looked at. `load` is None where there is no site file."""

    machine: Machine
    load: SiteLoad | None
    running: Running
    #: The site file as it was named.
    file: str = ""

    @property
    def site(self) -> Site | None:
        """The site, None without a file and where that has faults."""
        return None if self.load is None else self.load.site

    @property
    def devices(self) -> Mapping[str, DeviceOptions]:
        """The devices of the site."""
        return {} if self.site is None else self.site.devices


Check = Callable[[Case], Iterator[Finding]]
