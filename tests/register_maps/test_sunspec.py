"""The SunSpec persona: what readers find, and a limit that lasts only while it is refreshed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.values import Origin, Outcome, Path, Value, WriteRequest
from bridge.register_maps.format import Table
from bridge.register_maps.image import UnitImage
from bridge.register_maps.writing import MapRefusal
from tests.cerbo.rig import LIMIT, METER, ROOF, Bridge, running
from tests.register_maps.plant import words
from tests.server.plant import Client, write_many

PV, THREE = "personas/sunspec_pv", "personas/sunspec_pv_3phase"
#: What a GX writes: percent x 10, window, reversion, ramp, enable.
CONTROLS, ENABLE = 40155, 40159
LIMITED = {**ROOF, "/Ac/PowerLimit": 600}
UNIT = 126


def read(image: UnitImage, address: int, count: int = 1) -> list[int]:
    return words(image.read_registers(Table.HOLDING, address, count))


def models(image: UnitImage) -> list[tuple[int, int, int]]:
    """Walk the models as every reader does: address, id, length."""
    assert read(image, 40000, 2) == [0x5375, 0x6E53]
    found, address = [], 40002
    while True:
        model, length = read(image, address, 2)
        found.append((address, model, length))
        if model == 0xFFFF:
            return found
        address += 2 + length


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    made = Bridge()
    made.serve(UNIT, PV, made.device("roof", LIMITED, [LIMIT]))
    async with running(made) as bridge:
        yield bridge


@pytest.fixture
async def gx(bridge: Bridge) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
    client = Client(reader, writer)
    yield client
    await client.close()


def limit_of(bridge: Bridge) -> Value | None:
    return bridge.store.devices["roof"].value("/Ac/PowerLimit")


async def ask(gx: Client, address: int, *values: int) -> int:
    """Write and return the exception code, 0 for none."""
    reply = await gx.ask(write_many(address, *values), UNIT)
    return reply[1] if reply[0] & 0x80 else 0


class TestModels:
    @pytest.mark.parametrize(
        ("device", "specs", "name", "expected"),
        [
            (LIMITED, [LIMIT], PV, [1, 101, 120, 123, 160]),
            (LIMITED, [LIMIT], THREE, [1, 103, 120, 123, 160]),
            (ROOF, [], PV, [1, 101, 120, 64123, 160]),
            (METER, [], THREE, [1, 103, 120, 64123, 64160]),
            (LIMITED, [replace(LIMIT, writable=False)], PV, [1, 101, 120, 64123, 160]),
            ({**LIMITED, "/Ac/MaxPower": None}, [LIMIT], PV, [1, 101, 120, 64123, 160]),
            ({**LIMITED, "/Inverters/2/Panels/1/V": 33.0}, [LIMIT], PV, [1, 101, 120, 123, 64160]),
        ],
        ids=["limited", "three phases", "not limited", "meter", "read-only", "no rating", "two inverters"],
    )
    def test_no_address_moves_whatever_the_device_can(
        self, device: Mapping[Path, Value | None], specs: list[PointSpec], name: str, expected: list[int]
    ) -> None:
        bridge = Bridge()
        found = models(bridge.serve(UNIT, name, bridge.device("roof", device, specs)))
        assert [model for _, model, _ in found] == [*expected, 0xFFFF]
        assert [address for address, _, _ in found] == [40002, 40070, 40122, 40150, 40176, 40266]

    def test_measurements(self, bridge: Bridge) -> None:
        inverter = read(bridge.images[0], 40070, 52)
        assert inverter[2:7] == [178, 178, 0xFFFF, 0xFFFF, 0xFFFE]
        assert inverter[10:16] == [2314, 0xFFFF, 0xFFFF, 0xFFFF, 412, 0]
        assert inverter[16:18] == [4998, 0xFFFE]
        assert inverter[24] << 16 | inverter[25] == 1_234_500
        assert inverter[38] == 4, "MPPT: it delivers"

    def test_a_rating_but_no_storage(self, bridge: Bridge) -> None:
        nameplate = read(bridge.images[0], 40122, 28)
        assert nameplate[2:5] == [4, 600, 0]
        assert nameplate[21:23] == [0xFFFF, 0x8000], "a charge capacity would make a GX skip the device"

    def test_panels(self, bridge: Bridge) -> None:
        first, second, third = (read(bridge.images[0], 40186 + 20 * n, 20) for n in range(3))
        assert (first[9:12], second[9:12]) == ([610, 341, 208], [600, 339, 204])
        assert third[9:12] == [0xFFFF, 0xFFFF, 0xFFFF]

    @pytest.mark.parametrize(
        ("values", "state"),
        [
            ({"/Ac/Power": 412.0}, 4),
            ({"/Ac/Power": 0.0}, 2),
            ({"/Ac/Power": 0.0, "/StatusCode": 7}, 4),
            ({"/Ac/Power": 412.0, "/StatusCode": 12}, 5),
            ({"/Ac/Power": 412.0, "/StatusCode": 10}, 7),
            ({"/Ac/Power": 412.0, "/StatusCode": 3}, 3),
            ({"/Ac/Power": 412.0, "/StatusCode": 99}, 0xFFFF),
        ],
    )
    def test_state(self, values: Mapping[Path, Value], state: int) -> None:
        bridge = Bridge()
        assert read(bridge.serve(UNIT, PV, bridge.device("roof", {**ROOF, **values})), 40108) == [state]

    def test_power_that_does_not_fit_is_no_data_never_a_number(self) -> None:
        bridge = Bridge()
        image = bridge.serve(UNIT, PV, bridge.device("roof", {**ROOF, "/Ac/Power": 40_000.0}))
        assert read(image, 40084) == [0x8000]


class TestLimit:
    async def test_percent_of_the_rating_becomes_watts(self, bridge: Bridge, gx: Client) -> None:
        assert await ask(gx, CONTROLS, 500, 0, 120, 0, 1) == 0
        assert limit_of(bridge) == 300.0
        assert read(bridge.images[0], CONTROLS, 5) == [500, 0, 120, 0, 1]

    async def test_it_ends_after_120_s_without_refresh(self, bridge: Bridge, gx: Client) -> None:
        await ask(gx, CONTROLS, 500, 0, 120, 0, 1)
        await bridge.clock.advance(119.0)
        assert bridge.adapters["roof"].commands == [{"/Ac/PowerLimit": 300.0}]
        bridge.store.devices["roof"].publish("live", {**LIMITED, "/Ac/PowerLimit": 300.0})
        await bridge.clock.advance(2.0)
        assert limit_of(bridge) == 600.0
        assert read(bridge.images[0], ENABLE) == [0]

    async def test_a_refresh_prolongs_it(self, bridge: Bridge, gx: Client) -> None:
        for _ in range(4):
            bridge.store.devices["roof"].publish("live", LIMITED)
            await ask(gx, CONTROLS, 500, 0, 120, 0, 1)
            await bridge.clock.advance(100.0)
        bridge.store.devices["roof"].publish("live", {"/Ac/PowerLimit": 300.0})
        assert limit_of(bridge) == 300.0
        assert bridge.adapters["roof"].commands[-1] == {"/Ac/PowerLimit": 300.0}

    async def test_disabling_takes_it_off_at_once(self, bridge: Bridge, gx: Client) -> None:
        await ask(gx, CONTROLS, 500, 0, 120, 0, 1)
        assert await ask(gx, ENABLE, 0) == 0
        assert limit_of(bridge) == 600.0
        await bridge.clock.advance(200.0)
        assert len(bridge.adapters["roof"].commands) == 2, "the lease is over as well"

    async def test_without_a_reversion_time_it_stays(self, bridge: Bridge, gx: Client) -> None:
        await ask(gx, CONTROLS, 500, 0, 0, 0, 1)
        await bridge.clock.advance(10_000.0)
        assert bridge.adapters["roof"].commands == [{"/Ac/PowerLimit": 300.0}]

    async def test_settings_wait_for_the_enable(self, bridge: Bridge, gx: Client) -> None:
        assert await ask(gx, CONTROLS, 250) == 0
        assert limit_of(bridge) == 600
        assert read(bridge.images[0], CONTROLS) == [250]
        assert await ask(gx, ENABLE, 1) == 0
        assert limit_of(bridge) == 150.0

    async def test_less_than_the_device_can_gives_the_least_it_can(self, bridge: Bridge, gx: Client) -> None:
        assert await ask(gx, CONTROLS, 0, 0, 120, 0, 1) == 0
        assert limit_of(bridge) == 40
        assert read(bridge.images[0], CONTROLS) == [67], "the register shows what is in force"

    async def test_a_limit_set_elsewhere_is_shown(self, bridge: Bridge) -> None:
        bridge.store.devices["roof"].publish("live", {**LIMITED, "/Ac/PowerLimit": 120})
        assert read(bridge.images[0], CONTROLS, 5) == [200, 0, 0, 0, 1]

    async def test_settings_alone_leave_a_limit_set_elsewhere_in_force(
        self, bridge: Bridge, gx: Client
    ) -> None:
        bridge.store.devices["roof"].publish("live", {**LIMITED, "/Ac/PowerLimit": 120})
        assert await ask(gx, CONTROLS, 900) == 0
        assert limit_of(bridge) == 120

    @pytest.mark.parametrize(
        ("address", "values", "code"),
        [
            (CONTROLS, (1001,), 3),
            (CONTROLS + 1, (1,), 3),
            (CONTROLS + 3, (1,), 3),
            (ENABLE, (2,), 3),
            (CONTROLS - 1, (1, 500), 2),
            (40150, (123,), 2),
            (40084, (1,), 2),
        ],
    )
    async def test_what_cannot_be(
        self, bridge: Bridge, gx: Client, address: int, values: tuple[int, ...], code: int
    ) -> None:
        assert await ask(gx, address, *values) == code
        assert bridge.adapters["roof"].commands == []

    async def test_a_refusing_device_is_told_and_nothing_changes(self, bridge: Bridge, gx: Client) -> None:
        bridge.adapters["roof"].outcome = Outcome.REFUSED
        assert await ask(gx, CONTROLS, 500, 0, 120, 0, 1) == 4
        assert read(bridge.images[0], CONTROLS, 5) == [1000, 0, 0, 0, 0]
        await bridge.clock.advance(200.0)
        assert len(bridge.adapters["roof"].commands) == 1, "what never came into force is not taken off"

    async def test_taking_it_off_is_tried_until_the_device_obeys(self, bridge: Bridge, gx: Client) -> None:
        roof, adapter = bridge.store.devices["roof"], bridge.adapters["roof"]
        await ask(gx, CONTROLS, 500, 0, 10, 0, 1)
        adapter.outcome = Outcome.TIMED_OUT
        for _ in range(8):
            roof.publish("live", {**LIMITED, "/Ac/PowerLimit": 300.0})
            await bridge.clock.advance(3.0)
        tried = len(adapter.commands)
        assert tried > 2
        adapter.outcome = Outcome.CONFIRMED
        await bridge.clock.advance(3.0)
        roof.publish("live", LIMITED)
        await bridge.clock.advance(3.0)
        assert adapter.commands[-1] == {"/Ac/PowerLimit": 600}
        settled = len(adapter.commands)
        await bridge.clock.advance(60.0)
        assert len(adapter.commands) == settled

    async def test_other_functions_cannot_pass_percent_for_watts(self, bridge: Bridge) -> None:
        """A mask write of the percentage is a limit like any other."""
        write = bridge.images[0].decode_mask(ENABLE, 0xFFFE, 1)
        assert write.changes == {"/Ac/PowerLimit": 600}

    def test_a_device_that_cannot_be_limited_refuses(self) -> None:
        bridge = Bridge()
        image = bridge.serve(UNIT, PV, bridge.device("roof", ROOF))
        with pytest.raises(MapRefusal, match="no power limit"):
            image.decode_registers(CONTROLS, bytes.fromhex("01F4 0000 0078 0000 0001"))
        assert read(image, CONTROLS, 5) == [0xFFFF] * 5


async def test_a_limit_open_when_the_bridge_stopped_is_taken_off_when_it_starts() -> None:
    state = StateStore()
    first = Bridge(state=state)
    first.serve(UNIT, PV, first.device("roof", LIMITED, [LIMIT]))
    async with running(first):
        reader, writer = await asyncio.open_connection("127.0.0.1", first.port)
        assert await ask(Client(reader, writer), CONTROLS, 500, 0, 120, 0, 1) == 0
        writer.close()
    second = Bridge(state=state)
    roof = second.device("roof", {**LIMITED, "/Ac/PowerLimit": 300.0}, [LIMIT])
    async with running(second):
        second.serve(UNIT, PV, roof)
        await second.clock.advance(1.0)
        assert second.adapters["roof"].commands == [{"/Ac/PowerLimit": 600}]


async def test_a_write_by_somebody_else_does_not_count_as_a_refresh(bridge: Bridge, gx: Client) -> None:
    roof = bridge.store.devices["roof"]
    await ask(gx, CONTROLS, 500, 0, 10, 0, 1)
    await bridge.clock.advance(4.0)
    roof.publish("live", {**LIMITED, "/Ac/PowerLimit": 300.0})
    await roof.write(WriteRequest({"/Ac/PowerLimit": 200.0}, Origin("web"), 50))
    await bridge.clock.advance(4.0)
    roof.publish("live", {**LIMITED, "/Ac/PowerLimit": 200.0})
    await bridge.clock.advance(3.0)
    assert limit_of(bridge) == 600.0
