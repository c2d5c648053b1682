"""A roof for a year, as a model: what each inverter makes, when it restarts, and when nobody asks it.

`python -m tests.adapters.apsystems.year` plays a whole year at the pace of a real site (five minutes); the
test plays the same with rarer polls.
"""

import random
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bridge.adapters.apsystems.counting import Facts, Sample
from bridge.adapters.apsystems.energy import EnergyBook
from bridge.adapters.apsystems.inverter_energy import Moment
from bridge.adapters.apsystems.models import Model
from bridge.adapters.sun import Sun

ZONE = ZoneInfo("Europe/Amsterdam")
DAY_S = 86_400
NEW_YEAR = datetime(2026, 1, 1, tzinfo=ZONE)
MODELS = (Model.YC600, Model.QS1, Model.DS3)
PANEL_W = 400.0


def facts_of(model: Model) -> Facts:
    return Facts(model.seconds_modulus, model.counter_modulus, model.wh_per_count, PANEL_W)


@dataclass
class ModelInverter:
    """An inverter whose counters restart with it. Energies in Wh; `tail` is what nobody asked for in time."""

    serial: str
    model: Model
    chance: random.Random
    up_since: float | None = None
    run_wh: list[float] = field(default_factory=list)
    made_wh: float = 0.0
    asked_wh: float = 0.0
    tail_wh: float = 0.0
    runs: int = 0

    def power_up(self, now: float) -> None:
        self.power_down()
        self.up_since = now
        self.runs += 1
        self.run_wh = [0.0] * self.model.panels
        self.asked_wh = 0.0

    def power_down(self) -> None:
        if self.up_since is not None:
            self.tail_wh += sum(self.run_wh) - self.asked_wh
        self.up_since = None

    def shine(self, seconds: float, sun: float) -> None:
        if self.up_since is not None:
            for panel in range(self.model.panels):
                wh = PANEL_W * sun * self.chance.uniform(0.2, 1.0) * seconds / 3600
                self.run_wh[panel] += wh
                self.made_wh += wh

    def answer(self, now: float) -> Sample | None:
        if self.up_since is None or now - self.up_since < 2:
            return None
        self.asked_wh = sum(self.run_wh)
        counters = (int(wh / self.model.wh_per_count) % self.model.counter_modulus for wh in self.run_wh)
        return Sample(int(now - self.up_since) % self.model.seconds_modulus, tuple(counters))


@dataclass
class Roof:
    """Nine inverters, a bridge that is restarted twice a day, and their accounts."""

    poll_s: int
    seed: int
    book: EnergyBook = field(default_factory=EnergyBook)
    restarts: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.sun = Sun(52.1, 5.2)
        self.inverters = [
            ModelInverter(f"{prefix}00000{n:05}", model, random.Random(self.seed * 100 + n))
            for n in range(3)
            for model, prefix in zip(MODELS, ("40", "80", "70"), strict=True)
        ]
        self.open_book(None, 0.0)
        self.greatest_total = 0.0
        self.yields: list[float] = []
        self.boot = 0.0

    def open_book(self, saved: object, now: float) -> None:
        """The bridge has been restarted: what was not saved is gone."""
        self.book = EnergyBook.from_record(saved)
        self.boot = now - 100.0
        for inverter in self.inverters:
            self.book.enter(inverter.serial, inverter.model.panels, 0.0)

    def play(self, first_day: int, days: int) -> None:
        for day in range(first_day, first_day + days):
            self._day(NEW_YEAR.timestamp() + day * DAY_S)

    def _day(self, midnight: float) -> None:
        light = self.sun.daylight(midnight + DAY_S / 2)
        assert light is not None
        deaf = self._spans(light.begins, light.ends, 2, 3 * 3600.0)
        restarts = sorted(self.chance.uniform(midnight, midnight + DAY_S) for _ in range(2))
        gone = [(at, at + self.chance.choice((20.0, 120.0, 7200.0))) for at in restarts]
        wakes = {i.serial: light.begins + self.chance.uniform(0, 1800) for i in self.inverters}
        sleeps = {i.serial: light.ends - self.chance.uniform(-300, 1800) for i in self.inverters}
        outages = {
            inverter.serial: self.chance.uniform(light.begins, light.ends)
            for inverter in self.inverters
            if self.chance.random() < 0.3
        }
        now = light.begins - 600
        while now < light.ends + 600:
            height = max(0.0, 1 - abs((now - light.begins) / (light.ends - light.begins) * 2 - 1))
            for number, inverter in enumerate(self.inverters):
                self._live(inverter, now, height, wakes, sleeps, outages)
                if now < sleeps[inverter.serial]:
                    at = now + self.poll_s * number / len(self.inverters)
                    asked = not _within(at, gone) and not _within(at, deaf) and self.chance.random() > 0.05
                    if asked:
                        self._poll(inverter, at, light.begins)
            for at, back in gone:
                if now <= at < now + self.poll_s:
                    self.restarts += 1
                    self.open_book(self.book.record(), back)
            now += self.poll_s
        for inverter in self.inverters:
            inverter.power_down()
        self.yields.append(self.book.today)

    def _spans(self, begins: float, ends: float, most: int, longest_s: float) -> list[tuple[float, float]]:
        found = []
        for _ in range(self.chance.randrange(most + 1)):
            at = self.chance.uniform(begins, ends)
            found.append((at, at + self.chance.uniform(0, longest_s)))
        return found

    def _live(
        self,
        inverter: ModelInverter,
        now: float,
        height: float,
        wakes: dict[str, float],
        sleeps: dict[str, float],
        outages: dict[str, float],
    ) -> None:
        serial = inverter.serial
        if inverter.up_since is None:
            if wakes[serial] <= now < sleeps[serial]:
                inverter.power_up(now - self.chance.uniform(0, 30))
        elif now >= sleeps[serial]:
            inverter.power_down()
        elif serial in outages and now >= outages[serial]:
            inverter.power_up(now)
            del outages[serial]
        else:
            inverter.shine(self.poll_s, height)

    def _poll(self, inverter: ModelInverter, now: float, sunrise: float) -> None:
        sample = inverter.answer(now)
        if sample is None:
            return
        today = datetime.fromtimestamp(now, ZONE).date()
        moment = Moment(now, now - self.boot, today, sunrise)
        taken = self.book.take(inverter.serial, sample, facts_of(inverter.model), moment)
        if taken.powers is not None:
            assert max(taken.powers) <= 1.3 * PANEL_W, (inverter, taken)
        total = self.book.total
        assert total >= self.greatest_total
        self.greatest_total = total

    @property
    def made_wh(self) -> float:
        return sum(inverter.made_wh for inverter in self.inverters)

    @property
    def tails_wh(self) -> float:
        return sum(inverter.tail_wh for inverter in self.inverters)

    @property
    def counts_wh(self) -> float:
        """One count of each panel in each run: what counters that are whole numbers may hide."""
        return sum(i.runs * i.model.panels * i.model.wh_per_count for i in self.inverters)


def _within(now: float, spans: list[tuple[float, float]]) -> bool:
    return any(begins <= now < ends for begins, ends in spans)


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    roof = Roof(poll_s=300, seed=seed)
    began = datetime.now(UTC)
    roof.play(0, 365)
    took = (datetime.now(UTC) - began).total_seconds()
    missing = roof.made_wh - roof.book.total
    print(
        f"made {roof.made_wh / 1000:.1f} kWh, counted {roof.book.total / 1000:.1f} kWh, "
        f"missing {missing / 1000:.2f} kWh, of it unasked tails {roof.tails_wh / 1000:.2f} kWh; "
        f"{roof.restarts} restarts of the bridge; {took:.0f} s"
    )


if __name__ == "__main__":
    main()
