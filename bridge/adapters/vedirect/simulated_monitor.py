"""A Victron battery monitor (BMV or SmartShunt) on a VE.Direct line, for demonstrations and tests."""

import random
from collections.abc import Mapping, Sequence

from bridge.adapters.vedirect import simulated_monitor_registers as mon
from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.registers import S32, U16
from bridge.adapters.vedirect.simulated_bank import Bank, Past
from bridge.adapters.vedirect.simulated_device import TEXT_RETURNS_S, Habits, Nameplate, SimulatedDevice
from bridge.adapters.vedirect.simulated_faults import Mischief
from bridge.adapters.vedirect.simulated_line import LineSimulator
from bridge.adapters.vedirect.simulated_registers import Raw, lacking
from bridge.datastore.clock import Clock, SystemClock

_AUXILIARIES = ("none", "starter", "midpoint", "temperature")
_LONGEST_MIN = 14400
_INFINITE = -1
_KELVIN = 273.15
_NOTHING = "---"
_MONITOR_MODES = range(-9, 9)


class MonitorDevice(SimulatedDevice):
    """A monitor and the battery it watches, `bank`."""

    clamped = frozenset({mon.CAPACITY})

    def __init__(
        self,
        clock: Clock,
        model: mon.MonitorModel,
        nameplate: Nameplate,
        bank: Bank,
        table: Mapping[int, reg.Register],
        habits: Habits,
        *,
        auxiliary: str,
        monitor_mode: int,
        synchronised: bool,
        serial_in_text: bool,
    ) -> None:
        super().__init__(clock, nameplate, table, habits)
        self._model = model
        self._auxiliary = auxiliary
        self._serial_in_text = serial_in_text
        self.bank = bank
        self._acknowledged = 0
        self._show(mon.SYNCHRONISED, int(synchronised))
        self._show(mon.MONITOR_MODE, monitor_mode)

    def _obey(self, register: int, raw: Raw) -> None:  # noqa: ARG002 - as overridden
        if register == mon.SYNCHRONISE:
            self._synchronised()
        elif register == mon.ZERO_CURRENT:
            self.bank.zero()
        elif register == mon.CLEAR_HISTORY:
            self.bank.past = Past()
        elif register == mon.ACKNOWLEDGE:
            self._acknowledged = self.registers.raw(mon.ALARM_REASON)
        elif register == mon.CAPACITY:
            self.bank.resize(self.registers.quantity(mon.CAPACITY))

    def _synchronised(self) -> None:
        self.bank.synchronise()
        self._show(mon.SYNCHRONISED, 1)

    def _advance(self, seconds: float) -> None:
        if self.bank.advance(seconds):
            self._show(mon.SYNCHRONISED, 1)
        milliamperes = round(self.bank.current * 1000)
        millivolts = round(self.bank.voltage * 1000)
        self._millivolts, self._milliamperes = millivolts, milliamperes
        self._watts = round(self.bank.voltage * self.bank.current)
        self._show_all(
            {
                mon.DC_VOLTAGE: round(millivolts / 10),
                mon.DC_CURRENT: round(milliamperes / 100),
                mon.DC_CURRENT_MA: milliamperes,
                mon.DC_POWER: self._watts,
            }
        )
        self._show_charge()
        self._show_auxiliary()
        self._watch_alarms()
        self._past = self._tell_past()
        for label, (register, _, steps) in mon.HISTORY.items():
            self._show(register, round(self._past[label] / steps))

    @property
    def _knows_charge(self) -> bool:
        raw = self.registers.raw
        return bool(raw(mon.SYNCHRONISED)) and raw(mon.MONITOR_MODE) == 0

    @property
    def _minutes_left(self) -> int:
        floor = self.registers.quantity(mon.DISCHARGE_FLOOR) / 100
        left_ah = max(0.0, self.bank.charged - floor) * self.registers.quantity(mon.CAPACITY)
        if self.bank.current >= 0:
            return _INFINITE
        return min(_LONGEST_MIN, int(left_ah / -self.bank.current * 60))

    def _show_charge(self) -> None:
        if not self._knows_charge:
            self._show_all(
                {
                    mon.CONSUMED: lacking(S32),
                    mon.STATE_OF_CHARGE: lacking(U16),
                    mon.TIME_TO_GO: lacking(U16),
                }
            )
            return
        left = self._minutes_left
        self._show_all(
            {
                mon.CONSUMED: round(self.bank.consumed_ah * 10),
                mon.STATE_OF_CHARGE: round(self.bank.charged * 1000) * 10,
                mon.TIME_TO_GO: lacking(U16) if left == _INFINITE else left,
            }
        )

    def _show_auxiliary(self) -> None:
        bank, kind = self.bank, self._auxiliary
        if kind == "starter":
            self._show(mon.AUXILIARY_VOLTAGE, round(bank.starter_v * 100))
        elif kind == "midpoint":
            self._show(mon.MID_VOLTAGE, round(bank.voltage * 50.2))
            self._show(mon.MID_DEVIATION, 4)
        elif kind == "temperature":
            known = bank.temperature_c is not None
            kelvin = round(((bank.temperature_c or 0.0) + _KELVIN) * 100)
            self._show(mon.TEMPERATURE, kelvin if known else lacking(U16))

    def _watch_alarms(self) -> None:
        """Compare with the limits; 0 switches one off."""
        registers = self.registers
        before = registers.raw(mon.ALARM_REASON)
        measured = {
            mon.LOW_VOLTAGE: self._millivolts / 100,
            mon.HIGH_VOLTAGE: self._millivolts / 100,
            mon.LOW_SOC: self.bank.charged * 1000 if self._knows_charge else None,
        }
        if self._auxiliary == "starter":
            measured |= dict.fromkeys((mon.LOW_STARTER, mon.HIGH_STARTER), self.bank.starter_v * 10)
        if self._auxiliary == "temperature" and not registers.is_lacking(mon.TEMPERATURE):
            kelvin = float(registers.raw(mon.TEMPERATURE))
            measured |= dict.fromkeys((mon.LOW_TEMPERATURE, mon.HIGH_TEMPERATURE), kelvin)
        now = 0
        for bit, (begins, ends, is_low) in mon.ALARMS.items():
            value, limit = measured.get(bit), registers.raw(ends if before & bit else begins)
            if value is not None and registers.raw(begins):
                now |= bit if (value < limit if is_low else value > limit) else 0
        self._acknowledged &= now
        self.bank.past.low_alarms += bool(now & ~before & mon.LOW_VOLTAGE)
        self.bank.past.high_alarms += bool(now & ~before & mon.HIGH_VOLTAGE)
        self._show(mon.ALARM_REASON, now)
        if self._model.relay and registers.raw(mon.RELAY_MODE) != mon.RELAY_REMOTE:
            self._show(mon.RELAY, int(bool(now)) ^ registers.raw(mon.RELAY_INVERT))

    def _tell_past(self) -> Mapping[str, int]:
        """Return the history in the steps of its labels."""
        past = self.bank.past
        return {
            "H1": round(past.deepest),
            "H2": round(past.last),
            "H3": round(past.drawn / max(1, past.cycles)),
            "H4": past.cycles,
            "H5": 0,
            "H6": round(past.drawn),
            "H7": past.lowest_mv,
            "H8": past.highest_mv,
            "H9": int(past.since_full_s),
            "H10": past.synchronisations,
            "H11": past.low_alarms,
            "H12": past.high_alarms,
            "H15": past.starter_lowest_mv if self._auxiliary == "starter" else 0,
            "H16": past.starter_highest_mv if self._auxiliary == "starter" else 0,
            "H17": int(past.out_kwh * 100),
            "H18": int(past.in_kwh * 100),
        }

    def _labels(self) -> Sequence[Mapping[str, str]]:
        raw, known = self.registers.raw, self._knows_charge
        alarm = raw(mon.ALARM_REASON)
        main = {
            "PID": f"0x{self.nameplate.product_id:X}",
            "V": str(self._millivolts),
            **self._auxiliary_labels(),
            "I": str(self._milliamperes),
            "P": str(self._watts),
            "CE": str(round(self.bank.consumed_ah * 1000)) if known else _NOTHING,
            "SOC": str(raw(mon.STATE_OF_CHARGE) // 10) if known else _NOTHING,
            "TTG": str(self._minutes_left) if known else _NOTHING,
            "Alarm": "ON" if alarm & ~self._acknowledged else "OFF",
            **({"Relay": "ON" if raw(mon.RELAY) else "OFF"} if self._model.relay else {}),
            "AR": str(alarm),
            "BMV": self._model.label,
            "FW": f"{self.nameplate.firmware:04X}",
            **({"SER#": self.serial} if self._serial_in_text else {}),
            "MON": str(raw(mon.MONITOR_MODE)),
        }
        return main, {label: str(value) for label, value in self._past.items()}

    def _auxiliary_labels(self) -> Mapping[str, str]:
        bank = self.bank
        if self._auxiliary == "starter":
            return {"VS": str(round(bank.starter_v * 1000))}
        if self._auxiliary == "midpoint":
            registers = self.registers
            return {
                "VM": str(registers.raw(mon.MID_VOLTAGE) * 10),
                "DM": str(registers.raw(mon.MID_DEVIATION)),
            }
        if self._auxiliary == "temperature":
            return {"T": _NOTHING if bank.temperature_c is None else str(round(bank.temperature_c))}
        return {}


class BatteryMonitorSimulator(LineSimulator):
    """A simulated BMV-712, or a SmartShunt.

    product_id: one of `mon.MONITOR_MODELS`. serial, name: what it calls itself; serial_in_text: also in text.
    firmware: 0x0408 is 4.08. auxiliary: none, starter, midpoint or temperature; left out, as the model was
    captured. synchronised: it knows its state of charge. monitor_mode: -9 to 8, 0 for a battery.
    capacity_ah, nominal_v: the battery. quiet_text: text stays away for some seconds after each HEX frame.
    hex_identity: it answers 0x0100 and 0x010A, which old ones do not. speed: seconds of the battery in a
    second. seed: of everything random. Raises ValueError for an unknown product or an impossible value.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        product_id: int = 0xA381,
        serial: str | None = None,
        serial_in_text: bool = False,
        name: str | None = None,
        firmware: int | None = None,
        auxiliary: str | None = None,
        synchronised: bool = True,
        monitor_mode: int = 0,
        capacity_ah: int = 200,
        nominal_v: float = 24.0,
        quiet_text: bool = False,
        hex_identity: bool = True,
        speed: float = 1.0,
        seed: int = 0,
    ) -> None:
        clock = SystemClock() if clock is None else clock
        model = mon.monitor_model(product_id)
        auxiliary = model.auxiliary if auxiliary is None else auxiliary
        if auxiliary not in _AUXILIARIES:
            raise ValueError(f"auxiliary: found {auxiliary!r}, expected one of {', '.join(_AUXILIARIES)}")
        if monitor_mode not in _MONITOR_MODES:
            raise ValueError(f"monitor_mode: found {monitor_mode}, expected -9 to 8")
        if not 1 <= capacity_ah <= 9999:
            raise ValueError(f"capacity_ah: found {capacity_ah} Ah, expected 1 to 9999 Ah")
        if not 6.0 <= nominal_v <= 60.0:
            raise ValueError(f"nominal_v: found {nominal_v:g} V, expected 6 to 60 V")
        dice = random.Random(seed)
        nameplate = Nameplate(
            product_id,
            f"SIMULATED {model.name}" if name is None else name,
            f"SIM2205{product_id:X}" if serial is None else serial,
            model.firmware if firmware is None else firmware,
        )
        table = mon.monitor_registers(capacity_ah, nominal_v, relay=model.relay)
        if not hex_identity:
            del table[reg.PRODUCT_ID], table[reg.SERIAL]
        self.device = MonitorDevice(
            clock,
            model,
            nameplate,
            Bank(capacity_ah, nominal_v, dice),
            table,
            Habits(quiet_s=TEXT_RETURNS_S if quiet_text else 0.0),
            auxiliary=auxiliary,
            monitor_mode=monitor_mode,
            synchronised=synchronised,
            serial_in_text=serial_in_text,
        )
        super().__init__(clock, self.device, Mischief(_dice=dice), speed)
