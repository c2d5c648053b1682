"""Series607 inverters (Kjell & Company, LuxorParts) behind the Arduino that reads their wired panel.

Sources: series607-inverter-control, Arduino sketch of 2023-08-15 and its client class. The sketch presses the
panel's button until the state follows, without a time-out; it switches the panel's page once a second, and
is deaf for 200 ms then; the serial number, the current and the overload alarm are spoilt by slips in it.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from bridge.adapters.modbus.quirks import Quirk
from bridge.datastore.clock import Clock
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Outcome, Path, Value

MODE, STATE = "/Mode", "/State"
VOLTAGE, CURRENT, POWER, AC_VOLTAGE = "/Dc/0/Voltage", "/Ac/Out/L1/I", "/Ac/Out/L1/P", "/Ac/Out/L1/V"
FAULT = "/FaultCode"
OVERLOAD = "/Alarms/Overload"
ON, OFF = 2, 4
STATE_OFF, STATE_FAULT = 0, 2
ALARM = 2
#: Fault codes of the panel, F01 to F05, by the alarm that the sketch raises for them. F03 (overload) never
#: shows: the sketch wipes its alarm by that of the short circuit.
_FAULTS: Mapping[Path, int] = {
    "/Alarms/LowVoltage": 1,
    "/Alarms/HighVoltage": 2,
    "/Alarms/HighTemperature": 4,
    OVERLOAD: 5,
}
_OVERLOAD_FAULT = 3
#: Volts that a battery of 12, 24 or 48 V can have; around switching off the display shows several hundred.
_PLAUSIBLE_V = (8.0, 65.0)
#: A sample this far from the last good one is believed when a later one agrees: several hundred volts wrap
#: round in 16 bits of millivolts, and can come out anywhere.
_LEAP_V, _AGREES_V = 4.0, 1.0
#: How much later: the display turns its page once a second; what it shows as it goes off may stand as long.
_AGREES_AFTER_S = 1.2
#: How long the last good voltage stands in for samples that cannot be.
_REJECT_FOR_S = 5.0
#: Least time between two requests.
_PAUSE_S = 0.05
#: Switching takes about 2 s: the press, and 0.7 s of silence on the display's bus after it goes off.
CONFIRM_S = 3.0
#: How long a state must last to be believed: the press itself can look like switching on again.
_SETTLED_S = 0.3


class Series607(Quirk):
    """What the bridge mends of one inverter's Arduino."""

    makes = frozenset({"/Serial", "/ProductName", CURRENT, FAULT})
    pause_s = _PAUSE_S

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._state: Value | None = None
        self._state_at = -math.inf
        self._unexplained = False
        self._good: float | None = None
        self._doubted: float | None = None
        self._doubted_at = -math.inf
        self._good_at = -math.inf

    def specs(self, specs: Mapping[Path, PointSpec]) -> dict[Path, PointSpec]:
        """Give switching the time it takes."""
        mended = dict(specs)
        if MODE in mended:
            mended[MODE] = replace(mended[MODE], confirm_s=CONFIRM_S)
        return mended

    def heard(self, values: Mapping[Path, Value | None]) -> dict[Path, Value | None]:
        """Mend what one read has brought."""
        mended = dict(values)
        if STATE in values:
            self._measured(mended)
        if OVERLOAD in values:
            self._alarmed(mended)
        return mended

    def proof(self, path: Path) -> Path | None:
        """Switching shows in the state, not in the echo, which is only the wish."""
        return STATE if path == MODE else None

    def proven(self, path: Path, value: Value, shown: Mapping[Path, Value | None]) -> Outcome | None:  # noqa: ARG002
        """Judge switching by a state that lasts."""
        state = shown.get(STATE)
        if state is None or (state == STATE_OFF) != (value == OFF):
            return None
        lasted = self._clock.monotonic() - self._state_at >= _SETTLED_S
        return Outcome.CONFIRMED if lasted else None

    def _measured(self, values: dict[Path, Value | None]) -> None:
        """Mend mode, current and voltage of one sample."""
        now, state = self._clock.monotonic(), values[STATE]
        if self._state is None or (state == STATE_OFF) != (self._state == STATE_OFF):
            self._state_at = now
        self._state = state
        if state is not None:
            # The mode register holds the wish while the button is being pressed.
            values[MODE] = OFF if state == STATE_OFF else ON
        values[CURRENT] = _quotient(values.get(POWER), values.get(AC_VOLTAGE))
        voltage = values.get(VOLTAGE)
        if state == STATE_OFF:
            self._good = self._doubted = None
        elif isinstance(voltage, int | float) and self._is_plausible(voltage):
            self._good, self._doubted, self._good_at = voltage, None, now
        elif now - self._good_at < _REJECT_FOR_S:
            values.pop(VOLTAGE, None)
        else:
            values[VOLTAGE] = None

    def _is_plausible(self, voltage: float) -> bool:
        """True for a voltage that a battery can have, and that it can have come to."""
        low, high = _PLAUSIBLE_V
        now, doubted = self._clock.monotonic(), self._doubted
        agrees = doubted is not None and abs(voltage - doubted) <= _AGREES_V
        if not agrees:
            self._doubted, self._doubted_at = voltage, now
        if not low <= voltage <= high:
            return False
        agreed = agrees and now - self._doubted_at >= _AGREES_AFTER_S
        # the first one may be the last of a display that goes off
        return agreed or (self._good is not None and abs(voltage - self._good) <= _LEAP_V)

    def _alarmed(self, values: dict[Path, Value | None]) -> None:
        """Tell the fault: a fault state without any alarm is the overload that the sketch loses.

        It must be so twice: state and alarms are read one after the other, and a fault may end between.
        """
        fault = next((code for path, code in _FAULTS.items() if values.get(path) == ALARM), 0)
        unexplained = not fault and self._state == STATE_FAULT
        if unexplained and self._unexplained:
            fault = _OVERLOAD_FAULT
            values[OVERLOAD] = ALARM
        self._unexplained = unexplained
        values[FAULT] = fault


def _quotient(power: Value | None, voltage: Value | None) -> float | None:
    """Return the current in A: 0 where there is no voltage, None where either is not known."""
    if not isinstance(power, int | float) or not isinstance(voltage, int | float):
        return None
    return round(power / voltage, 3) if voltage else 0.0


QUIRK = Series607
