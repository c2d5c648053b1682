"""An empty machine."""

from pathlib import Path

import pytest

from tests.doctor.boxes import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")
