"""The MK2/MK3 serial protocol: bytes of a frame to messages, and requests to frames.

Replies are recognised by their first bytes and by their exact length: a damaged length byte that happens
to fit the sum must not shift values. Numbers stay raw here; `variables.py` gives them their scale.
"""

from collections.abc import Sequence

from bridge.adapters.vebus_mk3.frames import encode
from bridge.adapters.vebus_mk3.messages import (
    Ac,
    AddressSet,
    Boot,
    Config,
    Dc,
    Leds,
    Lines,
    Message,
    SlotReply,
    StateTaken,
    UnitInfo,
    Unknown,
    Version,
)

_COMMAND = 0xFF
_INFO = 0x20
_CONFIG = 0x41
_PANEL = 0x40
_BOOT = 0x00
#: KIND byte of the info frame that carries DC values; AC frames have 05 (L4) to 0B (L1 of four phases).
_DC = 0x0C
_AC_LOWEST, _AC_HIGHEST = 0x05, 0x0B
#: KIND of L1 in a system of one phase; one more for each further phase. Below it are L2, L3, L4.
_AC_FIRST = 0x08
#: Where a unit's info frame holds its type instead of KIND.
_UNIT_TYPES = frozenset({2, 3, 4, *range(0x20, 0x30)})

SLOTS = "XYZ"
#: A limit that stands for "as much as the unit allows".
LIMIT_MAXIMUM = 0x8000


def parse(data: bytes) -> Message:
    """Return what a frame's data says; never raises."""
    kind, length = data[0], len(data)
    if kind == _COMMAND and length >= 2:
        return _reply(data)
    if kind == _INFO and length >= 15:
        return _info(data)
    if kind == _CONFIG and length == 13:
        return _config(data)
    if kind == _BOOT:
        return Boot()
    return Unknown(data)


def _reply(data: bytes) -> Message:
    letter, length = chr(data[1]), len(data)
    if letter == "V" and length == 7:
        return Version(int.from_bytes(data[2:6], "little"), data[6])
    if letter == "A" and length == 4:
        return AddressSet(data[3])
    if letter == "H" and length == 3:
        return Lines(data[2])
    if letter == "L" and length in (6, 8):
        return Leds(*data[2:6])
    if letter == "S":
        return StateTaken()
    if letter in "WXYZ" and length >= 3:
        return SlotReply(letter, data[2], data[3:])
    return Unknown(data)


def _info(data: bytes) -> Message:
    kind = data[5]
    if kind == _DC:
        return Dc(data[6:8], data[8:11], data[11:14], data[14])
    if _AC_LOWEST <= kind <= _AC_HIGHEST:
        return Ac(
            phase=max(_AC_FIRST + 1 - kind, 1),
            phases=max(kind - _AC_FIRST + 1, 0),
            state=data[4],
            mains_factor=data[1],
            inverter_factor=data[2],
            mains_voltage=data[6:8],
            mains_current=data[8:10],
            inverter_voltage=data[10:12],
            inverter_current=data[12:14],
            period=data[14],
        )
    if kind in _UNIT_TYPES:
        return UnitInfo(data[1:5], kind, int.from_bytes(data[8:12], "little"))
    return Unknown(data)


def _config(data: bytes) -> Config:
    flags = data[5]
    minimum, maximum, actual = (int.from_bytes(data[i : i + 2], "little") for i in (6, 8, 10))
    return Config(
        active_input=flags & 0x03,
        limit_settable=bool(flags & 0x04),
        multi_control=bool(flags & 0x08),
        inputs=flags >> 4 & 0x07,
        panel_detected=bool(flags & 0x80),
        minimum_da=minimum,
        maximum_da=maximum,
        actual_da=actual,
        switches=data[12],
    )


# -- what the host sends -----------------------------------------------------------------------------


def command(letter: str, *data: int) -> bytes:
    """Return the frame of an interface command."""
    return encode(bytes((_COMMAND, ord(letter), *data)))


def encode_version() -> bytes:
    """Ask for the interface's version."""
    return command("V")


def encode_address(address: int) -> bytes:
    """Select the unit that Winmon commands go to; 01 says set."""
    return command("A", 1, address)


def encode_lines(flags: int | None = None) -> bytes:
    """Ask which lines are pulled low, or pull those of `flags`."""
    return command("H") if flags is None else command("H", flags)


def encode_leds() -> bytes:
    """Ask for LEDs, alarms and error."""
    return command("L")


def encode_info(kind: int, *data: int) -> bytes:
    """Ask for an info frame: 0 DC, 1 to 4 AC phase, 5 config, 7 unit. 8 and 9 restart units: refused."""
    if kind not in (0, 1, 2, 3, 4, 5, 7):
        raise ValueError(f"F: found {kind}, expected 0 to 5 or 7: others act on the units")
    return command("F", kind, *data)


def encode_state(mode: int, limit: int) -> bytes:
    """Set remote mode (1 charger only, 2 inverter only, 3 on, 4 off) and AC input limit in 0.1 A.

    Flag 80 alone: the interface forwards it once and does not go on commanding after its host has died.
    """
    if mode not in (1, 2, 3, 4):
        raise ValueError(f"S: found mode {mode}, expected 1 to 4")
    if limit != LIMIT_MAXIMUM and not 0 <= limit < LIMIT_MAXIMUM:
        raise ValueError(f"S: found limit {limit}, expected 0 to {LIMIT_MAXIMUM} in 0.1 A")
    return command("S", mode, limit & 0xFF, limit >> 8, 1, 0x80)


def encode_interface_setup() -> bytes:
    """Set the interface's own flags without moving a switch (flag 10): split frames, no LEDs, no repeats.

    Undoes what a GX or a tool that used the interface before may have left. Form: velib.
    """
    return command("S", 0, 0, 0, 1, 0x90, 0, 1)


def encode_winmon(slot: str, command_: int, data: Sequence[int] = ()) -> bytes:
    """Ask the selected unit by a Winmon command in a slot (X, Y or Z)."""
    return command(slot, command_, *data)
