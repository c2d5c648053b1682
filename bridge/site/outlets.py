"""The section `outlets:` of a site file: what leaves the bridge beside Modbus. An outlet is on when named."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bridge.site.sizes import Size

#: Outlets of later versions.
LATER_OUTLETS = frozenset({"history", "metrics", "mqtt", "notify", "web"})

_SIZE_MIN, _SIZE_MAX = 4 << 10, 1 << 30


def _line_file(written: str) -> str:
    """Take no file that another part of the bridge may own."""
    expected = "expected a file whose name ends in .jsonl or .log"
    if "\0" in written or Path(written).suffix not in {".jsonl", ".log"}:
        raise ValueError(expected)
    try:
        Path(written).expanduser()
    except RuntimeError:  # `~nobody/audit.log`
        raise ValueError(f"{expected}, in the home directory of somebody who has one") from None
    return written


def _bearable(size: int) -> int:
    if not _SIZE_MIN <= size <= _SIZE_MAX:
        raise ValueError("expected 4 KiB to 1 GiB")
    return size


def _named(written: object) -> object:
    """`audit:` with nothing after it is the outlet with all its defaults."""
    return {} if written is None else written


class AuditOutlet(BaseModel):
    """Every attempt to write, one line of JSON each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, AfterValidator(_line_file)] = Field(
        default="audit.jsonl", description="where the lines go; a relative path begins in `state`"
    )
    size: Annotated[Size, AfterValidator(_bearable)] = Field(
        default=10 << 20, description="length at which a new file is begun"
    )
    keep: int = Field(default=5, ge=1, le=1000, description="older files that are kept")

    def path(self, state: Path) -> Path:
        """Return where the file lies, given the directory of the saved state."""
        return state / Path(self.file).expanduser()


class Outlets(BaseModel):
    """The outlets of a site; None for one that is off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audit: Annotated[AuditOutlet | None, BeforeValidator(_named)] = Field(
        default=None, description="a file with every attempt to write"
    )
