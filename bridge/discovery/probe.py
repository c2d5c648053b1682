"""Who is on one port: first listening, then, where a person has named it, asking.

The order of the questions is that in which they can hurt least.
"""

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from bridge.adapters.base import Family
from bridge.adapters.line import LineFault, PortBusy, PortDenied, PortUnusable, is_socket
from bridge.adapters.line_faults import LineLost
from bridge.adapters.probing import Introduction, Pace, PortInQuestion, Probe
from bridge.datastore.clock import Clock
from bridge.discovery import strangers
from bridge.discovery.ports import Roots, described, holders

#: Families by how little their questions can disturb others; Modbus is last because it asks many units.
_ORDER = ("vedirect", "vebus_mk3", "apsystems", "can_battery", "can_bms", "sunny_island")
_LAST = "modbus"
_SILENT = (
    "nothing was heard{}: is the equipment on, is the cable in its right socket, do TX and RX cross? Behind "
    "RS485 adapters also look at A and B"
)
_NOT_ASKED = ", and nothing was sent"
_ASKED = ", and nobody has answered any question"


class Status(Enum):
    """What became of a probe."""

    OPERATIONAL = "operational"
    ASLEEP = "asleep"
    SILENT = "silent"
    BUSY = "busy"
    WRONG_DEVICE = "wrong device"
    PORT_MISSING = "port missing"
    DENIED = "denied"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Who is on a port, or why nobody knows. `found` is set with OPERATIONAL and ASLEEP."""

    port: str
    status: Status
    text: str = ""
    found: Introduction | None = None

    def fields(self) -> Mapping[str, object]:
        """Return it for JSON; what was not told is null."""
        found = self.found
        return {
            "port": self.port,
            "status": self.status.value,
            "family": None if found is None else found.family,
            "product": None if found is None else found.product or None,
            "name": None if found is None else found.name or None,
            "serial": None if found is None else found.serial or None,
            "firmware": None if found is None else found.firmware or None,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Inquiry:
    """How ports are looked at.

    family: look for this one alone. may_ask: sending is allowed. units, rates: of Modbus slaves, where a
    person names them.
    """

    families: Mapping[str, Family]
    clock: Clock
    family: str | None = None
    may_ask: bool = False
    units: tuple[int, ...] = ()
    rates: tuple[int, ...] = ()
    pace: Pace = field(default_factory=Pace)
    roots: Roots = field(default_factory=Roots)


async def probe_port(
    port: str, inquiry: Inquiry, told: Callable[[str], None] = lambda _: None
) -> ProbeResult:
    """Say who is on a port; never raises a fault of the port. `told` hears what is done now."""
    if used_by := () if is_socket(port) else holders(port, inquiry.roots):
        return ProbeResult(port, Status.BUSY, _in_use(used_by))
    question = PortInQuestion(
        port,
        inquiry.clock,
        described=described(port, inquiry.roots),
        units=inquiry.units,
        rates=inquiry.rates,
        pace=inquiry.pace,
        foreign=strangers.named,
    )
    try:
        return await _asked(question, inquiry, told)
    except PortBusy as fault:
        return ProbeResult(port, Status.BUSY, fault.reason)
    except PortDenied as fault:
        return ProbeResult(port, Status.DENIED, fault.reason)
    except PortUnusable as fault:
        return ProbeResult(port, Status.UNUSABLE, fault.reason)
    except LineLost as fault:
        return ProbeResult(port, Status.PORT_MISSING, f"{fault.reason}, while it was probed")
    except LineFault as fault:
        return ProbeResult(port, Status.PORT_MISSING, fault.reason)


async def _asked(question: PortInQuestion, inquiry: Inquiry, told: Callable[[str], None]) -> ProbeResult:
    probes = probes_of(inquiry.families, inquiry.family)
    told("listening")
    asleep = None
    for _, probe in probes:
        found = await probe(question)
        if found is not None and not found.asleep:
            # heard: only its own family may go on asking, who else it is
            question.may_ask = inquiry.may_ask
            return _found(question.port, (await probe(question) if inquiry.may_ask else None) or found)
        asleep = asleep or found
    await _listen_on(question, told)
    if question.stranger is not None:
        return _wrong(question.port, question.stranger)
    question.may_ask = inquiry.may_ask
    for name, probe in probes if inquiry.may_ask else ():
        told(f"asking for {name}")
        found = await probe(question)
        if found is not None and not found.asleep:
            return _found(question.port, found)
        if question.stranger is not None:
            return _wrong(question.port, question.stranger)
        asleep = asleep or found
    if asleep is not None:
        return ProbeResult(question.port, Status.ASLEEP, asleep.text, asleep)
    return _unknown(question)


async def _listen_on(question: PortInQuestion, told: Callable[[str], None]) -> None:
    """Listen at further rates where something was heard that nobody understands, for who it may be."""
    if not question.heard or question.has_one_rate:
        return
    told("listening to who speaks there")
    for settings in strangers.RATES:
        await question.listen(settings, strangers.LISTEN_S, lambda _data, _now: None)


def _unknown(question: PortInQuestion) -> ProbeResult:
    if question.heard:
        return _wrong(question.port, strangers.described(question.heard))
    return ProbeResult(
        question.port, Status.SILENT, _SILENT.format(_ASKED if question.may_ask else _NOT_ASKED)
    )


def _wrong(port: str, heard: str) -> ProbeResult:
    return ProbeResult(
        port,
        Status.WRONG_DEVICE,
        f"heard {heard}: expected equipment that the bridge knows; choose another port, leave this one alone",
    )


def _found(port: str, found: Introduction) -> ProbeResult:
    return ProbeResult(port, Status.ASLEEP if found.asleep else Status.OPERATIONAL, found.text, found)


def _in_use(used_by: tuple[str, ...]) -> str:
    return (
        f"in use by {', '.join(used_by)}: stop that program first (on a GX the serial starter, on a desktop "
        "ModemManager, or a running bridge, whose `inverter-bridge status` tells more)"
    )


def probes_of(families: Mapping[str, Family], only: str | None = None) -> list[tuple[str, Probe]]:
    """Return the families' probes in the order in which they are tried; one that is shared stands once."""
    names = sorted(families, key=lambda name: (name == _LAST, _place(name), name))
    found: dict[str, str] = {}
    for name in names if only is None else (only,):
        where = families[name].probe
        if where and where not in found.values():
            found[name] = where
    return [(name, _load(where)) for name, where in found.items()]


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _load(where: str) -> Callable[[PortInQuestion], Awaitable[Introduction | None]]:
    module, _, attribute = where.partition(":")
    return cast("Probe", getattr(importlib.import_module(module), attribute))
