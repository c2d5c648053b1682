"""A simulated MK3 in front of a simulated unit: frames in, frames out, and no time of its own."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bridge.adapters.vebus_mk3 import variables as var
from bridge.adapters.vebus_mk3.frames import encode, encode_with_leds
from bridge.adapters.vebus_mk3.messages import Line, Winmon, WinmonReply
from bridge.adapters.vebus_mk3.simulated_unit import SimulatedUnit
from bridge.adapters.vebus_mk3.variables import VariableInfo, variable_info

INTERFACE_VERSION = 1170216
UNIT_VERSION = 2648304
#: Lines at power-up: panel-detect and the undocumented bit.
POWER_UP_LINES = 0x05
#: The letter that stands for the address before one is selected.
_NO_ADDRESS = ord("B")
_UNIT_TYPE = 0x26
_BIT = 0x8000
#: Scale and offset words as real units tell them; variable 3 is declared unsigned, as on a MultiPlus-II.
SCALES: Mapping[int, tuple[int, int]] = {
    var.MAINS_V: (0x7F9C, 0), var.MAINS_A: (0x8064, 0), var.INVERTER_V: (0x7F9C, 0),
    var.INVERTER_A: (0x7F9C, 0), var.BATTERY_V: (0x7F9C, 0), var.BATTERY_A: (0x800A, 0),
    var.RIPPLE_V: (0x7F9C, 0), var.INVERTER_PERIOD: (0x7857, 0x0100), var.MAINS_PERIOD: (0x7C2F, 0),
    var.LOAD_A: (0x8064, 0), var.VIRTUAL_SWITCH: (0x0004, _BIT), var.IGNORE_AC: (0x0001, _BIT),
    var.RELAY: (0x0001, _BIT), var.SOC: (0x7F38, 0), var.DC_W: (0xFFFF, 0), var.MAINS_W: (0xFFFF, 0),
    var.OUTPUT_W: (0xFFFF, 0),
}  # fmt: skip


#: Settings of a 24 V MultiPlus: raw value, scale, offset, default, minimum, maximum.
SETTINGS: Mapping[int, tuple[int, int, int, int, int, int]] = {
    2: (2880, -100, 0, 2880, 1900, 3200), 3: (2760, -100, 0, 2760, 1900, 3200), 4: (70, 1, 0, 70, 0, 70),
    5: (230, 1, 0, 230, 210, 245), 6: (500, -10, 0, 500, 94, 500), 11: (1860, -100, 0, 1860, 1860, 2600),
    12: (330, -100, 0, 330, 20, 1000), 63: (160, -100, 0, 160, 0, 400), 64: (400, 1, 0, 0, 0, 10000),
    65: (85, 1, 0, 85, 0, 100),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StateCommand:
    """An `S` frame as it came: its time, mode, limit in 0.1 A and flags."""

    time: float
    mode: int
    limit: int
    flags: int


class SimulatedInterface:
    """Answers the frames of a host.

    number: what the unit calls itself. unsupported: variables it does not have, told in the way of
    `refusal` (zero, empty, 90 or silence). one_word: reads of several variables give the first alone, as
    on old firmware. junk_state: that firmware's state byte. deaf: the units answer nothing.
    """

    def __init__(
        self,
        unit: SimulatedUnit,
        now: Callable[[], float],
        *,
        number: bytes,
        unsupported: Collection[int] = (),
        refusal: str = "zero",
        one_word: bool = False,
        junk_state: int | None = None,
        units_per_phase: int = 1,
        scales: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        self.unit = unit
        self.number = number
        self.unsupported = set(unsupported)
        self.refusal = refusal
        self.one_word = one_word
        self.junk_state = junk_state
        self.deaf = False
        #: A host before this one left LEDs on, or combined replies; `stubborn` says they stay.
        self.leds_appended = False
        self.combined = False
        self.stubborn = False
        self.states: list[StateCommand] = []
        self.lines_set: list[tuple[float, int]] = []
        self.forbidden: list[bytes] = []
        self._now = now
        self._per_phase = units_per_phase
        self.settings = SETTINGS
        self._scales = {**SCALES, **(scales or {})}
        self.lines = 0
        self.address = _NO_ADDRESS
        self.power_up()

    def power_up(self) -> None:
        """Begin as after the bus got power."""
        self.lines = POWER_UP_LINES
        self.address = _NO_ADDRESS
        self._pull()

    def wrap(self, data: bytes) -> bytes:
        """Return the frame of a reply, LEDs appended where they are on."""
        return encode_with_leds(data, *self.unit.leds) if self.leds_appended else encode(data)

    def version(self) -> bytes:
        """Return what it says by itself."""
        return bytes((0xFF, ord("V"), *INTERFACE_VERSION.to_bytes(4, "little"), self.address))

    def answers(self, data: bytes) -> list[bytes]:
        """Return the data of the frames with which a request is answered."""
        if len(data) < 2 or data[0] != 0xFF:
            return []
        letter, body = chr(data[1]), data[2:]
        if letter == "V":
            return [self.version()]
        if letter == "A" and len(body) == 2:
            self.address = body[1]
            return [bytes((0xFF, ord("A"), 1, self.address))]
        if letter == "H":
            if body:
                self.lines = body[0]
                self.lines_set.append((self._now(), self.lines))
                self._pull()
            return [bytes((0xFF, ord("H"), self.lines))]
        if letter == "S" and len(body) >= 5:
            self._state(body)
            return [bytes((0xFF, ord("S")))]
        if self.deaf:
            return []
        if letter == "L":
            return [bytes((0xFF, ord("L"), *self.unit.leds, self.unit.alarms, self.unit.error))]
        if letter == "F" and body:
            return self._info(body)
        return self._winmon(data[1], body) if letter in "WXYZ" and body else []

    def _pull(self) -> None:
        self.unit.pull(panel=bool(self.lines & Line.PANEL_DETECT), standby=bool(self.lines & Line.STANDBY))

    def _state(self, body: bytes) -> None:
        mode, limit, flags = body[0], int.from_bytes(body[1:3], "little"), body[4]
        self.states.append(StateCommand(self._now(), mode, limit, flags))
        if not self.stubborn:
            self.leds_appended = bool(flags & 0x02)
            if len(body) >= 7:
                self.combined = not body[6] & 0x01
        if not flags & 0x10:
            self.unit.command(mode, limit)

    # -- F ----------------------------------------------------------------------------------------------

    def _info(self, body: bytes) -> list[bytes]:
        kind, unit = body[0], self.unit
        if kind == 0:
            current = unit.battery_a
            return [
                b"\x20\xf3\x00\xc8" + bytes((self._state_byte(), 0x0C))
                + self._raw(var.BATTERY_V, unit.battery_v, 2)
                + self._raw(var.BATTERY_A, max(0.0, -current), 3)
                + self._raw(var.BATTERY_A, max(0.0, current), 3)
                + self._period(var.INVERTER_PERIOD, 50.0 if unit.running else 0.0)
            ]  # fmt: skip
        if 1 <= kind <= 4:
            return [self._phase(kind - 1)] if kind <= unit.phases else []
        if kind == 5:
            flags = (0x04 if unit.limit_settable else 0) | (0x08 if unit.multi_control else 0)
            flags |= unit.inputs << 4 | (0x80 if unit.panel else 0)
            limits = (unit.minimum_da, unit.maximum_da, unit.limit_da)
            return [
                b"\x41\x10\x05\x00\x00"
                + bytes((flags,))
                + b"".join(limit.to_bytes(2, "little") for limit in limits)
                + bytes((unit.switches,))
            ]
        if kind == 7:
            return self._unit_info(body[1] if len(body) > 1 else 0)
        self.forbidden.append(bytes(body))
        return []

    def _phase(self, phase: int) -> bytes:
        unit, n = self.unit, self._per_phase
        mains_v, output_v = unit.mains_v(phase), unit.output_v(phase)
        mains_a = unit.mains_w(phase) / mains_v / n if unit.mains else 0.0
        output_a = unit.output_w(phase) / output_v / n if output_v else 0.0
        kind = 0x08 + unit.phases - 1 if phase == 0 else 0x08 - phase
        return (
            bytes((0x20, n, n, 0xCA, self._state_byte(), kind))
            + self._raw(var.MAINS_V, mains_v, 2) + self._raw(var.MAINS_A, mains_a, 2)
            + self._raw(var.INVERTER_V, output_v, 2) + self._raw(var.INVERTER_A, output_a, 2)
            + self._period(var.MAINS_PERIOD, 50.1)  # a Multi without mains repeats the last one
        )  # fmt: skip

    def _unit_info(self, address: int) -> list[bytes]:
        known = self._addresses()
        if address not in known:
            return []
        bitmap = sum(1 << a for a in known) if address == 0 else 0
        number = self.number[:3] + bytes((self.number[3] + address,)) if address else self.number
        head = b"\x20" + number + bytes((_UNIT_TYPE, 0, 0))
        return [(head + bitmap.to_bytes(4, "little")).ljust(15, b"\0")]

    def _addresses(self) -> set[int]:
        return {phase + 3 * i for phase in range(self.unit.phases) for i in range(self._per_phase)}

    def _state_byte(self) -> int:
        return self.unit.state if self.junk_state is None else self.junk_state

    # -- W, X, Y, Z ---------------------------------------------------------------------------------------

    def _winmon(self, slot: int, body: bytes) -> list[bytes]:
        if self.address not in self._addresses():
            return []
        head, code, rest = bytes((0xFF, slot)), body[0], body[1:]
        if code == Winmon.RAM_INFO and rest:
            return self._ram_info(head, rest[0])
        if code == Winmon.READ_RAM and rest:
            return [head + self._read(rest)]
        if code in (Winmon.SETTING_INFO, Winmon.READ_SETTING) and rest:
            return self._setting(head, code, rest[0])
        if code == Winmon.CHARGE_STATE:
            return [head + bytes((WinmonReply.CHARGE_STATE, 9, self.unit.charge_state))]
        if code in (Winmon.VERSION_LOW, Winmon.VERSION_HIGH):
            return [head + self._version(code)]
        return [head + bytes((WinmonReply.UNKNOWN_COMMAND,))]

    def _ram_info(self, head: bytes, variable: int) -> list[bytes]:
        if variable not in self._scales or variable in self.unsupported:
            return {
                "zero": [head + bytes((WinmonReply.SCALE, 0, 0, WinmonReply.OFFSET, 0, 0))],
                "empty": [head + bytes((WinmonReply.SCALE,))],
                "90": [head + bytes((WinmonReply.NO_RAM,))],
                "silence": [],
            }[self.refusal]
        scale, offset = (word.to_bytes(2, "little") for word in self._scales[variable])
        between = b"" if self.combined else bytes((WinmonReply.OFFSET,))
        return [head + bytes((WinmonReply.SCALE,)) + scale + between + offset]

    def _setting(self, head: bytes, code: int, setting: int) -> list[bytes]:
        """Answer for a setting; a combined info has only its first code."""
        if setting not in self.settings:
            return [head + bytes((WinmonReply.NO_SETTING,))]
        raw, *info = (number.to_bytes(2, "little", signed=number < 0) for number in self.settings[setting])
        if code == Winmon.READ_SETTING:
            return [head + bytes((WinmonReply.SETTING,)) + raw]
        codes = (0x89, 0x8A, 0x8B, 0x8C, 0x8D)
        marks = [bytes((mark,)) if mark == codes[0] or not self.combined else b"" for mark in codes]
        return [head + b"".join(mark + word for mark, word in zip(marks, info, strict=True))]

    def _read(self, ids: bytes) -> bytes:
        if any(variable in self.unsupported or variable not in self._scales for variable in ids):
            return bytes((WinmonReply.NO_RAM,))
        words = [self._raw(variable, self._value(variable), 2) for variable in ids]
        return bytes((WinmonReply.RAM,)) + b"".join(words[:1] if self.one_word else words)

    def _version(self, code: int) -> bytes:
        low, high = UNIT_VERSION & 0xFFFF, UNIT_VERSION >> 16
        if code == Winmon.VERSION_LOW:
            both = high.to_bytes(2, "little") if self.combined else b""
            return bytes((WinmonReply.VERSION_LOW,)) + low.to_bytes(2, "little") + both
        return bytes((WinmonReply.VERSION_HIGH,)) + high.to_bytes(2, "little")

    def _value(self, variable: int) -> float:
        """The value of a variable at the selected unit."""
        unit, phase, n = self.unit, self.address % 3, self._per_phase
        return {
            var.BATTERY_V: unit.battery_v,
            var.RIPPLE_V: 0.12,
            var.LOAD_A: unit.output_w(phase) / (unit.output_v(phase) or 1.0) / n,
            var.SOC: unit.soc,
            var.DC_W: unit.dc_w(phase) / n,
            var.MAINS_W: -unit.mains_w(phase) / n,
            var.OUTPUT_W: unit.output_w(phase) / n,
        }.get(variable, 0.0)

    def _raw(self, variable: int, value: float, length: int) -> bytes:
        info = self._info_of(variable)
        raw = 0 if info.bit is not None else round(value * info.divisor / info.multiplier) - info.offset
        return (raw & (1 << 8 * length) - 1).to_bytes(length, "little")

    def _period(self, variable: int, hertz: float) -> bytes:
        return self._raw(variable, 10 / hertz, 1) if hertz else b"\0"

    def _info_of(self, variable: int) -> VariableInfo:
        info = variable_info(variable, *self._scales[variable])
        assert info is not None  # noqa: S101 - the table above holds real scales only
        return info
