"""The simulated charger itself, without its line: registers, battery and text labels that agree."""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.simulated_charge import Charge, Stage
from bridge.adapters.vedirect.simulated_models import ChargerModel
from bridge.datastore.clock import Clock

_HISTORY_MAX = 200_000
_FIRMWARE = 0x0342FF
#: The label HC# of the captured unit; nobody knows its meaning.
_HC = "1105659"
#: Bit of 0x200E: the limits come from outside. They are forgotten after this time without a SET.
_EXTERNAL_CONTROL, _LINK_TIMEOUT_S = 0x04, 60.0
#: Longest text of a register that any device was seen to send.
_TEXT_MAX = 32


@dataclass(frozen=True, slots=True)
class Truth:
    """From monotonic `time` on, register (number) or label (text) `source` was `value`, raw as sent."""

    time: float
    source: int | str
    value: int | str


class ChargerDevice:
    """One charger. Everything it says comes from here, and every change of it goes into `history`."""

    def __init__(
        self,
        clock: Clock,
        model: ChargerModel,
        serial: str,
        name: str,
        minimum_current: float,
        maximum_current: float,
        dice: random.Random,
        *,
        persistent_mode: bool,
        link_control: bool,
    ) -> None:
        if not 1.0 <= maximum_current <= 60.0:
            raise ValueError(f"maximum_current: found {maximum_current:g} A, expected 1 to 60 A")
        if not 0.1 <= minimum_current <= maximum_current:
            raise ValueError(
                f"minimum_current: found {minimum_current:g} A, expected 0.1 to {maximum_current:g} A"
            )
        self._clock = clock
        self._model = model
        self._charge = Charge(model.nominal_v, maximum_current, dice)
        #: The serial number it shows.
        self.serial = checked_text("serial", serial)
        #: Changes of what is true; the oldest are dropped after a long time.
        self.history: deque[Truth] = deque(maxlen=_HISTORY_MAX)
        #: Text labels in the order in which an IP22 sends them.
        self.labels: Mapping[str, str] = {}
        #: Registers whose value has changed since the device last told.
        self.untold: set[int] = set()
        self.registers = reg.RegisterBank(
            model.nominal_v,
            minimum_current,
            maximum_current,
            self._changed,
            persistent_mode=persistent_mode,
            link_control=link_control,
        )
        self._booted = self._linked = clock.monotonic()
        self.registers.put(reg.PRODUCT_ID, 0xFE << 24 | model.product_id << 8)
        self.registers.put(reg.APP_VERSION, _FIRMWARE)
        self.registers.put(reg.MODEL, checked_text("name", name))
        self.measure(0.0)

    @property
    def uptime_s(self) -> int:
        """Seconds since it started."""
        return int(self._clock.monotonic() - self._booted)

    def restart(self) -> None:
        """Start anew: uptime zero, volatile registers forgotten, charging from bulk."""
        self._booted = self._clock.monotonic()
        self.registers.restart()
        self._charge.restart()

    def commanded(self) -> None:
        """Follow a SET: the outside control is alive, and the output changes at once."""
        self._linked = self._clock.monotonic()
        self.measure(0.0)

    def measure(self, seconds: float) -> None:
        """Let the battery charge on and bring registers and labels up to date."""
        bank = self.registers
        stage = Stage(bank.quantity(reg.ABSORPTION_VOLTAGE), bank.quantity(reg.FLOAT_VOLTAGE))
        on = bank.raw(reg.MODE) == reg.MODE_ON
        self._charge.advance(seconds, self._limit(), stage, on=on)
        milliamperes = round(self._charge.current * 1000)
        centivolts = round(self._charge.voltage * 100)
        deciamperes = round(milliamperes / 100)
        measured: Mapping[int, int | str] = {
            reg.SERIAL: self.serial,
            reg.UPTIME: self.uptime_s,
            reg.STATE: self._charge.state,
            reg.DC_VOLTAGE: centivolts,
            reg.OUTPUT_VOLTAGE: centivolts,
            reg.DC_CURRENT: deciamperes,
            reg.OUTPUT_CURRENT: deciamperes,
            reg.DC_CURRENT_MA: milliamperes,
            reg.INTERNAL_TEMPERATURE: 2450 + 10 * (self.uptime_s // 7 % 8) + deciamperes,
        }
        for register, raw in measured.items():
            bank.put(register, raw)
        self._label(centivolts, deciamperes)

    def _limit(self) -> float:
        """Return the current (A) allowed now."""
        bank = self.registers
        limit = bank.quantity(reg.CURRENT_LIMIT)
        if reg.LINK_CURRENT not in bank or not bank.raw(reg.NETWORK_MODE) & _EXTERNAL_CONTROL:
            return limit
        if self._clock.monotonic() - self._linked > _LINK_TIMEOUT_S:
            bank.put(reg.NETWORK_MODE, 0)
            return limit
        return min(limit, bank.quantity(reg.LINK_CURRENT))

    def _label(self, centivolts: int, deciamperes: int) -> None:
        labels = {
            "PID": f"0x{self._model.product_id:X}",
            "FWE": f"{_FIRMWARE:06X}",
            "SER#": self.serial,
            "V": str(centivolts * 10),
            "I": str(deciamperes * 100),
            "T": "---",
            "ERR": str(self.registers.raw(reg.ERROR)),
            "CS": str(self._charge.state),
            "HC#": _HC,
        }
        if not self._model.temperature:
            del labels["T"]
        now = self._clock.monotonic()
        self.history.extend(
            Truth(now, label, value) for label, value in labels.items() if self.labels.get(label) != value
        )
        self.labels = labels

    def _changed(self, register: int, raw: int | str) -> None:
        self.untold.add(register)
        self.history.append(Truth(self._clock.monotonic(), register, raw))


def checked_text(what: str, text: str) -> str:
    """Return a text a device can send; raises ValueError for another."""
    if not (0 < len(text) <= _TEXT_MAX and text.isascii() and text.isprintable() and ":" not in text):
        raise ValueError(
            f"{what}: found {text!r}, expected 1 to {_TEXT_MAX} ASCII characters without a colon"
        )
    return text
