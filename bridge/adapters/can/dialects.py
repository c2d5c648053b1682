"""Dialects of the battery protocol: which frames stand on the bus, and how they are filled.

No frame is read or sent by its id alone: 305, 306, 307 and 35C mean different things on different buses,
and SMA allows no other ids than its own on its bus.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bridge.adapters.can.battery_frames import BATTERY_FRAMES
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import GX_IDENT, GX_KEEPALIVE, KEEPALIVE

DialectName = Literal["pylontech", "pylontech_new", "sma", "victron"]

_LIMITS, _SOC, _MEASURED, _STATUS, _PAIRS, _FLAGS = 0x351, 0x355, 0x356, 0x359, 0x35A, 0x35C
_EVENTS, _NAME, _INFO, _REQUEST = 0x35B, 0x35E, 0x35F, 0x360
_CORE = (_LIMITS, _SOC, _MEASURED)
#: Frames of names, modules and cells, which batteries of Victron's kind send beside the limits.
_DETAILS = frozenset(id for id in BATTERY_FRAMES if id >= 0x370)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One dialect of batteries and of the inverters they serve.

    sends: the ids a battery of this dialect sends, in this order, and no others. hears: the ids that are
    read from a battery. lengths: of frames sent shorter or longer than their full length. padded: True
    where frames are padded to eight bytes. zero_current_a: what stands for "no current at all" in 0x351.
    hires_soc: whether 0x355 carries the state of charge in hundredths. alarm_id: 0x359 or 0x35A.
    keepalive: what an inverter of this dialect says once a second; empty where it says more than that.
    inverter_speaks: the ids that show an inverter alive. gap_s: least pause between frames of different
    ids; repeat_s: least time between two frames of one id. ranges: what the inverter accepts of fields by
    name, others it drops without a word.
    """

    name: DialectName
    sends: tuple[int, ...]
    hears: frozenset[int]
    alarm_id: int
    lengths: Mapping[int, int] = field(default_factory=dict)
    padded: bool = False
    zero_current_a: float = 0.0
    hires_soc: bool = True
    keepalive: tuple[CanFrame, ...] = ()
    inverter_speaks: frozenset[int] = frozenset({0x305})
    gap_s: float = 0.0
    repeat_s: float = 0.0
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def sends_flags(self) -> bool:
        """Whether 0x35C tells what is allowed and requested."""
        return _FLAGS in self.sends

    def length(self, id: int) -> int:
        """Return how many bytes a frame is sent with."""
        return 8 if self.padded else self.lengths.get(id, BATTERY_FRAMES[id].length)


_PYLONTECH_HEARS = frozenset({*_CORE, _STATUS, _PAIRS, _FLAGS, _NAME, _INFO, *_DETAILS})
#: Sofar ignores a limit of 0 A; a tenth of an ampere is the least that all inverters of the kind take.
_PYLONTECH_ZERO_A = 0.1

DIALECTS: Mapping[DialectName, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            "pylontech",
            sends=(*_CORE, _STATUS, _FLAGS, _NAME),
            hears=_PYLONTECH_HEARS,
            alarm_id=_STATUS,
            lengths={_SOC: 4, _MEASURED: 6, _STATUS: 7, _FLAGS: 2},
            zero_current_a=_PYLONTECH_ZERO_A,
            hires_soc=False,
            keepalive=(KEEPALIVE,),
        ),
        Dialect(
            "pylontech_new",
            sends=(*_CORE, _PAIRS, _NAME, _INFO),
            hears=_PYLONTECH_HEARS,
            alarm_id=_PAIRS,
            lengths={_SOC: 4, _MEASURED: 6},
            zero_current_a=_PYLONTECH_ZERO_A,
            hires_soc=False,
            keepalive=(KEEPALIVE,),
        ),
        Dialect(
            "sma",
            sends=(*_CORE, _PAIRS, _NAME, _INFO),
            hears=frozenset({*_CORE, _PAIRS, _EVENTS, _NAME, _INFO}),
            alarm_id=_PAIRS,
            lengths={_SOC: 6, _MEASURED: 6},
            inverter_speaks=frozenset(range(0x300, 0x30A)),
            gap_s=0.1,
            repeat_s=0.2,
            ranges={
                "charge_voltage_limit_v": (41.0, 63.0),
                "charge_current_limit_a": (0.0, 1200.0),
                "discharge_current_limit_a": (0.0, 1200.0),
                "discharge_voltage_limit_v": (41.0, 48.0),
                "soc_pct": (0.0, 100.0),
                "soh_pct": (0.0, 100.0),
            },
        ),
        Dialect(
            "victron",
            sends=(*_CORE, _PAIRS, _NAME, _INFO, 0x370, 0x371, 0x372, 0x373, 0x379),
            hears=frozenset({*_CORE, _PAIRS, _NAME, _INFO, _REQUEST, *_DETAILS}),
            alarm_id=_PAIRS,
            padded=True,
            keepalive=(KEEPALIVE, GX_KEEPALIVE, GX_IDENT),
        ),
    )
}
