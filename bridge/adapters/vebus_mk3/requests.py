"""The requests a session makes, each with what answers it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.adapters.vebus_mk3.codec import (
    encode_address,
    encode_info,
    encode_interface_setup,
    encode_leds,
    encode_lines,
    encode_state,
    encode_version,
)
from bridge.adapters.vebus_mk3.messages import (
    Ac,
    AddressSet,
    Config,
    Dc,
    Leds,
    Lines,
    Message,
    SlotReply,
    StateTaken,
    UnitInfo,
    Version,
    Winmon,
    WinmonReply,
)

#: From a request to its reply at the latest; source: Victron's recommendation.
REPLY_WITHIN_S = 0.5
#: The config frame takes longer: more than 750 ms.
CONFIG_WITHIN_S = 1.0


#: The codes with which each Winmon command is answered, besides "unknown command".
_REPLIES = {
    Winmon.VERSION_LOW: {WinmonReply.VERSION_LOW},
    Winmon.VERSION_HIGH: {WinmonReply.VERSION_HIGH},
    Winmon.CHARGE_STATE: {WinmonReply.CHARGE_STATE},
    Winmon.READ_RAM: {WinmonReply.RAM, WinmonReply.NO_RAM},
    Winmon.READ_SETTING: {WinmonReply.SETTING, WinmonReply.NO_SETTING},
    Winmon.SETTING_INFO: {WinmonReply.SETTING_SCALE, WinmonReply.NO_SETTING},
    Winmon.RAM_INFO: {WinmonReply.SCALE, WinmonReply.NO_RAM},
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent and what answers it.

    frame: the bytes, or what makes them at the moment they go out. winmon: command and data instead, which
    go out in a slot of the link's choice. settled: hears of the reply once it may be believed, and of None
    for one that may not.
    """

    name: str
    answers: Callable[[Message], bool]
    frame: bytes | Callable[[], bytes] = b""
    winmon: tuple[int, bytes] | None = None
    within_s: float = REPLY_WITHIN_S
    settled: Callable[[Message | None], None] | None = None


def version() -> Request:
    """Ask for the interface's version."""
    return Request("version", lambda m: isinstance(m, Version), encode_version())


def select(address: int) -> Request:
    """Select the unit that Winmon requests go to."""
    return Request("address", lambda m: m == AddressSet(address), encode_address(address))


def lines(flags: int | None = None) -> Request:
    """Ask for the lines, or pull those of `flags`."""
    name = "lines" if flags is None else "set lines"
    return Request(name, lambda m: isinstance(m, Lines), encode_lines(flags))


def leds() -> Request:
    """Ask for LEDs, alarms and error."""
    return Request("leds", lambda m: isinstance(m, Leds), encode_leds())


def dc() -> Request:
    """Ask for the DC values."""
    return Request("dc", lambda m: isinstance(m, Dc), encode_info(0))


def ac(phase: int) -> Request:
    """Ask for the AC values of a phase, from 1."""
    return Request(f"ac {phase}", lambda m: isinstance(m, Ac) and m.phase == phase, encode_info(phase))


def config() -> Request:
    """Ask for the AC input limit and the switch register."""
    return Request("config", lambda m: isinstance(m, Config), encode_info(5), within_s=CONFIG_WITHIN_S)


def unit_info(address: int = 0) -> Request:
    """Ask for a unit's own number."""
    return Request("unit", lambda m: isinstance(m, UnitInfo), encode_info(7, address))


def state(mode_and_limit: Callable[[], tuple[int, int]]) -> Request:
    """Set the remote mode and the limit that are wanted when it goes out."""
    return Request("state", lambda m: isinstance(m, StateTaken), lambda: encode_state(*mode_and_limit()))


def interface_setup() -> Request:
    """Set the interface's own flags; no switch moves."""
    return Request("interface setup", lambda m: isinstance(m, StateTaken), encode_interface_setup())


def winmon(command: int, data: Sequence[int] = ()) -> Request:
    """Ask the selected unit. A late reply to another command may come in the same slot: its code tells."""
    codes = _REPLIES[Winmon(command)]
    return Request(
        f"winmon {command:02X} {bytes(data).hex()}".strip(),
        lambda m: isinstance(m, SlotReply) and (m.code in codes or m.code == WinmonReply.UNKNOWN_COMMAND),
        winmon=(command, bytes(data)),
    )
