"""Disks that are full, read-only or somebody else's, and addresses that go: on real ones."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.cli.backup import backup
from bridge.cli.restore import restore
from bridge.datastore.durable import write_whole
from bridge.datastore.state import FILE_NAME, StateError, StateStore, read_saved
from tests.faults.house.acts import SITE, stored
from tests.faults.house.cramped import CASES
from tests.interop.tools import tool
from tests.repo.checkout import ROOT

NOBODY = 65_534


@pytest.mark.parametrize("case", CASES)
def test_on_a_disk_and_with_an_address_of_its_own(case: str, tmp_path: Path) -> None:
    apart = [tool("unshare", "util-linux"), "--map-root-user", "--mount", "--net"]
    tool("ip", "iproute2")
    if subprocess.run([*apart, "true"], capture_output=True, timeout=20, check=False).returncode:
        pytest.skip("this system lets this user make no name spaces, in which alone it may mount")
    done = subprocess.run(
        [*apart, sys.executable, "-m", "tests.faults.house.cramped", case, tmp_path],
        cwd=ROOT, capture_output=True, text=True, timeout=55, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@contextmanager
def somebody_elses(folder: Path) -> Iterator[None]:
    """What is in a folder belongs to somebody else meanwhile, and is closed to this process."""
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            path.chmod(0o700 if path.is_dir() else 0o600)
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        folder.chmod(0)
        try:
            yield
        finally:
            folder.chmod(0o700)


def test_a_state_of_another_user_is_named_with_the_cure_and_left_alone() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "state"
        store = StateStore(folder)
        store.open()
        store.put("s", "key", 1)
        store.close()
        before = (folder / FILE_NAME).read_bytes()
        with somebody_elses(folder), pytest.raises(StateError, match=r"permission|denied|open") as told:
            StateStore(folder).open()
        assert "expected a directory this user may write" in str(told.value)
        assert "mend its permissions" in str(told.value)
        assert (folder / FILE_NAME).read_bytes() == before
        assert not list(folder.glob("*damaged*"))


def test_a_restore_onto_another_disk_is_whole_too(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this system has one disk alone")
    (tmp_path / "site.yaml").write_text(SITE)
    stored(tmp_path / "state", key="backed up")
    backup.main([str(tmp_path / "b.tgz"), "--site", str(tmp_path / "site.yaml")], standalone_mode=False)
    with tempfile.TemporaryDirectory(dir=memory) as elsewhere:
        state = Path(elsewhere) / "state"
        words = [str(tmp_path / "b.tgz"), "--site", str(tmp_path / "site.yaml"), "--state", str(state)]
        restore.main(words, standalone_mode=False)
        assert read_saved(state, "s", "key") == "backed up"
        assert sorted(path.name for path in state.iterdir()) == ["lock", "state.sqlite"]


def test_a_link_to_a_file_is_kept_and_the_file_written(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("former")
    (tmp_path / "real.yaml").chmod(0o640)
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    write_whole(tmp_path / "link.yaml", "later")
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "later"
    assert (tmp_path / "real.yaml").stat().st_mode & 0o777 == 0o640


def test_what_is_no_file_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "said")
    assert os.read(reading, 100) == b"said"
    os.close(reading)
    assert pipe.is_fifo()
