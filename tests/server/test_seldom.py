"""What a client can repeat at will is told once, then now and then; counters fit their registers."""

from bridge.datastore.clock import ManualClock
from bridge.server.counters import Counters
from bridge.server.seldom import Seldom


async def test_the_first_at_once_then_one_in_a_while_with_the_count() -> None:
    clock = ManualClock()
    seldom = Seldom(clock, 60)
    assert [seldom.due("a") for _ in range(5)] == [1, 0, 0, 0, 0]
    assert seldom.due("b") == 1
    await clock.advance(60)
    assert [seldom.due("a") for _ in range(2)] == [5, 0]


def test_memory_is_bounded() -> None:
    seldom = Seldom(ManualClock(), 60)
    for key in range(10_000):
        assert seldom.due(key) == 1
    assert len(seldom._told) <= 256


def test_counters_wrap_where_their_registers_do() -> None:
    counters = Counters()
    counters.requests = 2**32 + 5
    assert counters.snapshot()["/Server/Requests"] == 5
