"""A simulated Series607 inverter with its wired panel, and the Arduino that reads the panel.

Modelled after the Arduino sketch of 2023-08-15 (series607-inverter-control), slips included: what it presses,
when it is deaf, what it shows wrongly. Times are monotonic seconds; `step` brings everything up to one.
"""

import enum
from collections.abc import Mapping

#: The sketch looks for an inverter gone off for this long after the display's last sign of life.
KEEP_ALIVE_S = 0.7
#: It switches the panel's page this often while the inverter is on, and is deaf for that long then.
PAGE_PERIOD_S, PAGE_PRESS_S = 1.0, 0.2
#: How long the button must be down before the inverter follows.
PRESS_S = 0.8
#: What the display seems to show for a moment when the inverter goes off, in V; the register wraps.
GARBAGE_V = 388.0
GARBAGE_S = 0.3
AC_VOLTS = 230

MODEL, SERIAL, HARDWARE, FIRMWARE = 0x05A0, 0x1000, 0x1005, 0x1006
DC_VOLTAGE, AC_VOLTAGE, CURRENT, POWER, MODE, STATE = range(0x3001, 0x3007)
LOW_VOLTAGE, HIGH_VOLTAGE, OVERLOAD, HIGH_TEMPERATURE = range(0x3010, 0x3014)
MODEL_1000W = 6072
MODE_ON, MODE_OFF = 2, 4
ALARM = 2


class State(enum.IntEnum):
    """What the sketch takes the inverter for."""

    OFF = 0
    LOW_POWER = 1
    FAULT = 2
    INVERTING = 9


#: Fault number of the panel to the alarm register that the sketch raises. It writes the overload register
#: twice, for F03 and then for F05, so that F03 is never seen.
_ALARMS: Mapping[int, int] = {1: LOW_VOLTAGE, 2: HIGH_VOLTAGE, 4: HIGH_TEMPERATURE, 5: OVERLOAD}


class Panel:
    """The inverter as it is, and the Arduino's holding registers as they show it. Volts and watts."""

    def __init__(self, now: float, voltage: float, power: float, *, on: bool = True) -> None:
        self.voltage = voltage
        self.power = power
        #: True while the inverter runs.
        self.running = on
        #: Fault number that the panel shows, 0 for none.
        self.fault = 0
        #: The button does nothing any more.
        self.stuck = False
        #: Volts that the display shows instead, as long as it is not None.
        self.nonsense: float | None = None
        self._garbage_until = now
        #: How often the Arduino has pressed the button long enough to switch.
        self.switched = 0
        self.registers = {
            MODEL: MODEL_1000W,
            **dict.fromkeys(range(SERIAL, SERIAL + 3), 0),
            HARDWARE: 1,
            FIRMWARE: 1,
            **dict.fromkeys(range(DC_VOLTAGE, STATE + 1), 0),
            **dict.fromkeys(range(LOW_VOLTAGE, HIGH_TEMPERATURE + 1), 0),
        }
        self.registers[MODE] = MODE_OFF
        self._state = State.OFF
        self._pressed_at: float | None = None
        self._seen_at = now
        self._page_at = now
        self._shown = {"voltage": 0.0, "power": 0.0}
        #: Until when the sketch is deaf.
        self.deaf_until = now
        self.step(now)

    def press(self) -> None:
        """Press the button on the panel by hand."""
        self.running = not self.running

    def step(self, now: float) -> None:
        """Run the sketch's loop."""
        self._button(now)
        if self.running:
            self._seen_at = now
        if self._state is State.OFF:
            if self.running:
                self._state = State.LOW_POWER
                self.registers[MODE] = MODE_ON
                self._page_at = now
        elif self.fault:
            self._state = State.FAULT
        elif now - self._seen_at > KEEP_ALIVE_S:
            self._state = State.OFF
            self.registers[MODE] = MODE_OFF
        else:
            self._state = State.INVERTING if self._shown["power"] > 0 else State.LOW_POWER
            self._read_display(now)
        self._show(now)

    def _button(self, now: float) -> None:
        """Hold the button down as long as the mode and the state differ; there is no time-out."""
        wanted = {MODE_ON: True, MODE_OFF: False}.get(self.registers[MODE])
        if wanted is None or wanted == (self._state is not State.OFF):
            self._pressed_at = None
            return
        if self._pressed_at is None:
            self._pressed_at = now
        if now - self._pressed_at >= PRESS_S and not self.stuck and self.running != wanted:
            self.running = wanted
            self.switched += 1
            if not wanted:
                self._garbage_until = now + GARBAGE_S

    def _read_display(self, now: float) -> None:
        """Switch the page once a second; each page shows one of the two numbers."""
        self._shown["voltage"] = round(self.voltage, 1)
        self._shown["power"] = float(min(999, max(0, int(self.power))))
        if now - self._page_at > PAGE_PERIOD_S and self.registers[MODE] != MODE_OFF:
            self._page_at = now
            self.deaf_until = now + PAGE_PRESS_S

    def _show(self, now: float) -> None:
        registers, off = self.registers, self._state is State.OFF
        if off:
            self._shown = {"voltage": 0.0, "power": 0.0}
        volts = self._shown["voltage"]
        if self.nonsense is not None or now < self._garbage_until:
            volts = GARBAGE_V if self.nonsense is None else self.nonsense
        registers[DC_VOLTAGE] = 0 if off else round(volts * 1000) & 0xFFFF
        registers[AC_VOLTAGE] = 0 if off else AC_VOLTS
        registers[POWER] = int(self._shown["power"])
        # The sketch divides by ten times the volts, so that 230 W become 100 and not 1000 mA.
        registers[CURRENT] = int(self._shown["power"] * 1000 / (AC_VOLTS * 10))
        registers[STATE] = self._state
        for fault, alarm in _ALARMS.items():
            registers[alarm] = ALARM if self.fault == fault else 0
