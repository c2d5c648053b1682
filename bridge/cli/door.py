"""How a command asks the running bridge of a site for an operation; the far end is `outlets/door.py`."""

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.cli.checked import explained, load_checked
from bridge.cli.errors import BadFile, CommandFailed
from bridge.outlets.door import reachable

#: Between two steps of the slowest operation, a round of pairing.
_PATIENCE_S = 120.0


def ask(site: Path, do: str, device: str = "", **arguments: object) -> Iterator[Mapping[str, object]]:
    """Yield the steps of an operation as the running bridge tells them.

    Raises BadFile for a site file that cannot be used, CommandFailed where no bridge of it runs here, where
    this user may not ask it, and where the operation fails.
    """
    load = load_checked(site)
    if load.site is None:
        raise BadFile(f"{site} cannot be used:\n{explained(load.problems)}")
    request = {"do": do, **({"device": device} if device else {}), **arguments}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_PATIENCE_S)
        _connect(asking, load.site.state, site)
        try:
            asking.sendall(json.dumps(request).encode() + b"\n")
            with asking.makefile("rb") as replies:
                yield from _steps(replies, do)
        except TimeoutError:
            raise CommandFailed(f"the bridge has not gone on with '{do}' for {_PATIENCE_S:g} s") from None
        except OSError as fault:
            raise CommandFailed(f"the bridge hung up during '{do}': {fault.strerror or fault}") from None


def device_of(site: Path, adapter: str, named: str | None) -> str:
    """Return the device of a family that a command means: the named or the only one. Raises CommandFailed."""
    load = load_checked(site)
    if load.site is None:
        raise BadFile(f"{site} cannot be used:\n{explained(load.problems)}")
    found = [name for name, options in load.site.devices.items() if options.adapter == adapter]
    if named is not None:
        if named in found:
            return named
        raise CommandFailed(
            f"{site} has no {adapter} device '{named}': expected one of {', '.join(found) or 'none'}"
        )
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandFailed(f"{site} has no device with `adapter: {adapter}`: add one")
    raise CommandFailed(f"{site} has {len(found)} {adapter} devices: name one of {', '.join(found)}")


def _connect(asking: socket.socket, state: Path, site: Path) -> None:
    try:
        with reachable(state) as path:
            asking.connect(path)
    except PermissionError:
        raise CommandFailed(
            f"this user may not ask the bridge of {site} ({state}): run the command as the bridge's user, "
            "or by sudo"
        ) from None
    except OSError:
        raise CommandFailed(
            f"no bridge of {site} runs on this machine (nobody answers in {state}): "
            f"start it with `inverter-bridge run {site}`"
        ) from None


def _steps(replies: Iterator[bytes], do: str) -> Iterator[Mapping[str, object]]:
    for line in replies:
        reply = json.loads(line)
        if "fault" in reply:
            raise CommandFailed(str(reply["fault"]))
        if "done" in reply:
            return
        yield reply["told"]
    raise CommandFailed(f"the bridge ended before '{do}' was done: is it being stopped?")
