"""Maps by name and by file."""

from pathlib import Path

import pytest

from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.format import Kind

MINIMAL = "registers: [{address: 1, type: u16, path: /X}]\n"


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    folder = tmp_path / "maps"
    (folder / "personas").mkdir(parents=True)
    (folder / "charger.yaml").write_text(f"title: A charger\n{MINIMAL}", encoding="utf-8")
    (folder / "bridge.yaml").write_text(MINIMAL, encoding="utf-8")
    (folder / "poll.yaml").write_text(f"kind: client\nextends: charger\n{MINIMAL}", encoding="utf-8")
    persona = "detect: {address: 1, type: u16, values: {7: A}, methods: [tcp]}\nregisters: [{address: 1, type: u16, value: 7}]\n"
    (folder / "personas" / "meter.yaml").write_text(persona, encoding="utf-8")
    (folder / "broken.yaml").write_text("registers: 5\n", encoding="utf-8")
    return Catalogue(folder)


def test_what_is_listed(catalogue: Catalogue) -> None:
    assert [(e.name, e.title, e.kind, bool(e.errors)) for e in catalogue.listed()] == [
        ("bridge", "bridge", Kind.BRIDGE, False),
        ("broken", "", Kind.NATIVE, True),
        ("charger", "A charger", Kind.NATIVE, False),
        ("personas/meter", "personas/meter", Kind.PERSONA, False),
        ("poll", "A charger", Kind.CLIENT, False),
    ]


def test_every_shipped_map_loads() -> None:
    assert [(e.name, e.errors) for e in Catalogue().listed() if e.errors] == []
    assert {"bluesmart_charger", "bridge"} <= set(Catalogue().names())


def test_a_map_is_read_once(catalogue: Catalogue) -> None:
    assert catalogue.load("charger").map is catalogue.load("charger").map


def test_an_unknown_name_is_told_with_the_nearest(catalogue: Catalogue) -> None:
    load = catalogue.load("chargre")
    assert load.map is None
    assert (load.errors[0].message, load.errors[0].hint) == (
        "found no map 'chargre'",
        "did you mean 'charger'?",
    )


@pytest.mark.parametrize("name", ["", "../charger", "/etc/passwd", "charger.", "personas", "a\0b"])
def test_names_are_no_paths(catalogue: Catalogue, name: str) -> None:
    assert catalogue.load(name).map is None


def test_a_file_beside_the_site(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(MINIMAL, encoding="utf-8")
    mine = "extends: ./base.yaml\nregisters: [{address: 2, type: u16, path: /Y}]\n"
    (tmp_path / "mine.yaml").write_text(mine, encoding="utf-8")
    found = catalogue.load("./mine.yaml", beside=tmp_path).map
    assert found is not None
    assert [(r.address, r.path) for r in found.registers] == [(1, "/X"), (2, "/Y")]
    (tmp_path / "mine.yaml").write_text("extends: charger\n", encoding="utf-8")
    anew = catalogue.load_file(tmp_path / "mine.yaml").map
    assert anew is not None
    assert anew.title == "A charger"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "found no such file"),
        (b"\xff\xfe", "found byte 0xff, expected UTF-8"),
        (b"title: " + b"x" * 2_000_001, "expected at most 2000000"),
        (b"", "found an empty file"),
    ],
)
def test_files_that_cannot_be_read(
    catalogue: Catalogue, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_bytes(content)
    load = catalogue.load("./mine.yaml", beside=tmp_path)
    assert load.map is None
    assert message in load.errors[0].message
    assert load.errors[0].file == str(file)


def test_a_directory_is_no_map(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "dir.yaml").mkdir()
    assert "no ordinary file" in catalogue.load("./dir.yaml", beside=tmp_path).errors[0].message


def test_maps_that_extend_each_other_are_told(catalogue: Catalogue) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        (catalogue.folder / f"{name}.yaml").write_text(f"extends: {other}\n{MINIMAL}", encoding="utf-8")
    errors = catalogue.load("one").errors
    assert "extending itself" in errors[0].message
    assert (errors[0].line, errors[0].column) == (1, 10)


def test_a_byte_order_mark_is_no_error(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert catalogue.load("./bom.yaml", beside=tmp_path).map
