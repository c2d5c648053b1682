"""`health`: whether the bridge on this machine still serves. For container engines; quick, and light to load.

Devices that are away are no fault of the bridge: restarting it would not bring them back.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import click

from bridge.cli.errors import CommandFailed

#: The demonstration keeps no state, hence has no door; it is asked by Modbus.
_DEMO = ("127.0.0.1", 5020)
#: FC3, register 0 of unit 247: the link of the bridge itself.
_ASK_BRIDGE = bytes.fromhex("0001 0000 0006 F7 03 0000 0001")
_WITHIN_S = 5.0


@click.command()
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=None,
    help="State directory of the bridge [default: $STATE_DIRECTORY].",
)
def health(state: Path | None) -> None:
    """Say whether the bridge on this machine serves; exit 1 if not. Absent devices do not count."""
    folder = state or Path(os.environ.get("STATE_DIRECTORY") or "~/.local/state/inverter-bridge").expanduser()
    found = _by_door(folder) or _by_modbus()
    if found is None:
        raise CommandFailed(
            f"no bridge serves here: nobody answers in {folder}, nor on {_DEMO[0]}:{_DEMO[1]}; see its log"
        )
    click.echo(found)


def _by_door(folder: Path) -> str | None:
    """Ask over the local door, see outlets/door.py, which answers from the loop that serves."""
    from bridge.outlets.door import reachable

    with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(_WITHIN_S)
        with reachable(folder) as path:
            asking.connect(path)
        asking.sendall(b'{"do": "health"}\n')
        with asking.makefile("rb") as replies:
            told = [reply["told"] for reply in _replies(replies) if "told" in reply]
        if told and all(step["serving"] for step in told):
            return f"serving {', '.join(step['listener'] for step in told)}"
    return None


def _replies(lines: Iterator[bytes]) -> Iterator[dict[str, dict[str, str]]]:
    for line in lines:
        yield json.loads(line)


def _by_modbus() -> str | None:
    with contextlib.suppress(OSError), socket.create_connection(_DEMO, _WITHIN_S) as asking:
        asking.sendall(_ASK_BRIDGE)
        if asking.recv(260)[:2] == _ASK_BRIDGE[:2]:
            return "serving the demonstration"
    return None
