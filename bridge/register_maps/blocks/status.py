"""The status block: twelve registers that tell how the link to the field device is doing.

It stands at 0xFE00 of every unit that is no persona, and for each unit in unit 247. A client that holds it
can tell an old value from a new one and a refused write from a lost one.
"""

from dataclasses import dataclass
from types import MappingProxyType

from bridge.register_maps.types import PLAIN_TYPES, U16, EnumType, RegisterType

#: First address in native maps; 0xFE00 to 0xFEFF is kept free in them for what may follow.
STATUS_ADDRESS = 0xFE00
STATUS_RESERVED_END = 0xFF00
STATUS_LENGTH = 12

#: The age of what was never heard, and of what was heard too long ago to count.
NEVER = 0xFFFF
#: The most that an amount shows: one more would be the pattern of no value.
AMOUNT_MAX = 0xFFFE
#: The address of an attempt that was not made through this unit.
ELSEWHERE = 0xFFFF

_U32 = PLAIN_TYPES["u32b"]


@dataclass(frozen=True, slots=True)
class StatusField:
    """One field: its offset in registers, path and type."""

    offset: int
    path: str
    type: RegisterType


LINK_STATES = MappingProxyType(
    {
        "starting": 0,
        "online": 1,
        "asleep": 2,
        "silent": 3,
        "port_missing": 4,
        "wrong_device": 5,
        "night": 6,
    }
)
OUTCOMES = MappingProxyType(
    {
        "none": 0,
        "confirmed": 1,
        "adjusted": 2,
        "refused": 3,
        "offline": 4,
        "superseded": 5,
        "busy": 6,
        "timed_out": 7,
        "pending": 8,
    }
)

STATUS_FIELDS = (
    StatusField(0, "/Link/State", EnumType(LINK_STATES)),
    StatusField(1, "/Link/Age", U16),
    StatusField(2, "/Link/CommandCount", U16),
    StatusField(3, "/Link/LastOutcome", EnumType(OUTCOMES)),
    StatusField(4, "/Link/LastAddress", U16),
    StatusField(5, "/Link/LastException", U16),
    StatusField(6, "/Link/Errors", _U32),
    StatusField(8, "/Link/Uptime", _U32),
    StatusField(10, "/Link/WearLeft", U16),
    StatusField(11, "/Link/SetPoints", U16),
)


def pack_status(
    *,
    link: int,
    age_s: float | None,
    attempts: int,
    outcome: int,
    address: int | None,
    exception_code: int,
    errors: int,
    uptime_s: float,
    wear_left: int,
    set_points: int,
) -> bytes:
    """Return the block. `age_s` None is never, `address` None is elsewhere; counts wrap, amounts stop."""
    age = NEVER if age_s is None else min(NEVER, max(0, int(age_s)))
    words = (
        link,
        age,
        attempts & 0xFFFF,
        outcome,
        ELSEWHERE if address is None else address & 0xFFFF,
        exception_code,
    )
    tail = (min(AMOUNT_MAX, max(0, wear_left)), min(AMOUNT_MAX, max(0, set_points)))
    return b"".join(
        (
            *(word.to_bytes(2, "big") for word in words),
            (errors & 0xFFFFFFFF).to_bytes(4, "big"),
            (max(0, int(uptime_s)) & 0xFFFFFFFF).to_bytes(4, "big"),
            *(word.to_bytes(2, "big") for word in tail),
        )
    )
