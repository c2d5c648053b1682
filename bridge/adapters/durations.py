"""Durations as a site file writes them: a number is seconds, or `500 ms`, `30 s`, `5 min`, `1 h`, `1 d`."""

import math
import re
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_WRITTEN = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) *(ms|s|min|h|d)")
EXPECTED = "seconds or a duration such as 500 ms, 30 s, 5 min, 1 h or 1 d"


def seconds(written: object) -> float:
    """Return a written duration in seconds. Raises ValueError with what was found and expected."""
    if isinstance(written, int | float) and not isinstance(written, bool):
        if math.isfinite(written) and written >= 0:
            return float(written)
    elif isinstance(written, str) and (found := _WRITTEN.fullmatch(written.strip())):
        return float(found[1]) * _SECONDS[found[2]]
    raise ValueError(f"expected {EXPECTED}")


#: A pydantic field in seconds that takes both forms.
Duration = Annotated[float, BeforeValidator(seconds)]
