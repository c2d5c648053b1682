"""Writes whose truth hangs on small print: who joins whom, what is tried again, what a read-back proves."""

from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.modbus.queue import Urgency
from bridge.adapters.modbus.requests import Read
from bridge.datastore.values import Outcome, Value
from bridge.register_maps.format import Table
from tests.adapters.modbus.bench import map_file
from tests.adapters.modbus.field import Field
from tests.adapters.modbus.server import ServedHouse

MAP = """
device: {min_timeout: 0.2}
registers:
  - {address: 0, type: u16, path: /State}
  - {address: 10, type: u16, scale: 10, path: /Limit, write: [0, 60]}
  - {address: 11, type: e16, path: /Mode, values: {on: 1, eco: 3, off: 4}, write: true}
  - {address: 12, type: s32b, path: /Power, write: [-5000, 5000], source: {path: /Power, negate: true}}
  - {address: 14, type: u16, scale: 1000, path: /Narrow, write: true}
  - {address: 20, type: f32b, path: /Setpoint, write: [-100, 100]}
  - {address: 29, type: u16, path: /BeforeBit, write: [0, 9]}
  - {address: 30, type: bit, bit: 2, path: /Bit, write: true}
  - {address: 31, type: u16, path: /Reset, write: true, self_clearing: true}
  - {address: 32, type: u16, path: /Blind, write: [0, 9], poll: false}
  - {address: 33, type: bit, bit: 0, path: /LowBit, write: true}
  - {address: 34, type: bit, bit: 15, path: /HighBit, write: true}
  - {address: 100, type: text, length: 41, path: /A, write: true}
  - {address: 141, type: text, length: 41, path: /B, write: true}
  - {address: 182, type: text, length: 41, path: /C, write: true}
  - {address: 223, type: u16, path: /D, write: [0, 9]}
coils:
  - {address: 9, path: /Pump, mirror: 50}
  - {address: 10, path: /Valve, mirror: 51}
"""

OK, REFUSED = Outcome.CONFIRMED, Outcome.REFUSED


@pytest.fixture
def field() -> Field:
    served = Field()
    served.put(1, "holding", 0, [1])
    served.put(1, "holding", 10, [100, 1, 0, 0, 5])
    served.put(1, "holding", 20, [0, 0])
    served.put(1, "holding", 29, [5, 0b1010001, 0, 5, 0, 0x0F0F])
    served.put(1, "holding", 100, [0x4141] * 123 + [0])
    served.put(1, "coils", 9, [0, 0])
    return served


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, field: Field) -> ServedHouse:
    return ServedHouse(monkeypatch, map_file(tmp_path, MAP), field)


# -- what goes out together --------------------------------------------------------------------------

A, B, C = "a" * 82, "b" * 82, "c" * 82


@pytest.mark.parametrize(
    ("changes", "writes"),
    [
        ({"/Limit": 5, "/Mode": 3}, [(16, 10, [50, 3])]),
        ({"/Limit": 5, "/Mode": 3, "/Power": 1, "/Narrow": 2}, [(16, 10, [50, 3, 0xFFFF, 0xFFFF, 2000])]),
        ({"/Mode": 3, "/Limit": 5}, [(6, 11, [3]), (6, 10, [50])]),  # in the order given
        ({"/Limit": 5, "/Power": 1}, [(6, 10, [50]), (16, 12, [0xFFFF, 0xFFFF])]),  # no neighbours
        ({"/BeforeBit": 7, "/Bit": 1}, [(6, 29, [7]), (6, 30, [0b1010101])]),
        ({"/Bit": 1, "/Reset": 1}, [(6, 30, [0b1010101]), (6, 31, [1])]),
        ({"/Reset": 1, "/Blind": 2}, [(6, 31, [1]), (6, 32, [2])]),
        ({"/Blind": 2, "/LowBit": 1}, [(6, 32, [2]), (6, 33, [1])]),
        ({"/LowBit": 1, "/HighBit": 1}, [(6, 33, [1]), (6, 34, [0x8F0F])]),
        ({"/Pump": 1, "/Valve": 1}, [(5, 9, [1]), (5, 10, [1])]),
        ({"/Pump": 1, "/Limit": 5}, [(5, 9, [1]), (6, 10, [50])]),
        ({"/Valve": 1, "/Mode": 3}, [(5, 10, [1]), (6, 11, [3])]),
    ],
)
async def test_neighbours_and_others(
    served: ServedHouse, changes: dict[str, Value], writes: list[Any]
) -> None:
    async with served as house:
        assert await house.write(changes) == [OK] * len(changes)
        assert house.written == writes


async def test_as_many_registers_as_one_request_carries(served: ServedHouse) -> None:
    async with served as house:
        assert await house.write({"/A": A, "/B": B, "/C": C}) == [OK] * 3
        assert [(function, address, len(words)) for function, address, words in house.written] == [
            (16, 100, 123)
        ]
        house.field.writes.clear()
        assert await house.write({"/A": B, "/B": C, "/C": A, "/D": 1}) == [OK] * 4
        assert [(function, address, len(words)) for function, address, words in house.written] == [
            (16, 100, 123),
            (6, 223, 1),
        ]


# -- what is tried singly, or again ------------------------------------------------------------------


@pytest.mark.parametrize("code", [1, 2, 3])
async def test_singly_where_the_device_does_not_take_them_together(served: ServedHouse, code: int) -> None:
    async with served as house:
        house.field.unknown = {16} if code == 1 else set()
        house.field.refuses = {} if code == 1 else {11: code}
        outcomes = await house.write({"/Limit": 5, "/Mode": 3})
        assert outcomes == ([OK, OK] if code == 1 else [OK, REFUSED])
        assert house.written == [(16, 10, [50, 3]), (6, 10, [50]), (6, 11, [3])]


@pytest.mark.parametrize(("code", "outcome"), [(4, REFUSED), (6, Outcome.BUSY), (7, REFUSED)])
async def test_not_singly_where_it_says_no_for_another_reason(
    served: ServedHouse, code: int, outcome: Outcome
) -> None:
    async with served as house:
        house.field.refuses = {11: code}
        assert await house.write({"/Limit": 5, "/Mode": 3}) == [outcome, outcome]
        assert house.written == [(16, 10, [50, 3])]


async def test_singly_only_up_to_the_first_that_fails(served: ServedHouse) -> None:
    async with served as house:
        house.field.unknown = {16}
        house.field.refuses = {10: 4}
        assert await house.write({"/Limit": 5, "/Mode": 3}) == [REFUSED, REFUSED]
        assert [address for _, address, _ in house.written[1:]] == [10]
        assert house.field.cells[1, "holding", 11] == 1


async def test_a_word_with_bits_is_not_written_where_it_cannot_be_read(served: ServedHouse) -> None:
    async with served as house:
        house.field.refuses = {30: 2}
        assert await house.write({"/Bit": 1}) == [REFUSED]
        assert house.written == []


@pytest.mark.parametrize(
    ("path", "value", "word", "becomes"),
    [
        ("/Bit", 1, 0b1010001, 0b1010101),
        ("/Bit", 0, 0b1010101, 0b1010001),
        ("/Bit", 1, 0, 4),
        ("/Bit", 0, 0xFFFF, 0xFFFB),
        ("/Bit", 1, 0xFFFB, 0xFFFF),
    ],
)
async def test_a_bit_leaves_its_neighbours_alone(
    served: ServedHouse, path: str, value: int, word: int, becomes: int
) -> None:
    async with served as house:
        house.field.put(1, "holding", 30, [word])
        assert await house.write({path: value}) == [OK]
        assert house.written == [(6, 30, [becomes])]


async def test_fc16_alone_is_learnt_from_a_single_register_only(served: ServedHouse) -> None:
    async with served as house:
        house.field.unknown = {6}
        assert await house.write({"/Bit": 1}) == [OK]
        assert await house.write({"/Bit": 0}) == [OK]
        assert await house.write({"/Limit": 7}) == [OK]
        assert [function for function, _, _ in house.written] == [6, 16, 16, 16]


@pytest.mark.parametrize("path", ["/Setpoint", "/Limit"])
async def test_fc16_that_is_refused_is_not_sent_again_the_same_way(served: ServedHouse, path: str) -> None:
    async with served as house:
        house.field.unknown = {6, 16}
        assert await house.write({path: 7}) == [REFUSED]
        assert [function for function, _, _ in house.written] == ([16] if path == "/Setpoint" else [6, 16])
        house.field.writes.clear()
        assert await house.write({path: 7}) == [REFUSED]
        assert [function for function, _, _ in house.written] == [16]


async def test_what_waits_to_be_tried_again_goes_where_another_value_is_wanted(served: ServedHouse) -> None:
    async with served as house:
        house.field.silent = {1}
        first = house.begin({"/Limit": 5})
        await house.clock.advance(0.1)
        newest = house.begin({"/Limit": 6})
        await house.clock.advance(0.05)
        house.field.silent = set()
        assert (await house.told(first), await house.told(newest)) == (
            {"/Limit": Outcome.SUPERSEDED},
            {"/Limit": OK},
        )
        assert [words for _, _, words in house.written if words == [60]]
        assert house.field.cells[1, "holding", 10] == 60
        assert sum(demand.request.pdu[0] == 6 for demand in house.seat.demands) == 2


async def test_neighbours_go_together_also_where_only_one_of_them_is_wanted_otherwise(
    served: ServedHouse,
) -> None:
    async with served as house:
        house.field.silent = {1}
        first = house.begin({"/Limit": 5, "/Mode": 3})
        await house.clock.advance(0.1)
        newest = house.begin({"/Mode": 4})
        await house.clock.advance(0.05)
        house.field.silent = set()
        assert await house.told(first) == dict.fromkeys(("/Limit", "/Mode"), Outcome.SUPERSEDED)
        assert await house.told(newest) == {"/Mode": OK}
        assert [function for function, _, _ in house.written].count(16) == 1
        assert [house.field.cells[1, "holding", address] for address in (10, 11)] == [100, 4]


async def test_what_is_still_wanted_is_tried_again(served: ServedHouse) -> None:
    async with served as house:
        house.field.silent = {1}
        task = house.begin({"/Limit": 5})
        await house.clock.advance(0.1)
        house.field.silent = set()
        assert await house.told(task) == {"/Limit": OK}


# -- whose turn --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "urgency"),
    [
        ({"/Limit": 5}, Urgency.COMMAND),
        ({"/Mode": 3}, Urgency.COMMAND),
        ({"/Mode": 4}, Urgency.OFF),
        ({"/Limit": 5, "/Mode": 4}, Urgency.OFF),
        ({"/Valve": 1}, Urgency.COMMAND),
        ({"/Valve": 0}, Urgency.OFF),
        ({"/Bit": 1}, Urgency.COMMAND),
    ],
)
async def test_switching_off_goes_first(
    served: ServedHouse, changes: dict[str, Value], urgency: Urgency
) -> None:
    async with served as house:
        house.field.put(1, "coils", 10, [1])
        await house.write(changes)
        writes = [d for d in house.seat.demands if not isinstance(d.request, Read)]
        assert {demand.urgency for demand in writes} == {urgency}


# -- where it cannot be done -------------------------------------------------------------------------


async def test_a_device_that_is_not_found_yet_is_offline(served: ServedHouse) -> None:
    served.field.silent = {1}
    async with served as house:
        told = await house.adapter.command({"/Limit": 5, "/Mode": 4}, house.clock.monotonic() + 10)
        assert told == {"/Limit": Outcome.OFFLINE, "/Mode": Outcome.OFFLINE}
        assert house.written == []


async def test_a_line_that_goes_is_offline(served: ServedHouse) -> None:
    async with served as house:
        house.seat.open = False
        assert await house.write({"/Limit": 5, "/Blind": 2}) == [Outcome.OFFLINE, REFUSED]


@pytest.mark.parametrize("path", ["/Limit", "/Bit", "/Valve", "/Reset"])
async def test_silence_is_no_outcome(served: ServedHouse, path: str) -> None:
    async with served as house:
        house.field.silent = {1}
        assert await house.write({path: 1}) == [Outcome.TIMED_OUT]


async def test_the_register_has_no_room(served: ServedHouse) -> None:
    """The range of the map is wider than its type: the whole batch is refused before a frame."""
    async with served as house:
        assert await house.write({"/Limit": 5, "/Narrow": 66}) == [REFUSED, REFUSED]
        assert await house.write({"/Narrow": 65.535}) == [REFUSED]  # would say "not available"
        assert house.written == []
        assert await house.write({"/Narrow": 65.534}) == [OK]


async def test_what_needs_no_write_is_confirmed_also_beside_what_has_no_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, field: Field
) -> None:
    served = ServedHouse(monkeypatch, map_file(tmp_path, MAP), field, nonvolatile=("/Limit",))
    async with served as house:
        assert await house.write({"/Limit": 10, "/Narrow": 66}) == [OK, REFUSED]
        assert await house.write({"/Limit": 11, "/Narrow": 66}) == [REFUSED, REFUSED]
        assert house.written == []


async def test_nothing_goes_out_behind_what_failed(served: ServedHouse) -> None:
    async with served as house:
        house.field.becomes = lambda address, value: None if address == 11 else value
        assert await house.write({"/Limit": 5, "/Mode": 3, "/Blind": 2}) == [OK, REFUSED, REFUSED]
        assert house.written == [(16, 10, [50, 3])]


# -- what the read-back proves -----------------------------------------------------------------------


def reads_of(house: ServedHouse, address: int) -> int:
    return sum(d.request == Read(Table.HOLDING, address, 1) for d in house.seat.demands)


async def test_what_was_rounded_to_a_raw_step_is_what_was_written(served: ServedHouse) -> None:
    async with served as house:
        assert await house.write({"/Limit": 23.45}) == [OK]  # half a step from what is shown
        assert (house.written, house.device.value("/Limit")) == ([(6, 10, [234])], 23.4)
        assert reads_of(house, 10) == 1


async def test_one_step_beside_is_another_value(served: ServedHouse) -> None:
    async with served as house:
        house.field.becomes = lambda _, value: value + 1
        assert await house.write({"/Limit": 23.4}) == [Outcome.ADJUSTED]
        assert house.device.value("/Limit") == 23.5


@pytest.mark.parametrize(("after_reads", "outcome"), [(1, OK), (2, OK), (3, REFUSED)])
async def test_an_old_value_is_looked_at_three_times(
    served: ServedHouse, monkeypatch: pytest.MonkeyPatch, after_reads: int, outcome: Outcome
) -> None:
    async with served as house:
        house.field.becomes = lambda *_: None
        whole = house.field.async_getValues

        async def shown(unit: int, function: int, address: int, count: int) -> Any:
            if reads_of(house, 10) > after_reads:
                house.field.put(1, "holding", 10, [50])
            return await whole(unit, function, address, count)

        monkeypatch.setattr(house.field, "async_getValues", shown)
        began = house.clock.monotonic()
        assert await house.write({"/Limit": 5}) == [outcome]
        assert reads_of(house, 10) == min(after_reads + 1, 3)
        assert house.clock.monotonic() - began == pytest.approx((0.1, 0.4, 0.4)[after_reads - 1], abs=0.06)


@pytest.mark.parametrize(("patience_s", "looks"), [(0.1, 1), (0.11, 2), (0.4, 2), (0.41, 3)])
async def test_the_old_value_is_not_looked_at_beyond_the_writers_patience(
    served: ServedHouse, patience_s: float, looks: int
) -> None:
    async with served as house:
        house.field.becomes = lambda *_: None
        house.adapter.command_deadline_s = patience_s
        assert await house.write({"/Limit": 5}) == [REFUSED]
        assert reads_of(house, 10) == looks


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(1, OK), (2, OK), (3, OK), (4, Outcome.TIMED_OUT), (6, Outcome.TIMED_OUT)],
)
async def test_what_can_only_be_written(
    served: ServedHouse, monkeypatch: pytest.MonkeyPatch, code: int, outcome: Outcome
) -> None:
    """No such register for a reader: the echo of the write is all there is. Another reason proves nothing."""
    async with served as house:
        judge = house.field._judge

        async def judged(unit: int, function: int, address: int, count: int) -> Any:
            house.field.refuses = {32: code} if function == 3 else {}
            return await judge(unit, function, address, count)

        monkeypatch.setattr(house.field, "_judge", judged)
        assert await house.write({"/Blind": 3}) == [outcome]


async def test_silence_after_a_write_is_no_confirmation(
    served: ServedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served as house:
        judge = house.field._judge

        async def judged(unit: int, function: int, address: int, count: int) -> Any:
            house.field.silent = {1} if function == 3 else set()
            return await judge(unit, function, address, count)

        monkeypatch.setattr(house.field, "_judge", judged)
        assert await house.write({"/Limit": 5}) == [Outcome.TIMED_OUT]
        assert house.field.cells[1, "holding", 10] == 50


async def test_an_acknowledge_is_judged_by_what_is_shown(served: ServedHouse) -> None:
    async with served as house:
        house.field.refuses = {10: 5}  # "taken, and it will take long"; every read says so too
        assert await house.write({"/Limit": 5}) == [Outcome.TIMED_OUT]


async def test_each_of_a_batch_has_its_own_outcome(served: ServedHouse) -> None:
    async with served as house:
        house.field.becomes = lambda address, value: value if address != 11 else None
        assert await house.write({"/Limit": 5, "/Mode": 3, "/Power": 7}) == [OK, REFUSED, OK]
        assert house.device.value("/Power") == 7


async def test_a_command_that_acts_is_believed_by_its_echo(served: ServedHouse) -> None:
    async with served as house:
        assert await house.write({"/Reset": 1}) == [OK]
        assert [d.request.pdu[0] for d in house.seat.demands] == [6]


@pytest.mark.parametrize(("value", "sent"), [(5, [0xFFFF, 0xFFFB]), (-5, [0, 5]), (0, [0, 0])])
async def test_a_turned_sign_is_turned_back(served: ServedHouse, value: int, sent: list[int]) -> None:
    async with served as house:
        house.field.put(1, "holding", 12, [1, 1])
        assert await house.write({"/Power": value}) == [OK]
        assert house.written == [(16, 12, sent)]
        assert house.device.value("/Power") == value


@pytest.mark.parametrize(("value", "state"), [(1, 1), (0, 0)])
async def test_a_coil_both_ways(served: ServedHouse, value: int, state: int) -> None:
    async with served as house:
        house.field.put(1, "coils", 10, [1 - state])
        assert await house.write({"/Valve": value}) == [OK]
        assert house.written == [(5, 10, [state])]
        assert house.field.cells[1, "coils", 10] == state


async def test_a_coil_that_stays_is_refused(served: ServedHouse) -> None:
    async with served as house:
        house.field.becomes = lambda *_: None
        assert await house.write({"/Valve": 1}) == [REFUSED]
