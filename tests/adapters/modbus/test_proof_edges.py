"""Writes of which another point is the proof: looked for until it shows, and no longer than a writer waits."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.modbus import adapter as adapter_module
from bridge.adapters.modbus.quirks import Quirk
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Outcome, Value
from tests.adapters.modbus.bench import map_file
from tests.adapters.modbus.field import Field
from tests.adapters.modbus.server import ServedHouse

MAP = """
registers:
  - {address: 0, type: u16, path: /State}
  - {address: 100, type: u16, path: /Mode, write: [0, 9]}
  - {address: 101, type: u16, path: /Lost, write: [0, 9]}
"""


class Shown(Quirk):
    """The state follows the mode; 9 is none of the states, and stands for another one than was asked for."""

    def specs(self, specs: Mapping[str, PointSpec]) -> dict[str, PointSpec]:
        return {path: replace(spec, confirm_s=1.0) for path, spec in specs.items()}

    def proof(self, path: str) -> str | None:
        return {"/Mode": "/State", "/Lost": "/Nowhere"}.get(path)

    def proven(self, path: str, value: Value, shown: Mapping[str, Value | None]) -> Outcome | None:
        assert path == "/Mode"
        return {value: Outcome.CONFIRMED, 9: Outcome.ADJUSTED}.get(shown["/State"] or 0)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ServedHouse:
    field = Field()
    field.put(1, "holding", 0, [1])
    field.put(1, "holding", 100, [1, 1])
    monkeypatch.setattr(adapter_module, "quirk_of", lambda _, clock: Shown(clock))
    return ServedHouse(monkeypatch, map_file(tmp_path, MAP), field)


def looks(house: ServedHouse) -> int:
    return sum(demand.request.pdu[:3] == b"\x03\0\0" for demand in house.seat.demands)


def shows(house: ServedHouse, monkeypatch: pytest.MonkeyPatch, state: int, from_look: int) -> None:
    """Let the device show a state from its so many-th answer on."""
    whole = house.field.async_getValues

    async def shown(unit: int, function: int, address: int, count: int) -> Any:
        if looks(house) >= from_look:
            house.field.put(1, "holding", 0, [state])
        return await whole(unit, function, address, count)

    monkeypatch.setattr(house.field, "async_getValues", shown)


@pytest.mark.parametrize(
    ("state", "from_look", "outcome", "looked"),
    [
        (5, 1, Outcome.CONFIRMED, 1),
        (5, 3, Outcome.CONFIRMED, 3),
        (9, 2, Outcome.ADJUSTED, 2),
        (5, 99, Outcome.TIMED_OUT, 5),  # at 0, 0.2, 0.4, 0.6 and 0.8 s: the writer waits for 1 s
    ],
)
async def test_until_it_shows(
    served: ServedHouse,
    monkeypatch: pytest.MonkeyPatch,
    state: int,
    from_look: int,
    outcome: Outcome,
    looked: int,
) -> None:
    async with served as house:
        shows(house, monkeypatch, state, from_look)
        began = house.clock.monotonic()
        assert await house.write({"/Mode": 5}) == [outcome]
        assert looks(house) == looked
        assert house.clock.monotonic() - began == pytest.approx(0.2 * (looked - 1), abs=0.06)
        assert house.written == [(6, 100, [5])]
        assert house.device.value("/State") == house.field.cells[1, "holding", 0]


async def test_not_beyond_the_deadline_of_the_command(served: ServedHouse) -> None:
    async with served as house:
        house.adapter.command_deadline_s = 0.5
        assert await house.write({"/Mode": 5}) == [Outcome.TIMED_OUT]
        assert looks(house) == 3


async def test_a_refused_look_is_no_proof_and_not_the_last(
    served: ServedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served as house:
        house.field.refuses = {0: 6}
        task = house.begin({"/Mode": 5})
        await house.clock.advance(0.3)
        assert looks(house) == 2
        house.field.refuses = {}
        shows(house, monkeypatch, 5, 1)
        assert await house.told(task) == {"/Mode": Outcome.CONFIRMED}


async def test_a_look_that_is_not_answered_is_not_the_last(
    served: ServedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served as house:
        judge = house.field._judge

        async def judged(unit: int, function: int, address: int, count: int) -> Any:
            house.field.silent = {1} if function == 3 and looks(house) < 3 else set()
            return await judge(unit, function, address, count)

        monkeypatch.setattr(house.field, "_judge", judged)
        shows(house, monkeypatch, 5, 3)
        assert await house.write({"/Mode": 5}) == [Outcome.CONFIRMED]


async def test_a_line_that_goes_meanwhile_is_offline(served: ServedHouse) -> None:
    async with served as house:
        task = house.begin({"/Mode": 5})
        await house.clock.advance(0.3)
        house.seat.open = False
        assert await house.told(task) == {"/Mode": Outcome.OFFLINE}


async def test_a_proof_that_nobody_reads_never_comes(served: ServedHouse) -> None:
    async with served as house:
        began = house.clock.monotonic()
        assert await house.write({"/Lost": 5}) == [Outcome.TIMED_OUT]
        assert (house.written, house.clock.monotonic()) == ([(6, 101, [5])], began)


async def test_another_wish_ends_the_looking(served: ServedHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served as house:
        first = house.begin({"/Mode": 5})
        await house.clock.advance(0.3)
        newest = house.begin({"/Mode": 6})
        assert await house.told(first) == {"/Mode": Outcome.SUPERSEDED}
        shows(house, monkeypatch, 6, 1)
        assert await house.told(newest) == {"/Mode": Outcome.CONFIRMED}
        assert house.written == [(6, 100, [5]), (6, 100, [6])]
