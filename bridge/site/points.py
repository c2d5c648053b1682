"""Points of a site as links and automations name them: `device:/Path`."""

import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

_POINT = re.compile(r"(?P<device>[A-Za-z][A-Za-z0-9_-]{0,39}):(?P<path>(?:/[A-Za-z0-9_.-]+)+)")
#: More than any device has; a site that names more has slipped.
POINTS_MAX = 1000
EXPECTED = "device:/Path such as shunt:/Soc"


class PointName(NamedTuple):
    """A point by the name of its device and its own path."""

    device: str
    path: str

    def __str__(self) -> str:
        return f"{self.device}:{self.path}"


def point_name(written: str) -> PointName:
    """Take `shunt:/Soc` apart. Raises ValueError with what was expected."""
    found = _POINT.fullmatch(written)
    if found is None:
        raise ValueError(f"expected {EXPECTED}")
    return PointName(found["device"], found["path"])


def _well_spelt(written: str) -> str:
    return str(point_name(written))


def points(written: object) -> object:
    """Take one point for a list of one."""
    if isinstance(written, str):
        return (written,)
    if not isinstance(written, tuple) or not written:
        raise ValueError(f"expected {EXPECTED}, or a list of them")
    return written


#: A pydantic field that names one point.
Point = Annotated[str, AfterValidator(_well_spelt)]
#: One point, or a list of them.
Points = Annotated[tuple[Point, ...], Field(max_length=POINTS_MAX), BeforeValidator(points)]
