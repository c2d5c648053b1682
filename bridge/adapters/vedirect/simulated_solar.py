"""A Victron MPPT solar charger on a VE.Direct line, for demonstrations and tests."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.adapters.vedirect import simulated_charger as chg
from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect import simulated_solar_registers as sol
from bridge.adapters.vedirect.simulated_charge import ABSORPTION, BULK, FLOAT, OFF, Charge, Stage
from bridge.adapters.vedirect.simulated_device import Nameplate, SimulatedDevice
from bridge.adapters.vedirect.simulated_faults import Mischief
from bridge.adapters.vedirect.simulated_line import LineSimulator
from bridge.adapters.vedirect.simulated_load import Levels
from bridge.adapters.vedirect.simulated_registers import Raw
from bridge.adapters.vedirect.simulated_remote import BMS_LOST, LINK_CURRENT, RemoteControl
from bridge.adapters.vedirect.simulated_sun import STEP_S, Diary, Sky
from bridge.datastore.clock import Clock, SystemClock

_EXTERNAL_CONTROL, _FAULT = 252, 2
_NO_INPUT = 0x01
#: What panels give at night.
_DARK_W = 1.0
_TRACKER_OFF, _TRACKER_LIMITED, _TRACKER_ACTIVE = 0, 1, 2
_EFFICIENCY = 0.97
#: Panels give somewhat more than the charger can take.
_PEAK = 1.1
_LOAD_OFF, _LOAD_ON, _LOAD_TIMERS = 0, 4, (5, 6)
_TIMER_ACTIVE = 0x80
_LOADS_A = (1.2, 0.4, 2.5, 0.1)
_DAYS_BEFORE = 3


@dataclass(frozen=True, slots=True)
class _Flow:
    """What flows now: A at the battery, out of the charger and into the load; W and V of the panels."""

    battery_a: float
    output_a: float
    load_a: float
    pv_w: float
    pv_v: float
    tracker: int
    dark: bool


class SolarDevice(SimulatedDevice):
    """A charger between panels, a 12 V battery and its load output. `light` replaces the sky while given."""

    clamped = frozenset({chg.CURRENT_LIMIT, LINK_CURRENT})

    def __init__(
        self,
        clock: Clock,
        model: sol.SolarModel,
        nameplate: Nameplate,
        range_da: tuple[int, int],
        dice: random.Random,
        *,
        start_hour: float,
        link_obeyed: bool,
    ) -> None:
        table = sol.solar_registers(model, range_da, nameplate.firmware)
        super().__init__(clock, nameplate, table, sol.solar_habits(nameplate.firmware, table))
        self._model = model
        self._peak_w = range_da[1] / 10 * 13.0 * _PEAK
        self._charge = Charge(12.0, range_da[1] / 10, dice)
        self._remote = RemoteControl(clock, self.registers, obeyed=link_obeyed)
        self._sky = Sky(start_hour, dice)
        self._diary = Diary(_DAYS_BEFORE, self._peak_w, dice)
        self._appliances = Levels(dice, _LOADS_A, 60.0, 900.0)
        self._load_is_on = model.load
        self._off_reason = 0
        #: Part of the panels' peak power, 0 to 1; None: as the sky has it.
        self.light: float | None = None

    def restart(self) -> None:
        """Start anew, charging from bulk."""
        super().restart()
        self._charge.restart()
        self._remote.restart()

    def _obey(self, register: int, raw: Raw) -> None:
        self._remote.written(register, raw)

    def _advance(self, seconds: float) -> None:
        self._remote.watch()
        left = seconds
        while left > STEP_S:
            self._pass(STEP_S)
            left -= STEP_S
        flow = self._pass(left)
        self._put_measured(flow)
        self._put_state(flow)

    def _pass(self, seconds: float) -> _Flow:
        days = self._sky.days
        self._sky.advance(seconds)
        self._appliances.advance(seconds)
        if self._sky.days != days:
            self._diary.turn_page()
        self._switch_load()
        flow = self._convert(seconds)
        self._keep_diary(seconds, flow)
        return flow

    def _switch_load(self) -> None:
        if not self._model.load:
            return
        control = self.registers.raw(sol.LOAD_CONTROL) & 0x0F
        dark = self._sky.light == 0
        if control in (_LOAD_OFF, _LOAD_ON):
            self._load_is_on = control == _LOAD_ON
        elif control in _LOAD_TIMERS:
            self._load_is_on = dark
        elif self._charge.voltage < self.registers.quantity(sol.LOAD_LOW):
            self._load_is_on = False
        elif self._charge.voltage > self.registers.quantity(sol.LOAD_HIGH):
            self._load_is_on = True
        timer = _TIMER_ACTIVE if control in _LOAD_TIMERS and dark else 0
        self._show(sol.LOAD_CONTROL, control | timer)

    def _convert(self, seconds: float) -> _Flow:
        """Share what the panels give between load and battery."""
        charge, load_a = self._charge, self._appliances.value if self._load_is_on else 0.0
        light_w = self._peak_w * (self._sky.light if self.light is None else self.light)
        working = light_w > _DARK_W and not self._is_off and not self._remote.bms_lost
        surplus_a = (light_w * _EFFICIENCY / max(charge.voltage, 1.0) if working else 0.0) - load_a
        charge.advance(seconds, max(0.0, min(self._limit(), surplus_a)), self._stage(), on=working)
        battery_a = charge.current if surplus_a > 0 else surplus_a
        if battery_a < 0:
            charge.draw(-battery_a, seconds)
        output_a = max(0.0, battery_a + load_a)
        pv_w = output_a * charge.voltage / _EFFICIENCY if working else 0.0
        bent = 1.22 - 0.22 * min(1.0, pv_w / self._peak_w)
        pv_v = self._model.panels_v * bent if light_w > _DARK_W else 0.0
        tracker = _TRACKER_OFF
        if working:
            tracker = _TRACKER_LIMITED if pv_w < light_w * 0.9 else _TRACKER_ACTIVE
        return _Flow(battery_a, output_a, load_a, pv_w, pv_v, tracker, dark=light_w <= _DARK_W)

    @property
    def _is_off(self) -> bool:
        return self.registers.raw(reg.MODE) != reg.MODE_ON

    def _put_state(self, flow: _Flow) -> None:
        bms = self._remote.bms_lost
        reason = (_NO_INPUT if flow.dark else 0) | (chg.OFF_BY_MODE if self._is_off else 0)
        self._off_reason = reason | (chg.OFF_BY_BMS if bms else 0)
        self._show_all(
            {
                sol.TRACKER: flow.tracker,
                reg.STATE: self._state(),
                reg.OFF_REASON: self._off_reason,
                sol.OLD_OFF_REASON: self._off_reason,
                chg.ERROR: BMS_LOST if bms else 0,
            }
        )

    def _limit(self) -> float:
        """Return the battery current (A) allowed now."""
        return self._remote.current(self.registers.quantity(chg.CURRENT_LIMIT))

    def _stage(self) -> Stage:
        set_point = self._remote.voltage()
        if set_point is not None:
            return Stage(set_point, set_point)
        quantity = self.registers.quantity
        return Stage(quantity(chg.ABSORPTION_VOLTAGE), quantity(chg.FLOAT_VOLTAGE))

    def _state(self) -> int:
        if self._remote.bms_lost:
            return _FAULT
        if self._charge.state != OFF and self._remote.voltage() is not None:
            return _EXTERNAL_CONTROL
        return self._charge.state

    def _keep_diary(self, seconds: float, flow: _Flow) -> None:
        diary, voltage = self._diary, self._charge.voltage
        diary.harvest(flow.pv_w * seconds / 3.6e6)
        today = diary.today
        today.load_kwh += flow.load_a * voltage * seconds / 3.6e6
        today.note(voltage, flow.output_a, flow.pv_v, flow.pv_w)
        today.bulk_s += seconds if self._charge.state == BULK else 0.0
        today.absorption_s += seconds if self._charge.state == ABSORPTION else 0.0
        today.float_s += seconds if self._charge.state == FLOAT else 0.0

    def _put_measured(self, flow: _Flow) -> None:
        diary = self._diary
        centivolts = round(self._charge.voltage * 100)
        self._show_all(
            {
                chg.DC_VOLTAGE: centivolts,
                chg.OUTPUT_VOLTAGE: centivolts,
                chg.DC_CURRENT: round(flow.battery_a * 10),
                chg.DC_CURRENT_MA: round(flow.battery_a * 10) * 100,
                chg.OUTPUT_CURRENT: round(flow.output_a * 10),
                chg.INTERNAL_TEMPERATURE: 2400 + round(flow.output_a * 60),
                sol.PV_POWER: round(flow.pv_w) * 100,
                sol.PV_VOLTAGE: round(flow.pv_v * 100),
                sol.PV_CURRENT: round(flow.pv_w / flow.pv_v * 10) if flow.pv_v else 0,
                sol.YIELD_SYSTEM: int(diary.total_kwh * 100),
                sol.YIELD_USER: int(diary.total_kwh * 100),
                sol.YIELD_TODAY: int(diary.today.yield_kwh * 100),
                sol.YIELD_YESTERDAY: int(diary.yesterday.yield_kwh * 100),
                sol.HIGHEST_TODAY: round(diary.today.highest_w),
                sol.HIGHEST_YESTERDAY: round(diary.yesterday.highest_w),
                sol.LOAD_STATE: int(self._load_is_on),
                sol.LOAD_CURRENT: round(flow.load_a * 10),
                sol.LOAD_VOLTAGE: centivolts if self._load_is_on else 0,
                sol.HISTORY_TOTAL: diary.total_record(),
                **{number: day.record() for number, day in zip(sol.HISTORY_DAYS, diary.days, strict=False)},
            }
        )

    def _labels(self) -> Sequence[Mapping[str, str]]:
        raw = self.registers.raw
        load = {
            "LOAD": "ON" if self._load_is_on else "OFF",
            "IL": str(raw(sol.LOAD_CURRENT) * 100 if self._model.load else 0),
        }
        labels = {
            "PID": f"0x{self.nameplate.product_id:X}",
            "FW": f"{self.nameplate.firmware:X}",
            "SER#": self.serial,
            "V": str(raw(chg.DC_VOLTAGE) * 10),
            "I": str(raw(chg.DC_CURRENT) * 100),
            "VPV": str(raw(sol.PV_VOLTAGE) * 10),
            "PPV": str(raw(sol.PV_POWER) // 100),
            "CS": str(raw(reg.STATE)),
            "MPPT": str(raw(sol.TRACKER)),
            "OR": f"0x{self._off_reason:08X}",
            "ERR": str(raw(chg.ERROR)),
            **(load if self._model.load else {}),
            **({"Relay": "OFF"} if self._model.relay else {}),
            "H19": str(raw(sol.YIELD_USER)),
            "H20": str(raw(sol.YIELD_TODAY)),
            "H21": str(raw(sol.HIGHEST_TODAY)),
            "H22": str(raw(sol.YIELD_YESTERDAY)),
            "H23": str(raw(sol.HIGHEST_YESTERDAY)),
            "HSDS": str(self._diary.today.sequence),
        }
        return (labels,)


class SolarChargerSimulator(LineSimulator):
    """A simulated MPPT charger with panels, a 12 V battery and, where the model has one, a load output.

    product_id: one of `SOLAR_MODELS`. serial, name: what it calls itself. firmware: 0x0156 is 1.56; what
    changed between versions is followed. minimum_current, maximum_current: range of the current limit in
    A, up to 100. link_obeyed: it follows a current limit over 0x2015. start_hour: time of day to begin
    with. day_speed: seconds of its day in a second. seed: of everything random. Raises ValueError for an
    unknown product or an impossible value.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        product_id: int = 0xA053,
        serial: str | None = None,
        name: str | None = None,
        firmware: int = 0x0156,
        minimum_current: float = 1.0,
        maximum_current: float | None = None,
        link_obeyed: bool = True,
        start_hour: float = 12.0,
        day_speed: float = 1.0,
        seed: int = 0,
    ) -> None:
        clock = SystemClock() if clock is None else clock
        model = sol.solar_model(product_id)
        if not 0.0 <= start_hour < 24.0:
            raise ValueError(f"start_hour: found {start_hour:g}, expected 0 to 24")
        dice = random.Random(seed)
        nameplate = Nameplate(
            product_id,
            f"SIMULATED {model.name}" if name is None else name,
            f"SIM1942{product_id:04X}" if serial is None else serial,
            firmware,
        )
        highest = model.maximum_current if maximum_current is None else maximum_current
        self.device = SolarDevice(
            clock,
            model,
            nameplate,
            chg.checked_range(minimum_current, highest, 100.0),
            dice,
            start_hour=start_hour,
            link_obeyed=link_obeyed,
        )
        super().__init__(clock, self.device, Mischief(_dice=dice), day_speed)
