"""A device that restarts while it is written to: what is acknowledged was done, and what is shown is in force."""

import asyncio
from collections.abc import Callable

import pytest

from bridge.adapters.modbus.simulated_panel import MODE, MODE_ON
from bridge.datastore.values import Outcome, WriteRequest
from tests.faults.equipment.board import PERSON, Board, Bridge, Plug
from tests.faults.equipment.kinds import MODBUS, VEBUS, VEDIRECT, Kind

PORT = "ttyUSB0"


def charger_restarts(plug: Plug) -> None:
    plug.far.misbehave("reboot")


def interface_restarts(plug: Plug) -> None:
    plug.far.misbehave("reset")


def arduino_restarts(plug: Plug) -> None:
    """Its sketch begins anew: two seconds of silence, and the mode that it begins with."""
    plug.far.misbehave("silent")
    plug.far.panel.registers[MODE] = MODE_ON


RESTARTS: list[tuple[Kind, Callable[[Plug], None]]] = [
    (VEDIRECT, charger_restarts),
    (VEBUS, interface_restarts),
    (MODBUS, arduino_restarts),
]


@pytest.mark.parametrize("after_s", [0.0, 0.03, 0.1, 0.2, 0.4])
@pytest.mark.parametrize(("kind", "restart"), RESTARTS, ids=lambda each: getattr(each, "name", ""))
async def test_at_any_moment_of_a_write(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, restart: Callable[[Plug], None], after_s: float
) -> None:
    board = Board(monkeypatch)
    plug = board.ports[PORT] = board.made(kind, kind.serials[0], **kind.first)
    (path,), (wanted,) = kind.set_point, kind.set_point.values()
    async with board, Bridge(board, {PORT: (kind, {})}) as bridge:
        await bridge.known()
        writing = asyncio.create_task(bridge[PORT].write(WriteRequest(kind.set_point, PERSON)))
        await bridge.clock.advance(after_s)
        was_in_force = kind.in_force(plug.far) == wanted
        restart(plug)
        seen_in_force = was_in_force

        def done() -> bool:
            nonlocal seen_in_force
            seen_in_force = seen_in_force or kind.in_force(plug.far) == wanted
            return writing.done()

        for _ in range(40):
            if not done():
                await bridge.clock.advance(0.05)
        plug.far.misbehave("well")
        await bridge.until(done, 20)
        (outcome,) = writing.result().values()
        assert outcome is not Outcome.CONFIRMED or seen_in_force
        await bridge.until(lambda: bridge[PORT].alive, 20)
        await bridge.clock.advance(15)
        assert bridge[PORT].value(path) == kind.in_force(plug.far)
        held = bridge[PORT].held(path)
        assert held is None or held == kind.in_force(plug.far)
        print(kind.name, after_s, outcome.word, "in force" if kind.in_force(plug.far) == wanted else "not")
