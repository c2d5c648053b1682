"""The simulated AC charger: registers, battery and text labels of a Blue Smart or a Phoenix Smart IP43.

No Victron document covers the Blue Smart IP22. What stands here is seen in captures of one, or is the
generic register of "VE.Direct Protocol BlueSolar and SmartSolar MPPT" rev 18.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.registers import E8, S16, S32, U16, Number
from bridge.adapters.vedirect.simulated_charge import Charge, Stage
from bridge.adapters.vedirect.simulated_device import Habits, Nameplate, SimulatedDevice
from bridge.adapters.vedirect.simulated_models import ChargerModel
from bridge.adapters.vedirect.simulated_registers import Needs, Raw, Register, centi, deci, kept, milli
from bridge.adapters.vedirect.simulated_remote import (
    BMS_LOST,
    LINK_CURRENT,
    LINK_ERROR,
    NETWORK_INFO,
    NETWORK_MODE,
    RemoteControl,
    link_registers,
)
from bridge.datastore.clock import Clock

ERROR, INTERNAL_TEMPERATURE, BATTERY_TEMPERATURE = 0xEDDA, 0xEDDB, 0xEDEC
DC_CURRENT_MA, DC_VOLTAGE, DC_CURRENT, OUTPUT_VOLTAGE, OUTPUT_CURRENT = 0xED8C, 0xED8D, 0xED8F, 0xEDD5, 0xEDD7
MAXIMUM_CURRENT, CURRENT_LIMIT, BATTERY_TYPE = 0xEDDF, 0xEDF0, 0xEDF1
STORAGE_VOLTAGE, FLOAT_VOLTAGE, ABSORPTION_VOLTAGE = 0xEDF5, 0xEDF6, 0xEDF7
_UNKNOWN_EE16 = 0xEE16

USER_DEFINED = 255
#: Off reason bits.
OFF_BY_MODE, OFF_BY_BMS = 0x04, 0x40
#: Three outputs share the current; each diode-free output stands a little apart from the next.
_SHARES, _SPREAD_V = (0.5, 0.3, 0.2), 0.02
#: The label HC# of the captured unit; nobody knows its meaning.
_HC = "1105659"

_ON_CHANGE = (
    reg.STATE,
    reg.OFF_REASON,
    DC_VOLTAGE,
    DC_CURRENT,
    DC_CURRENT_MA,
    OUTPUT_VOLTAGE,
    OUTPUT_CURRENT,
    INTERNAL_TEMPERATURE,
)
#: What an IP22 sends unasked, as captured.
_FLOOD = Habits((LINK_ERROR, NETWORK_MODE), (_UNKNOWN_EE16, reg.UPTIME), _ON_CHANGE)


def charge_registers(nominal_v: float, range_da: tuple[int, int]) -> dict[int, Register]:
    """Return what chargers of any supply have in common, for `nominal_v` V and limits in 0.1 A.

    Voltages can only be set for a user-defined battery; the defaults are those of the capture.
    """
    part, own = nominal_v / 24, Needs(BATTERY_TYPE, USER_DEFINED, refuses=True)
    volts = [
        kept(centi(), round(default * 100 * part), round(nominal_v * 90), round(nominal_v * 145), needs=own)
        for default in (26.4, 27.6, 28.8)
    ]
    return reg.common_registers() | {
        ERROR: Register(E8),
        INTERNAL_TEMPERATURE: Register(centi(S16), 2450),
        BATTERY_TEMPERATURE: Register(Number(2, divisor=100, may_lack=False), 0xFFFF),
        DC_CURRENT_MA: Register(milli(S32)),
        DC_VOLTAGE: Register(centi(S16)),
        DC_CURRENT: Register(deci(S16)),
        OUTPUT_VOLTAGE: Register(centi()),
        OUTPUT_CURRENT: Register(deci()),
        MAXIMUM_CURRENT: Register(deci(), range_da[1]),
        CURRENT_LIMIT: kept(deci(), range_da[1], *range_da),
        BATTERY_TYPE: kept(E8, 1),
        STORAGE_VOLTAGE: volts[0],
        FLOAT_VOLTAGE: volts[1],
        ABSORPTION_VOLTAGE: volts[2],
    }


def mode_register(*, persistent: bool) -> Register:
    """Return a charger's device mode: 1 on, 4 off, forgotten at restart unless it is kept in flash."""
    mode = Register(E8, reg.MODE_ON, writable=True, volatile=True, choices=(reg.MODE_ON, reg.MODE_OFF))
    return replace(mode, flash=True, volatile=False) if persistent else mode


def checked_range(minimum_a: float, maximum_a: float, highest_a: float) -> tuple[int, int]:
    """Return a current limit's range in 0.1 A; raises ValueError for an impossible one."""
    if not 1.0 <= maximum_a <= highest_a:
        raise ValueError(f"maximum_current: found {maximum_a:g} A, expected 1 to {highest_a:g} A")
    if not 0.1 <= minimum_a <= maximum_a:
        raise ValueError(f"minimum_current: found {minimum_a:g} A, expected 0.1 to {maximum_a:g} A")
    return round(minimum_a * 10), round(maximum_a * 10)


class ChargerDevice(SimulatedDevice):
    """An AC charger with one output, or with three that charge a battery each."""

    clamped = frozenset({CURRENT_LIMIT, LINK_CURRENT})

    def __init__(
        self,
        clock: Clock,
        model: ChargerModel,
        nameplate: Nameplate,
        range_da: tuple[int, int],
        dice: random.Random,
        *,
        flood: bool,
        outputs: int,
        persistent_mode: bool,
        link_control: bool,
        link_obeyed: bool,
    ) -> None:
        if outputs not in (1, 3):
            raise ValueError(f"outputs: found {outputs}, expected 1 or 3")
        table = charge_registers(model.nominal_v, range_da) | {
            reg.MODE: mode_register(persistent=persistent_mode),
            LINK_ERROR: Register(E8),
            NETWORK_INFO: Register(Number(2, may_lack=False)),
            NETWORK_MODE: Register(E8),
            _UNKNOWN_EE16: Register(U16, 0xFFFF),
        }
        if link_control:
            table |= link_registers(range_da[1])
        super().__init__(clock, nameplate, table, _FLOOD if flood else Habits())
        self._model = model
        self._outputs = outputs
        self._charge = Charge(model.nominal_v, range_da[1] / 10, dice)
        self._remote = RemoteControl(clock, self.registers, obeyed=link_obeyed)

    def restart(self) -> None:
        """Start anew, charging from bulk."""
        super().restart()
        self._charge.restart()
        self._remote.restart()

    def _obey(self, register: int, raw: Raw) -> None:
        self._remote.written(register, raw)

    def _advance(self, seconds: float) -> None:
        bank, remote = self.registers, self._remote
        remote.watch()
        stage = Stage(bank.quantity(ABSORPTION_VOLTAGE), bank.quantity(FLOAT_VOLTAGE))
        is_off = bank.raw(reg.MODE) != reg.MODE_ON
        on = not is_off and not remote.bms_lost
        self._charge.advance(seconds, self._limit(), stage, on=on)
        off_reason = (OFF_BY_MODE if is_off else 0) | (OFF_BY_BMS if remote.bms_lost else 0)
        self._show(reg.STATE, self._charge.state)
        self._show(reg.OFF_REASON, off_reason)
        self._show(ERROR, BMS_LOST if remote.bms_lost else 0)
        self._show_all(measured_output(self._charge, self.uptime_s))

    def _limit(self) -> float:
        """Return the current (A) allowed now."""
        return self._remote.current(self.registers.quantity(CURRENT_LIMIT))

    def _labels(self) -> Sequence[Mapping[str, str]]:
        bank = self.registers
        deciamperes, centivolts = bank.raw(DC_CURRENT), bank.raw(DC_VOLTAGE)
        labels = {
            "PID": f"0x{self.nameplate.product_id:X}",
            "FWE": f"{self.nameplate.extended_version:06X}",
            "SER#": self.serial,
            **self._output_labels(centivolts, deciamperes),
            "T": "---",
            "ERR": str(bank.raw(ERROR)),
            "CS": str(bank.raw(reg.STATE)),
            "HC#": _HC,
        }
        if not self._model.temperature:
            del labels["T"]
        return (labels,)

    def _output_labels(self, centivolts: int, deciamperes: int) -> Mapping[str, str]:
        if self._outputs == 1:
            return {"V": str(centivolts * 10), "I": str(deciamperes * 100)}
        second, third = (round(deciamperes * share) for share in _SHARES[1:])
        amperes = (deciamperes - second - third, second, third)
        names = ("", "2", "3")
        volts = {f"V{n}": str(centivolts * 10 - round(i * _SPREAD_V * 1000)) for i, n in enumerate(names)}
        return volts | {f"I{n}": str(each * 100) for n, each in zip(names, amperes, strict=True)}


def measured_output(charge: Charge, uptime_s: int) -> Mapping[int, Raw]:
    """Return the registers that tell a charge: voltage and current in all their forms, and how warm it is."""
    milliamperes = round(charge.current * 1000)
    centivolts = round(charge.voltage * 100)
    deciamperes = round(milliamperes / 100)
    return {
        DC_VOLTAGE: centivolts,
        OUTPUT_VOLTAGE: centivolts,
        DC_CURRENT: deciamperes,
        OUTPUT_CURRENT: deciamperes,
        DC_CURRENT_MA: milliamperes,
        INTERNAL_TEMPERATURE: 2450 + 10 * (uptime_s // 7 % 8) + deciamperes,
    }
