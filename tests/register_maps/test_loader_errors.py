"""Every error of a map file: where it is shown, and what it says."""

import pytest

from bridge.register_maps.format import Kind
from tests.register_maps.plant import load, registers

ENTRY = "registers:\n  - {%s}\n"  # the entry's brace is at 2:5


def test_all_errors_are_told_not_just_the_first() -> None:
    result = load(
        registers(
            "address: 1, typ: u16", "address: 70000, type: u17, path: X", "adress: 3, type: u16, path: /X"
        )
    )
    assert result.map is None
    assert [(e.line, e.column, e.message.partition(":")[0]) for e in result.errors] == [
        (2, 5, "found no 'type', expected one such as u16"),
        (2, 5, "register"),
        (2, 18, "register"),
        (3, 15, "address"),
        (3, 28, "type"),
        (3, 39, "path"),
        (4, 5, "found no 'address', expected one"),
        (4, 6, "register"),
    ]


#: `§` stands before what the error points at.
ENTRY_ERRORS = [
    ("address: 1, type: u16, path: /X, §scle: 10", "unknown key 'scle'", "did you mean 'scale'?"),
    ("address: 1, type: §u17, path: /X", "found the text 'u17', expected one of", "did you mean 'u16'?"),
    ("address: §0x10000, type: u16, path: /X", "found 0x10000, expected 0 to 0xFFFF", ""),
    ("address: §-1, type: u16, path: /X", "found -1, expected 0", ""),
    ("address: §0o17, type: u16, path: /X", "expected a whole number", "octal is not known"),
    ("address: §1:30, type: u16, path: /X", "expected a whole number", ""),
    ("address: §true, type: u16, path: /X", "found the boolean true", ""),
    ("address: §0xFFFF, type: u32b, path: /X", "found 0xFFFF to 0x10000, expected to end by 0xFFFF", ""),
    ("§address: 1, type: u16", "found no 'path' and no 'value'", ""),
    ("address: 1, type: u16, path: §Dc/0/Voltage", "found 'Dc/0/Voltage'", "did you mean '/Dc/0/Voltage'?"),
    ("address: 1, type: u16, path: §/Dc//V", "expected a path", ""),
    ('address: 1, type: u16, §path: "/P/{n}"', "found {n} in '/P/{n}', which no repeat", ""),
    ("§address: 1, type: text, path: /X", "found no 'length'", ""),
    ("address: 1, type: text, length: §0, path: /X", "expected 1 to 123", ""),
    (
        "address: 1, type: text, length: 2, encoding: §utf-16, path: /X",
        "expected ascii, latin-1 or utf-8",
        "",
    ),
    ("address: 1, type: u16, §length: 2, path: /X", "length: found with u16", "text and hexstr"),
    ("address: 1, type: u16, §values: {a: 1}, path: /X", "values: found with u16", "e16 and mapu16"),
    ("address: 1, type: e16, values: {a: §b}, path: /X", "expected a whole number", ""),
    ("§address: 1, type: mapu16, path: /X", "found no values", ""),
    ("address: 1, type: mapu16, values: {§a: 1}, path: /X", "values: found the text 'a'", ""),
    ("§address: 1, type: bit, path: /X", "found no 'bit'", ""),
    ("address: 1, type: bit, bit: 1, §set: 0, path: /X", "for set and for unset", ""),
    ("address: 1, type: u16, scale: §0, path: /X", "expected a number above zero", ""),
    ("address: 1, type: u16, scale: §-10, path: /X", "expected a number above zero", ""),
    ("address: 1, type: u16, scale: §1/0, path: /X", "expected a number above zero", ""),
    ("address: 1, type: e16, §scale: 10, path: /X", "found with e16, which takes none", ""),
    ("address: 1, type: s16, invalid: §0x8000, path: /X", "which s16 cannot hold", "signed"),
    ("address: 1, type: u16, invalid: §never, path: /X", "expected a number", ""),
    ("address: 1, type: text, length: 1, invalid: §0, path: /X", "text, which has no invalid number", ""),
    ("address: 1, type: u16, value: §70000", "which this u16 cannot hold", ""),
    ("address: 1, type: text, length: 1, value: §abc", "which this text cannot hold", ""),
    ("address: 1, type: u16, value: 1, §write: true", "found beside 'value'", "a constant has none"),
    ("address: 1, type: u16, path: /X, format: §'%d %d'", "expected one such as", ""),
    ("address: 1, type: u16, path: /X, format: §'%999999999d'", "expected one such as", ""),
    ("address: 1, type: u16, path: /X, write: §yes", "expected true, [lowest, highest]", ""),
    ("address: 1, type: u16, path: /X, write: §[1]", "found a list of 1", ""),
    ("address: 1, type: u16, path: /X, write: §[9, 1]", "expected the lower one first", ""),
    (
        "address: 1, type: u16, path: /X, write: §[0, 70000]",
        "found 70000, which u16 cannot hold",
        "wider type",
    ),
    (
        "address: 1, type: u16, path: /X, write: §[0, 65535]",
        "found 65535, which u16 cannot hold",
        "wider type",
    ),
    ("address: 1, type: u16, path: /X, write: §[-1, 5]", "found -1, which u16 cannot hold", ""),
    ("address: 1, type: u16, scale: 100, path: /X, write: §[0, 700]", "u16 at scale 100 cannot hold", ""),
    ("address: 1, type: u16, path: /X, write: §{values: []}", "found no values", ""),
    (
        "address: 1, type: u16, path: /X, write: {§valeus: [1]}",
        "unknown key 'valeus'",
        "did you mean 'values'?",
    ),
    ("address: 1, type: text, length: 2, path: /X, write: §[1, 2]", "found a range with text", ""),
    ("address: 1, type: u16, path: /X, §accept: {0: 4}", "without 'write'", ""),
    (
        "address: 1, type: e16, values: {on: 1}, path: /X, write: true, accept: {0: §4}",
        "found 4, which 'write'",
        "",
    ),
    ("address: 1, type: u16, path: /X, §self_clearing: true", "without 'write'", ""),
    ("address: 1, type: u16, path: /X, stale: §keep", "expected one of exception, hold, invalid, zero", ""),
    ("address: 1, type: u16, path: /X, table: §coils", "expected one of holding, input", ""),
    ("address: 1, type: u16, path: /X, table: input, §write: true", "input register", "only holding"),
    ("address: 1, type: u16, path: /X, poll: §off", "expected true or false", ""),
    ("§address: 1, type: u16, path: /X, alias: true", "an alias of registers that no entry owns", ""),
    ("address: 1, type: u16, path: /X, source: {sum: [/A]}, §write: true", "found on a sum", ""),
    ("address: 1, type: u16, path: /X, source: §[]", "found an empty list", ""),
    ("address: 1, type: u16, path: /X, source: §{sum: []}", "a sum of nothing", ""),
    ("address: 1, type: u16, path: /X, source: §{negate: true}", "found no 'path'", ""),
    ("address: 1, type: u16, path: /X, source: {path: /A, §negat: true}", "unknown key 'negat'", "'negate'"),
    ("address: 1, type: u16, path: /X, source: [§[/A]]", "a list in a list", ""),
    (
        "address: 1, type: u32b, path: /Ac/Energy/Forward, source: {sum: [/A], missing: §zero}",
        "missing: found zero for the energy /Ac/Energy/Forward",
        "energies hold their last sum",
    ),
    ("§address: 1, repeat: {count: 2, stride: 1}", "no inner registers", ""),
    ("address: 1, repeat: §{count: 2}, registers: [{address: 0, type: u16, path: /X}]", "no 'stride'", ""),
    (
        'address: 1, repeat: {count: 2, stride: 1, §path: "/P"}, registers: [{address: 0, type: u16, path: /X}]',
        "the same for every copy",
        "",
    ),
    (
        "address: 0xFFF0, repeat: {count: 9, stride: 9}, registers: [{address: §0, type: u16, path: /X}]",
        "expected to end by 0xFFFF",
        "",
    ),
    (
        "address: 1, §type: u16, repeat: {count: 2, stride: 1}, registers: [{address: 0, type: u16, path: /X}]",
        "found 'type' beside it",
        "",
    ),
]


@pytest.mark.parametrize(("entry", "message", "hint"), ENTRY_ERRORS, ids=[e[0] for e in ENTRY_ERRORS])
def test_errors_of_an_entry(entry: str, message: str, hint: str) -> None:
    text = ENTRY % entry
    place = text.splitlines()[1].index("§")
    column = 5 if place == 5 else place + 1  # what is wrong as a whole is shown at its brace
    found = load(text.replace("§", "")).errors
    matching = [e for e in found if message in e.message and hint in e.hint]
    assert matching, "\n".join(map(str, found))
    assert (matching[0].file, matching[0].line, matching[0].column) == ("m.yaml", 2, column)


FILE_ERRORS = [
    ("", 1, 1, "found an empty file"),
    ("[1, 2]", 1, 1, "map: found a list, expected a mapping"),
    ("title: X", 1, 1, "found no registers"),
    ("registers: 5", 1, 12, "registers: found the number 5, expected a list"),
    ("registers: [5]", 1, 13, "register: found the number 5, expected a mapping"),
    ("titel: X\nregisters: [{address: 1, type: u16, path: /X}]", 1, 1, "unknown key 'titel'"),
    (
        "title: A\ntitle: B\nregisters: [{address: 1, type: u16, path: /X}]",
        2,
        1,
        "found the key 'title' again",
    ),
    (
        "kind: personal\nregisters: [{address: 1, type: u16, path: /X}]",
        1,
        7,
        "expected one of bridge, client",
    ),
    ("stale: never\nregisters: [{address: 1, type: u16, path: /X}]", 1, 8, "expected one of exception"),
    (
        "extends: nobody\nregisters: [{address: 1, type: u16, path: /X}]",
        1,
        10,
        "found 'nobody', which does not load",
    ),
    ("device: {rôle: x}\nregisters: [{address: 1, type: u16, path: /X}]", 1, 10, "unknown key 'rôle'"),
    ("device: {hole_max: 200}\nregisters: [{address: 1, type: u16, path: /X}]", 1, 20, "expected 0 to 124"),
    (
        "device: {min_timeout: 0}\nregisters: [{address: 1, type: u16, path: /X}]",
        1,
        23,
        "expected seconds above 0",
    ),
    ("detect: {address: 9}\nregisters: [{address: 1, type: u16, path: /X}]", 1, 9, "found no 'type'"),
    (
        "detect: {address: 9, type: u16, values: {a: b}}\nregisters: [{address: 1, type: u16, path: /X}]",
        1,
        42,
        "whole",
    ),
    (
        "detect: {address: 9, type: u16, values: {1: b}, methods: [tpc]}\nregisters: [{address: 1, type: u16, path: /X}]",
        1,
        59,
        "expected one of tcp, rtu, udp",
    ),
    (
        "detect: {address: 9, type: u16, values: {1: b}}\nregisters: [{address: 1, type: u16, path: /X}]",
        1,
        9,
        "found nothing at 0x0009",
    ),
    ("constants: {X: 1}\nregisters: [{address: 1, type: u16, path: /X}]", 1, 13, "constants: found 'X'"),
    (
        "constants: {/X: [1]}\nregisters: [{address: 1, type: u16, path: /X}]",
        1,
        17,
        "constants: found a list",
    ),
    ("coils: [{path: /X, mirror: 1}]", 1, 9, "found no 'address'"),
    ("coils: [{address: 0, path: /X}]", 1, 9, "found no holding register that writes /X"),
    ("coils: [{address: 0, path: /X, mirror: 1, on: 3, off: 3}]", 1, 9, "for on and for off"),
    ("coils: [{address: 0, path: /X, mirror: 1, on: [1, 2]}]", 1, 47, "expected a whole number"),
    ("coils: [{address: 0, path: /X, miror: 1, write: false}]", 1, 32, "unknown key 'miror'"),
    ("discrete_inputs: [{address: 0, path: /X, mirror: 1}]", 1, 42, "unknown key 'mirror'"),
    ("discrete_inputs: [{address: 0, path: /X, on: []}]", 1, 46, "found an empty list"),
    ("discrete_inputs: [{address: 0, path: /X, source: {sum: [/A]}}]", 1, 42, "which no bit can show"),
]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"), FILE_ERRORS, ids=[e[0][:40] for e in FILE_ERRORS]
)
def test_errors_of_a_file(text: str, line: int, column: int, message: str) -> None:
    found = load(text).errors
    assert any((e.line, e.column) == (line, column) and message in e.message for e in found), "\n".join(
        map(str, found)
    )


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            "address: 5, type: u32b, path: /A",
            "address: 6, type: u16, path: /B",
            "found /B over /A at 0x0005 to 0x0006 (line 2)",
        ),
        (
            "address: 5, type: u16, path: /A",
            "address: 5, type: u16, value: 3",
            "found the constant 3 over /A",
        ),
        (
            "address: 5, type: bit, bit: 3, path: /A",
            "address: 5, type: bit, bit: 3, path: /B",
            "found /B over /A",
        ),
        (
            "address: 5, type: bit, bit: 19, path: /A",
            "address: 6, type: bit, bit: 3, path: /B",
            "found /B over /A",
        ),
        ("address: 5, type: u16, path: /A", "address: 5, type: bit, bit: 3, path: /B", "found /B over /A"),
    ],
)
def test_overlaps(first: str, second: str, message: str) -> None:
    errors = load(registers(first, second)).errors
    assert [(e.line, e.column) for e in errors] == [(3, 5)]
    assert message in errors[0].message
    assert "alias: true" in errors[0].hint


def test_overlaps_of_tables_of_their_own_are_none() -> None:
    assert load(
        registers("address: 5, type: u16, path: /A", "address: 5, type: u16, path: /B, table: input")
    ).map


def test_a_mirror_overlaps_like_any_register() -> None:
    errors = load(
        "registers: [{address: 1, type: u16, path: /A}]\ncoils: [{address: 0, path: /X, mirror: 1}]"
    ).errors
    assert [(e.line, e.column) for e in errors] == [(2, 9)]


def test_coils_overlap() -> None:
    errors = load("discrete_inputs:\n  - {address: 0, path: /X}\n  - {address: 0, path: /Y}\n").errors
    assert [(e.line, e.column) for e in errors] == [(3, 5)]
    assert "found /Y over /X (line 2)" in errors[0].message


@pytest.mark.parametrize(
    "entry", ["address: 0xFE00, type: u16", "address: 0xFEFF, type: u16", "address: 0xFDFF, type: u32b"]
)
def test_native_maps_leave_the_status_block_free(entry: str) -> None:
    text = registers(f"{entry}, path: /X")
    assert "status block" in load(text).errors[0].message
    assert load(text, Kind.CLIENT).map is not None


def test_a_coil_with_a_writable_register_needs_no_mirror() -> None:
    assert load(
        "registers: [{address: 1, type: u16, path: /X, write: true}]\ncoils: [{address: 0, path: /X}]"
    ).map
    assert load("coils: [{address: 0, path: /X, write: false}]").map


def test_the_mirror_of_one_coil_does_not_serve_another() -> None:
    text = (
        "coils:\n  - {address: 0, path: /X, off: 4, mirror: 1}\n  - {address: 1, path: /X, on: 5, off: 1}\n"
    )
    assert [(e.line, e.column) for e in load(text).errors] == [(3, 5)]


def test_a_persona_needs_methods() -> None:
    errors = load(registers("address: 1, type: u16, path: /X"), Kind.PERSONA).errors
    assert "a persona is served only by those" in errors[0].message


def test_a_detect_that_is_extended_and_does_not_fit_is_told_at_extends() -> None:
    base = "\n".join(
        (
            registers("address: 16, type: u16, value: 7"),
            *("# a long file" for _ in range(20)),
            "detect: {address: 16, type: u16, values: {7: Seven}}",
        )
    )
    (error,) = load("extends: base\nregisters: [{address: 16, type: u16, value: 8}]", base=base).errors
    assert (error.line, error.column) == (1, 1)
    assert "detect" in error.message


def test_an_error_in_what_is_extended_is_told_at_extends() -> None:
    errors = load("extends: base\ntitle: X", base=registers("address: 1, type: u99, path: /X")).errors
    assert (errors[0].line, errors[0].column) == (1, 10)
    assert "u99" in errors[0].message


def test_a_repeat_without_end_is_bounded() -> None:
    inner = "{address: 0, type: u16, path: /X, alias: true}"
    for _ in range(4):
        inner = f"{{address: 0, repeat: {{count: 1000, stride: 1}}, registers: [{inner}]}}"
    errors = load(f"registers: [{inner}]").errors
    assert any("more than 16384 registers" in e.message for e in errors)
