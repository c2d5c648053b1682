"""Counters: what readings add, whatever the counter does."""

from collections.abc import Sequence

import pytest

from bridge.datastore.spec import PointSpec
from bridge.outlets.energy_book import CounterReader, Flow, Position, flow_of, total_of

HOUR = 3600.0
LIMIT_W = 10_000.0


@pytest.mark.parametrize(
    ("readings", "added"),
    [
        # (seconds, kWh) .. -> kWh of all of them
        ([(0, 500), (10, 500.02), (20, 500.04)], 0.04),
        ([(0, 500), (9 * HOUR, 585)], 85),  # nobody listened meanwhile
        ([(0, 500), (1, 501)], 1),  # a coarse counter may step at once
        ([(0, 500.02), (10, 500.0195), (20, 500.03)], 0.01),  # rounding is no reset
        # a dip, and a spike: one wrong reading
        ([(0, 500), (10, 0), (20, 500.02)], 0.02),
        ([(0, 500), (10, 4000), (20, 500.02)], 0.02),
        ([(0, 500), (10, 4000), (69, 4000), (70, 500.02)], 0.02),
        # set back to 0: what it shows then has flowed since
        ([(0, 500), (10, 0.01), (40, 0.03), (71, 0.05)], 0.05),
        # replaced by another counter: its own past is no energy of today
        ([(0, 500), (10, 300), (40, 300.1), (71, 300.2)], 0.2),
        ([(0, 500), (10, 9000), (40, 9000.1), (71, 9000.2)], 0.2),
        # a counter that was killed with its bridge falls back by some seconds: they are not doubled
        ([(0, 0.5), (10, 0.45), (40, 0.5), (71, 0.6)], 0.1),
        ([(0, 0.5), (10, 0.41), (40, 0.42), (71, 0.43), (200, 0.6)], 0.19),
        # nonsense that never stands long enough
        ([(0, 500), *((10 + 30 * n, 5000 + 1000 * (n % 2)) for n in range(20)), (700, 500.5)], 0.5),
    ],
)
def test_what_readings_add(readings: Sequence[tuple[float, float]], added: float) -> None:
    reader = CounterReader(None, LIMIT_W)
    assert sum(reader.read(kwh, at) for at, kwh in readings) == pytest.approx(added)


def test_a_restart_goes_on_where_it_was() -> None:
    first = CounterReader(None, LIMIT_W)
    first.read(500, 0)
    assert first.read(501, 600) == 1
    second = CounterReader(first.position, LIMIT_W)
    assert second.read(503, 1200) == 2
    assert second.position == Position(503, 1200)


def test_the_next_reading_after_a_reset_counts_on() -> None:
    reader = CounterReader(Position(500, 0), LIMIT_W)
    assert [round(reader.read(kwh, at), 6) for at, kwh in [(10, 0), (71, 0.01), (80, 0.02)]] == [
        0,
        0.01,
        0.01,
    ]


def test_a_leap_is_shown_while_it_is_doubted() -> None:
    reader = CounterReader(Position(500, 0), LIMIT_W)
    reader.read(4000, 10)
    assert reader.doubted == (500, 4000)
    reader.read(500, 20)
    assert reader.doubted is None


def test_a_clock_that_was_set_back_loses_nothing() -> None:
    reader = CounterReader(Position(500, 1_000_000), LIMIT_W)
    assert reader.read(500.5, 10) == 0.5


@pytest.mark.parametrize(
    ("spec", "flow"),
    [
        (PointSpec("/Ac/Energy/Forward", "kWh"), Flow.COUNTER),
        (PointSpec("/History/ChargedEnergy", "kWh"), Flow.COUNTER),
        (PointSpec("/History/Daily/0/Yield", "kWh"), None),
        (PointSpec("/Info/RemainingCapacity", "kWh"), None),
        (PointSpec("/Ac/Power", "W"), Flow.POWER),
        (PointSpec("/Ac/PowerLimit", "W"), None),
        (PointSpec("/History/Overall/MaxPower", "W"), None),
        (PointSpec("/Ac/Power", "W", writable=True), None),
        (PointSpec("/Dc/0/Voltage", "V"), None),
        (PointSpec("/Name", text=True), None),
    ],
)
def test_what_tells_of_energy(spec: PointSpec, flow: Flow | None) -> None:
    assert flow_of(spec) is flow


@pytest.mark.parametrize(
    ("paths", "total"),
    [
        (["/Ac/Power", "/Ac/Energy/Forward", "/Ac/Energy/Reverse"], ("/Ac/Energy/Forward",)),
        (["/Ac/L2/Power", "/Ac/L1/Power", "/Dc/0/Power"], ("/Ac/L1/Power", "/Ac/L2/Power")),
        (["/Dc/0/Power"], ("/Dc/0/Power",)),
        (["/Whatever"], ()),
    ],
)
def test_what_stands_for_a_device(paths: Sequence[str], total: tuple[str, ...]) -> None:
    assert total_of(paths) == total
