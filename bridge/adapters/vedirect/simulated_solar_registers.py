"""The registers of a simulated MPPT charger, by "VE.Direct Protocol BlueSolar and SmartSolar MPPT" rev 18."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.registers import E8, S16, U8, U16, U32
from bridge.adapters.vedirect.simulated_charger import (
    BATTERY_TYPE,
    CURRENT_LIMIT,
    DC_CURRENT,
    DC_VOLTAGE,
    ERROR,
    INTERNAL_TEMPERATURE,
    OUTPUT_CURRENT,
    OUTPUT_VOLTAGE,
    USER_DEFINED,
    charge_registers,
)
from bridge.adapters.vedirect.simulated_device import TEXT_RETURNS_S, Habits
from bridge.adapters.vedirect.simulated_registers import Needs, Register, centi, deci, kept, passing
from bridge.adapters.vedirect.simulated_remote import network_registers

REMOTE_MASK, OLD_OFF_REASON = 0x0202, 0x0205
REMOTE_ON_OFF = 0x02
PV_POWER, PV_VOLTAGE, PV_CURRENT, TRACKER = 0xEDBC, 0xEDBB, 0xEDBD, 0xEDB3
YIELD_SYSTEM, YIELD_USER, YIELD_TODAY, YIELD_YESTERDAY = 0xEDDD, 0xEDDC, 0xEDD3, 0xEDD1
HIGHEST_TODAY, HIGHEST_YESTERDAY = 0xEDD2, 0xEDD0
LOAD_CONTROL, LOAD_STATE, LOAD_CURRENT, LOAD_VOLTAGE = 0xEDAB, 0xEDA8, 0xEDAD, 0xEDA9
LOAD_HIGH, LOAD_LOW = 0xED9D, 0xED9C
RELAY_STATE_MODE = 0xEDD9
HISTORY_TOTAL, HISTORY_DAYS = 0x104F, range(0x1050, 0x106F)

#: Firmware from which on something is so.
WIDE_YIELD_UNTIL, OFF_IS_ZERO_UNTIL = 0x0112, 0x0116
HISTORY_TOLD, CHANGES_TOLD = 0x0116, 0x0117
REMOTE_SINCE, MODE_FREE_SINCE, OFF_REASON_SINCE, TEXT_STAYS_SINCE = 0x0129, 0x0142, 0x0144, 0x0153


@dataclass(frozen=True, slots=True)
class SolarModel:
    """One MPPT charger for 12 V. load: has a load output. relay: has a relay. bigger: measures PV current."""

    product_id: int
    name: str
    maximum_current: float
    panels_v: float
    load: bool = True
    relay: bool = False
    bigger: bool = False


#: By product id, from "VE.Direct Protocol" 3.33.
SOLAR_MODELS: Mapping[int, SolarModel] = MappingProxyType(
    {
        model.product_id: model
        for model in (
            SolarModel(0x0300, "BlueSolar MPPT 70|15", 15.0, 18.0),
            SolarModel(0xA050, "SmartSolar 250|100", 100.0, 90.0, load=False, relay=True, bigger=True),
            SolarModel(0xA053, "SmartSolar 75|15", 15.0, 18.0),
            SolarModel(0xA056, "SmartSolar 100|30", 30.0, 54.0, load=False, bigger=True),
        )
    }
)


def solar_model(product_id: int) -> SolarModel:
    """Return a model by product id; raises ValueError for one that cannot be simulated."""
    model = SOLAR_MODELS.get(product_id)
    if model is None:
        known = ", ".join(f"{number:#06x} ({entry.name})" for number, entry in SOLAR_MODELS.items())
        raise ValueError(f"product id: found {product_id:#06x}, expected one of {known}")
    return model


def solar_registers(model: SolarModel, range_da: tuple[int, int], firmware: int) -> dict[int, Register]:
    """Return the table of a charger for a 12 V battery, as its firmware has it."""
    yield_width = U32 if firmware <= WIDE_YIELD_UNTIL else U16
    own = Needs(BATTERY_TYPE, USER_DEFINED, refuses=True)
    table = charge_registers(12.0, range_da) | {
        reg.MODE: _mode(firmware),
        REMOTE_MASK: passing(reg.BITS),
        0xEDF4: kept(centi(), 1620, 1080, 1740, needs=own),
        0xEDF2: kept(centi(S16), -1620, needs=own),
        0xEDEF: kept(U8, 12, choices=(12, 24, 36, 48)),
        0xEDEA: kept(U8, 0, choices=(0, 12, 24, 36, 48)),
        0xEDFB: kept(centi(), 600, 0, 2400, needs=own),
        0xEDFC: kept(centi(), 1000, 100, 2400),
        0xEDFD: kept(E8, 0, 0, 250),
        0xEDFE: kept(E8, 1, choices=(0, 1)),
        0xEDE8: kept(E8, 0, choices=(0, 1)),
        0xEDE6: kept(deci(), 0xFFFF),
        0xEDE7: kept(deci(), 10, 0, range_da[1]),
        0xEDE0: kept(centi(S16), 500),
        0xED2E: kept(centi(), 10, 10, 200),
        PV_POWER: Register(centi(U32)),
        PV_VOLTAGE: Register(centi()),
        TRACKER: Register(E8),
        YIELD_SYSTEM: Register(centi(U32)),
        YIELD_USER: Register(centi(U32)),
        YIELD_TODAY: Register(centi(yield_width)),
        YIELD_YESTERDAY: Register(centi(yield_width)),
        HIGHEST_TODAY: Register(U16),
        HIGHEST_YESTERDAY: Register(U16),
        HISTORY_TOTAL: Register(default=b""),
        **{day: Register(default=b"") for day in HISTORY_DAYS},
    }
    if model.load:
        table |= {
            LOAD_CONTROL: kept(E8, 4, choices=tuple(range(8))),
            LOAD_STATE: Register(E8),
            LOAD_CURRENT: Register(deci()),
            LOAD_VOLTAGE: Register(centi()),
            LOAD_HIGH: kept(centi(), 1310, 1100, 1450),
            LOAD_LOW: kept(centi(), 1180, 1100, 1450),
        }
    if model.relay:
        thresholds = {number: kept(centi(), 1200 + 50 * n) for n, number in enumerate(range(0x0350, 0x0354))}
        panels = {0xEDBA: kept(centi(), 1000), 0xEDB9: kept(centi(), 1100)}
        table |= thresholds | panels | {RELAY_STATE_MODE: kept(E8, 1), 0x100A: kept(U16, 0)}
    if model.bigger:
        table[PV_CURRENT] = Register(deci())
    if firmware >= REMOTE_SINCE:
        table |= network_registers(range_da[1])
    return _with_off_reason(table, firmware)


def _mode(firmware: int) -> Register:
    """Return the device mode: 0 and 4 both mean off; it obeys early firmware's mask."""
    off, other = (0, 4) if firmware <= OFF_IS_ZERO_UNTIL else (4, 0)
    return Register(
        E8,
        reg.MODE_ON,
        writable=True,
        volatile=True,
        choices=(reg.MODE_ON, off),
        taken_as=((other, off),),
        needs=Needs(REMOTE_MASK, bits=REMOTE_ON_OFF) if firmware < MODE_FREE_SINCE else None,
    )


def _with_off_reason(table: dict[int, Register], firmware: int) -> dict[int, Register]:
    if firmware < OFF_REASON_SINCE:
        del table[reg.OFF_REASON]
        if firmware >= REMOTE_SINCE:
            table[OLD_OFF_REASON] = Register(E8)
    return table


#: For so long after the last HEX frame a charger tells what changes.
_AWAKE_S = 120.0

_ON_CHANGE = (
    *(reg.MODE, reg.STATE, reg.OFF_REASON, TRACKER, ERROR, CURRENT_LIMIT),
    *(OUTPUT_VOLTAGE, OUTPUT_CURRENT, DC_VOLTAGE, DC_CURRENT, INTERNAL_TEMPERATURE),
    *(PV_VOLTAGE, PV_POWER, YIELD_TODAY, YIELD_USER, LOAD_STATE, LOAD_CURRENT),
)


def solar_habits(firmware: int, table: Mapping[int, object]) -> Habits:
    """Return how a firmware uses the line: old ones leave text out after HEX, and cut into it."""
    old = firmware < TEXT_STAYS_SINCE
    quiet_s = TEXT_RETURNS_S if old else 0.0
    if firmware >= CHANGES_TOLD:
        told = tuple(register for register in _ON_CHANGE if register in table)
        return Habits(on_change=told, awake_s=_AWAKE_S, quiet_s=quiet_s, interrupts=old)
    told = (HISTORY_TOTAL, HISTORY_DAYS[0]) if firmware == HISTORY_TOLD else ()
    return Habits(on_change=told, quiet_s=quiet_s, interrupts=old)
