"""Whatever a command ends with becomes one line and an exit status."""

import os
import subprocess
import sys

import click
import pytest

from bridge.cli import main
from bridge.cli.errors import BadFile, CommandFailed, guarded
from bridge.cli.main import COMMANDS, Entry
from bridge.datastore.refusals import ValueRefused


def ending_with(fault: BaseException) -> click.Command:
    def act() -> None:
        raise fault

    return click.Command("act", callback=act)


CASES = [
    (CommandFailed("nobody there"), 1, "Error: nobody there\n"),
    (BadFile("site.yaml: missing"), 2, "Error: site.yaml: missing\n"),
    (click.UsageError("say what"), 2, "Error: say what\n"),
    (ValueRefused("/Mode", "found 9, expected 1 or 4"), 1, "Error: found 9, expected 1 or 4\n"),
    (FileNotFoundError(2, "No such file", "x.yaml"), 1, "Error: x.yaml: No such file (ENOENT)\n"),
    (
        KeyError("gone"),
        1,
        "Error: unexpected fault: KeyError: 'gone'; "
        "run again as `inverter-bridge --debug ...` for the details\n",
    ),
    (
        RuntimeError("two\nlines"),
        1,
        "Error: unexpected fault: RuntimeError: two lines; "
        "run again as `inverter-bridge --debug ...` for the details\n",
    ),
    (ExceptionGroup("tasks", [CommandFailed("nobody there")]), 1, "Error: nobody there\n"),
    (ExceptionGroup("tasks", [BadFile("a"), BadFile("b")]), 2, "Error: a\nError: b\n"),
    (SystemExit(7), 7, ""),
]


@pytest.mark.parametrize(("fault", "status", "said"), CASES, ids=lambda case: type(case).__name__)
def test_endings(fault: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(ending_with(fault), []) == status
    captured = capsys.readouterr()
    assert captured.err.endswith(said)
    assert "Traceback" not in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    "fault",
    [KeyboardInterrupt(), click.Abort(), BaseExceptionGroup("tasks", [KeyboardInterrupt()])],
    ids=lambda fault: type(fault).__name__,
)
def test_an_interrupt_is_quiet(fault: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(ending_with(fault), []) == 130
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.parametrize(("result", "status"), [(None, 0), (0, 0), (3, 3), ("text", 0)])
def test_a_command_may_return_its_status(result: object, status: int) -> None:
    assert guarded(click.Command("act", callback=lambda: result), []) == status


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_has_gone_is_no_news(lines: int) -> None:
    code = (
        "import sys, click\n"
        "from bridge.cli.errors import guarded\n"
        f"act = lambda: [print('value') for _ in range({lines})] and None\n"
        "sys.exit(guarded(click.Command('act', callback=act), []))\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_debug_shows_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "check", Entry("bridge.no_such_module:check", ""))
    assert main(["--debug", "check"]) == 1
    err = capsys.readouterr().err
    assert "unexpected fault: ModuleNotFoundError" in err
    assert "Traceback" in err
