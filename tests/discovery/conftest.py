"""An empty machine."""

from pathlib import Path

import pytest

from tests.discovery.far_ends import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")
