"""A device of another bridge, through a real broker: what is served, what is not, and what commands do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bridge.adapters.remote import adapter
from bridge.datastore.clock import SystemClock
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import Lease
from bridge.datastore.values import LinkState, Outcome, Quality

from .broker import Broker, Relay, until
from .rig import CURRENT, LIMIT, MODE, NAME, SPECS, VOLTAGE, WHO, Field, Head, told

#: Field bridges of these tests measure so often, so that silence is soon seen.
SHORT_S = 1.0


@contextlib.asynccontextmanager
async def measuring(field: Field, voltage: float) -> AsyncIterator[None]:
    async def go_on() -> None:
        while True:
            field.measure(voltage)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()


async def ready(head: Head, voltage: float = 27.12) -> None:
    await until(lambda: head.voltage == voltage)


async def test_a_device_is_served_as_if_it_were_here(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), told(field, broker.port), Head(broker.port).living() as head:
        await ready(head)
        assert head.device.link is LinkState.ONLINE
        assert head.device.value(NAME) == "Boat"
        identity = head.device.identity
        assert identity is not None
        assert (identity.serial, identity.product_name) == (WHO.serial, WHO.product_name)
        assert identity.product == "bluesmart_charger"
        limit = head.device.spec(LIMIT)
        assert limit == field.device.spec(LIMIT)
        assert head.device.spec(MODE).refresh_s is None  # the far bridge alone sends it again
        field.measure(None, 2.5)
        await until(lambda: head.device.reading(VOLTAGE).quality is Quality.ABSENT)
        assert head.device.value(CURRENT) == 2.5


async def test_a_group_that_is_stale_there_is_stale_here_and_the_unit_with_it(broker: Broker) -> None:
    field = Field(SystemClock(), stale_after_s=SHORT_S)
    field.whole()
    async with field.living(), told(field, broker.port), Head(broker.port).living() as head:
        async with measuring(field, 27.12):
            await ready(head)
        await until(lambda: not head.device.alive)
        assert head.device.link is LinkState.SILENT
        async with measuring(field, 13.0):
            await until(lambda: (head.voltage, head.device.value(NAME)) == (13.0, "Boat"))


async def test_a_device_that_is_not_yet_told_to_be_silent_is_silent_here(broker: Broker) -> None:
    """Nobody watches over the field's groups here: its link says online when nothing there can be believed."""
    field = Field(SystemClock(), stale_after_s=SHORT_S)
    field.whole()
    async with told(field, broker.port), Head(broker.port).living() as head:
        async with measuring(field, 27.12):
            await ready(head)
        await until(lambda: not head.device.alive)
        assert (field.device.link, head.device.link) == (LinkState.ONLINE, LinkState.SILENT)


async def test_single_points_that_are_stale_there_are_stale_here(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    field.device.declare(SPECS, [GroupSpec("set", SHORT_S)], [["dc"]])
    async with field.living(), told(field, broker.port), Head(broker.port).living() as head:
        await until(lambda: head.device.has(NAME) and head.device.reading(NAME).quality is Quality.STALE)
        assert head.voltage == 27.12
        field.device.declare(SPECS, [GroupSpec("set", None)], [["dc"]])
        field.device.publish("set", {NAME: "Barge"})
        await until(lambda: head.device.value(NAME) == "Barge")
        assert head.device.reading(MODE).quality is Quality.STALE


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [(Outcome.CONFIRMED, 20), (Outcome.ADJUSTED, 12.5), (Outcome.REFUSED, 10.0), (Outcome.TIMED_OUT, 10.0)],
)
async def test_outcomes_are_carried_through(broker: Broker, outcome: Outcome, shown: float) -> None:
    field = Field(SystemClock())
    field.whole()
    field.equipment.outcome = outcome
    async with field.living(), told(field, broker.port), Head(broker.port).living() as head:
        await ready(head)
        assert await head.write({LIMIT: 20}) == {LIMIT: outcome}
        assert head.device.value(LIMIT) == shown
        assert field.equipment.done == [(LIMIT, 20)]


async def test_a_broker_that_restarts_costs_no_value_and_no_command(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), told(field, broker.port), Head(broker.port).living() as head:
        await ready(head)
        head.stale_after(1)
        broker.stop()
        field.measure(13.5)
        await until(lambda: not head.device.alive)
        assert head.device.link is LinkState.PORT_MISSING
        assert await head.write({LIMIT: 20}) == {LIMIT: Outcome.OFFLINE}
        broker.start()
        head.stale_after(60)
        await ready(head, 13.5)
        assert field.equipment.done == []
        assert await head.write({LIMIT: 21}) == {LIMIT: Outcome.CONFIRMED}
        assert field.equipment.done == [(LIMIT, 21)]


async def test_what_a_network_has_held_is_never_shown(broker: Broker) -> None:
    """Bytes of the field wait in the network for longer than they may be believed, then come all at once."""
    field = Field(SystemClock())
    field.whole()
    seen: list[object] = []
    async with (
        Relay(lambda: broker.port) as relay,
        field.living(),
        told(field, relay.port) as outlet,
        Head(broker.port, stale_after=1).living() as head,
    ):
        await ready(head)
        relay.hold()
        field.measure(11.0)
        await until(lambda: not outlet._stream._tracked["charger"].dirty)  # on its way, but held
        field.measure(12.0)
        held_until = asyncio.get_running_loop().time() + 1.5
        await until(lambda: asyncio.get_running_loop().time() > held_until and not head.device.alive)
        head.device.changed.connect(lambda _: seen.append(head.voltage))
        relay.go()
        await ready(head, 12.0)
    assert 11.0 not in seen


async def test_a_command_that_a_network_has_held_is_not_done(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = Field(SystemClock())
    field.whole()
    async with (
        Relay(lambda: broker.port) as relay,
        field.living(),
        told(field, broker.port),
        Head(relay.port, stale_after=300).living() as head,
    ):
        await ready(head)
        relay.hold()
        monkeypatch.setattr(adapter, "_BEGIN_WITHIN_S", 1.0)
        writing = asyncio.create_task(head.write({LIMIT: 20}))
        held_until = asyncio.get_running_loop().time() + 1.5
        await until(lambda: asyncio.get_running_loop().time() > held_until)
        relay.go()
        assert await writing in (
            {LIMIT: Outcome.REFUSED},
            {LIMIT: Outcome.TIMED_OUT},
            {LIMIT: Outcome.OFFLINE},
        )
        assert field.equipment.done == []
        monkeypatch.setattr(adapter, "_BEGIN_WITHIN_S", 25.0)
        field.measure(13.3)
        await ready(head, 13.3)
        assert await head.write({LIMIT: 22}) == {LIMIT: Outcome.CONFIRMED}
        assert field.equipment.done == [(LIMIT, 22)]


async def test_a_cut_while_a_command_is_under_way_does_it_once(broker: Broker) -> None:
    """The reply is lost with the connection; the head-end asks again under the same id."""
    field = Field(SystemClock())
    field.whole()
    begun, on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await on.wait()

    field.equipment.before = wait
    async with (
        Relay(lambda: broker.port) as relay,
        field.living(),
        told(field, broker.port),
        Head(relay.port, stale_after=300).living() as head,
    ):
        await ready(head)
        writing = asyncio.create_task(head.write({LIMIT: 20}))
        await begun.wait()
        relay.cut()
        on.set()
        assert await writing == {LIMIT: Outcome.CONFIRMED}
        assert field.equipment.done == [(LIMIT, 20)]


async def test_a_field_bridge_that_begins_anew_is_followed(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with field.living(), Head(broker.port).living() as head:
        async with told(field, broker.port):
            await ready(head)
        field.measure(14.0)
        async with told(field, broker.port):
            await ready(head, 14.0)


async def test_head_ends_stand_side_by_side(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with (
        field.living(),
        told(field, broker.port),
        Head(broker.port).living() as one,
        Head(broker.port).living() as two,
    ):
        await ready(one)
        await ready(two)
        assert await one.write({LIMIT: 20}) == {LIMIT: Outcome.CONFIRMED}
        await until(lambda: two.device.value(LIMIT) == 20)
        assert await two.write({MODE: 4}) == {MODE: Outcome.CONFIRMED}
        await until(lambda: one.device.value(MODE) == 4)
    assert field.equipment.done == [(LIMIT, 20), (MODE, 4)]


async def test_another_serial_than_the_wanted_one_is_not_shown(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    async with (
        field.living(),
        told(field, broker.port),
        Head(broker.port, serial="HQ0000OTHER").living() as head,
    ):
        await until(lambda: head.device.link is LinkState.WRONG_DEVICE)
        assert not head.device.alive


async def test_a_device_that_the_field_does_not_have_is_silent_and_says_so(broker: Broker) -> None:
    field = Field(SystemClock())
    async with field.living(), told(field, broker.port), Head(broker.port, device="pump").living() as head:
        await until(lambda: head.device.link_words == "the far bridge has no device pump")
        assert head.device.link is LinkState.SILENT


async def test_a_lease_of_the_head_end_ends_with_its_safe_value_there(broker: Broker) -> None:
    field = Field(SystemClock())
    field.whole()
    leases = {MODE: Lease(1.0, 4)}
    async with field.living(), told(field, broker.port), Head(broker.port, leases=leases).living() as head:
        await ready(head)
        assert await head.write({MODE: 1}) == {MODE: Outcome.CONFIRMED}
        await until(lambda: field.equipment.done == [(MODE, 1), (MODE, 4)])
        assert await head.adapter.expired((LIMIT,))  # its lease is the far bridge's own
        assert len(field.equipment.done) == 2
