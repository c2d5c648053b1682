"""Plays a stock GX's client against one unit: probes, then the first reads, and what becomes of them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bridge.cli.cerbo_types import EM24, DeviceType, Reads, reads_of, serial_text, stock_types
from bridge.cli.cerbo_wire import PROBE_S, SCAN_S, Answer, NotReached, Wire
from bridge.register_maps.blocks.status import LINK_STATES, STATUS_ADDRESS
from bridge.register_maps.format import Table
from bridge.site.addresses import HostPort

#: What becomes part of a settings path and of a bus name (dbus-modbus-client 1.83, `get_ident`).
_SERIAL = re.compile("[A-Za-z0-9_]+")
#: The application register of an EM24, and the one value with which it has data registers.
_APPLICATION, _APPLICATION_H = 0xA000, 7
_PHASE_CONFIG = 0x1002
#: EM24 /PhaseConfig -> phases; another value stops the client.
_PHASES = (3, 3, 2, 1, 3)
_NO_RESPONSE = 0x0B
#: Latencies above this make the client wait longer than its least.
_BACKED_BY_LATENCY = 4.0


@dataclass
class Finding:
    """What a GX makes of one unit of one listener.

    verdict: `shown`, `class_file` (shown once its class file is installed), `not_heard` (the device is not
    there now), `unknown` (nothing knows it) or `wrong`.
    """

    listener: str
    unit: int
    device: str
    map: str | None
    verdict: str = "unknown"
    shown_as: str | None = None
    service: str | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    slowest_s: float | None = None

    def wrong(self, problem: str) -> None:
        """Note what goes wrong."""
        self.verdict = "wrong"
        self.problems.append(problem)


async def play(finding: Finding, address: HostPort, classes: Sequence[DeviceType], own: str | None) -> None:
    """Fill in a finding.

    `classes` are what class files add; `own` names the map among them whose class file is not installed.
    """
    try:
        async with Wire(address) as wire:
            await _play(finding, wire, classes, own)
            finding.slowest_s = round(wire.slowest_s, 4)
    except NotReached as fault:
        finding.wrong(str(fault))


async def _play(finding: Finding, wire: Wire, classes: Sequence[DeviceType], own: str | None) -> None:
    types = [*stock_types(), *classes]
    silent: list[str] = []
    codes: set[int] = set()
    for kind in types:
        if "tcp" not in kind.methods:
            continue
        answer = await wire.read(finding.unit, kind.table, kind.address, kind.length, PROBE_S)
        if answer.exception is not None:
            codes.add(answer.exception)
        if answer.words is None and answer.exception is None:
            silent.append(kind.name)
            continue
        if answer.late:
            finding.wrong(
                f"answers the probe for {kind.name} after {answer.seconds:.2f} s, expected within 1 s"
            )
        model = None if answer.words is None else kind.model(answer.words)
        if model is not None:
            await _found(finding, wire, kind, model, own)
            return
    if silent:
        finding.wrong(
            f"gives no answer to {len(silent)} probes ({', '.join(silent[:3])}..), each of which holds "
            "the GX up for a second: look at the bridge's log"
        )
    elif _NO_RESPONSE in codes:
        if finding.verdict != "wrong":
            finding.verdict = "not_heard"
        finding.notes.append(await _why_not_heard(finding.unit, wire))


async def _why_not_heard(unit: int, wire: Wire) -> str:
    status = await wire.read(unit, Table.HOLDING, STATUS_ADDRESS, 1, PROBE_S)
    states = {number: word for word, number in LINK_STATES.items()}
    state = None if status.words is None else states.get(status.words[0])
    link = "" if state is None else f" (its link is: {state.replace('_', ' ')})"
    return (
        f"the bridge does not hear the device now{link}: a GX asks again every 10 s and shows it when it does"
    )


async def _found(finding: Finding, wire: Wire, kind: DeviceType, model: str, own: str | None) -> None:
    finding.shown_as = model if kind.name == model else f"{kind.name}, {model}"
    if finding.verdict != "wrong":
        finding.verdict = "shown" if kind.map is None or kind.map != own else "class_file"
    phases = 3
    if kind.name == EM24:
        phases = await _em24(finding, wire)
    reads = reads_of(kind, phases)
    if reads is None:
        finding.wrong(
            f"looks like {kind.name} to a GX, which its map does not mean to: serve it by another map or unit"
        )
        return
    within_s = max(reads.min_timeout_s, _BACKED_BY_LATENCY * wire.slowest_s)
    await _identity(finding, wire, reads, within_s)
    for table, address, count in reads.data:
        answer = await wire.read(finding.unit, table, address, count, within_s)
        if answer.words is None or answer.late:
            finding.wrong(_unread(address, count, answer, within_s))


async def _em24(finding: Finding, wire: Wire) -> int:
    """Check what an EM24 must say before it is read; return its phases."""
    application = await wire.read(finding.unit, Table.HOLDING, _APPLICATION, 1, PROBE_S)
    if application.words != (_APPLICATION_H,):
        found = application.said if application.words is None else application.words[0]
        finding.wrong(
            f"register 0x{_APPLICATION:04X}: found {found}, expected {_APPLICATION_H}: no data follows"
        )
    config = await wire.read(finding.unit, Table.HOLDING, _PHASE_CONFIG, 1, PROBE_S)
    if config.words is None or config.words[0] >= len(_PHASES):
        found = config.said if config.words is None else config.words[0]
        finding.wrong(
            f"register 0x{_PHASE_CONFIG:04X}: found {found}, expected 0 to 4: the client stops here"
        )
        return 1
    return _PHASES[config.words[0]]


async def _identity(finding: Finding, wire: Wire, reads: Reads, within_s: float) -> None:
    for address, length in {reads.serial: None, **dict.fromkeys(reads.info)}:
        answer = await wire.read(finding.unit, Table.HOLDING, address, length, within_s)
        if answer.words is None or answer.late:
            finding.wrong(_unread(address, length, answer, within_s))
            continue
        if (address, length) != reads.serial:
            continue
        serial = serial_text(answer.words, reads.serial_is_number)
        if serial is None or not _SERIAL.fullmatch(serial.removeprefix("-")):
            shown = "bytes that are no text" if serial is None else repr(serial)
            finding.wrong(f"serial: found {shown}, expected letters, digits and _ : the device never starts")
        else:
            finding.service = f"com.victronenergy.{reads.role}.{reads.vendor_id}_{serial}"


def _unread(address: int, count: int, answer: Answer, within_s: float) -> str:
    where = f"registers 0x{address:04X} to 0x{address + count - 1:04X}"
    return (
        f"{where}: found {answer.said}, expected their values within {within_s:.2f} s: "
        "a group that fails takes the whole device away after 5 s"
    )


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a network scan finds on one listener: the unit and model, None where it finds nothing."""

    listener: str
    unit: int | None
    model: str | None
    note: str = ""


async def scan(listener: str, address: HostPort, classes: Sequence[DeviceType]) -> Scanned:
    """Play the network scan: every type's own units, the first that matches is all it finds on a host."""
    try:
        async with Wire(address) as wire:
            for kind in (*stock_types(), *classes):
                if "tcp" not in kind.methods:
                    continue
                for unit in kind.units:
                    answer = await wire.read(unit, kind.table, kind.address, kind.length, SCAN_S)
                    model = None if answer.words is None or answer.late else kind.model(answer.words)
                    if model is not None:
                        return Scanned(listener, unit, model)
    except NotReached as fault:
        return Scanned(listener, None, None, str(fault))
    return Scanned(listener, None, None, "the scan tries units 1, 2, 10, 61 and those of class files")


def same_services(findings: Iterable[Finding]) -> None:
    """Mark units that a GX cannot tell apart: the second of a service never starts."""
    first: dict[str, Finding] = {}
    for finding in findings:
        if finding.service is None:
            continue
        identity = finding.service.rpartition(".")[2]
        other = first.setdefault(identity, finding)
        if other is not finding and (other.listener, other.unit) != (finding.listener, finding.unit):
            if other.unit == finding.unit and other.device == finding.device:
                continue  # one unit on two listeners: a GX is told of one of them
            finding.wrong(
                f"has the identity {identity} of unit {other.unit} ({other.device}) too: enter one of them "
                "only, the other would fail every 10 s"
            )
