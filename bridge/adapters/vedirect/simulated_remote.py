"""Limits that come to a simulated charger over its line: the registers of the VE.Smart network.

All are volatile. Source: "VE.Direct Protocol BlueSolar and SmartSolar MPPT" rev 18. A charger without news
goes back to stand-alone after a minute, and then to the full current of its own settings: the fail-safe is
more current, not less. Only a charger that has once been told to obey a BMS stops instead.
"""

from bridge.adapters.vedirect.registers import E8, S16, S32, U16, U32
from bridge.adapters.vedirect.simulated_registers import (
    Raw,
    Register,
    RegisterBank,
    centi,
    deci,
    lacking,
    milli,
    passing,
)
from bridge.datastore.clock import Clock

VOLTAGE, VOLTAGE_SENSE, TEMPERATURE_SENSE, COMMAND = 0x2001, 0x2002, 0x2003, 0x2004
ELAPSED, ABSORPTION_TIME, LINK_ERROR, LINK_BATTERY_CURRENT = 0x2007, 0x2008, 0x2009, 0x200A
IDLE_VOLTAGE, LINK_STATE, NETWORK_INFO, NETWORK_MODE, NETWORK_STATUS = 0x200B, 0x200C, 0x200D, 0x200E, 0x200F
TOTAL_CURRENT, LINK_CURRENT, TOTAL_POWER = 0x2013, 0x2015, 0x2027
BMS_PRESENT = 0xEDE8

#: Bits of 0x200E.
EXTERNAL_CONTROL, BMS = 0x04, 0x08
TIMEOUT_S = 60.0
BMS_LOST = 67

#: Writes that count as data; without any the limits are forgotten.
_DATA = frozenset({VOLTAGE, VOLTAGE_SENSE, TEMPERATURE_SENSE, NETWORK_MODE, LINK_CURRENT})
#: What is forgotten with the network mode.
_FORGOTTEN = (VOLTAGE, LINK_CURRENT)


def link_registers(maximum_da: int) -> dict[int, Register]:
    """Return what a charger needs to take a limit: mode, voltage, current and the BMS latch."""
    return {
        NETWORK_MODE: passing(E8),
        VOLTAGE: passing(centi(), lacking(U16), high=0xFFFE),
        LINK_CURRENT: passing(deci(), lacking(U16), high=maximum_da),
        BMS_PRESENT: Register(E8, writable=True, flash=True, choices=(0, 1)),
    }


def network_registers(maximum_da: int) -> dict[int, Register]:
    """Return all registers of remote control that the MPPT document lists."""
    return link_registers(maximum_da) | {
        VOLTAGE_SENSE: passing(centi(), lacking(U16)),
        TEMPERATURE_SENSE: passing(centi(S16), lacking(S16)),
        COMMAND: passing(E8),
        ELAPSED: passing(U32),
        ABSORPTION_TIME: passing(centi()),
        LINK_ERROR: Register(E8),
        LINK_BATTERY_CURRENT: passing(milli(S32), lacking(S32)),
        IDLE_VOLTAGE: passing(centi(), lacking(U16)),
        LINK_STATE: passing(E8),
        NETWORK_INFO: Register(E8),
        NETWORK_STATUS: Register(E8),
        TOTAL_CURRENT: passing(milli(S32), lacking(S32)),
        TOTAL_POWER: passing(centi(U32), lacking(U32)),
    }


class RemoteControl:
    """What the network allows a charger now. obeyed False: it takes the limits and does not follow them."""

    def __init__(self, clock: Clock, bank: RegisterBank, *, obeyed: bool) -> None:
        self._clock = clock
        self._bank = bank
        self._obeyed = obeyed
        self._heard = clock.monotonic()

    def restart(self) -> None:
        """Wait for data anew."""
        self._heard = self._clock.monotonic()

    def written(self, register: int, raw: Raw) -> None:
        """Note a SET."""
        if register in _DATA:
            self._heard = self._clock.monotonic()
        bms = isinstance(raw, int) and register == NETWORK_MODE and raw & BMS
        if bms and BMS_PRESENT in self._bank and not self._bank.raw(BMS_PRESENT):
            self._bank.store(BMS_PRESENT, 1)

    def watch(self) -> None:
        """Go back to stand-alone when nothing has come for a minute."""
        if NETWORK_MODE not in self._bank or not self._overdue or not self._bank.raw(NETWORK_MODE):
            return
        self._bank.put(NETWORK_MODE, 0)
        for register in _FORGOTTEN:
            if register in self._bank:
                self._bank.put(register, lacking(U16))

    @property
    def bms_lost(self) -> bool:
        """True for a charger that must have a BMS and does not hear one: error 67, and no charge."""
        return BMS_PRESENT in self._bank and bool(self._bank.raw(BMS_PRESENT)) and self._overdue

    @property
    def active(self) -> bool:
        """True while limits from outside are in force."""
        mode = self._bank.raw(NETWORK_MODE) if LINK_CURRENT in self._bank else 0
        return self._obeyed and bool(mode & (EXTERNAL_CONTROL | BMS))

    def current(self, own_a: float) -> float:
        """Return the current limit in A: the lower of the network's and the charger's own."""
        if not self.active or self._bank.is_lacking(LINK_CURRENT):
            return own_a
        return min(own_a, self._bank.quantity(LINK_CURRENT))

    def voltage(self) -> float | None:
        """Return the charge voltage in V that the network sets, None while it sets none."""
        if not self.active or self._bank.is_lacking(VOLTAGE):
            return None
        return self._bank.quantity(VOLTAGE)

    @property
    def _overdue(self) -> bool:
        return self._clock.monotonic() - self._heard > TIMEOUT_S
