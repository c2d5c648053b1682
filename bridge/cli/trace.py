"""`trace record` and `trace replay`: the bytes of a line, kept and played again."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

import click

from bridge.adapters.line import Line, LineFault, LineLost, PortUnusable, SerialSettings, open_line
from bridge.adapters.replay import Comparison, ReplayPort, entries_of, replay
from bridge.adapters.trace import FROM_DEVICE, TO_DEVICE, TraceEntry, TraceError, TraceWriter, is_trace
from bridge.cli.errors import BadFile, CommandFailed
from bridge.datastore.clock import SystemClock

#: VE.Direct's rate, the line most often looked at.
_BAUDRATE = 19_200
_PROGRESS_EVERY_S = 1.0

_baudrate = click.option(
    "--baudrate", type=click.IntRange(min=1), default=_BAUDRATE, show_default=True, help="Baud rate (8N1)."
)


@click.group()
def trace() -> None:
    """Record and replay the bytes of a line.

    A trace is text, one chunk a line: seconds, `<` from or `>` to the device, hexadecimal bytes.
    """


@trace.command()
@click.argument("port")
@click.argument("file", type=click.Path(path_type=Path))
@_baudrate
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="End after this long.")
def record(port: str, file: Path, baudrate: int, seconds: float | None) -> None:
    """Listen on PORT and record what it sends into the new FILE, until interrupted.

    PORT is a device path, a PTY or socket://HOST:PORT, and is taken for this command alone.
    """
    settings = SerialSettings(baudrate)
    writer = TraceWriter(file, port, settings, SystemClock())
    if file.exists():
        raise BadFile(f"{file}: is there already: choose another name, or remove it first")
    try:
        asyncio.run(_until_interrupted(_record(writer, port, settings, seconds)))
    except TraceError as fault:
        raise BadFile(str(fault)) from fault
    except LineLost as fault:
        raise CommandFailed(f"{fault}\n{_recorded(writer)}") from fault
    except PortUnusable as fault:
        raise click.UsageError(str(fault)) from fault
    except LineFault as fault:
        raise CommandFailed(str(fault)) from fault
    if writer.fault is not None:
        raise CommandFailed(f"{file}: the recording ended early: {writer.fault}\n{_recorded(writer)}")
    click.echo(_recorded(writer), err=True)


@trace.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--link", type=click.Path(path_type=Path), help="Symbolic link to keep on the port.")
@click.option("--raw", is_flag=True, help="Take FILE as raw bytes even if it begins like a trace.")
@click.option(
    "--baudrate",
    type=click.IntRange(min=1),
    default=_BAUDRATE,
    show_default=True,
    help="Pace of a raw file (8N1).",
)
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, help="Play this many times as fast."
)
@click.option("--loop", "again", is_flag=True, help="Begin again at the end, until interrupted.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Begin when somebody opens the port.")
@click.option("--show", is_flag=True, help="Print what is sent to the device, as lines of a trace.")
@click.option("--compare", is_flag=True, help="Fail unless what is sent to the device is what FILE recorded.")
def replay_command(
    file: Path,
    link: Path | None,
    raw: bool,
    baudrate: int,
    speed: float,
    again: bool,
    wait: bool,
    show: bool,
    compare: bool,
) -> None:
    """Play the device's side of FILE, a trace or raw bytes, on a pseudo-terminal."""
    try:
        raw = raw or not is_trace(file)
        if compare and (raw or again):
            raise click.UsageError(
                "--compare needs a trace and goes without --loop: raw bytes have one side only"
            )
        # Read once before anything is played, so that a fault of the file is met at once.
        entries = list(entries_of(file, baudrate, raw=raw))
    except TraceError as fault:
        raise BadFile(str(fault)) from fault
    played = [entry for entry in entries if entry.direction == FROM_DEVICE]
    if not played:
        raise BadFile(
            f"{file}: holds no bytes from the device: expected a trace with `<` lines, or raw bytes"
        )
    comparison = Comparison(entries) if compare else None
    try:
        asyncio.run(
            _until_interrupted(_replay(played, link, speed, comparison, again=again, wait=wait, show=show))
        )
    except TraceError as fault:
        raise CommandFailed(str(fault)) from fault
    difference = None if comparison is None else comparison.difference()
    if difference is not None:
        raise CommandFailed(f"{file}: {difference}")


async def _record(writer: TraceWriter, port: str, settings: SerialSettings, seconds: float | None) -> None:
    clock = SystemClock()
    line = await open_line(port, settings, clock, writer)
    watching = None
    try:
        await asyncio.to_thread(writer.open)
        click.echo(f"recording {port} into {writer.path}; end with Ctrl-C", err=True)
        watching = asyncio.create_task(_watch(writer, clock))
        async with clock.timeout(seconds):
            await _listen(line, writer)
    except TimeoutError:
        pass
    finally:
        if watching is not None:
            watching.cancel()
        line.close()
        await asyncio.to_thread(writer.close)


async def _listen(line: Line, writer: TraceWriter) -> None:
    while writer.fault is None:
        await line.read()


async def _watch(writer: TraceWriter, clock: SystemClock) -> None:
    """Show on a terminal that something happens."""
    began = clock.monotonic()
    while sys.stderr.isatty():
        await clock.sleep(_PROGRESS_EVERY_S)
        click.echo(f"\r{clock.monotonic() - began:.0f} s, {writer.bytes_received} bytes ", nl=False, err=True)


async def _replay(
    entries: list[TraceEntry],
    link: Path | None,
    speed: float,
    comparison: Comparison | None,
    *,
    again: bool,
    wait: bool,
    show: bool,
) -> None:
    clock = SystemClock()
    began = clock.monotonic()

    def taken(data: bytes) -> None:
        if comparison is not None:
            comparison.take(data)
        if show:
            click.echo(str(TraceEntry(clock.monotonic() - began, TO_DEVICE, data)))

    port = ReplayPort(clock, link, taken)
    await asyncio.to_thread(port.open)
    try:
        click.echo(f"# port {port.path}")
        size = sum(len(entry.data) for entry in entries)
        lasts = entries[-1].time_s / speed
        hint = f"; begins when {link or port.path} is opened" if wait else ""
        click.echo(f"replaying {size} bytes in {lasts:.1f} s{hint}; end with Ctrl-C", err=True)
        count = await replay(port, lambda: entries, clock, speed=speed, wait=wait, again=again)
        click.echo(f"played {count} bytes", err=True)
    finally:
        await asyncio.to_thread(port.close)


async def _until_interrupted(work: Coroutine[object, object, None]) -> None:
    """Run until done or told to stop by the keyboard or the system, which is a good end."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _recorded(writer: TraceWriter) -> str:
    if not writer.bytes_received:
        return (
            f"{writer.path}: nothing was received: is the device switched on, "
            "the baud rate right, and are RX and TX the right way round?"
        )
    return f"{writer.path}: {writer.bytes_received} bytes received, {writer.chunks} chunks recorded"
