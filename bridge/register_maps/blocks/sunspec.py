"""SunSpec model 123, immediate controls: a power limit in percent of the rating, for a time.

Source: SunSpec information model 123; what a GX writes stands in dbus-fronius 1.7.20: percent, window,
reversion, ramp and enable in one request, again within 120 s, and 0 to the enable to cancel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bridge.register_maps.types import Value

MODEL = 123
#: What stands for the model where the device cannot be limited: readers pass over it by its length.
UNKNOWN_MODEL = 64123

#: Paths of the model's registers in a map.
ID = "/Controls/Id"
PERCENT = "/Controls/WMaxLimPct"
WINDOW = "/Controls/WMaxLimPct_WinTms"
REVERSION = "/Controls/WMaxLimPct_RvrtTms"
RAMP = "/Controls/WMaxLimPct_RmpTms"
ENABLE = "/Controls/WMaxLim_Ena"
PATHS = frozenset({ID, PERCENT, WINDOW, REVERSION, RAMP, ENABLE})

#: A limit this near to the rating is none: half of the 0.1 % that the register resolves.
_SAME = 0.0005


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for last: `reversion_s` 0 is for ever."""

    percent: float = 100.0
    reversion_s: float = 0.0
    enabled: bool = False

    def written(self, fields: Mapping[str, Value]) -> "Settings":
        """Return the settings after a write of some fields; a time of a former limit does not outlive it."""
        told = {path: value for path, value in fields.items() if not isinstance(value, str)}
        return replace(
            self,
            percent=float(told.get(PERCENT, self.percent)),
            reversion_s=float(told.get(REVERSION, self.reversion_s)),
            enabled=bool(told.get(ENABLE, self.enabled)),
        )

    def limit_w(self, rating_w: float, lowest_w: float, highest_w: float) -> float:
        """Return the watts to put in force; beyond what the device takes, the nearest that it does.

        A GX that wants less than a device can do must get the least, not the refusal that leaves it at full
        power; the register then shows what is in force.
        """
        wanted = rating_w * self.percent / 100.0 if self.enabled else rating_w
        return min(max(wanted, lowest_w), highest_w)


def shown(settings: Settings, limit_w: float | None, rating_w: float) -> Mapping[str, Value | None]:
    """Return the registers: the limit in force at the device, else what is asked for.

    `limit_w` None is not known now. Raises ZeroDivisionError for a rating of 0.
    """
    limited = limit_w is not None and limit_w < rating_w * (1.0 - _SAME)
    if limit_w is None:
        percent = None
    else:
        percent = 100.0 * limit_w / rating_w if limited or settings.enabled else settings.percent
    return MappingProxyType(
        {
            ID: MODEL,
            PERCENT: percent,
            WINDOW: 0,
            REVERSION: int(settings.reversion_s),
            RAMP: 0,
            ENABLE: 1 if limited or settings.enabled else 0,
        }
    )
