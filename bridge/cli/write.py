"""`write`: one value to one register, and what became of it."""

import asyncio
import json
import math
from dataclasses import dataclass
from pathlib import Path as FilePath

import click

from bridge.cli import client as modbus
from bridge.cli.client import BridgeClient, ExceptionReply
from bridge.cli.errors import FAILED, CommandFailed
from bridge.cli.readout import Readout, UnitReader, names_of
from bridge.cli.status import UnitStatus, read_status
from bridge.cli.target import Target, find_target, target_options
from bridge.datastore.values import Outcome
from bridge.register_maps.format import Table, WriteRule
from bridge.register_maps.packing import is_invalid, raw_of
from bridge.register_maps.positions import nearest
from bridge.register_maps.rows import Row
from bridge.register_maps.types import BitType, HexType, TextType, Value

#: How long the status block is followed when the bridge says that a write is still under way.
FOLLOW_S = 10.0
_FOLLOW_PAUSE_S = 0.1

#: What a reply means where the status block says no more, by exception code.
_MEANING = {
    modbus.ILLEGAL_FUNCTION: Outcome.REFUSED,
    modbus.ILLEGAL_ADDRESS: Outcome.REFUSED,
    modbus.ILLEGAL_VALUE: Outcome.REFUSED,
    0x04: Outcome.REFUSED,
    modbus.ACKNOWLEDGE: Outcome.PENDING,
    0x06: Outcome.BUSY,
    modbus.NO_RESPONSE: Outcome.OFFLINE,
}
#: Replies whose reason the status block tells more closely: 04, 06 and 0B each stand for two outcomes.
_TOLD_BY_STATUS = {0x04, modbus.ACKNOWLEDGE, 0x06, modbus.NO_RESPONSE}

_REASONS = {
    Outcome.ADJUSTED: "the device put another value in force",
    Outcome.REFUSED: "the device refused it, or is asleep",
    Outcome.OFFLINE: "the device is not heard: nothing was done, and nothing is kept for later",
    Outcome.SUPERSEDED: "a newer write of the same point took its place",
    Outcome.BUSY: "the wear budget of the device's memory or its queue is spent: try again in a minute",
    Outcome.TIMED_OUT: "the device lives but did not answer this",
    Outcome.PENDING: f"no outcome within {FOLLOW_S:g} s: `inverter-bridge status` shows it when there is one",
}


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write: its outcome, why (empty when confirmed), and the value afterwards."""

    outcome: Outcome
    reason: str
    after: Readout


@click.command(context_settings={"ignore_unknown_options": True})
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print a list of one object.")
@click.argument("device")
@click.argument("path")
@click.argument("value")
@click.pass_context
def write(
    ctx: click.Context,
    site: FilePath | None,
    demo: bool,
    at: str | None,
    as_json: bool,
    device: str,
    path: str,
    value: str,
) -> None:
    """Write one value and say what became of it.

    DEVICE is a name of the site or a unit number, VALUE a number in the path's unit of measure or a word of
    the map such as `on`. Exit status 0 only when the device has confirmed the value.
    """
    written = asyncio.run(_write(find_target(site, demo, at), device, path, value))
    if as_json:
        click.echo(json.dumps([{**written.after.as_json(), "outcome": written.outcome.word}], indent=2))
    else:
        click.echo(f"{path}: {written.outcome.word}, now {written.after.in_words()}")
    if written.outcome is not Outcome.CONFIRMED:
        click.echo(f"Error: {written.reason}", err=True)
        ctx.exit(FAILED)


async def _write(target: Target, device: str, path: str, text: str) -> Written:
    unit = target.unit(device)
    reader = UnitReader(unit, target.directory)
    attempt = Attempt(reader, path, parse(reader.row(path), text))
    async with target.client(unit.address) as client:
        outcome, reason = await attempt.make(client)
        (after,) = await reader.read(client, [path])
        return Written(outcome, reason, after)


class _NotSent(Exception):
    """The register cannot take the value; the text says why."""


class Attempt:
    """One write of one path, from the request to the true outcome."""

    def __init__(self, reader: UnitReader, path: str, value: Value) -> None:
        self._reader = reader
        self._path = path
        self._row = reader.row(path)
        self._value = value

    async def make(self, client: BridgeClient) -> tuple[Outcome, str]:
        """Write, and follow the write to its end; returns the outcome and why (empty when confirmed)."""
        before = await self._status(client)
        try:
            await self._send(client)
        except _NotSent as refusal:
            return Outcome.REFUSED, str(refusal)
        except ExceptionReply as reply:
            outcome = _MEANING.get(reply.code)
            if outcome is None:
                expected = "expected 01 to 06 or 0B: is this a bridge?"
                raise CommandFailed(f"the answer was exception {reply.code:02X}, {expected}") from None
            if before is not None and reply.code in _TOLD_BY_STATUS:
                outcome = await self._told(client, before, outcome)
            confirmed = outcome is Outcome.CONFIRMED
            return outcome, "" if confirmed else self._reason(reply.code, outcome, client)
        return Outcome.CONFIRMED, ""

    async def _status(self, client: BridgeClient) -> UnitStatus | None:
        return await read_status(client, self._reader.unit.unit, self._reader.map.has_status)

    async def _send(self, client: BridgeClient) -> None:
        """Write as the row wants it. A range is the bridge's to judge; what has no encoding ends here."""
        row, unit, value = self._row, self._reader.unit.unit, self._value
        if row.table in (Table.INPUT, Table.DISCRETE):
            raise _NotSent(f"{self._path} is read-only: Modbus cannot write to its table, {row.table}")
        if row.register is None:
            names = names_of(row)
            if value not in names.values():
                raise _NotSent(f"{value} does not fit {self._path}: {_allowed(row)}")
            await client.write_coil(unit, row.address, value == names["on"])
            return
        kind, scale, invalid = row.register.type, row.register.scale, row.register.invalid
        if isinstance(kind, BitType):
            await client.write_masked(unit, row.address + kind.length - 1, kind.mask, value != kind.unset)
            return
        raw = raw_of(kind, scale, value)
        data = None if raw is None or is_invalid(raw, kind, invalid) else kind.pack(raw)
        if data is None:
            raise _NotSent(f"{value} does not fit {self._path}: {_allowed(row)}")
        await client.write_registers(unit, row.address, data)

    async def _told(self, client: BridgeClient, before: UnitStatus, outcome: Outcome) -> Outcome:
        """Return the outcome that the status block tells, followed while it is pending.

        The block holds the newest attempt only: once that is no longer ours, the meaning of the reply stays.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + FOLLOW_S
        while True:
            now = await self._status(client)
            if now is None or now.attempts == before.attempts or not self._ours(now):
                return outcome
            if now.last_outcome not in (None, Outcome.PENDING):
                return now.last_outcome
            if outcome is not Outcome.PENDING or loop.time() >= end:
                return outcome
            await asyncio.sleep(_FOLLOW_PAUSE_S)

    def _ours(self, block: UnitStatus) -> bool:
        """True where the newest attempt came through this unit to this address.

        A persona has no block of its own, and that of the bridge's unit tells no address.
        """
        if not self._reader.map.has_status:
            return block.last_address in (None, self._row.address)
        return block.last_address == self._row.address

    def _reason(self, code: int, outcome: Outcome, client: BridgeClient) -> str:
        """Say why, and what to do."""
        if code == modbus.ILLEGAL_FUNCTION:
            return (
                f"the bridge does not let {client.local_host} write; to allow it, its site file needs "
                f"`access: {{write: [{client.local_host}]}}` (with those who have the right already), "
                "and a listener without `write: false`"
            )
        if code == modbus.ILLEGAL_ADDRESS:
            writable = ", ".join(path for path, row in self._reader.rows.items() if row.write) or "none"
            return f"{self._path} takes no writes; those of {self._reader.unit.device} that do: {writable}"
        if code == modbus.ILLEGAL_VALUE:
            return (
                f"the value is out of range: {_allowed(self._row)}; the device's own limits may be narrower"
            )
        return _REASONS[outcome]


def _allowed(row: Row) -> str:
    """Say what a row takes."""
    names = names_of(row)
    if names:
        return "expected one of " + ", ".join(f"{number} ({name})" for name, number in names.items())
    if isinstance(row.write, WriteRule) and row.write.choices is not None:
        return "expected one of " + ", ".join(str(choice) for choice in row.write.choices)
    if isinstance(row.write, WriteRule):
        return f"expected {row.write.minimum:g} to {row.write.maximum:g} {row.unit_of_measure}".rstrip()
    return f"expected what a register of type {row.type} holds"


def parse(row: Row, text: str) -> Value:
    """Read a value as a person wrote it. Raises UsageError with what was expected."""
    if row.register is not None and isinstance(row.register.type, TextType | HexType):
        return text
    names = names_of(row)
    for name, number in names.items():
        if name.lower() == text.lower():
            return number
    try:
        value = float(text)
    except ValueError:
        near = nearest(text.lower(), names)
        hint = f"did you mean {near!r}?" if near else _allowed(row)
        raise click.UsageError(f"VALUE: found {text!r}, expected a number; {hint}") from None
    if not math.isfinite(value):
        raise click.UsageError(f"VALUE: found {text!r}, expected a finite number")
    if not value.is_integer():
        return value
    return int(text) if text.lstrip("+-").isdecimal() else int(value)
