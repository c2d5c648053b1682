"""A site file in a directory of its own, loaded with the families and maps that a test names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest
from pydantic import Field

from bridge.adapters.base import DeviceOptions, Family
from bridge.adapters.durations import Duration
from bridge.adapters.vedirect.options import FAMILY as VEDIRECT
from bridge.register_maps.catalogue import Catalogue
from bridge.site.loader import SiteLoad, load_site


class BenchOptions(DeviceOptions):
    """A family for tests: a secret, a duration, no port."""

    password: str | None = None
    poll: Duration = Field(default=1.0, ge=0.5, le=3600, description="pause between polls, 500 ms to 1 h")
    ratio: float = 1.0
    loud: bool = False
    words: tuple[str, ...] = ()


BENCH = Family(
    name="bench",
    title="Bench",
    options=BenchOptions,
    adapter="nowhere:Nothing",
    simulator="nowhere:Nothing",
    native_maps={"": "bench"},
)
#: Five small maps, one of each kind and one for another method.
MAPS = Catalogue(Path(__file__).parent.parent / "data" / "site" / "maps")
FAMILIES: Mapping[str, Family] = {"vedirect": VEDIRECT, "bench": BENCH}


class Loads(Protocol):
    def __call__(
        self, text: str | bytes, env: Mapping[str, str] = ..., learnt: str | None = ..., **files: str
    ) -> SiteLoad: ...


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Write `site.yaml` (and further files, `a_yaml` for `a.yaml`) and load it by its bare name."""
    monkeypatch.chdir(tmp_path)

    def loaded(
        text: str | bytes, env: Mapping[str, str] = {}, learnt: str | None = None, **files: str
    ) -> SiteLoad:
        (tmp_path / "site.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        for name, content in files.items():
            (tmp_path / name.replace("_", ".")).write_text(content)
        home = {"HOME": "/home/skipper", **env}
        return load_site(
            Path("site.yaml"), home, FAMILIES, lambda state, device: learnt, Catalogue(MAPS.folder)
        )

    return loaded
