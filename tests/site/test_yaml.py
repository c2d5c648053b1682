"""YAML as the bridge reads it: the traps of YAML 1.1, and files that are no YAML."""

import math
import time

import pytest

from bridge.register_maps.positions import Node, compose, nearest

SCALARS = [
    ("true", True),
    ("false", False),
    ("True", True),
    ("on", "on"),
    ("off", "off"),
    ("yes", "yes"),
    ("y", "y"),
    ("17", 17),
    ("017", 17),
    ("0o17", "0o17"),
    ("0x1F", 31),
    ("-0x1F", "-0x1F"),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("12:30:45", "12:30:45"),
    ("2024-01-01", "2024-01-01"),
    ("1.5", 1.5),
    (".5", 0.5),
    ("1e3", 1000.0),
    ("801E10", 801e10),
    ("+12", 12),
    ("-.inf", -math.inf),
    ("~", None),
    ("null", None),
    ("", None),
    ("'17'", "17"),
    ('"true"', "true"),
    ("!!str 17", "17"),
    ("9" * 41, "9" * 41),
    ("0.0.0.0:502", "0.0.0.0:502"),
]


@pytest.mark.parametrize(("written", "value"), SCALARS)
def test_scalars_are_those_of_yaml_1_2(written: str, value: object) -> None:
    node, problems = compose(f"key: {written}", "f.yaml")
    assert problems == []
    found = child(node, "key").value
    assert found == value
    assert type(found) is type(value)


FAULTS = [
    ("", "f.yaml:1:1: found an empty file, expected a mapping"),
    ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: found the key 'a' again, it stands in line 1, remove one"),
    ("a: {b: 1, 'b': 2}", "f.yaml:1:11: found the key 'b' again, it stands in line 1, remove one"),
    ("a: *x", "f.yaml:1:4: found *x, but no &x stands before it, name it first"),
    ("a: &x [1, *x]", "f.yaml:1:11: found *x inside &x itself, spell the value out"),
    (
        "a: 1\n---\nb: 2\n",
        "f.yaml:2:1: found a second document, expected one in a file, remove it, or use a file each",
    ),
    ("? [1]\n: 2\n", "f.yaml:1:3: found a list as a key, expected a word, quote it if it is one"),
    ("a: !!int 3", "f.yaml:1:4: found the tag tag:yaml.org,2002:int, remove it: only !!str is known"),
    ("a: !x [3]", "f.yaml:1:4: found the tag !x, remove it: only !!str is known"),
    ("a: \x07", "f.yaml:1:4: found the character U+0007, which YAML does not allow, remove it"),
    ("a: b\u2028c", "f.yaml:1:5: found the character U+2028, use an ordinary line break"),
    ('a: "\\ud800"', "f.yaml:1:4: found half of a surrogate pair, which is no character, write it whole"),
    ("[" * 5000, "f.yaml:1:42: found more than 40 levels of nesting, flatten it"),
]


@pytest.mark.parametrize(("text", "said"), FAULTS)
def test_faults_have_a_place_and_say_what_to_do(text: str, said: str) -> None:
    _, problems = compose(text, "f.yaml")
    assert [str(problem) for problem in problems] == [said]


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("a:\n\tb: 1", 2, 1, "use spaces, not tabs"),
        ("a:\tb", 1, 3, "use spaces, not tabs"),
        ("a: b: c", 1, 5, "quote a value that holds ': '"),
        ("a: @x", 1, 4, "quote a value that begins with this character"),
        ("{a: ${B}}", 1, 6, "quote a value with ${..} inside { } or [ ]"),
        ("a: [1", 1, 6, "look at the line above too"),
        ('a: "\\UFFFFFFFF"', 1, 7, ""),
        ("%YAML 3.0\n---\na: 1", 1, 1, "look at the line above too"),
    ],
)
def test_what_is_no_yaml_is_one_problem(text: str, line: int, column: int, hint: str) -> None:
    node, problems = compose(text, "f.yaml")
    assert node is None
    assert [(p.line, p.column, p.hint) for p in problems] == [(line, column, hint)]
    assert problems[0].message.startswith("not YAML: ")


@pytest.mark.parametrize(
    "text", ["\ufeffa: 1\nbb: x\n", "a: 1\r\nbb: x\r\n", "a: 1\rbb: x", "---\nbb: x\n...\n", "# é\nbb: x"]
)
def test_line_ends_and_marks_do_not_move_places(text: str) -> None:
    node, problems = compose(text, "f.yaml")
    assert problems == []
    assert node is not None
    key, value = node.key_node("bb"), child(node, "bb")
    assert (key.line, key.column, value.line, value.column) == (2, 1, 2, 5)


def test_aliases_are_shared_and_bounded() -> None:
    node, problems = compose("a: &x [1, 2]\nb: *x\n", "f.yaml")
    assert problems == []
    assert child(node, "a") is child(node, "b")
    bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
    )
    started = time.monotonic()
    node, problems = compose(bomb, "f.yaml")
    assert node is None
    assert [p.message for p in problems] == ["found more than 200000 values, aliases followed"]
    assert time.monotonic() - started < 20  # without the bound it would outlive the machine


@pytest.mark.parametrize(
    ("word", "near"),
    [("prot", "port"), ("Unit", "unit"), ("reply-within", "reply_within"), ("zzz", None), ("", None)],
)
def test_nearest_spelling(word: str, near: str | None) -> None:
    assert nearest(word, ["port", "unit", "reply_within"]) == near


def child(node: Node | None, key: str) -> Node:
    assert node is not None
    assert isinstance(node.value, dict)
    return node.value[key]
