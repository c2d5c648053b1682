"""A Phoenix inverter on a VE.Direct line, for demonstrations and tests.

By "VE.Direct Protocol Phoenix Inverters" rev 5: settings are in force at once and lost at the next restart
unless 0xEB99 saves them; alarms stay until the inverter is switched on again, warnings do not.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bridge.adapters.vedirect import simulated_inverter_registers as inv
from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.simulated_device import TEXT_RETURNS_S, Habits, Nameplate, SimulatedDevice
from bridge.adapters.vedirect.simulated_faults import Mischief
from bridge.adapters.vedirect.simulated_line import LineSimulator
from bridge.adapters.vedirect.simulated_load import Levels
from bridge.adapters.vedirect.simulated_registers import Raw
from bridge.datastore.clock import Clock, SystemClock

OFF, SEARCHING, FAULT, INVERTING = 0, 1, 2, 9
LOW_VOLTAGE, HIGH_VOLTAGE, OVERLOAD = 1, 2, 256
_OFF_BY_MODE, _OFF_BY_PROTECTION = 0x04, 0x10

#: Battery voltage and AC voltage by the last digit of the product id.
_SUPPLIES: Mapping[int, tuple[int, int]] = {
    0x1: (12, 230),
    0x2: (24, 230),
    0x4: (48, 230),
    0x9: (12, 120),
    0xA: (24, 120),
    0xC: (48, 120),
}
_PRODUCTS = range(0xA201, 0xA2FD)
#: Of the nominal voltage: a battery at rest, and what is lost at full load.
_RESTING, _SAG = 1.0667, 0.025
#: A moment's overload is borne; this much, this long, is not.
_OVERLOAD, _OVERLOAD_S = 1.3, 3.0
#: Parts of the rated power: idle chargers, lights, a fridge, a kettle.
_APPLIANCES = (0.15, 0.01, 0.06, 0.3, 0.62)
_SHORTEST_S, _LONGEST_S = 15.0, 75.0
_HIGHEST_LOAD_VA = 30_000


class InverterDevice(SimulatedDevice):
    """The inverter. `load_va` and `battery_v` replace the profile and the battery while they are given."""

    clamped = frozenset({inv.AC_SET_POINT})
    forbidden = frozenset({(inv.SAVE, inv.DEFAULTS)})

    def __init__(
        self,
        clock: Clock,
        nameplate: Nameplate,
        rated_va: int,
        dice: random.Random,
        habits: Habits,
        *,
        persistent_mode: bool,
        relay: bool,
        load_va: float | None,
    ) -> None:
        self._nominal_v, self._ac_v = _supply(nameplate.product_id)
        self._rated_va = rated_va
        table = inv.inverter_registers(self._nominal_v, self._ac_v, rated_va, nameplate.firmware)
        self._keeps_mode = persistent_mode
        if persistent_mode:
            table[reg.MODE] = replace(table[reg.MODE], flash=True)
        super().__init__(clock, nameplate, table, habits)
        self._has_relay = relay
        self._dice = dice
        self._profile = Levels(dice, [part * rated_va for part in _APPLIANCES], _SHORTEST_S, _LONGEST_S)
        #: Apparent power that the appliances want, VA; None: as the profile goes.
        self.load_va = load_va
        #: Battery voltage, V; None: that of a charged battery under its load.
        self.battery_v: float | None = None
        self._saved = {number: self.registers.raw(number) for number in inv.SAVED if number in self.registers}
        self._searching = False
        self._tripped = 0
        self._overloaded_s = 0.0
        self._running_s = self._energy_vah = 0.0

    def restart(self) -> None:
        """Start anew with what was saved last."""
        super().restart()
        self._bring_back()
        self._switch_on()

    def _obey(self, register: int, raw: Raw) -> None:
        if register == inv.SAVE:
            self.registers.put(inv.SAVE, 0)
            if raw == inv.REVERT:
                self._bring_back()
            elif raw in (inv.SAVE_NOW, inv.BACKUP):
                self.registers.flash_writes += 1
                if raw == inv.SAVE_NOW:
                    self._saved = {number: self.registers.raw(number) for number in self._saved}
        elif register == reg.MODE and raw != inv.MODE_OFF:
            self._switch_on()

    def _bring_back(self) -> None:
        for register, raw in self._saved.items():
            if register != reg.MODE or not self._keeps_mode:
                self.registers.put(register, raw)

    def _switch_on(self) -> None:
        self._tripped = 0
        self._overloaded_s = 0.0
        self._searching = False
        self._show(inv.ALARM_REASON, 0)

    def _advance(self, seconds: float) -> None:
        self._profile.advance(seconds)
        wanted = self._profile.value if self.load_va is None else self.load_va
        is_off = self.registers.raw(reg.MODE) == inv.MODE_OFF
        sagging = 0.0 if is_off or self._tripped else wanted / self._rated_va * _SAG
        battery = self._nominal_v * (_RESTING - sagging) if self.battery_v is None else self.battery_v
        self._show(inv.DC_VOLTAGE, round(battery * 100))
        self._protect(seconds, battery, wanted, is_off=is_off)
        state = self._state(wanted, is_off=is_off)
        self._deliver(seconds, wanted if state == INVERTING else 0.0, inverting=state == INVERTING)
        self._show(reg.STATE, state)
        protection = _OFF_BY_PROTECTION if self._tripped and not is_off else 0
        self._show(reg.OFF_REASON, (_OFF_BY_MODE if is_off else 0) | protection)
        self._switch_relay(state)

    def _protect(self, seconds: float, battery: float, wanted: float, *, is_off: bool) -> None:
        """Warn, and switch off what would be destroyed; the alarm stays, the reason may pass."""
        volts = self.registers.quantity
        warnings = LOW_VOLTAGE if battery < volts(inv.WARNING) else 0
        warnings |= HIGH_VOLTAGE if battery > volts(inv.VOLTAGE_MAX) else 0
        if is_off:
            self._tripped = 0
            self._show(inv.WARNING_REASON, 0)
            return
        too_much = wanted > self._rated_va * _OVERLOAD and not self._tripped
        self._overloaded_s = self._overloaded_s + seconds if too_much else 0.0
        warnings |= OVERLOAD if wanted > self._rated_va and not self._tripped else 0
        over = {LOW_VOLTAGE: battery >= volts(inv.RESTART), HIGH_VOLTAGE: not warnings & HIGH_VOLTAGE}
        if over.get(self._tripped):
            self._tripped = 0
        if not self._tripped:
            if battery < volts(inv.SHUTDOWN):
                self._tripped = LOW_VOLTAGE
            elif warnings & HIGH_VOLTAGE:
                self._tripped = HIGH_VOLTAGE
            elif self._overloaded_s >= _OVERLOAD_S:
                self._tripped = OVERLOAD
        self._show(inv.WARNING_REASON, warnings)
        self._show(inv.ALARM_REASON, self.registers.raw(inv.ALARM_REASON) | self._tripped)

    def _state(self, wanted: float, *, is_off: bool) -> int:
        if is_off:
            return OFF
        if self._tripped:
            return FAULT
        if self.registers.raw(reg.MODE) != inv.MODE_ECO:
            return INVERTING
        sleep_va, wake_va = self._eco_va
        self._searching = wanted < wake_va if self._searching else wanted < sleep_va
        return SEARCHING if self._searching else INVERTING

    @property
    def _eco_va(self) -> tuple[float, float]:
        if inv.SLEEP_BELOW in self.registers:
            return self.registers.quantity(inv.SLEEP_BELOW), self.registers.quantity(inv.WAKE_ABOVE)
        wake_va = self.registers.quantity(inv.WAKE_CURRENT) * self._ac_v
        return wake_va, wake_va

    def _deliver(self, seconds: float, apparent: float, *, inverting: bool) -> None:
        set_point = self.registers.raw(inv.AC_SET_POINT)
        centivolts = set_point + self._dice.randint(-8, 8) if inverting else 0
        self._show(inv.AC_VOLTAGE, centivolts)
        self._show(inv.AC_APPARENT, round(apparent))
        self._show(inv.AC_CURRENT, round(apparent / (set_point / 100) * 10))
        self._running_s += seconds if inverting else 0.0
        self._energy_vah += apparent * seconds / 3600
        self._show(inv.OPERATING_TIME, int(self._running_s))
        self._show(inv.ENERGY, int(self._energy_vah / 10))

    def _switch_relay(self, state: int) -> None:
        alarm = self.registers.raw(inv.ALARM_REASON)
        closed = {0: bool(alarm | self.registers.raw(inv.WARNING_REASON)), 3: False, 4: state == INVERTING}
        closed |= {5: bool(alarm & LOW_VOLTAGE), 6: state == INVERTING}
        mode = self.registers.raw(inv.RELAY_MODE)
        if mode in closed:
            self._show(inv.RELAY, int(closed[mode]))

    def _labels(self) -> Sequence[Mapping[str, str]]:
        raw = self.registers.raw
        labels = {
            "PID": f"0x{self.nameplate.product_id:X}",
            "FW": f"{self.nameplate.firmware:04X}",
            "SER#": self.serial,
            "MODE": str(raw(reg.MODE)),
            "CS": str(raw(reg.STATE)),
            "AC_OUT_V": str(raw(inv.AC_VOLTAGE)),
            "AC_OUT_I": str(raw(inv.AC_CURRENT)),
            "AC_OUT_S": str(raw(inv.AC_APPARENT)),
            "V": str(raw(inv.DC_VOLTAGE) * 10),
            "AR": str(raw(inv.ALARM_REASON)),
            "WARN": str(raw(inv.WARNING_REASON)),
            "OR": f"0x{raw(reg.OFF_REASON):08X}",
        }
        return (labels | {"Relay": "ON" if raw(inv.RELAY) else "OFF"} if self._has_relay else labels,)


class InverterSimulator(LineSimulator):
    """A simulated Phoenix inverter.

    product_id: 0xA201 to 0xA2FC, whose last digit says 12, 24 or 48 V and 230 or 120 V. rated_va: rated
    power. serial, name: what it calls itself. firmware: 0x0123 is 1.23. persistent_mode: the device mode
    is kept in flash. quiet_text: text stays away for some seconds after each HEX frame. relay: text has the
    label Relay. load_va: a steady load; left out, appliances come and go. seed: of everything random.
    Raises ValueError for an unknown product or an impossible value.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        product_id: int = 0xA2E2,
        rated_va: int = 800,
        serial: str | None = None,
        name: str | None = None,
        firmware: int = 0x0123,
        persistent_mode: bool = False,
        quiet_text: bool = False,
        relay: bool = False,
        load_va: float | None = None,
        seed: int = 0,
    ) -> None:
        clock = SystemClock() if clock is None else clock
        nominal_v, _ = _supply(product_id)
        if not 100 <= rated_va <= 10_000:
            raise ValueError(f"rated_va: found {rated_va} VA, expected 100 to 10000 VA")
        if load_va is not None and not 0 <= load_va <= _HIGHEST_LOAD_VA:
            raise ValueError(f"load_va: found {load_va:g} VA, expected 0 to {_HIGHEST_LOAD_VA} VA")
        dice = random.Random(seed)
        nameplate = Nameplate(
            product_id,
            f"SIMULATED Phoenix {nominal_v}|{rated_va}" if name is None else name,
            f"SIM2117{product_id:X}" if serial is None else serial,
            firmware,
        )
        self.device = InverterDevice(
            clock,
            nameplate,
            rated_va,
            dice,
            Habits(quiet_s=TEXT_RETURNS_S if quiet_text else 0.0),
            persistent_mode=persistent_mode,
            relay=relay,
            load_va=load_va,
        )
        super().__init__(clock, self.device, Mischief(_dice=dice), 1.0)


def _supply(product_id: int) -> tuple[int, int]:
    """Return battery and AC voltage; raises ValueError for what is no Phoenix inverter."""
    supply = _SUPPLIES.get(product_id & 0xF)
    if product_id not in _PRODUCTS or supply is None:
        raise ValueError(
            f"product id: found {product_id:#06x}, expected 0xA201 to 0xA2FC whose last digit is one of "
            "1 2 4 9 A C"
        )
    return supply
