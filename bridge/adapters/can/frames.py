"""A frame of a CAN bus as all families here use it: classic CAN 2.0A, 11-bit id, at most 8 bytes."""

from dataclasses import dataclass

#: Largest 11-bit identifier.
ID_MAX = 0x7FF
#: Most bytes of a classic CAN frame.
LENGTH_MAX = 8


@dataclass(frozen=True, slots=True)
class CanFrame:
    """One data frame. Raises ValueError for an id of more than 11 bits or for more than 8 bytes."""

    id: int
    data: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.id <= ID_MAX:
            raise ValueError(f"found the CAN id 0x{self.id:X}, expected 0 to 0x{ID_MAX:X}")
        if len(self.data) > LENGTH_MAX:
            raise ValueError(f"found {len(self.data)} bytes in a CAN frame, expected at most {LENGTH_MAX}")

    def __str__(self) -> str:
        return f"{self.id:03X}#{self.data.hex().upper()}"
