"""Links, attempts, and what others are told of a device."""

import logging
from collections.abc import Callable

import pytest

from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device, on_paths
from bridge.datastore.events import Signal
from bridge.datastore.points import GroupSpec
from bridge.datastore.refusals import NotWritable
from bridge.datastore.spec import Lease, PointSpec, Safe
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import (
    Identity,
    LinkState,
    Origin,
    Outcome,
    Quality,
    Reading,
    WriteAttempt,
    WriteRequest,
    identity_from,
)
from tests.datastore.rig import GROUPS, MODBUS, ON, POINTS, Rig, running

STARTING, ONLINE, ASLEEP, SILENT, PORT_MISSING, WRONG_DEVICE, NIGHT = LinkState

# -- links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "group", "link"),
    [
        (STARTING, "essential", ONLINE),
        (SILENT, "essential", ONLINE),
        (ASLEEP, "essential", ONLINE),
        (PORT_MISSING, "essential", ONLINE),
        (WRONG_DEVICE, "essential", ONLINE),
        (NIGHT, "essential", NIGHT),
        (STARTING, "slow", STARTING),
        (PORT_MISSING, "slow", PORT_MISSING),  # counters and the like prove nothing
        (WRONG_DEVICE, "slow", WRONG_DEVICE),
    ],
)
async def test_what_is_heard_and_the_link(was: LinkState, group: str, link: LinkState) -> None:
    rig = Rig()
    rig.device.publish("essential", {"/Volts": 12})  # still fresh when the fault comes
    rig.device.set_link(was)
    rig.device.publish(group, {})
    assert rig.device.link is link


async def test_silence_is_noticed_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    links: list[LinkState] = []
    rig.device.link_changed.connect(links.append)
    await rig.hear()
    await rig.clock.advance(3)
    assert rig.device.status().uptime_s == pytest.approx(3)
    for _ in range(4):
        await rig.clock.advance(2)
        rig.device.expire()
    assert links == [ONLINE, SILENT]
    assert rig.device.status().uptime_s == 0
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1


async def test_a_device_never_heard_is_silent_after_a_while() -> None:
    async with running(online=False) as rig:
        await rig.clock.advance(4)
        rig.device.expire()
        assert rig.device.link is STARTING
        await rig.clock.advance(2)
        rig.device.expire()
        assert rig.device.link is SILENT


@pytest.mark.parametrize("link", [ASLEEP, PORT_MISSING, WRONG_DEVICE, NIGHT])
async def test_a_known_reason_is_not_overwritten_by_silence(link: LinkState) -> None:
    rig = Rig()
    await rig.hear()
    rig.device.set_link(link)
    await rig.clock.advance(60)
    rig.device.expire()
    assert rig.device.link is link


# -- attempts --------------------------------------------------------------------------------------


async def test_every_attempt_is_counted_and_told_once() -> None:
    async with running() as rig:
        await rig.write(Fan=1, Name="a")
        with pytest.raises(NotWritable):
            await rig.write(Volts=1)
        rig.device.refuse(WriteRequest({"/Fan": 2}, MODBUS, 20, {"/Fan": 7}), 1, "no right to write")
        rig.device.set_link(SILENT)
        await rig.write(Fan=3)
        assert [(a.path, a.new, a.outcome.word, a.exception_code) for a in rig.attempts] == [
            ("/Fan", 1, "confirmed", 0),
            ("/Name", "a", "confirmed", 0),
            ("/Volts", 1, "refused", 2),
            ("/Fan", 2, "refused", 1),
            ("/Fan", 3, "offline", 0x0B),
        ]
        assert rig.device.status().attempts == 5


async def test_the_newest_attempt_is_told_with_unit_address_old_value_and_stamps() -> None:
    async with running() as rig:
        await rig.write(Fan=1)
        await rig.clock.advance(2)
        await rig.device.write(WriteRequest({"/Fan": 2}, MODBUS, 20, {"/Fan": 0x3011}))
        assert rig.device.status().newest == WriteAttempt(
            time=1_700_000_002, device="charger", origin=MODBUS, unit=20, address=0x3011, path="/Fan",
            old=1, new=2, outcome=Outcome.CONFIRMED, duration_s=0, exception_code=0,
        )  # fmt: skip


async def test_an_older_attempt_that_ends_does_not_hide_the_newest() -> None:
    async with running() as rig:
        rig.adapter.slow = True
        await rig.begin(Fan=1)
        await rig.begin(Name="a")
        rig.adapter.calls[0].answer(Outcome.REFUSED)
        await rig.hear()
        newest = rig.device.status().newest
        assert newest is not None
        assert (newest.path, newest.outcome) == ("/Name", Outcome.PENDING)


async def test_only_people_and_clients_are_owners() -> None:
    async with running() as rig:
        before = rig.device.owner_wrote_at
        await rig.write(0, Origin("automation", "surplus"), Fan=1)
        assert rig.device.owner_wrote_at == before
        await rig.write(Fan=2)
        assert rig.device.owner_wrote_at == rig.clock.monotonic()


@pytest.mark.parametrize(
    ("outcome", "code"),
    list(zip(Outcome, (0x00, 0x04, 0x04, 0x0B, 0x06, 0x06, 0x0B, 0x05), strict=True)),
)
def test_the_reply_to_an_outcome(outcome: Outcome, code: int) -> None:
    assert outcome.exception_code == code


def test_confirm_time_of_a_batch_is_its_shortest() -> None:
    rig = Rig()
    rig.device.declare([PointSpec("/A", confirm_s=0.3), PointSpec("/B", confirm_s=2.0)], GROUPS, [])
    assert rig.device.confirm_s(["/A", "/B"]) == 0.3
    assert rig.device.confirm_s(["/B"]) == 2.0
    assert rig.device.confirm_s(["/Nowhere"]) == 0.4


# -- identity and listeners ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("saved", "identity"),
    [
        ({"serial": "HQ1", "product_id": 5}, Identity(serial="HQ1", product_id=5)),
        ({"serial": "HQ1", "of a later version": 1}, Identity(serial="HQ1")),
        (None, None),
        ({"serial": 5}, None),
        ({"product_id": "x"}, None),
        ([], None),
    ],
)
def test_a_saved_identity(saved: object, identity: Identity | None) -> None:
    assert identity_from(saved) == identity


def test_what_was_learnt_is_there_after_a_restart() -> None:
    state = StateStore()
    identity = Identity("HQ1", "ac_charger", 0xA334, "Blue Smart IP22", "3.42")
    Device("charger", ManualClock(), state.memory("charger")).learn(identity)
    assert Device("charger", ManualClock(), state.memory("charger")).identity == identity


def test_a_failing_listener_harms_nobody_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    signal: Signal[int] = Signal("s")
    heard: list[int] = []
    well = False

    def failing(_: int) -> None:
        if not well:
            raise RuntimeError("defect")

    signal.connect(failing)
    disconnect = signal.connect(heard.append)
    signal.emit(1)
    signal.emit(2)
    well = True
    signal.emit(3)
    signal.emit(4)
    disconnect()
    disconnect()
    signal.emit(5)
    assert heard == [1, 2, 3, 4]
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING"]


async def test_on_paths_tells_of_the_named_points_alone() -> None:
    rig = Rig()
    told: list[tuple[str, Reading]] = []
    stop = on_paths(rig.device, ["/Volts"], lambda path, reading: told.append((path, reading)))
    rig.device.publish("essential", {"/Volts": 12.5, "/Max": 3})
    rig.device.declare([p for p in POINTS if p.path != "/Volts"], GROUPS, [["essential"]])
    stop()
    rig.device.publish("essential", {})
    assert told == [("/Volts", Reading(12.5, Quality.OK, 0.0)), ("/Volts", Reading(None, Quality.STALE))]


# -- the datastore ---------------------------------------------------------------------------------


async def test_the_watch_marks_what_becomes_stale(stop_after: "Callable[[object], None]") -> None:
    store = Datastore(ManualClock(), StateStore())
    clock = store.clock
    assert isinstance(clock, ManualClock)
    told: list[tuple[str, float]] = []
    for name, stale_after_s in (("a", 5.0), ("b", 7.5)):
        device = store.add(name)
        device.declare([PointSpec("/A")], [GroupSpec("g", stale_after_s)], [["g"]])
        device.publish("g", {"/A": 1})
        device.changed.connect(lambda _, name=name: told.append((name, clock.monotonic())))  # type: ignore[misc]
    stop_after(store.run())
    await clock.advance(20)
    assert told == [("a", pytest.approx(1005, abs=0.05)), ("b", pytest.approx(1007.5, abs=0.05))]


async def test_devices_come_and_go() -> None:
    store = Datastore(ManualClock(), StateStore())
    told: list[WriteAttempt] = []
    store.attempted.connect(told.append)
    device = store.add("a", None, {"/Fan": Lease(9, Safe.HOLD)}, 60.0)
    device.declare(POINTS, GROUPS, [])
    assert device.spec("/Fan").lease == Lease(9, Safe.HOLD)
    device.refuse(WriteRequest({"/Mode": ON}, MODBUS), 1, "")
    assert [attempt.device for attempt in told] == ["a"]
    with pytest.raises(ValueError, match="'a' exists already"):
        store.add("a")
    assert list(store.devices) == ["a"]
    store.remove("a")
    assert list(store) == []
    with pytest.raises(KeyError):
        store.remove("a")
