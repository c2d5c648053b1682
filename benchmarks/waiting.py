"""How long reads take while commands of another unit wait for their device, against a quiet run.

Clients ask at the pace of pollers. Quiet and waiting runs take turns on one server; the ratio is that of the
lowest p99 of each, for a machine that does something else makes any one of them longer.
"""

import asyncio
import contextlib
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import BRIDGE_UVLOOP, SMALL, WAITING_P99
from benchmarks.load import FIRST, WAITING_UNIT, Run, compile_load, run_load
from benchmarks.throughput import Row, Runs, servers, serving

#: Commands that wait at once, each on a connection of its own.
COMMANDS = 8
_PACE = ("--interval", "5")
COLUMNS = (
    ("what", "p99 of reads while commands wait", "<44"),
    ("quiet_us", "quiet us", ">9"),
    ("waiting_us", "waiting us", ">11"),
    ("ratio", "ratio", ">6"),
    ("wanted", "wanted", ">7"),
    ("errors", "errors", ">7"),
)


def measure(rounds: int, seconds: float) -> tuple[list[Row], Runs]:
    """Return the row, and the runs behind it."""
    name = servers()[-1]
    quiet: list[Run] = []
    waiting: list[Run] = []
    with TemporaryDirectory() as directory, serving(name) as (port, pid):
        program = compile_load(Path(directory))
        for _ in range(rounds):
            quiet.append(run_load(program, port, pid, SMALL, seconds, *_PACE))
            with _commands(port):
                waiting.append(run_load(program, port, pid, SMALL, seconds, *_PACE))
    quiet_us, waiting_us = (min(run.p99_us for run in runs) for runs in (quiet, waiting))
    row: Row = {
        "what": f"{name}: {COMMANDS} commands",
        "quiet_us": round(quiet_us),
        "waiting_us": round(waiting_us),
        "ratio": round(waiting_us / quiet_us, 2),
        "wanted": WAITING_P99,
        "errors": sum(run.errors for run in (*quiet, *waiting)),
    }
    return [row], {(BRIDGE_UVLOOP, SMALL): [*quiet, *waiting]}


@contextlib.contextmanager
def _commands(port: int) -> Iterator[None]:
    """Keep commands waiting, from a thread of this process, which does nothing else meanwhile."""
    loop = asyncio.new_event_loop()
    begun = threading.Event()

    async def write(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = struct.pack(">HHHBBHH", 1, 0, 6, WAITING_UNIT, 6, FIRST + number, 10 + number)
        try:
            while True:
                writer.write(request)
                begun.set()
                reply = await reader.readexactly(9)
                if reply[7:] not in (b"\x86\x05", b"\x86\x0b"):  # under way, or past its deadline
                    print(f"the device that never obeys was told to: {reply.hex()}", file=sys.stderr)
        finally:
            writer.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(write(number) for number in range(COMMANDS)))

    task = loop.create_task(all_of_them())

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        if not begun.wait(10):
            raise RuntimeError("no command could be sent within 10 s")
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        loop.close()
