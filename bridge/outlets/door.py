"""The local door: people on this machine ask the running bridge for operations, over a Unix socket.

One connection carries one request, a line of JSON `{"do": NAME, "device": NAME, ..arguments}` (without
`device` it is for the bridge itself). The reply is a line `{"told": {..}}` for every step, then one of
`{"done": true}` and `{"fault": TEXT}`. Hanging up ends the operation. The socket lies in the state directory,
which only the bridge's own user may enter, so whoever reaches it may do what the bridge may.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bridge.datastore.operations import Operation, OperationFault

_log = logging.getLogger(__name__)

#: Name of the socket in the state directory.
SOCKET_NAME = "door"
#: The longest request, in bytes.
_REQUEST_MAX = 65_536
#: Requests at once; there are one or two people.
_GUESTS_MAX = 16
#: How long a guest may take to say what it wants.
_ASK_WITHIN_S = 10.0

#: Finds an operation by the device's name ("" for the bridge itself) and its own. Raises OperationFault.
Finder = Callable[[str, str], Operation]
#: Hears of every request before it is done: device, operation, arguments.
Witness = Callable[[str, str, Mapping[str, object]], None]


@contextlib.contextmanager
def reachable(folder: Path) -> Iterator[str]:
    """Yield a path of the socket that is short enough for the system, whatever the folder's own length."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


class Door:
    """Answers requests from `open` to `close`."""

    def __init__(self, folder: Path, find: Finder, witness: Witness = lambda *_: None) -> None:
        self._folder = folder
        self._find = find
        self._witness = witness
        self._server: asyncio.AbstractServer | None = None
        self._guests: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to listen. A folder that takes no socket is told in the log: all else serves."""
        try:
            listening = _listening(self._folder)
        except OSError as fault:
            _log.warning(
                "no local door in %s (%s): pairing and the like cannot be asked for; "
                "name a `state` directory of the bridge's own",
                self._folder, fault.strerror or fault,
            )  # fmt: skip
            return
        self._server = await asyncio.start_unix_server(self._welcome, sock=listening, limit=_REQUEST_MAX)

    async def close(self) -> None:
        """Listen no more, and end what is being done."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for guest in self._guests:
            guest.cancel()
        if self._guests:
            await asyncio.wait(self._guests)
        with contextlib.suppress(OSError):
            (self._folder / SOCKET_NAME).unlink()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this in a task
        if len(self._guests) >= _GUESTS_MAX:
            writer.close()
            return
        self._guests.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # hung up, or the bridge ends
        finally:
            self._guests.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ASK_WITHIN_S):
                line = await reader.readline()
            device, name, arguments = _request(line)
            operation = self._find(device, name)
        except (OperationFault, ValueError) as fault:  # ValueError: a line without an end
            await _say(writer, {"fault": str(fault)})
            return
        except TimeoutError:
            return
        self._witness(device, name, arguments)
        doing = asyncio.ensure_future(self._do(operation, arguments, writer))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((doing, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            doing.cancel()
            await asyncio.wait((doing, gone))
            for task in (doing, gone):
                if not task.cancelled():
                    task.exception()

    async def _do(
        self, operation: Operation, arguments: Mapping[str, object], writer: asyncio.StreamWriter
    ) -> None:
        try:
            async for step in operation(arguments):
                await _say(writer, {"told": step})
        except OperationFault as fault:
            await _say(writer, {"fault": str(fault)})
        except ConnectionError:
            raise
        except Exception as fault:  # noqa: BLE001 - a defect of one operation is told and ends nothing else
            _log.exception("an operation failed")
            await _say(writer, {"fault": f"unexpected fault: {type(fault).__name__}: {fault}; see the log"})
        else:
            await _say(writer, {"done": True})


def _listening(folder: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):  # left by a bridge that was killed
            (folder / SOCKET_NAME).unlink()
        with reachable(folder) as path:
            listening.bind(path)
        (folder / SOCKET_NAME).chmod(0o600)
        listening.listen(_GUESTS_MAX)
        listening.settimeout(0)
    except BaseException:
        listening.close()
        raise
    return listening


def _request(line: bytes) -> tuple[str, str, Mapping[str, object]]:
    """Read a request. Raises OperationFault."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("do"), str):
        raise OperationFault('found no request, expected a line such as {"do": "status"}')
    device = found.pop("device", "")
    if not isinstance(device, str):
        raise OperationFault("found a device that is no name")
    return device, found.pop("do"), found


async def _say(writer: asyncio.StreamWriter, what: Mapping[str, object]) -> None:
    writer.write(json.dumps(what, default=str).encode() + b"\n")
    await writer.drain()
