"""The group of commands: quick, complete, and helpful with a slip of the pen."""

import subprocess
import sys

import click
import pytest

from bridge import __version__
from bridge.cli import main
from bridge.cli.main import COMMANDS, cli

HEAVY = ("pymodbus", "pydantic", "yaml", "serial", "rich", "asyncio")


def imported_by(*arguments: str) -> set[str]:
    """What of the heavy libraries a command line loads."""
    code = (
        "import sys\n"
        "from bridge.cli import main\n"
        f"status = main({list(arguments)!r})\n"
        f"print('loaded', *[name for name in {HEAVY!r} if name in sys.modules])\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [("--version",), ("--help",)])
def test_help_and_version_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert imported_by(*arguments) == set()


@pytest.mark.parametrize(
    "arguments", [("maps", "list"), ("read", "--help"), ("write", "--help"), ("status", "--help")]
)
def test_what_serves_and_what_checks_sites_is_loaded_only_by_those_who_need_it(
    arguments: tuple[str, ...],
) -> None:
    assert imported_by(*arguments) & {"pymodbus", "pydantic", "serial"} == set()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"inverter-bridge {__version__}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n  {name} " not in out] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_table_says(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("chek", "did you mean 'check'?"),
        ("statsu", "did you mean 'status'?"),
        ("qqq", "expected one of demo, check, run"),
    ],
)
def test_a_misspelt_command_is_answered_with_the_nearest(
    typed: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([typed]) == 2
    err = capsys.readouterr().err
    assert f"There is no command '{typed}'" in err
    assert answer in err


@pytest.mark.parametrize("arguments", [["--nonsense"], ["maps", "--nonsense"], ["maps", "show"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Usage: inverter-bridge" in capsys.readouterr().err
