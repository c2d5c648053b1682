"""`status`: how all units of a running bridge fare, from their status blocks.

Where the bridge runs on this machine, its local door adds what no register can say.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

import click

from bridge.cli.client import BridgeClient, ExceptionReply
from bridge.cli.target import BRIDGE_UNIT, SITE_HERE, Target, Unit, find_target, target_options
from bridge.cli.told import Told, ask_bridge, counted, link_text
from bridge.datastore.values import LinkState, Outcome
from bridge.register_maps.blocks.status import (
    ELSEWHERE,
    NEVER,
    STATUS_ADDRESS,
    STATUS_FIELDS,
    STATUS_LENGTH,
)
from bridge.register_maps.format import Table

#: Where unit 247 shows the status block of unit N: this much times N, after this address.
_BLOCK_STRIDE = 16
_BLOCKS_ADDRESS = 1000
#: The bridge itself among its devices.
_OWN_NAME = "bridge"

_LINK_WORDS: Mapping[int, str] = {
    LinkState.STARTING: "starting",
    LinkState.ONLINE: "online",
    LinkState.ASLEEP: "asleep",
    LinkState.SILENT: "silent: connected, but nothing is heard",
    LinkState.PORT_MISSING: "port missing: unplugged?",
    LinkState.WRONG_DEVICE: "wrong device on the port",
    LinkState.NIGHT: "night",
}

#: Words of a link that are longer stand below the table.
_WORDS_MAX = 32

_LINK_NAMES = {int(state): state.name.lower() for state in LinkState}
_OUTCOMES = {int(outcome): outcome for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """One status block; None is never (age), none yet (outcome) and not by address (last_address)."""

    link: int
    age_s: int | None
    attempts: int
    last_outcome: Outcome | None
    last_address: int | None
    last_exception: int
    errors: int
    uptime_s: int
    wear_left: int
    set_points: int

    @property
    def link_words(self) -> str:
        """The link's state for a person."""
        return _LINK_WORDS.get(self.link, f"unknown ({self.link})")


def unpack_status(data: bytes) -> UnitStatus:
    """Read a block of `2 * STATUS_LENGTH` bytes."""
    found = {
        field.path: int.from_bytes(data[2 * field.offset : 2 * (field.offset + field.type.length)])
        for field in STATUS_FIELDS
    }
    age, outcome, address = (found[f"/Link/{name}"] for name in ("Age", "LastOutcome", "LastAddress"))
    return UnitStatus(
        link=found["/Link/State"],
        age_s=None if age == NEVER else age,
        attempts=found["/Link/CommandCount"],
        last_outcome=_OUTCOMES.get(outcome),
        last_address=None if address == ELSEWHERE else address,
        last_exception=found["/Link/LastException"],
        errors=found["/Link/Errors"],
        uptime_s=found["/Link/Uptime"],
        wear_left=found["/Link/WearLeft"],
        set_points=found["/Link/SetPoints"],
    )


async def read_status(client: BridgeClient, unit: int, own_block: bool = True) -> UnitStatus | None:
    """Read a unit's own block, or where it has none (a persona) that in unit 247. None without either."""
    own = (unit, 0 if unit == BRIDGE_UNIT else STATUS_ADDRESS)
    in_bridge = (BRIDGE_UNIT, 0 if unit == BRIDGE_UNIT else _BLOCKS_ADDRESS + _BLOCK_STRIDE * unit)
    for asked, address in dict.fromkeys((own, in_bridge) if own_block else (in_bridge,)):
        try:
            return unpack_status(await client.read_registers(asked, Table.HOLDING, address, STATUS_LENGTH))
        except ExceptionReply:
            continue
    return None


@click.command()
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def status(site: FilePath | None, demo: bool, at: str | None, as_json: bool) -> None:
    """Show how all units of a running bridge fare: link, age, errors, last write, wear budget, set-points.

    Run on the bridge's own machine it also shows who is connected, devices without a unit, and log levels.
    """
    target = find_target(site, demo, at)
    found = asyncio.run(_all(target))
    told = Told() if demo or at else ask_bridge(site or SITE_HERE)
    if as_json:
        click.echo(json.dumps([_as_json(unit, block, told) for unit, block in found], indent=2))
    else:
        click.echo(_as_text(found, told))


async def _all(target: Target) -> list[tuple[Unit, UnitStatus | None]]:
    found: list[tuple[Unit, UnitStatus | None]] = []
    for address in dict.fromkeys(unit.address for unit in target.units):
        async with target.client(address) as client:
            asked = [unit for unit in target.units if unit.address == address]
            found += [(unit, await read_status(client, unit.unit)) for unit in asked]
    return found


def _as_json(unit: Unit, block: UnitStatus | None, told: Told) -> Mapping[str, object]:
    shown: dict[str, object] = {"unit": unit.unit, "device": unit.device, "map": unit.map, "link": None}
    if block is not None:
        shown |= {
            "link": _LINK_NAMES.get(block.link, block.link),
            "age_s": block.age_s,
            "errors": block.errors,
            "uptime_s": block.uptime_s,
            "attempts": block.attempts,
            "last_outcome": None if block.last_outcome is None else block.last_outcome.word,
            "last_address": block.last_address,
            "last_exception": block.last_exception,
            "wear_left": block.wear_left,
            "set_points": block.set_points,
        }
    if unit.device in told.devices:
        shown |= {"words": told.words(unit.device), "log": told.level(unit.device)}
    if unit.unit == BRIDGE_UNIT and told.devices:
        shown |= {"listeners": told.listeners, "devices": list(told.devices.values())}
    return shown


_HEADINGS = ("unit", "device", "link", "age", "errors", "uptime", "last write", "writes left", "set-points")


def _as_text(found: list[tuple[Unit, UnitStatus | None]], told: Told) -> str:
    served = {unit.device for unit, _ in found}
    sources = [step for name, step in told.devices.items() if name not in served]
    rows = [*(_row(unit, block, told) for unit, block in found), *map(_source_row, sources)]
    parts = [_table((_HEADINGS, *rows))]
    notes = [f"{name}: {told.words(name)}" for name in told.devices if len(told.words(name)) > _WORDS_MAX]
    parts += ["\n".join(notes)] if notes else []
    if told.listeners:
        listeners = ((str(step["listener"]), counted(step["peers"])) for step in told.listeners)
        parts += [_table((("listener", "connections by address"), *listeners)), f"log: {_levels(told)}"]
    return "\n\n".join(parts)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    )


def _row(unit: Unit, block: UnitStatus | None, told: Told) -> tuple[str, ...]:
    if block is None:
        return (str(unit.unit), unit.device, "not served by this bridge", *("-" for _ in _HEADINGS[3:]))
    words = _short(told.words(unit.device))
    return (
        str(unit.unit),
        unit.device,
        link_text(_LINK_NAMES.get(block.link, ""), words) if words else block.link_words,
        "never" if block.age_s is None else f"{block.age_s} s",
        str(block.errors),
        _duration(block.uptime_s),
        "none yet" if block.last_outcome is None else block.last_outcome.word,
        str(block.wear_left),
        str(block.set_points),
    )


def _source_row(step: Mapping[str, object]) -> tuple[str, ...]:
    """Return the row of a device that no unit serves."""
    age, uptime = step["age_s"], step["uptime_s"]
    return (
        "-",
        str(step["device"]),
        link_text(str(step["link"]).replace("_", " "), _short(str(step["words"] or ""))),
        f"{age:.0f} s" if isinstance(age, int | float) else "never",
        str(step["errors"]),
        _duration(int(uptime)) if isinstance(uptime, int | float) else "-",
        "-",
        str(step["wear_left"]),
        str(step["set_points"]),
    )


def _short(words: str) -> str:
    return words if len(words) <= _WORDS_MAX else "see below"


def _levels(told: Told) -> str:
    """Return the level of the log, and the devices that have another."""
    general = told.level(_OWN_NAME)
    return ", ".join((general, *_other_levels(told, general)))


def _other_levels(told: Told, general: str) -> Iterator[str]:
    for name in told.devices:
        if told.level(name) != general:
            yield f"{name} {told.level(name)}"


def _duration(seconds: int) -> str:
    """Return a time in its two largest parts."""
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h} h"
    if hours:
        return f"{h} h {m} min"
    return f"{m} min {s} s" if m else f"{s} s"
