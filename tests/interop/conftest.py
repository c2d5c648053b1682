import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.running import PATIENCE_S, Bench, running
from tests.interop.tools import tool


@pytest.fixture(scope="session")
def cable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A serial cable: the names of its two ends."""
    folder = tmp_path_factory.mktemp("cable")
    ends = folder / "slave", folder / "master"
    process = subprocess.Popen(
        [tool("socat", "socat"), *(f"pty,raw,echo=0,link={end}" for end in ends)], stdin=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not all(map(os.path.exists, ends)):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield ends
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture(scope="session")
def bench(cable: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bridge on every transport, with the cable's first end as its serial port."""
    with running(tmp_path_factory.mktemp("bench"), str(cable[0])) as bench:
        yield bench
