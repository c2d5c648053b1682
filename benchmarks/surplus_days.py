"""`python -m benchmarks.surplus_days`: three simulated days of surplus charging against a script's rule.

kWh of import and export from six in the morning to eight at night, what the battery got, how much of the
charger's draw came from the grid, how often it was switched, and how often its flash was written.
"""

import asyncio
import logging
import math
import random
import sys
from collections.abc import Mapping

from benchmarks.surplus_house import HOUR, SimulatedHouse, Watts, automated, plan_of, script

_BEGINS, _ENDS = 6 * HOUR, 20 * HOUR
_PEAK_W = 900.0


def clear(now: float) -> float:
    """A clear sky over a small roof, W."""
    return max(0.0, _PEAK_W * math.sin(math.pi * (now - 6 * HOUR) / (14 * HOUR)))


def clouds(seed: int) -> Watts:
    """A sky with clouds of one to twelve minutes that take up to nine tenths."""
    dice = random.Random(seed)
    edges, dark = [0.0], [1.0]
    while edges[-1] < 86400:
        edges.append(edges[-1] + dice.uniform(60, 720))
        dark.append(dice.choice([1.0, dice.uniform(0.1, 0.9)]))

    def sun(now: float) -> float:
        number = next(n for n, edge in enumerate(edges) if edge > now)
        return clear(now) * dark[number]

    return sun


def load(now: float) -> float:
    """A house: a refrigerator that comes and goes, a kettle at times, people in the evening, W."""
    fridge = 90.0 if now % 2700 < 900 else 0.0
    kettle = 1800.0 if now % (3 * HOUR) < 180 else 0.0
    return 120.0 + fridge + kettle + (250.0 if now > 17 * HOUR else 0.0)


def deaf(now: float) -> bool:
    """A meter that is silent from eleven to one, and for a minute in every twenty."""
    return 11 * HOUR < now < 13 * HOUR or now % 1200 < 60


DAYS: Mapping[str, tuple[Watts, bool]] = {
    "sunny": (clear, False),
    "cloudy": (clouds(3), False),
    "broken meter": (clouds(3), True),
}
RULES = ("no charger", "script", "bridge", "bridge, volatile current")


async def lived(day: str, rule: str) -> tuple[float, float, float, float, int, int]:
    """Let a house live a day by a rule; returns the columns of its row."""
    sun, broken = DAYS[day]
    house = SimulatedHouse(sun, load, deaf if broken else lambda _: False, begins=_BEGINS)
    if rule.endswith("volatile current"):
        house = SimulatedHouse(sun, load, house.deaf, volatile=True, begins=_BEGINS)
    seconds = _ENDS - _BEGINS
    if rule.startswith("bridge"):
        async with automated(house, plan_of(house)):
            await house.pass_time(seconds)
    elif rule == "script":
        await script(house, seconds)
    else:
        await house.pass_time(seconds)
    tally, charger = house.tally, house.charger
    return (
        tally.imported, tally.exported, tally.charged, tally.imported_by_charger,
        charger.switched, charger.flash_writes,
    )  # fmt: skip


def main() -> int:
    logging.disable(logging.WARNING)
    named = "".join(f"{name:>9}" for name in ("import", "export", "charged", "of grid"))
    head = f"{'day':14}{'rule':26}{named}{'switched':>10}{'flash':>7}"
    print(head)
    print("-" * len(head))
    for day in DAYS:
        for rule in RULES:
            row = asyncio.run(lived(day, rule))
            print(f"{day:14}{rule:26}" + "".join(f"{v:9.2f}" for v in row[:4]) + f"{row[4]:10}{row[5]:7}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
