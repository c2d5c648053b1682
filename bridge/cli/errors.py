"""Every fault a command can end with, as one line for a person and an exit status.

0 done, 1 the thing itself failed, 2 usage or a bad file, 130 interrupted from the keyboard.
"""

import errno
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

FAILED = 1
BAD_FILE = 2
INTERRUPTED = 130


class CommandFailed(click.ClickException):
    """The thing itself failed; the message says what was found, where, what was expected and what to do."""

    exit_code = FAILED


class BadFile(click.ClickException):
    """A file the command was given is missing, unreadable or wrong."""

    exit_code = BAD_FILE


@dataclass(slots=True)
class Session:
    """What the options before the command's name set."""

    debug: bool = False


def guarded(command: click.Command, arguments: Sequence[str] | None) -> int:
    """Run a command; returns its exit status, whatever happened inside."""
    session = Session()
    try:
        result = command.main(
            None if arguments is None else list(arguments),
            prog_name="inverter-bridge",
            standalone_mode=False,
            obj=session,
        )
        sys.stdout.flush()
    except click.ClickException as fault:
        fault.show()
        return fault.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else FAILED
    except BrokenPipeError:
        _discard_output()
        return FAILED
    except (Exception, BaseExceptionGroup) as fault:  # noqa: BLE001 - where everything else becomes a line
        return _unforeseen(fault, session)
    return result if isinstance(result, int) else 0


def _unforeseen(fault: BaseException, session: Session) -> int:
    leaves = list(_leaves(fault))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return INTERRUPTED
    for leaf in leaves:
        if isinstance(leaf, click.ClickException):
            leaf.show()
        else:
            click.echo(f"Error: {in_words(leaf)}", err=True)
    if session.debug:
        traceback.print_exception(fault)
    codes = {leaf.exit_code for leaf in leaves if isinstance(leaf, click.ClickException)}
    return codes.pop() if len(codes) == 1 else FAILED


def _leaves(fault: BaseException) -> Iterator[BaseException]:
    """Yield what a group of exceptions consists of."""
    if isinstance(fault, BaseExceptionGroup):
        for part in fault.exceptions:
            yield from _leaves(part)
    else:
        yield fault


def in_words(fault: BaseException) -> str:
    """Return one line for a person: the house's own faults and the system's as they are."""
    said = " ".join(str(fault).split())
    if type(fault).__module__.partition(".")[0] == "bridge" and said:
        return said
    if isinstance(fault, OSError) and fault.errno is not None:
        name = errno.errorcode.get(fault.errno, str(fault.errno))
        where = f"{fault.filename}: " if fault.filename else ""
        return f"{where}{fault.strerror or os.strerror(fault.errno)} ({name})"
    return (
        f"unexpected fault: {type(fault).__name__}: {said or 'no details'}; "
        "run again as `inverter-bridge --debug ...` for the details"
    )


def _discard_output() -> None:
    """Send what is still to be written nowhere: the reader of the pipe has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
