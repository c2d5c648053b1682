"""The settings of a VE.Bus unit, which it keeps in its EEPROM: read now and then, never written.

That memory bears a limited number of writes, and some settings are the grid code's. Steering goes by remote
mode and limit, which wear nothing. Numbers and scaling: Victron's velib and the notes of those who set them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.adapters.vebus_mk3 import requests
from bridge.adapters.vebus_mk3.messages import Message, SlotReply, Winmon, WinmonReply
from bridge.adapters.vebus_mk3.requests import Request
from bridge.datastore.values import Path, Value

#: Point of each setting, by its number, with its unit.
SETTINGS: Mapping[int, tuple[Path, str]] = {
    2: ("/Settings/AbsorptionVoltage", "V"),
    3: ("/Settings/FloatVoltage", "V"),
    4: ("/Settings/ChargeCurrentLimit", "A"),
    5: ("/Settings/InverterOutputVoltage", "V"),
    6: ("/Settings/AcIn1CurrentLimit", "A"),
    49: ("/Settings/AcIn2CurrentLimit", "A"),
    11: ("/Settings/DcShutdownVoltage", "V"),
    12: ("/Settings/DcRestartOffset", "V"),
    63: ("/Settings/DcLowAlarmOffset", "V"),
    64: ("/Settings/BatteryCapacity", "Ah"),
    65: ("/Settings/SocAfterBulk", "%"),
}
#: A setting the unit has, and that says nothing.
_NOT_APPLICABLE = 0xFFFF
_WORD = 2
#: Words of an info reply: scale, offset, default, minimum, maximum; in a split one a code before each
#: but the first.
_WORDS = 5
_SPLIT_CODES = (
    WinmonReply.SETTING_OFFSET,
    WinmonReply.SETTING_DEFAULT,
    WinmonReply.SETTING_MINIMUM,
    WinmonReply.SETTING_MAXIMUM,
)
#: Refusals, or questions without an answer, after which a setting counts as one that the unit does not have.
_REFUSALS = 3


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """How a setting is scaled, and the raw numbers that it may have."""

    scale: int
    offset: int
    minimum: int
    maximum: int

    def value(self, raw: int) -> float | None:
        """Return the value of a raw word; None where it does not apply or is outside its own range."""
        if raw == _NOT_APPLICABLE or not self.minimum <= raw <= self.maximum:
            return None
        number = raw + self.offset
        return float(number * self.scale) if self.scale > 0 else number / -self.scale


def setting_info(data: bytes) -> SettingInfo | None:
    """Return the info in the data of an `89` reply, split or combined; None for a setting the unit lacks."""
    if len(data) == _WORD * _WORDS + len(_SPLIT_CODES):
        if tuple(data[2::3]) != _SPLIT_CODES:
            return None
        data = data[:2] + b"".join(data[at : at + _WORD] for at in range(3, len(data), 3))
    if len(data) != _WORD * _WORDS:
        return None
    scale, offset, _, minimum, maximum = (
        int.from_bytes(data[at : at + _WORD], "little", signed=at < 2 * _WORD)
        for at in range(0, len(data), _WORD)
    )
    return SettingInfo(scale, offset, minimum, maximum) if scale else None


class SettingsReader:
    """Reads the settings of the master one by one, again and again. `taken` hears of each that is believed.

    Each is asked for until two answers agree, for there is no telling a damaged one by its leap. `pass_over`
    is called when all have been read.
    """

    def __init__(self, taken: Callable[[Path, Value | None], None], pass_over: Callable[[], None]) -> None:
        self._taken = taken
        self._pass_over = pass_over
        self._infos: dict[int, SettingInfo] = {}
        self._left = list(SETTINGS)
        self._refused: dict[int, int] = {}
        self._before: SettingInfo | int | None = None

    def request(self) -> Request | None:
        """Return the next request; None where the unit has no settings to read."""
        if not self._left:
            return None
        setting = self._left[0]
        command = Winmon.READ_SETTING if setting in self._infos else Winmon.SETTING_INFO
        return requests.winmon(command, (setting, 0))

    def take(self, message: Message) -> bool:
        """Take a reply; False asks again."""
        if not isinstance(message, SlotReply) or not self._left:
            return True
        setting = self._left[0]
        if message.code in (WinmonReply.NO_SETTING, WinmonReply.UNKNOWN_COMMAND):
            self.missed()
        elif message.code == WinmonReply.SETTING_SCALE and setting not in self._infos:
            info = setting_info(message.data)
            if info is None:
                self.missed()
            elif self._agrees(info):
                self._infos[setting] = info
        elif message.code == WinmonReply.SETTING and setting in self._infos and len(message.data) == _WORD:
            raw = int.from_bytes(message.data, "little")
            if self._agrees(raw):
                self._taken(SETTINGS[setting][0], self._infos[setting].value(raw))
                self._next()
        return True

    def missed(self) -> None:
        """Take note of a refusal or of silence; after several there is no such setting."""
        if not self._left:
            return
        setting = self._left[0]
        self._refused[setting] = self._refused.get(setting, 0) + 1
        if self._refused[setting] >= _REFUSALS:
            if setting not in self._infos:
                self._taken(SETTINGS[setting][0], None)
            self._next()

    def _agrees(self, told: SettingInfo | int) -> bool:
        agrees, self._before = told == self._before, told
        return agrees

    def _next(self) -> None:
        self._refused.pop(self._left.pop(0), None)
        self._before = None
        if not self._left:
            self._left = list(self._infos)
            self._pass_over()
