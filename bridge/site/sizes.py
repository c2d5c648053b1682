"""Sizes of files as a site file writes them: a number is bytes, or `512 KiB`, `10 MiB`, `1 GiB`."""

import re
from typing import Annotated

from pydantic import BeforeValidator

_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_WRITTEN = re.compile(r"([0-9]{1,12}) *(B|KiB|MiB|GiB)")
EXPECTED = "bytes or a size such as 512 KiB, 10 MiB or 1 GiB"


def size_bytes(written: object) -> int:
    """Return a written size in bytes. Raises ValueError with what was expected."""
    if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
        return written
    if isinstance(written, str) and (found := _WRITTEN.fullmatch(written.strip())):
        return int(found[1]) * _BYTES[found[2]]
    raise ValueError(f"expected {EXPECTED}")


#: A pydantic field in bytes that takes both forms.
Size = Annotated[int, BeforeValidator(size_bytes)]
