"""Why the codec threw something on the line away."""

import enum


class Reason(enum.StrEnum):
    """Why something on the line was thrown away."""

    CHECKSUM = "checksum"  # the sum over the block or frame is wrong
    GAP = "gap"  # the line fell silent in the middle
    BYTE = "byte"  # a byte that cannot stand there
    LENGTH = "length"  # longer than anything a device sends, or shorter than its kind allows
    RESTART = "restart"  # another one began before this one had ended
