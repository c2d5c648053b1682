"""Reading YAML with its places: the hints, the longest words, and files that unfold without end."""

import pytest

from bridge.register_maps.positions import NODES_MAX, WORD_MAX, Node, Problem, compose, nearest


def problems(text: str) -> list[Problem]:
    return compose(text, "m.yaml")[1]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("max-current", "max_current"),
        ("Max_Current", "max_current"),
        ("max_curent", "max_current"),
        ("min-timeout", "min-timeout"),
        ("min_timeout", "min-timeout"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_nearest_word(word: str, found: str | None) -> None:
    assert nearest(word, ["max_current", "min-timeout", "path"]) == found


def test_only_words_of_a_bounded_length_are_compared() -> None:
    longest = "a" * WORD_MAX
    assert nearest(longest, [longest]) == longest
    assert nearest(longest + "a", [longest]) is None


def test_a_long_text_is_shown_cut() -> None:
    longest = "a" * WORD_MAX
    assert Node(longest, 1, 1, longest).short == longest
    assert Node(longest + "b", 1, 1, longest + "b").short == longest + ".."


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("a:\n\t- 1", 2, "use spaces, not tabs"),
        ("a: {b: ${C}}", 1, "quote a value with ${..} inside { } or [ ]"),
        ("a: b: c", 1, "quote a value that holds ': '"),
        ("a: %b", 1, "quote a value that begins with this character"),
        ("a: @b", 1, "quote a value that begins with this character"),
        ("a: `b", 1, "quote a value that begins with this character"),
        ("a: [1, 2", 1, "look at the line above too"),
        ('a: "b', 1, "look at the line above too"),
    ],
)
def test_what_is_no_yaml_has_a_place_and_a_hint(text: str, line: int, hint: str) -> None:
    (problem,) = problems(text)
    assert problem.hint == hint
    assert problem.line >= line


def test_an_escape_of_no_character_is_told_where_it_stands() -> None:
    (problem,) = problems('a: 1\nb: 2\nc: "\\UFFFFFFFF"\nd: 3')
    assert (problem.line, problem.message[:32]) == (3, "not YAML: found an escape or a n")


def test_aliases_that_unfold_without_end_are_told_before_they_do() -> None:
    levels = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    found = problems("\n".join(levels))
    assert [problem.message for problem in found] == [f"found more than {NODES_MAX} values, aliases followed"]


def test_an_alias_counts_as_what_it_stands_for() -> None:
    many = f"a: &a [{', '.join(['1'] * 2000)}]\n"
    found = problems(many + f"b: [{', '.join(['*a'] * (NODES_MAX // 2000 + 1))}]")
    assert [problem.message for problem in found] == [f"found more than {NODES_MAX} values, aliases followed"]
    assert problems(many + "b: [*a, *a]") == []
