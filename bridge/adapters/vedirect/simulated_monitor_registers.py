"""The registers of a simulated battery monitor, by "BMV700 Series Hex Protocol" rev 7.

All settings wear flash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.registers import E8, S16, S32, U16, U32
from bridge.adapters.vedirect.simulated_registers import (
    Needs,
    Register,
    action,
    centi,
    deci,
    kept,
    lacking,
    milli,
)

DC_VOLTAGE, DC_CURRENT, DC_CURRENT_MA, DC_POWER = 0xED8D, 0xED8F, 0xED8C, 0xED8E
CONSUMED, STATE_OF_CHARGE, TIME_TO_GO, AUXILIARY_VOLTAGE = 0xEEFF, 0x0FFF, 0x0FFE, 0xED7D
TEMPERATURE, MID_VOLTAGE, MID_DEVIATION = 0xEDEC, 0x0382, 0x0383
SYNCHRONISED, MONITOR_MODE = 0xEEB6, 0xEEB8
CAPACITY, CHARGED_VOLTAGE, DISCHARGE_FLOOR = 0x1000, 0x1001, 0x1008
ALARM_REASON, ACKNOWLEDGE = 0x031E, 0x031F
RELAY_INVERT, RELAY, RELAY_MODE = 0x034D, 0x034E, 0x034F
RELAY_REMOTE = 2
SYNCHRONISE, ZERO_CURRENT, CLEAR_HISTORY = 0x102C, 0x1029, 0x1030

#: History: labels H1 to H18 and the registers that hold the same, with their steps in those of the label.
HISTORY = {
    "H1": (0x0300, deci(S32), 100),
    "H2": (0x0301, deci(S32), 100),
    "H3": (0x0302, deci(S32), 100),
    "H4": (0x0303, U32, 1),
    "H5": (0x0304, U32, 1),
    "H6": (0x0305, deci(S32), 100),
    "H7": (0x0306, centi(S32), 10),
    "H8": (0x0307, centi(S32), 10),
    "H9": (0x0308, U32, 1),
    "H10": (0x0309, U32, 1),
    "H11": (0x030A, U32, 1),
    "H12": (0x030B, U32, 1),
    "H15": (0x030E, centi(S32), 10),
    "H16": (0x030F, centi(S32), 10),
    "H17": (0x0310, centi(U32), 1),
    "H18": (0x0311, centi(U32), 1),
}

LOW_VOLTAGE, HIGH_VOLTAGE, LOW_SOC, LOW_STARTER, HIGH_STARTER = 1, 2, 4, 8, 16
LOW_TEMPERATURE, HIGH_TEMPERATURE, MID_POINT = 32, 64, 128
#: Alarm bit: register that sets it, register that clears it, True where it is an alarm of too little.
ALARMS = {
    LOW_VOLTAGE: (0x0320, 0x0321, True),
    HIGH_VOLTAGE: (0x0322, 0x0323, False),
    LOW_STARTER: (0x0324, 0x0325, True),
    HIGH_STARTER: (0x0326, 0x0327, False),
    LOW_SOC: (0x0328, 0x0329, True),
    LOW_TEMPERATURE: (0x032A, 0x032B, True),
    HIGH_TEMPERATURE: (0x032C, 0x032D, False),
    MID_POINT: (0x0331, 0x0332, False),
}
_IN_KELVIN = LOW_TEMPERATURE | HIGH_TEMPERATURE


@dataclass(frozen=True, slots=True)
class MonitorModel:
    """One monitor. label: what its text calls it. auxiliary: what its second input measures."""

    product_id: int
    name: str
    label: str
    firmware: int
    auxiliary: str
    relay: bool


#: By product id; labels and firmware are those of captures.
MONITOR_MODELS: Mapping[int, MonitorModel] = MappingProxyType(
    {
        model.product_id: model
        for model in (
            MonitorModel(0xA381, "BMV-712 Smart", "712 Smart", 0x0408, "starter", relay=True),
            MonitorModel(0xA389, "SmartShunt 500A/50mV", "SmartShunt 500A/50mV", 0x0414, "none", relay=False),
        )
    }
)


def monitor_model(product_id: int) -> MonitorModel:
    """Return a model by product id; raises ValueError for one that cannot be simulated."""
    model = MONITOR_MODELS.get(product_id)
    if model is None:
        known = ", ".join(f"{number:#06x} ({entry.name})" for number, entry in MONITOR_MODELS.items())
        raise ValueError(f"product id: found {product_id:#06x}, expected one of {known}")
    return model


def monitor_registers(capacity_ah: int, nominal_v: float, *, relay: bool) -> dict[int, Register]:
    """Return the table for a battery of `capacity_ah` Ah; from the factory all alarms are off, at 0."""
    table = reg.common_registers() | {
        DC_VOLTAGE: Register(centi(S16)),
        DC_CURRENT: Register(deci(S16)),
        DC_CURRENT_MA: Register(milli(S32)),
        DC_POWER: Register(S16),
        CONSUMED: Register(deci(S32)),
        STATE_OF_CHARGE: Register(centi()),
        TIME_TO_GO: Register(U16),
        AUXILIARY_VOLTAGE: Register(centi(S16), lacking(S16)),
        TEMPERATURE: Register(centi(), lacking(U16)),
        MID_VOLTAGE: Register(centi(), lacking(U16)),
        MID_DEVIATION: Register(deci(S16), lacking(S16)),
        SYNCHRONISED: Register(E8),
        MONITOR_MODE: Register(S16),
        ALARM_REASON: Register(U16),
        ACKNOWLEDGE: action(),
        CAPACITY: kept(U16, capacity_ah, 1, 9999),
        CHARGED_VOLTAGE: kept(deci(), round(nominal_v * 11), 0, 950),
        0x1002: kept(deci(), 40, 5, 100),
        0x1003: kept(U16, 3, 0, 100),
        0x1004: kept(U16, 95, 50, 99),
        0x1005: kept(centi(), 125, 100, 150),
        0x1006: kept(centi(), 10, 0, 200),
        DISCHARGE_FLOOR: kept(deci(), 500, 0, 990),
        SYNCHRONISE: action(),
        ZERO_CURRENT: action(),
        CLEAR_HISTORY: action(),
    }
    for register, number, _ in HISTORY.values():
        table[register] = Register(number)
    for bit, limits in ALARMS.items():
        number = centi() if bit & _IN_KELVIN else deci()
        table |= {register: kept(number, 0, 0, 0xFFFE) for register in limits[:2]}
    del table[reg.STATE], table[reg.OFF_REASON]
    if relay:
        table |= {
            RELAY_INVERT: kept(E8, 0, choices=(0, 1)),
            RELAY: kept(E8, 0, choices=(0, 1), needs=Needs(RELAY_MODE, RELAY_REMOTE)),
            RELAY_MODE: kept(E8, 0, choices=(0, 1, 2)),
        }
    return table
