"""What the bridge tells an island as its BMS, judged on the bus by what the shunt measured, and when."""

import math
import struct

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.datastore.clock import ManualClock
from tests.storm.observer import Verdicts
from tests.storm.vedirect import Shunt

NOT_AVAILABLE = -0x8000
#: docs/can.md: what is sent, by the seconds since the source's last word; then a text's time and one period.
FRESH_S, HOLD_S, ZERO_S = 5.0, 15.0, 45.0
_WAY_S = 1.7
#: Values of three sets: by then the warnings of the first one have come, or never will.
_SET = 9


class BusObserver:
    """Listens on the bus. A linked value may be as old as its phase allows, and no older."""

    def __init__(self, clock: ManualClock, bus: SimulatedBus, shunt: Shunt, verdicts: Verdicts) -> None:
        self._clock, self._shunt, self._verdicts = clock, shunt, verdicts
        self._no_current = self._warned = False
        self._told: list[tuple[CanFrame, str, float, float]] = []
        #: How many values were told.
        self.frames = 0
        bus.join(self._hear)

    def _hear(self, frame: CanFrame) -> None:
        if frame.id == 0x351:
            self._no_current = frame.data[2:6] == bytes(4)
        elif frame.id == 0x35A:
            warned = frame.data[6] >> 6 == 1
            self._settle(warned=warned or self._warned)
            self._warned = warned
        elif frame.id == 0x355:
            _, _, fine = struct.unpack("<HHH", frame.data)
            self._judge(frame, "SOC", self._age_s("SOC", fine / 10, 0.06))
        elif frame.id == 0x356:
            volts, amperes, _ = struct.unpack("<hhh", frame.data)
            self._judge(frame, "V", self._age_s("V", volts * 10, 5.2))
            if amperes != NOT_AVAILABLE:  # told where it is known, to the end of the second phase
                self._judge(frame, "I", self._age_s("I", amperes * 100, 50.2), HOLD_S)

    def _judge(self, frame: CanFrame, label: str, age_s: float, least_s: float = FRESH_S) -> None:
        """Keep a value until the warnings that are told with it, in the same set, are there."""
        self.frames += 1
        self._told.append((frame, label, age_s, ZERO_S if self._no_current else least_s))
        if len(self._told) > _SET:
            self._settle(warned=self._warned)

    def _settle(self, *, warned: bool) -> None:
        for frame, label, age_s, least_s in self._told:
            self._verdicts.judged += 1
            allowed_s = max(least_s, HOLD_S if warned else FRESH_S)
            if age_s > allowed_s + _WAY_S:
                self._verdicts.wrong.append(
                    f"si_bms {frame.id:03X} {frame.data.hex()} t={self._clock.monotonic():.1f} tells as {label} "
                    f"what the shunt held {age_s:.1f} s ago, expected at most {allowed_s:g} s"
                )
        self._told.clear()

    def _age_s(self, label: str, told: float, rounding: float) -> float:
        """Return how long ago a label of the shunt was what is told; infinite where it never was."""
        now = until = self._clock.monotonic()
        for truth in reversed(self._shunt.simulator.history):
            if truth.source == label:
                if abs(float(truth.value) - told) <= rounding:
                    return now - until
                until = truth.time
                if now - until > 2 * ZERO_S:
                    break
        return math.inf
