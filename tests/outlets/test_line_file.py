"""The file of lines on real disks: rotation, files moved away, lines torn by a crash, disks that are full."""

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.outlets import line_file
from bridge.outlets.line_file import LineFile


def line(number: int, size: int = 10) -> bytes:
    return str(number).encode().rjust(size - 1, b".") + b"\n"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("lines", "keep", "held"),
    [
        (3, 5, {"": [1, 2, 3]}),
        (4, 5, {"": [4], ".1": [1, 2, 3]}),
        (10, 5, {"": [10], ".1": [7, 8, 9], ".2": [4, 5, 6], ".3": [1, 2, 3]}),
        (10, 2, {"": [10], ".1": [7, 8, 9], ".2": [4, 5, 6]}),
        (10, 1, {"": [10], ".1": [7, 8, 9]}),
    ],
)
def test_rotation_by_size(tmp_path: Path, lines: int, keep: int, held: dict[str, list[int]]) -> None:
    file = LineFile(tmp_path / "audit.jsonl", 35, keep)
    for number in range(1, lines + 1):
        file.append(line(number))
    file.close()
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {f"audit.jsonl{end}": b"".join(map(line, numbers)) for end, numbers in held.items()}


def test_a_line_longer_than_the_size_has_a_file_to_itself(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "a.log", 35, 5)
    for size in (10, 50, 10):
        file.append(line(size, size))
    assert (tmp_path / "a.log.2").read_bytes() == line(10)
    assert (tmp_path / "a.log.1").read_bytes() == line(50, 50)
    assert (tmp_path / "a.log").read_bytes() == line(10)


def test_the_size_of_a_former_run_counts(tmp_path: Path) -> None:
    for number in range(1, 5):
        file = LineFile(tmp_path / "a.log", 35, 5)
        file.append(line(number))
        file.close()
    assert (tmp_path / "a.log.1").read_bytes() == b"".join(map(line, (1, 2, 3)))
    assert (tmp_path / "a.log").read_bytes() == line(4)


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def moved_and_created(path: Path) -> None:
    moved(path)
    path.touch()


def removed_with_its_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


@pytest.mark.parametrize("away", [moved, moved_and_created, Path.unlink, removed_with_its_folder])
def test_a_file_moved_away_is_noticed(tmp_path: Path, away: Callable[[Path], None]) -> None:
    path = tmp_path / "state" / "a.log"
    file = LineFile(path, 1000, 5)
    file.append(line(1))
    away(path)
    file.append(line(2))
    assert path.read_bytes() == line(2)
    if (path.parent / "elsewhere").exists():
        assert (path.parent / "elsewhere").read_bytes() == line(1)


def test_a_file_emptied_in_place_is_written_on(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = LineFile(path, 1000, 5)
    file.append(line(1))
    os.truncate(path, 0)  # logrotate's copytruncate
    file.append(line(2))
    assert path.read_bytes() == line(2)


@pytest.mark.parametrize("torn", [b'{"half', b"x" * 9])
def test_a_line_torn_by_a_crash_spoils_no_other(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(line(1) + torn)
    file = LineFile(path, 1000, 5)
    file.append(line(2))
    file.append(line(3))
    assert path.read_bytes() == line(1) + torn + b"\n" + line(2) + line(3)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.log"
    LineFile(path, 1000, 5).append(line(1))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk take half of every write, as one that fills up does."""
    write = os.write
    monkeypatch.setattr(line_file.os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))


def test_a_disk_that_fills_up_within_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.log"
    file = LineFile(path, 1000, 5)
    file.append(line(1))
    with monkeypatch.context() as full:
        half_of_it(full)
        for _ in range(3):
            with pytest.raises(OSError, match="No space left") as told:
                file.append(line(2))
            assert told.value.errno == errno.ENOSPC
    assert path.read_bytes() == line(1)
    file.append(line(3))
    assert path.read_bytes() == line(1) + line(3)


def test_half_a_line_that_cannot_be_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.log"
    file = LineFile(path, 1000, 5)

    def refuse(fd: int, size: int) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as full:
        half_of_it(full)
        full.setattr(line_file.os, "ftruncate", refuse)
        with pytest.raises(OSError, match="No space left"):
            file.append(line(1))
    file.append(line(2))
    assert path.read_bytes() == line(1)[:5] + b"\n" + line(2)


def test_a_file_that_cannot_be_put_aside_grows_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.log"
    file = LineFile(path, 35, 5)

    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "not permitted")

    with monkeypatch.context() as refusing:
        refusing.setattr(Path, "replace", refuse)
        for number in range(5):
            file.append(line(number))
    assert path.read_bytes() == b"".join(map(line, range(5)))
    assert file.rotation_fault is not None
    file.append(line(5))
    assert file.rotation_fault is None
    assert path.read_bytes() == line(5)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/full")


@pytest.mark.parametrize("make", [make_folder, make_pipe, make_device])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a.log"
    make(path)
    for _ in range(2):
        with pytest.raises(OSError, match=r"directory|regular file"):
            LineFile(path, 1000, 5).append(line(1))


def test_every_line_is_one_write(tmp_path: Path) -> None:
    """Several writers to one file, a tail and a logrotate would meet half lines otherwise."""
    path = tmp_path / "a.log"
    file = LineFile(path, 10_000, 5)
    other = LineFile(path, 10_000, 5)
    for number in range(20):
        file.append(line(number))
        other.append(line(number + 100))
    found = subprocess.run(["sort", "-n", path], capture_output=True, check=True).stdout.split()
    assert len(found) == 40
    assert {len(word) for word in found} == {9}
