"""Sums where a part is missing, and where the status block and constants lie."""

import pytest

from bridge.datastore.state import StateStore
from bridge.register_maps.format import Kind, Missing, Source, SourcePoint, Table
from bridge.register_maps.layout import register_spans
from bridge.register_maps.supply import ABSENT, NEVER_HEARD, Sums, Supplied
from tests.register_maps.plant import Plant, loaded, words

A, B = SourcePoint("/A"), SourcePoint("/B")
STALE = Supplied(None, stale=True)


class Adder:
    """A sum of two points that a test sets."""

    def __init__(self, missing: Missing, state: StateStore | None = None) -> None:
        self.state = state or StateStore()
        self.sums = Sums(self.state.memory("m"))
        self.source = Source((A, B), total=True, missing=missing)

    def __call__(self, a: Supplied, b: Supplied, now: float = 0.0) -> Supplied:
        return self.sums.total("k", self.source, {A: a, B: b}.__getitem__, now)


@pytest.mark.parametrize(
    ("missing", "a", "b", "total", "failing"),
    [
        (Missing.FAIL, Supplied(1), Supplied(2), Supplied(3), False),
        (Missing.FAIL, Supplied(1), ABSENT, Supplied(1), False),
        (Missing.FAIL, ABSENT, ABSENT, ABSENT, False),
        (Missing.FAIL, Supplied(1), STALE, NEVER_HEARD, True),
        (Missing.FAIL, STALE, NEVER_HEARD, NEVER_HEARD, True),
        (Missing.ZERO, Supplied(1), STALE, Supplied(1), False),
        (Missing.ZERO, STALE, STALE, Supplied(0.0), False),
        (Missing.ZERO, STALE, ABSENT, Supplied(0.0), False),
        (Missing.ZERO, ABSENT, ABSENT, ABSENT, False),
        (Missing.HOLD, STALE, STALE, NEVER_HEARD, False),
        (Missing.HOLD, ABSENT, ABSENT, ABSENT, False),
    ],
)
def test_a_sum(missing: Missing, a: Supplied, b: Supplied, total: Supplied, failing: bool) -> None:
    adder = Adder(missing)
    assert adder(a, b) == total
    assert bool(adder.sums.failing) is failing
    assert adder(Supplied(1), Supplied(2)) == Supplied(3)
    assert adder.sums.failing == set()


def test_an_energy_holds_its_last_sum_and_not_the_last_that_was_saved() -> None:
    adder = Adder(Missing.HOLD)
    assert adder(Supplied(1), Supplied(2), 100.0) == Supplied(3)
    assert adder(Supplied(1), Supplied(3), 110.0) == Supplied(4)
    assert adder(Supplied(1), STALE, 120.0) == Supplied(4)
    assert adder.state.get("m", "k") == 3
    assert Adder(Missing.HOLD, adder.state)(STALE, STALE) == Supplied(3)
    assert adder(Supplied(1), Supplied(4), 161.0) == Supplied(5)
    assert adder.state.get("m", "k") == 5


TWO = "registers: [{address: 1, type: u16, path: /A}, {address: 5, type: u32b, path: /B, table: input}]"
PERSONA = """
detect: {address: 11, type: u16, values: {1648: EM24}, methods: [tcp]}
registers: [{address: 11, type: u16, value: 1648}, {address: 40, type: s32l, path: /Ac/Power}]
"""


def test_the_status_block_is_in_the_holding_registers_of_what_is_no_persona() -> None:
    assert register_spans(loaded(TWO), Table.HOLDING) == [(1, 2), (0xFE00, 0xFE0C)]
    assert register_spans(loaded(TWO), Table.INPUT) == [(5, 7)]
    assert register_spans(loaded(PERSONA, Kind.PERSONA), Table.HOLDING) == [(11, 12), (40, 42)]
    assert register_spans(loaded(PERSONA, Kind.PERSONA), Table.INPUT) == []


def test_constant_bits_stand_in_one_register_together() -> None:
    plant = Plant()
    device = plant.device(["/A"])
    image = plant.image(
        """
        registers:
          - {address: 1, type: bit, bit: 0, value: 1}
          - {address: 1, type: bit, bit: 4, value: 1}
          - {address: 1, type: bit, bit: 5, value: 0}
        """,
        device,
    )
    device.publish("fast", {"/A": 1})
    assert words(image.read_registers("holding", 1, 1)) == [0x0011]
