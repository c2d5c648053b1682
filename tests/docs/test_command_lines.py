"""Every command line in the documents is one that the program takes."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from bridge.cli.main import cli
from tests.docs.pages import BLOCKS, PAGES
from tests.repo.checkout import ROOT

PROGRAM = "inverter-bridge"
#: Words before the program that do not change what follows, and those that end what is its own.
BEFORE = {"sudo", "$"}
END = re.compile(r"\s(?:\||>|>>|<|&&|;|2>&1)(?:\s|$)")
#: Signs of a line in prose that leaves places open.
OPEN = re.compile(r"\.\.(?![/\w])|\||\[|\.\.\.")


def typed() -> Iterator[tuple[str, str]]:
    """Yield place and line of every command line: in blocks that a shell would read, and in backquotes."""
    for block in BLOCKS:
        if block.language in ("", "sh", "text"):
            text = block.text.replace("\\\n", " ")
            yield from ((str(block), line.strip()) for line in text.splitlines() if PROGRAM in line)
    for page in PAGES:
        prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for line in re.findall(rf"`((?:sudo )?{PROGRAM} [^`\n]+)`", prose):
            if not OPEN.search(line):
                yield str(page.relative_to(ROOT)), line


def arguments(line: str) -> list[str] | None:
    """Return what the program is given on a line; None where it is not called there."""
    words = shlex.split(END.split(line)[0], comments=True)
    while words and words[0] in BEFORE:
        words.pop(0)
    if words and words[0].rpartition("/")[2] == PROGRAM:
        return words[1:]
    if words[:2] == ["docker", "run"] and PROGRAM in words:  # the image has the program's name
        return words[words.index(PROGRAM) + 1 :]
    return None


def parse(words: list[str]) -> None:
    """Parse as the program does and run nothing; raises ClickException for what it would not take."""
    command: click.Command = cli
    context: click.Context | None = None
    name: str | None = PROGRAM
    while True:
        try:
            context = command.make_context(name, list(words), parent=context)
        except click.exceptions.Exit:  # --help, --version and the like have done their work
            return
        if not isinstance(command, click.Group):
            return
        given = [*getattr(context, "_protected_args", ()), *context.args]
        name, found, words = command.resolve_command(context, given)
        assert found is not None
        command = found


LINES = sorted({(place, line) for place, line in typed() if arguments(line) is not None})


def test_there_are_some() -> None:
    assert len(LINES) > 60


@pytest.mark.parametrize(("place", "line"), LINES)
def test_the_program_takes_it(place: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = arguments(line)
    assert words is not None
    try:
        parse(words)
    except click.MissingParameter:
        assert ":" not in place, "a line in a block is whole"  # in prose a command may just be named
    capsys.readouterr()


@pytest.mark.parametrize(
    "line",
    [
        "inverter-bridge dicsover",
        "inverter-bridge discover --ports /dev/ttyUSB0",
        "sudo inverter-bridge service instal",
        "inverter-bridge write charger /Mode",
        "docker run --rm inverter-bridge domo",
        "inverter-bridge read charger --site",
    ],
)
def test_a_slip_would_be_found(line: str) -> None:
    words = arguments(line)
    assert words is not None
    with pytest.raises(click.ClickException):
        parse(words)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sudo inverter-bridge run site.yaml", ["run", "site.yaml"]),
        (".venv/bin/inverter-bridge check site.yaml    # every mistake", ["check", "site.yaml"]),
        ("inverter-bridge maps schema > map.schema.json", ["maps", "schema"]),
        ("$ inverter-bridge check site.yaml", ["check", "site.yaml"]),
        ("git clone <address of this repository> inverter-bridge", None),
        ("cd inverter-bridge", None),
    ],
)
def test_lines_are_told_apart(line: str, expected: list[str] | None) -> None:
    assert arguments(line) == expected
