"""`history` of the section `outlets:`: what points have been, and what has flowed."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bridge.adapters.durations import Duration

#: Parts of a minute, so that coarser samples begin with finer ones.
_SAMPLES_S = (1, 2, 5, 10, 15, 20, 30, 60)
_HOUR_S, _DAY_S, _LONGEST_S = 3600, 86_400, 100 * 366 * 86_400
_PATTERN = re.compile(r"[A-Za-z0-9_*?-]+(:[A-Za-z0-9_.*?/-]+)?")


def _database(written: str) -> str:
    """Take no file that another part of the bridge owns."""
    expected = "expected a file whose name ends in .sqlite, other than state.sqlite"
    if "\0" in written or Path(written).suffix != ".sqlite" or Path(written).name == "state.sqlite":
        raise ValueError(expected)
    try:
        Path(written).expanduser()
    except RuntimeError:
        raise ValueError(f"{expected}, in the home directory of somebody who has one") from None
    return written


def _part_of_a_minute(written: float) -> float:
    if written not in _SAMPLES_S:
        raise ValueError(f"expected {', '.join(map(str, _SAMPLES_S[:-1]))} or {_SAMPLES_S[-1]} s")
    return written


def _pattern(written: str) -> str:
    """Return a pattern with its device and its path; a device alone means all that it has."""
    if not _PATTERN.fullmatch(written):
        raise ValueError('expected device:/Path, with * for any part, such as "charger:/Dc/*"')
    return written if ":" in written or written == "*" else f"{written}:*"


Pattern = Annotated[str, AfterValidator(_pattern)]


class HistoryOutlet(BaseModel):
    """Samples that thin with age, and energies by day, month and year."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, AfterValidator(_database)] = Field(
        default="history.sqlite", description="where it is kept; a relative path begins in `state`"
    )
    include: tuple[Pattern, ...] = Field(default=("*",), description="points that are taken down")
    exclude: tuple[Pattern, ...] = Field(default=("bridge:*",), description="points that are not")
    sample: Annotated[Duration, AfterValidator(_part_of_a_minute)] = Field(
        default=10.0, description="length of the finest samples"
    )
    raw: Duration = Field(
        default=float(_DAY_S), ge=_HOUR_S, le=_LONGEST_S, description="how long those are kept, at least 1 h"
    )
    minutes: Duration = Field(
        default=14.0 * _DAY_S, ge=_HOUR_S, le=_LONGEST_S, description="how long minutes are kept"
    )
    quarters: Duration = Field(
        default=366.0 * _DAY_S,
        ge=_DAY_S,
        le=_LONGEST_S,
        description="how long quarters of an hour are kept; days are for ever",
    )
    write: Duration = Field(
        default=60.0, ge=10, le=3600, description="how often all that came is written, 10 s to 1 h"
    )
    power: float = Field(
        default=100_000.0,
        gt=0,
        le=1e9,
        allow_inf_nan=False,
        description="W, the most that a device can have: a counter that rises faster is doubted",
    )

    def path(self, state: Path) -> Path:
        """Return where the file lies, given the directory of the saved state."""
        return state / Path(self.file).expanduser()
