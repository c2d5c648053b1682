"""A roof of micro-inverters in the storm, on the equator: the sun rises at 6 and sets at 18 UTC.

The simulators' sun knows nothing of a clock that is set wrong; the bridge has nothing else to tell day by. So
in an hour that the wrong clock takes for night, or within an hour of it, no power is excused.
"""

import math
import random
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

from bridge.adapters.apsystems import znp_commands  # noqa: F401 - loaded here: real time is not the storm's
from bridge.adapters.apsystems.options import FAMILY
from bridge.adapters.apsystems.simulator import BYTES_PER_S, ApsystemsSimulator
from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Value
from tests.adapters.apsystems.roof_rig import EQUATOR, INVERTERS
from tests.storm.line import LineMember
from tests.storm.member import Leased, Trouble
from tests.storm.truth import Held, Made, Rule

POLL_S, SITE_POLL_S = 20.0, 300.0
_DAY_BEGINS_H, _DAY_ENDS_H = 7.0, 17.0
#: Powers are made of whole seconds, of nine at least, and of whole counts of energy.
_SHARE, _PANEL_W = 1 / 9, 3.0
_KEPT = 50
#: What whole counts may add to an energy.
_COUNTS_KWH = 0.002


def midday(hour: float) -> float:
    """Wall seconds of an hour of a day in June."""
    return datetime(2026, 6, 15, tzinfo=UTC).timestamp() + hour * 3600


class RoofMember(LineMember):
    """A coordinator and three inverters."""

    family = FAMILY
    bytes_per_s = BYTES_PER_S
    counts_from_zero = True
    cutting = (("frozen", "hard"), ("dark", ""))
    nuisances = (
        *(
            ("frozen", "soft"),
            ("crashed", ""),
            ("marginal", "3"),
            ("weak", "3"),
            ("late", "1"),
            ("stranger", ""),
        ),
        *(("lose", "9"), ("cut", "60"), ("surplus", "2"), ("filler", ""), ("chunks", "7"), ("relays", "2")),
        *(("restart", "408000158215"), ("zero_ac", "802000018915"), ("no_grid", "703000017664")),
        *(("start_up", "408000158215"), ("repeats", "802000018915"), ("encrypted", "703000017664")),
        *(("usb", ""), ("boot", "3"), ("refuses_limit", "")),
    )

    def __init__(self, clock: ManualClock, name: str, unit: int, seed: int, poll_s: float = POLL_S) -> None:
        self.simulator = ApsystemsSimulator(clock, hour=-1, sunrise=6.0, sunset=18.0, seed=seed)
        super().__init__(
            clock,
            name,
            "apsystems_roof",
            unit,
            location=EQUATOR,
            timezone="UTC",
            inverters=INVERTERS,
            poll=poll_s,
        )
        self.essential_s = max(30.0, 3 * poll_s) + poll_s
        window = max(30.0, 3 * poll_s) + 2 * poll_s
        self.truth.keep_s = window + 60
        self._night_at = -math.inf
        self.troubles["unplugged"] = Trouble(self.simulator.unplug, self.simulator.replug, cuts=True)
        self.writes = [("/Inverters/3/PowerLimit", [40, 100, 200, 500]), ("/Actions/Poll", [1])]
        self.leased = {"/Inverters/3/PowerLimit": Leased(900.0, 700.0, 90.0)}
        for number, inverter in enumerate(self.simulator.inverters, 1):
            at, panels = f"/Inverters/{number}", len(inverter.panels)
            self.rules[f"{at}/Ac/Power"] = Rule(window, _PANEL_W * panels, _SHARE, between=True)
            for panel in range(1, panels + 1):
                self.rules[f"{at}/Panels/{panel}/Power"] = Rule(window, _PANEL_W, _SHARE, between=True)

    def held(self) -> Mapping[str, Held]:
        """What each inverter and panel gives, and its limit."""
        found: dict[str, Held] = {}
        for number, inverter in enumerate(self.simulator.inverters, 1):
            inverter.advance()
            gives = inverter.awake and not inverter.quirks.no_grid
            watts = [inverter._power_w(panel) if gives else 0.0 for panel in inverter.panels]
            found[f"/Inverters/{number}/Ac/Power"] = sum(watts)
            found[f"/Inverters/{number}/PowerLimit"] = round(inverter.limit_w)
            found |= {f"/Inverters/{number}/Panels/{place}/Power": one for place, one in enumerate(watts, 1)}
        return found

    def watch(self) -> None:
        """Note what is true, and what has been made."""
        super().watch()
        if self.may_be_silent:
            self._night_at = self.clock.monotonic()
        made = self.made.setdefault("/Ac/Energy/Forward", Made(unsure=_COUNTS_KWH))
        made.kwh = self.made_kwh

    @property
    def made_kwh(self) -> float:
        """All that the inverters have ever made, as they count it themselves."""
        ever = 0.0
        for inverter in self.simulator.inverters:
            inverter.advance()
            ever += inverter.ever_wh
        return ever / 1000

    def clock_lied(self) -> None:
        """Doubt what this run has made: by a clock that was set while nobody counted it may be a new one."""
        ws = sum(panel.since_power_up_ws for one in self.simulator.inverters for panel in one.panels)
        self.made["/Ac/Energy/Forward"].unsure += ws / 3.6e6

    @property
    def may_be_silent(self) -> bool:
        """True in an hour that the bridge's clock takes for the night or its edge."""
        return not _DAY_BEGINS_H <= self.clock.now() % 86400 / 3600 < _DAY_ENDS_H

    def excused(self, path: str, served: Value) -> bool:
        """No power in such an hour, and until what was said then is too old."""
        lately = self.clock.monotonic() - self._night_at <= self.window(path)
        return path.endswith("Power") and served == 0 and lately

    def did(self, path: str, value: Value, since: float, step: float) -> bool:
        """Actions act; limits are kept in steps."""
        return path.startswith("/Actions/") or super().did(path, value, since, 8.0)

    def forget(self) -> None:
        """Shorten what the simulator remembers."""
        del self.simulator.received[:-_KEPT]

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Play the roof."""
        return [self.play()]

    def damage(self, share: float) -> None:
        """A stick on USB loses less than a serial line: a tenth of the share."""
        super().damage(share / 10)
        self._share = share


def members(
    clock: ManualClock, dice: random.Random, first_unit: int = 50, poll_s: float = POLL_S
) -> list[RoofMember]:
    """One roof."""
    return [RoofMember(clock, "roof", first_unit, dice.randrange(1 << 30), poll_s)]
