"""A view of a power limit that is closed, and what an inverter's state is worked out from."""

import asyncio

import pytest

from bridge.register_maps.blocks.computed import compute
from bridge.register_maps.format import SourcePoint
from bridge.register_maps.supply import ABSENT, NEVER_HEARD, Supplied
from tests.cerbo.rig import LIMIT, Bridge, running
from tests.register_maps.test_sunspec import CONTROLS, LIMITED, PV, UNIT, ask
from tests.server.plant import Client

STALE = Supplied(None, stale=True)


async def test_a_closed_view_takes_no_limit_off_any_more() -> None:
    bridge = Bridge()
    bridge.serve(UNIT, PV, bridge.device("roof", LIMITED, [LIMIT]))
    async with running(bridge):
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        assert await ask(Client(reader, writer), CONTROLS, 500, 0, 10, 0, 1) == 0
        bridge.images[0].close()
        for _ in range(4):
            await bridge.clock.advance(4.0)
            bridge.store.devices["roof"].publish("live", {**LIMITED, "/Ac/PowerLimit": 300.0})
        assert bridge.adapters["roof"].commands == [{"/Ac/PowerLimit": 300.0}]
        writer.close()


@pytest.mark.parametrize(
    ("status", "power", "state"),
    [
        (Supplied(7), Supplied(0), Supplied(4)),
        (Supplied(12), Supplied(0), Supplied(5)),
        (Supplied(99), Supplied(0), ABSENT),
        (ABSENT, Supplied(500), Supplied(4)),
        (ABSENT, Supplied(0.5), Supplied(4)),
        (ABSENT, Supplied(0), Supplied(2)),
        (ABSENT, Supplied(-3), Supplied(2)),
        (ABSENT, ABSENT, ABSENT),
        (ABSENT, STALE, STALE),
        (STALE, Supplied(500), Supplied(4)),
        (NEVER_HEARD, Supplied(500), Supplied(4)),
    ],
)
def test_the_state_is_what_the_inverter_tells_else_what_it_does(
    status: Supplied, power: Supplied, state: Supplied
) -> None:
    inputs = [(SourcePoint("/StatusCode"), status), (SourcePoint("/Ac/Power"), power)]
    assert compute("sunspec_state", inputs) == state


@pytest.mark.parametrize("name", ["serial_number", "magnitude", "total_power"])
@pytest.mark.parametrize("found", [ABSENT, STALE, NEVER_HEARD])
def test_of_nothing_nothing_is_worked_out(name: str, found: Supplied) -> None:
    assert compute(name, [(SourcePoint("/X"), found)]) == found
    assert compute(name, []) == ABSENT


@pytest.mark.parametrize(
    ("there", "phases"),
    [
        (["/Ac/L1/Power"], 3),
        (["/Ac/L1/Power", "/Ac/L2/Power"], 2),
        (["/Ac/L1/Power", "/Ac/L3/Power"], 0),
        ([], 3),
    ],
)
def test_the_phases_of_a_meter_are_those_that_are_there(there: list[str], phases: int) -> None:
    paths = ["/Ac/L1/Power", "/Ac/L2/Power", "/Ac/L3/Power"]
    inputs = [(SourcePoint(path), Supplied(1) if path in there else ABSENT) for path in paths]
    assert compute("em24_phases", inputs) == Supplied(phases)


@pytest.mark.parametrize(
    ("code", "state"), [*((n, 3) for n in range(7)), (7, 4), (8, 2), (9, 3), (10, 7), (11, 4), (12, 5)]
)
def test_the_states_of_a_victron_inverter_are_those_of_the_model(code: int, state: int) -> None:
    assert compute("sunspec_state", [(SourcePoint("/StatusCode"), Supplied(code))]) == Supplied(state)


def test_panels_of_another_inverter_make_the_model_one_that_nobody_reads() -> None:
    own, other = SourcePoint("/Inverters/1/Panels/1/Power"), SourcePoint("/Inverters/2/Panels/1/Power")
    assert compute("sunspec_trackers", [(own, Supplied(100)), (other, ABSENT)]) == Supplied(160)
    assert compute("sunspec_trackers", [(own, Supplied(100)), (other, Supplied(100))]) == Supplied(64160)
    assert compute("sunspec_trackers", [(own, ABSENT), (other, ABSENT)]) == Supplied(64160)


def test_what_is_said_of_a_value_beside_it() -> None:
    assert Supplied(1) == (1, False, True)
    assert ABSENT == (None, False, False)
    assert NEVER_HEARD == (None, True, False)
