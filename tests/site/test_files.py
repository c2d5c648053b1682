"""Where the text comes from: files, includes, variables, secrets."""

import os
from pathlib import Path

import pytest

from bridge.site.loader import load_site
from tests.site.conftest import FAMILIES, MAPS, BenchOptions, Loads


def refused(path: Path) -> list[str]:
    found = load_site(path, {}, FAMILIES, lambda state, device: None, MAPS)
    assert found.site is None
    return [str(problem) for problem in found.problems]


def test_no_file(tmp_path: Path) -> None:
    missing = tmp_path / "no.yaml"
    assert refused(missing) == [f"{missing}:1:1: found no such file, check the path"]
    assert refused(tmp_path) == [f"{tmp_path}:1:1: found a directory, expected a file, name the file in it"]
    assert refused(Path("a\0b")) == ["a\0b:1:1: found a path with a NUL character, check the path"]
    long = Path("x" * 5000)
    assert refused(long) == [f"{long}:1:1: found a path longer than the system allows, check the path"]


def test_links_in_a_circle(tmp_path: Path) -> None:
    link = tmp_path / "a.yaml"
    link.symlink_to(link)
    assert refused(link) == [f"{link}:1:1: found links that lead in a circle, check the path"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert refused(pipe) == [f"{pipe}:1:1: found a device or a pipe, expected a file, name a regular file"]


def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.touch(mode=0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything, nobody may not
    try:
        said = refused(path)
    finally:
        os.seteuid(user)
    assert said == [
        f"{path}:1:1: found a file that may not be read, "
        "check its owner and mode, and those of its directories"
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "1:1: found an empty file, expected a mapping"),
        (b"# only a comment\n", "1:1: found an empty file, expected a mapping"),
        (b"---\n", "2:1: found nothing, expected a mapping such as 'devices: ..'"),
        (b"a: 1\nb: \xe4\n", "2:4: found the byte 0xE4, which is not UTF-8, save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "1:1: found the byte 0xFF, which is not UTF-8, save the file as UTF-8"),
        (b"#" * 262145, "1:1: found more than 262144 bytes, is this the right file?"),
    ],
)
def test_wrong_content(load: Loads, content: bytes, said: str) -> None:
    assert [str(problem) for problem in load(content).problems] == [f"site.yaml:{said}"]


def test_included_files_are_merged(load: Loads) -> None:
    found = load(
        "include: [a.yaml, b.yaml]\nsite: main\nlisteners: [{tcp: '0.0.0.0:1502'}]\n"
        "devices: {three: {adapter: bench, unit: 3}}\n",
        a_yaml="devices: {one: {adapter: bench, unit: 1}}\nlisteners: [{tcp: '0.0.0.0:502'}]\n",
        b_yaml="include: c.yaml\ndevices: {two: {adapter: bench, unit: 2}}\n",
        c_yaml="timezone: Europe/Stockholm\n",
    )
    assert found.problems == ()
    assert found.site is not None
    assert list(found.site.devices) == ["one", "two", "three"]
    assert [listener.tcp.port for listener in found.site.listeners] == [502, 1502]
    assert found.site.timezone == "Europe/Stockholm"


@pytest.mark.parametrize(
    ("text", "files", "said"),
    [
        ("include: no.yaml", {}, ["site.yaml:1:10: no.yaml: found no such file, check the path"]),
        ("include: {a: b}", {}, ["site.yaml:1:10: found a mapping, expected the path of a file"]),
        ("include: [a.yaml, 3]", {"a_yaml": "{}"}, ["site.yaml:1:19: 3: found no such file, check the path"]),
        ('include: "a\\0b"', {}, ["site.yaml:1:10: a\0b: found a path with a NUL character, check the path"]),
        (
            "include: a.yaml",
            {"a_yaml": "\n devices:\n  a: {adapter: bench, unit: 300}"},
            ["a.yaml:3:29: found the number 300, expected 1 to 246"],
        ),
        ("include: a.yaml", {"a_yaml": "a: [1"}, ["a.yaml:1:6: not YAML: while parsing a flow sequence: "
         "expected ',' or ']', but got '<stream end>', look at the line above too"]),
        (
            "include: site.yaml",
            {},
            ["site.yaml:1:10: found site.yaml, which includes this file, break the loop"],
        ),
        (
            "include: a.yaml",
            {"a_yaml": "include: ./b.yaml", "b_yaml": "site: x\ninclude: [site.yaml]"},
            ["b.yaml:2:11: found site.yaml, which includes this file, break the loop"],
        ),
        (
            "include: a.yaml\nsite: here\ndevices: {x: {adapter: bench, unit: 1}}",
            {"a_yaml": "site: there\ndevices:\n  x: {adapter: bench, unit: 2}"},
            [
                "site.yaml:2:1: found 'site' again, it stands in a.yaml:1, remove one",
                "site.yaml:3:11: found 'x' again, it stands in a.yaml:3, remove one",
            ],
        ),
    ],
)  # fmt: skip
def test_faults_of_includes(load: Loads, text: str, files: dict[str, str], said: list[str]) -> None:
    assert [str(problem) for problem in load(text, **files).problems] == said


def test_the_number_of_files_is_bounded(load: Loads) -> None:
    found = load("include: [" + "a.yaml, " * 60 + "]", a_yaml="{}")
    assert [problem.message for problem in found.problems] == ["found more than 50 files"] * 11


@pytest.mark.parametrize(
    ("written", "env", "password"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("'${A}'", {"A": "0123"}, "0123"),
        ("a${A}b${B:-c}d", {"A": "x"}, "axbcd"),
        ("${A:-}", {}, None),
        ("'${A:-}'", {}, ""),
        ("'${A:-dflt: x}'", {"A": ""}, "dflt: x"),
        ("'${A}'", {"A": ""}, ""),
        ("'${A}'", {"A": "# no: [comment"}, "# no: [comment"),
        ("'${A}'", {"A": "${B}"}, "${B}"),
        ("'$A $$ $'", {}, "$A $$ $"),
        ("'$${A}'", {}, "${A}"),
    ],
)
def test_variables(load: Loads, written: str, env: dict[str, str], password: str | None) -> None:
    found = load(f"devices:\n  a:\n    adapter: bench\n    unit: 1\n    password: {written}\n", env)
    assert found.problems == ()
    assert found.site is not None
    options = found.site.devices["a"]
    assert isinstance(options, BenchOptions)
    assert options.password == password


def test_a_plain_variable_may_be_a_number(load: Loads) -> None:
    text = "devices:\n  a:\n    adapter: bench\n    unit: {}\n"
    found = load(text.format("${UNIT}"), {"UNIT": "7"})
    assert [unit.unit for unit in found.units] == [7]
    found = load(text.format("'${UNIT}'"), {"UNIT": "7"})
    assert [str(p) for p in found.problems] == ["site.yaml:4:11: found the text '7', expected a whole number"]


@pytest.mark.parametrize(
    ("written", "env", "said"),
    [
        (
            "${A}",
            {},
            "1:7: found no variable A in the environment, set it, or write ${A:-default}",
        ),
        ("a ${1A}", {}, "1:7: found '${1A}', expected ${NAME} or ${NAME:-default}, write $${ for a plain ${"),
        (
            "a ${A",
            {"A": "x"},
            "1:7: found '${A', expected ${NAME} or ${NAME:-default}, write $${ for a plain ${",
        ),
        ("${}", {}, "1:7: found '${}', expected ${NAME} or ${NAME:-default}, write $${ for a plain ${"),
        ("${A}", {"A": "\udce4"}, "1:7: found bytes in the variable A that are not UTF-8, set it anew"),
    ],
)
def test_faults_of_variables(load: Loads, written: str, env: dict[str, str], said: str) -> None:
    assert [str(problem) for problem in load(f"site: {written}", env).problems] == [f"site.yaml:{said}"]


def test_a_secret_comes_from_a_file(load: Loads) -> None:
    text = "devices: {a: {adapter: bench, unit: 1, password_file: '${DIR}/x.key'}}"
    found = load(text, {"DIR": "."}, x_key="s3 ${cret}\n")
    assert found.problems == ()
    assert found.site is not None
    options = found.site.devices["a"]
    assert isinstance(options, BenchOptions)
    assert options.password == "s3 ${cret}"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("password_file: no.key", "1:55: no.key: found no such file, check the path"),
        ("password_file: [a]", "1:55: found a list, expected the path of a file with the secret"),
        ("password: x, password_file: x.key", "1:53: found both 'password' and 'password_file', keep one"),
        (
            "pasword_file: x.key",
            "1:40: found the unknown key 'pasword_file', expected one of adapter, lease, loud, map, "
            "password, poll, ratio, resume_within, safe, serial, unit, wear, words, did you mean 'password'?",
        ),
    ],
)
def test_faults_of_secrets(load: Loads, keys: str, said: str) -> None:
    found = load(f"devices: {{a: {{adapter: bench, unit: 1, {keys}}}}}", x_key="x")
    assert [str(problem) for problem in found.problems] == [f"site.yaml:{said}"]
