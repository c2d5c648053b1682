"""The registers of a simulated Phoenix inverter, by "VE.Direct Protocol Phoenix Inverters" rev 5."""

from bridge.adapters.vedirect import simulated_registers as reg
from bridge.adapters.vedirect.registers import E8, S16, S32, U16, U32, Number
from bridge.adapters.vedirect.simulated_registers import Needs, Register, centi, deci, milli

WARNING_REASON, ALARM_REASON = 0x031C, 0x031E
RELAY, RELAY_MODE = 0x034E, 0x034F
RELAY_REMOTE = 2
AC_VOLTAGE, AC_CURRENT, AC_NOMINAL, AC_RATED, AC_APPARENT = 0x2200, 0x2201, 0x2202, 0x2203, 0x2205
DC_VOLTAGE = 0xED8D
OPERATING_TIME, ENERGY = 0x1040, 0x1041
AC_SET_POINT, AC_SET_POINT_MIN, AC_SET_POINT_MAX, FREQUENCY = 0x0230, 0x0231, 0x0232, 0xEB03
SHUTDOWN, WARNING, RESTART, VOLTAGE_MIN, VOLTAGE_MAX = 0x2210, 0x0320, 0x0321, 0x2211, 0x2212
SLEEP_BELOW, WAKE_ABOVE, WAKE_CURRENT, SEARCH_RETRY, SEARCH_BURST = 0x2206, 0x2207, 0xEB04, 0xEB06, 0xEB10
_CUT_OFF_FACTORS, _CUT_OFF_RESISTANCE, _DYNAMIC_CUT_OFF = (0xEBB2, 0xEBB3, 0xEBB5, 0xEBB7), 0xEBB1, 0xEBBA
SAVE = 0xEB99
SAVE_NOW, REVERT, BACKUP, DEFAULTS = 1, 2, 3, 4

MODE_ON, MODE_DEVICE_ON, MODE_OFF, MODE_ECO = 2, 3, 4, 5

#: Firmware that knows apparent power thresholds, and energy counters.
_ECO_BY_POWER, _COUNTERS = 0x0115, 0x0117
#: DC limits of a 12 V inverter in 0.01 V; others scale with their voltage.
_LOWEST, _HIGHEST, _SHUTDOWN, _WARNING, _RESTART = 900, 1700, 930, 1090, 1250


def _setting(number: Number, default: int, low: int | None = None, high: int | None = None) -> Register:
    """Return a setting kept until restart unless it is saved; Phoenix inverters clamp instead of refusing."""
    return Register(number, default, writable=True, low=low, high=high, clamps=True)


def inverter_registers(nominal_v: int, ac_v: int, rated_va: int, firmware: int) -> dict[int, Register]:
    """Return the table of an inverter from `nominal_v` V DC to `ac_v` V AC of `rated_va` VA."""
    part = nominal_v // 12
    low, high = _LOWEST * part, _HIGHEST * part
    ac_low, ac_high = round(ac_v * 100 * 0.91), round(ac_v * 100 * 1.07)
    table = reg.common_registers() | {
        reg.MODE: Register(
            E8,
            MODE_ON,
            writable=True,
            choices=(MODE_ON, MODE_OFF, MODE_ECO),
            taken_as=((MODE_DEVICE_ON, MODE_ON),),
        ),
        WARNING_REASON: Register(U16),
        ALARM_REASON: Register(U16),
        AC_VOLTAGE: Register(centi(S16)),
        AC_CURRENT: Register(deci(S16)),
        AC_APPARENT: Register(S32),
        AC_NOMINAL: Register(E8, ac_v),
        AC_RATED: Register(S16, rated_va),
        DC_VOLTAGE: Register(centi(S16)),
        AC_SET_POINT: _setting(centi(), ac_v * 100, ac_low, ac_high),
        AC_SET_POINT_MIN: Register(centi(), ac_low),
        AC_SET_POINT_MAX: Register(centi(), ac_high),
        FREQUENCY: Register(E8, int(ac_v > 200), writable=True, choices=(0, 1)),
        SHUTDOWN: _setting(centi(), _SHUTDOWN * part, low, high),
        WARNING: _setting(centi(), _WARNING * part, low, high),
        RESTART: _setting(centi(), _RESTART * part, low, high),
        VOLTAGE_MIN: Register(centi(), low),
        VOLTAGE_MAX: Register(centi(), high),
        SEARCH_RETRY: _setting(E8, 12),
        SEARCH_BURST: _setting(E8, 4),
        _DYNAMIC_CUT_OFF: Register(E8, writable=True, choices=(0, 1)),
        **{factor: _setting(U16, 1000) for factor in _CUT_OFF_FACTORS},
        _CUT_OFF_RESISTANCE: _setting(milli(U16), 20),
        RELAY: Register(
            E8, writable=True, volatile=True, choices=(0, 1), needs=Needs(RELAY_MODE, RELAY_REMOTE)
        ),
        RELAY_MODE: Register(E8, 4, writable=True, choices=(0, 2, 3, 4, 5, 6)),
        SAVE: Register(E8, writable=True, choices=(SAVE_NOW, REVERT, BACKUP, DEFAULTS)),
    }
    if firmware >= _ECO_BY_POWER:
        table |= {SLEEP_BELOW: _setting(U16, 15, 0, rated_va), WAKE_ABOVE: _setting(U16, 40, 0, rated_va)}
    else:
        table[WAKE_CURRENT] = _setting(milli(S16), 180, 0, 5000)
    if firmware >= _COUNTERS:
        table |= {OPERATING_TIME: Register(U32), ENERGY: Register(centi(U32))}
    return table


#: What 0xEB99 keeps and brings back.
SAVED = frozenset(
    {
        *(reg.MODE, AC_SET_POINT, FREQUENCY, SHUTDOWN, WARNING, RESTART, SLEEP_BELOW, WAKE_ABOVE),
        *(WAKE_CURRENT, SEARCH_RETRY, SEARCH_BURST, _DYNAMIC_CUT_OFF, *_CUT_OFF_FACTORS),
        *(_CUT_OFF_RESISTANCE, RELAY_MODE),
    }
)
