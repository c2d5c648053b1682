"""A Victron Orion XS DC-DC charger on a VE.Direct line, for demonstrations and tests.

No Victron document covers its registers: labels are those of a capture, registers the generic ones of
chargers. Input voltage and current are in its text only.
"""

import random
from collections.abc import Mapping, Sequence

from bridge.adapters.vedirect import simulated_charger as chg
from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.simulated_charge import Charge, Stage
from bridge.adapters.vedirect.simulated_device import Habits, Nameplate, SimulatedDevice
from bridge.adapters.vedirect.simulated_faults import Mischief
from bridge.adapters.vedirect.simulated_line import LineSimulator
from bridge.datastore.clock import Clock, SystemClock

#: Product id: name and highest current, A.
_MODELS: Mapping[int, tuple[str, float]] = {
    0xA3F0: ("Orion XS 12/12-50", 50.0),
    0xA3F1: ("Orion XS 1400", 50.0),
}
_FIRMWARE = 0x0112
_NOMINAL_V = 12.0
_MINIMUM_A = 1.0
_ENGINE_V, _STARTER_V, _INPUT_OHM = 14.3, 12.62, 0.008
_EFFICIENCY = 0.985
#: Off reason bits: no input power, engine shutdown.
_NO_INPUT, _ENGINE_SHUTDOWN = 0x01, 0x80


class DcDcDevice(SimulatedDevice):
    """A charger between a starter battery and a service battery. `engine`: the alternator turns."""

    clamped = frozenset({chg.CURRENT_LIMIT})

    def __init__(
        self,
        clock: Clock,
        nameplate: Nameplate,
        range_da: tuple[int, int],
        dice: random.Random,
        *,
        engine: bool,
        persistent_mode: bool,
    ) -> None:
        table = chg.charge_registers(_NOMINAL_V, range_da)
        table[reg.MODE] = chg.mode_register(persistent=persistent_mode)
        super().__init__(clock, nameplate, table, Habits())
        self._charge = Charge(_NOMINAL_V, range_da[1] / 10, dice)
        #: True while the alternator feeds the input.
        self.engine = engine
        self._input_v = self._input_w = 0.0

    def restart(self) -> None:
        """Start anew, charging from bulk."""
        super().restart()
        self._charge.restart()

    def _advance(self, seconds: float) -> None:
        bank = self.registers
        is_off = bank.raw(reg.MODE) != reg.MODE_ON
        stage = Stage(bank.quantity(chg.ABSORPTION_VOLTAGE), bank.quantity(chg.FLOAT_VOLTAGE))
        on = self.engine and not is_off
        self._charge.advance(seconds, bank.quantity(chg.CURRENT_LIMIT), stage, on=on)
        self._show_all(chg.measured_output(self._charge, self.uptime_s))
        self._input_w = self._charge.voltage * self._charge.current / _EFFICIENCY
        self._input_v = _ENGINE_V - self._input_w / _ENGINE_V * _INPUT_OHM if self.engine else _STARTER_V
        reason = 0 if self.engine else _NO_INPUT | _ENGINE_SHUTDOWN
        self._show(reg.STATE, self._charge.state)
        self._show(reg.OFF_REASON, reason | (chg.OFF_BY_MODE if is_off else 0))

    def _labels(self) -> Sequence[Mapping[str, str]]:
        raw = self.registers.raw
        centivolts, deciamperes = raw(chg.DC_VOLTAGE), raw(chg.DC_CURRENT)
        labels = {
            "PID": f"0x{self.nameplate.product_id:X}",
            "FWE": f"{self.nameplate.extended_version:X}",
            "SER#": self.serial,
            "V": str(centivolts * 10),
            "I": str(deciamperes * 100),
            "P": str(round(centivolts * deciamperes / 1000)),
            "DC_IN_V": str(round(self._input_v * 100)),
            "DC_IN_I": str(round(self._input_w / self._input_v * 10)),
            "DC_IN_P": str(round(self._input_w)),
            "CS": str(raw(reg.STATE)),
            "OR": f"0x{raw(reg.OFF_REASON):08X}",
            "ERR": str(raw(chg.ERROR)),
        }
        return (labels,)


class DcDcSimulator(LineSimulator):
    """A simulated Orion XS.

    product_id: 0xA3F0 or 0xA3F1. serial, name: what it calls itself. minimum_current, maximum_current:
    range of the current limit in A, up to 50. engine: the alternator turns; `device.engine` changes it.
    persistent_mode: the device mode is kept in flash. seed: of everything random. charge_speed: battery
    seconds in a second. Raises ValueError for an unknown product or an impossible value.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        product_id: int = 0xA3F0,
        serial: str | None = None,
        name: str | None = None,
        minimum_current: float = _MINIMUM_A,
        maximum_current: float | None = None,
        engine: bool = True,
        persistent_mode: bool = False,
        seed: int = 0,
        charge_speed: float = 1.0,
    ) -> None:
        clock = SystemClock() if clock is None else clock
        model = _MODELS.get(product_id)
        if model is None:
            known = ", ".join(f"{number:#06x} ({entry[0]})" for number, entry in _MODELS.items())
            raise ValueError(f"product id: found {product_id:#06x}, expected one of {known}")
        dice = random.Random(seed)
        nameplate = Nameplate(
            product_id,
            f"SIMULATED {model[0]}" if name is None else name,
            f"SIM2433{product_id:X}" if serial is None else serial,
            _FIRMWARE,
        )
        highest = model[1] if maximum_current is None else maximum_current
        self.device = DcDcDevice(
            clock,
            nameplate,
            chg.checked_range(minimum_current, highest, 50.0),
            dice,
            engine=engine,
            persistent_mode=persistent_mode,
        )
        super().__init__(clock, self.device, Mischief(_dice=dice), charge_speed)
