"""Exception codes of the reply table, and the one place where outcomes become them."""

import enum
from collections.abc import Iterable, Mapping

from bridge.datastore.values import Outcome, Path


class Code(enum.IntEnum):
    """Modbus exception codes (Modbus Application Protocol 1.1b3, section 7) as the bridge uses them."""

    ILLEGAL_FUNCTION = 0x01  # unknown function, or no right to write
    ILLEGAL_ADDRESS = 0x02
    ILLEGAL_VALUE = 0x03
    DEVICE_FAILURE = 0x04
    ACKNOWLEDGE = 0x05  # still under way
    BUSY = 0x06
    NO_RESPONSE = 0x0B


def batch_code(paths: Iterable[Path], outcomes: Mapping[Path, Outcome]) -> int:
    """Return the code of the first change, in the order of `paths`, that is not confirmed; else 0."""
    for path in paths:
        code = outcomes.get(path, Outcome.REFUSED).exception_code
        if code:
            return code
    return 0
