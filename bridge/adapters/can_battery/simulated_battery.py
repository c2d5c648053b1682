"""A battery on a simulated bus: what it holds, what flows, and the frames in which each dialect tells it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.adapters.can.alarms import ALARMS, pairs_data, status_of
from bridge.adapters.can.battery_frames import BATTERY_FRAMES
from bridge.adapters.can.dialects import DialectName
from bridge.adapters.can.fields import FieldValue, encode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import is_keepalive
from bridge.adapters.can.simulated_bus import Place, SimulatedBus
from bridge.datastore.clock import Clock

#: A battery sends its whole set once a second, its frames back to back.
PERIOD_S = 1.0
#: How long a battery that waits for its inverter goes on without one.
_PATIENCE_S = 5.0
_SET: dict[DialectName, tuple[int, ...]] = {
    # captured: six frames (US2000, US3000, US5000 of old firmware)
    "pylontech": (0x359, 0x351, 0x355, 0x356, 0x35C, 0x35E),
    # captured: US5000 of new firmware
    "pylontech_new": (0x351, 0x355, 0x356, 0x35A, 0x35E, 0x35F),
    "sma": (0x351, 0x355, 0x356, 0x35A, 0x35E, 0x35F),
    # captured: BYD on a GX
    "victron": (
        *(0x351, 0x355, 0x356, 0x35A, 0x35E, 0x35F, 0x360, 0x370, 0x371, 0x372, 0x373),
        *(0x374, 0x375, 0x376, 0x377, 0x378, 0x379, 0x380, 0x381, 0x382),
    ),
}
#: Bytes of frames where a battery sends others than the field table has.
_LENGTHS: dict[DialectName, dict[int, int]] = {
    "pylontech": {0x355: 4, 0x356: 6},
    "pylontech_new": {0x355: 8},
    "sma": {0x356: 6},
    "victron": {0x355: 8},
}
#: New Pylontech and BYD batteries were captured sending a fine state of charge of 0.
_FINE_IS_ZERO: frozenset[DialectName] = frozenset({"pylontech_new", "victron"})


@dataclass
class BatteryState:
    """What a battery is and holds; currents are positive while charging."""

    name: str = "SIMPYLON"
    product: str = "SIMULATED BYD"
    serial: str = "SIM0000000000001"
    capacity_ah: float = 200.0
    modules: int = 4
    voltage_v: float = 51.2
    current_a: float = -12.3
    temperature_c: float = 21.5
    soc_pct: float = 76.4
    soh_pct: float = 98.0
    charge_voltage_limit_v: float | None = 53.2
    charge_current_limit_a: float | None = 100.0
    discharge_current_limit_a: float | None = 100.0
    discharge_voltage_limit_v: float | None = 45.0
    charge_enable: bool = True
    discharge_enable: bool = True
    force_charge: bool = False
    full_charge_request: bool = False
    version: tuple[int, int] = (1, 3)
    charged_kwh: float = 211.2
    discharged_kwh: float = 183.5
    cell_v: tuple[float, float] = (3.306, 3.329)
    cell_c: tuple[int, int] = (14, 17)
    alarms: set[str] = field(default_factory=set)
    warnings: set[str] = field(default_factory=set)


class SimulatedBattery:
    """A battery that speaks one dialect; `play` lets it speak on a bus until cancelled.

    waits: it is silent until it hears an inverter (0x305), and again some seconds after the last one.
    """

    def __init__(
        self,
        clock: Clock,
        dialect: DialectName = "pylontech",
        state: BatteryState | None = None,
        *,
        waits: bool = False,
    ) -> None:
        self.dialect = dialect
        self.state = state or BatteryState()
        #: Ids that are not sent, and how many bytes are cut off the others.
        self.omitted: set[int] = set()
        self.cut = 0
        self.silent = False
        #: What it hears of others, by id: how many frames.
        self.heard: dict[int, int] = {}
        self._clock = clock
        self._waits = waits
        self._inverter_at = -math.inf

    async def play(self, bus: SimulatedBus) -> None:
        """Speak on a bus until cancelled."""
        place = bus.join(self._hear)
        due = self._clock.monotonic()
        try:
            while True:
                self._speak(place)
                due += PERIOD_S
                await self._clock.sleep(due - self._clock.monotonic())
                self._live(PERIOD_S)
        finally:
            place.leave()

    def frames(self) -> Iterator[CanFrame]:
        """Give the whole set as it would be sent now."""
        for id in _SET[self.dialect]:
            if id not in self.omitted:
                data = self._data(id)
                yield CanFrame(id, data[: len(data) - self.cut] if self.cut < len(data) else b"")

    def _speak(self, place: Place) -> None:
        waiting = self._waits and self._clock.monotonic() - self._inverter_at > _PATIENCE_S
        if not self.silent and not waiting:
            for frame in self.frames():
                place.send(frame)

    def _hear(self, frame: CanFrame) -> None:
        self.heard[frame.id] = self.heard.get(frame.id, 0) + 1
        if is_keepalive(frame):
            self._inverter_at = self._clock.monotonic()

    def _live(self, seconds: float) -> None:
        """Let charge flow for a while; at either end the current stops."""
        s = self.state
        moved_pct = 100.0 * s.current_a * seconds / 3600.0 / s.capacity_ah
        s.soc_pct = min(100.0, max(0.0, s.soc_pct + moved_pct))
        energy_kwh = abs(s.voltage_v * s.current_a) * seconds / 3.6e6
        if s.current_a > 0:
            s.charged_kwh += energy_kwh
        else:
            s.discharged_kwh += energy_kwh
        if s.soc_pct in (0.0, 100.0):
            s.current_a = 0.0

    def _data(self, id: int) -> bytes:
        if id == 0x359:
            return status_of(self.state.alarms, self.state.warnings, self.state.modules)
        if id == 0x35A:
            return pairs_data(self.state.alarms, self.state.warnings)
        spec = BATTERY_FRAMES[id]
        length = _LENGTHS[self.dialect].get(id, spec.length)
        return encode(spec, self._fields(id), length=length)

    def _fields(self, id: int) -> dict[str, FieldValue]:
        s = self.state
        match id:
            case 0x351:
                names = [f.name for f in BATTERY_FRAMES[id].fields]
                return {name: getattr(s, name) for name in names}
            case 0x355:
                fine = 0 if self.dialect in _FINE_IS_ZERO else s.soc_pct
                return {"soc_pct": round(s.soc_pct), "soh_pct": s.soh_pct, "soc_hires_pct": fine}
            case 0x356:
                return {
                    "voltage_v": s.voltage_v,
                    "current_a": s.current_a,
                    "temperature_c": s.temperature_c,
                    "cycles": 0,
                }
            case 0x35C:
                return {
                    "charge_enable": s.charge_enable,
                    "discharge_enable": s.discharge_enable,
                    "force_charge_1": s.force_charge,
                    "full_charge_request": s.full_charge_request,
                }
            case 0x35E:
                return {"text": s.name[:8]}
            case 0x35F:
                major, minor = s.version
                values = {"version_hi": major, "version_lo": minor, "capacity_ah": round(s.capacity_ah)}
                return {"type_raw": int.from_bytes(b"LI", "little"), **values, "id_raw": 0}
        return self._details(id)

    def _details(self, id: int) -> dict[str, FieldValue]:
        s = self.state
        texts = {0x370: s.product[:8], 0x371: s.product[8:16], 0x380: s.serial[:8], 0x381: s.serial[8:16]}
        texts |= {0x374: "1", 0x375: ":", 0x376: "3", 0x377: "2", 0x382: "SIM"}
        if id in texts:
            return {"text": texts[id]}
        match id:
            case 0x372:
                names = (
                    "modules_ok",
                    "modules_blocking_charge",
                    "modules_blocking_discharge",
                    "modules_offline",
                )
                return dict(zip(names, (s.modules, 0, 0, 0), strict=True))
            case 0x373:
                names = ("min_cell_v", "max_cell_v", "min_cell_temp_c", "max_cell_temp_c")
                return dict(zip(names, (*s.cell_v, *s.cell_c), strict=True))
            case 0x378:
                return {"charged_kwh": s.charged_kwh, "discharged_kwh": s.discharged_kwh}
            case 0x379:
                return {"installed_capacity_ah": round(s.capacity_ah)}
        return {}


def alarm_named(name: str) -> str:
    """Return an alarm by its name; raises ValueError for an unknown one."""
    if name not in ALARMS:
        raise ValueError(f"alarm: found {name!r}, expected one of {', '.join(ALARMS)}")
    return name
