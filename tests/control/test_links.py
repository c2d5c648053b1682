"""Links: what is heard is handed on with its age, and what is not heard is never repeated."""

import logging

import pytest

from bridge.control.links import Link, fault_of
from bridge.datastore.refusals import NotWritable
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Origin, WriteRequest
from tests.control.rig import Rig, running

SOC = Link("shunt", "/Soc", "bms", "/Soc")
VOLTS = Link("shunt", "/Dc/0/Voltage", "bms", "/Dc/0/Voltage")
LIMIT = Link("shunt", "/Soc", "bms", "/Limit")


def said(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    return [
        r.getMessage() for r in caplog.records if r.name.startswith("bridge.control") and r.levelno >= level
    ]


async def test_every_publication_is_handed_on_also_without_a_change() -> None:
    async with running(Rig(SOC)) as rig:
        for soc in (80, 80, 80.5):
            await rig.hear(Soc=soc)
            await rig.pass_time(2)
        assert rig.bms.taken == [(0.05, {"/Soc": 80}), (2.05, {"/Soc": 80}), (4.05, {"/Soc": 80.5})]
        assert rig.bms.ages == [0.05, 0.05, 0.05]
        assert {attempt.origin for attempt in rig.attempts} == {Origin("link", "shunt")}


async def test_what_comes_together_goes_as_one_batch() -> None:
    async with running(Rig(SOC, VOLTS)) as rig:
        await rig.hear(Soc=80)
        await rig.clock.advance(0.03)
        await rig.hear("more", V=52.1)
        await rig.pass_time(1)
        assert rig.bms.taken == [(0.05, {"/Soc": 80, "/Dc/0/Voltage": 52.1})]
        assert rig.bms.ages == [0.05]  # that of the older one


async def test_at_most_one_batch_a_second_and_it_has_the_newest() -> None:
    async with running(Rig(SOC)) as rig:
        for soc in range(40):
            await rig.hear(Soc=soc)
            await rig.clock.advance(0.1)
            rig.target.publish("bus", {})
        assert rig.bms.times == [0.05, 1.05, 2.05, 3.05]
        assert rig.bms.values == [{"/Soc": 0}, {"/Soc": 10}, {"/Soc": 20}, {"/Soc": 30}]


async def test_a_point_that_a_publication_does_not_bring_is_not_young() -> None:
    async with running(Rig(SOC)) as rig:
        await rig.hear(Soc=80)
        await rig.pass_time(2)
        await rig.hear(V=52.1)
        await rig.pass_time(2)
        assert rig.bms.times == [0.05]


async def test_a_silent_source_is_not_repeated_and_the_lease_runs_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with running(Rig(SOC)) as rig:
        for _ in range(10):
            await rig.hear(Soc=80)
            await rig.pass_time(1)
        await rig.pass_time(40)
        assert rig.bms.times[-1] == 9.05
        assert rig.bms.expiries == [(39.05, ("/Soc",))]
        fed_at = rig.target.fed_at("/Soc")
        assert fed_at is not None
        assert rig.clock.monotonic() - fed_at == pytest.approx(41.0)
        await rig.hear(Soc=79)
        await rig.pass_time(1)
        assert rig.bms.values[-1] == {"/Soc": 79}
    assert said(caplog, logging.INFO) == [
        "device=bms link=/Soc from=shunt:/Soc heard",
        "device=bms link=/Soc from=shunt:/Soc stale: not written until it is heard again",
        "device=bms link=/Soc from=shunt:/Soc heard",
    ]


async def test_an_absent_value_is_no_value() -> None:
    async with running(Rig(SOC, VOLTS)) as rig:
        await rig.hear(Soc=80, V=52)
        await rig.pass_time(2)
        await rig.hear(Soc=None, V=53)
        await rig.pass_time(2)
        assert rig.bms.values == [{"/Soc": 80, "/Dc/0/Voltage": 52}, {"/Dc/0/Voltage": 53}]


async def test_a_value_that_has_become_absent_while_it_waited_is_not_written() -> None:
    async with running(Rig(SOC)) as rig:
        await rig.hear(Soc=80)
        await rig.hear(Soc=None)
        await rig.pass_time(2)
        assert rig.bms.taken == []


async def test_everybody_else_is_refused_from_the_beginning() -> None:
    rig = Rig(SOC)
    with pytest.raises(NotWritable, match="fed by a link"):
        await rig.target.write(WriteRequest({"/Soc": 50}, Origin("modbus", "10.0.0.1")))


async def test_one_value_that_is_refused_keeps_no_other_back(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Rig(SOC, VOLTS)) as rig:
        for volts in (52, 75, 76, 53, 77):
            await rig.hear(Soc=80, V=volts)
            await rig.pass_time(1)
        both, one = {"/Soc", "/Dc/0/Voltage"}, {"/Soc"}
        assert [set(values) for values in rig.bms.values] == [both, one, one, both, one]
        assert rig.target.fed_at("/Dc/0/Voltage") == pytest.approx(rig.clock.monotonic() - 2)
    assert said(caplog) == [
        "device=bms link=/Dc/0/Voltage from=shunt not taken: /Dc/0/Voltage: found 75, expected 40 to 60 V",
        "device=bms link=/Dc/0/Voltage from=shunt not taken: /Dc/0/Voltage: found 77, expected 40 to 60 V",
    ]


async def test_a_point_without_lease_is_written_when_the_device_shows_another_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(Rig(LIMIT)) as rig:
        for soc in (80, 80, 80.3, 81, 81):
            await rig.hear(Soc=soc)
            await rig.pass_time(2)
        assert rig.bms.values == [{"/Limit": 80}, {"/Limit": 81}]
        rig.target.publish("set", {"/Limit": 5})  # changed at the device itself
        await rig.hear(Soc=81)
        await rig.pass_time(2)
        assert rig.bms.values[-1] == {"/Limit": 81}
    assert said(caplog) == [
        "device=bms link=/Limit from=shunt:/Soc has no lease: its last value stays when the source falls silent, "
        "unless the site file gives bms a lease of /Limit"
    ]


async def test_a_slow_device_gets_the_newest_not_all() -> None:
    async with running(Rig(SOC)) as rig:
        rig.bms.takes_s = 3.0
        for soc in range(10):
            await rig.hear(Soc=soc)
            await rig.pass_time(1)
        assert len(rig.bms.taken) <= 4
        assert max(rig.bms.ages) <= 3.5


async def test_a_device_that_cannot_hear_is_not_asked() -> None:
    async with running(Rig(SOC)) as rig:
        await rig.bus_falls_silent()
        await rig.hear(Soc=80)
        await rig.pass_time(3)
        assert rig.attempts == []
        await rig.bus_is_back()
        await rig.pass_time(2)
        assert rig.attempts == []  # what was heard in between is of then
        await rig.hear(Soc=81)
        await rig.pass_time(1)
        assert rig.bms.values == [{"/Soc": 81}]


async def test_a_value_is_converted() -> None:
    async with running(
        Rig(Link("shunt", "/Dc/0/Current", "bms", "/Info/MaxChargeCurrent", -2.0, 10.0))
    ) as rig:
        await rig.hear(I=-30)
        await rig.pass_time(1)
        assert rig.bms.values == [{"/Info/MaxChargeCurrent": 70.0}]


async def test_a_text_is_handed_on() -> None:
    async with running(Rig(Link("shunt", "/Serial", "bms", "/Label"))) as rig:
        await rig.hear(Serial="HQ1")
        await rig.pass_time(1)
        assert rig.bms.values == [{"/Label": "HQ1"}]


async def test_a_link_that_cannot_be_is_told_once_and_leaves_its_target_to_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(Rig(Link("shunt", "/Soc", "bms", "/Dc/0/Voltage"), VOLTS_TO_LIMIT)) as rig:
        for _ in range(3):
            await rig.hear(Soc=52, V=52)
            await rig.pass_time(1)
        assert rig.bms.taken == []
        await rig.target.write(WriteRequest({"/Dc/0/Voltage": 50}, Origin("modbus")), 0.0)
    assert said(caplog) == [
        "device=bms link=/Dc/0/Voltage from=shunt:/Soc cannot be: the source is measured in %: expected V, as the "
        "target is, or a factor that converts it",
        "device=bms link=/Limit from=shunt:/Dc/0/Voltage cannot be: the source is measured in V: expected %, as "
        "the target is, or a factor that converts it",
    ]


VOLTS_TO_LIMIT = Link("shunt", "/Dc/0/Voltage", "bms", "/Limit")


async def test_a_point_that_there_is_not_is_told_once_and_works_when_it_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from tests.control.rig import BMS, SHUNT

    link = Link("shunt", "/Soh", "bms", "/Soc")
    async with running(Rig(link)) as rig:
        for _ in range(3):
            await rig.hear(Soc=52)
            await rig.pass_time(1)
        assert said(caplog) == [
            "device=bms link=/Soc from=shunt:/Soh cannot be: found no point /Soh on device shunt: mend the link in "
            "the site file"
        ]
        rig.shunt.declare([*SHUNT, PointSpec("/Soh", "%")], [], [["text"]])
        await rig.hear(Soc=52, Soh=99)
        await rig.pass_time(1)
        assert rig.bms.values == [{"/Soc": 99}]
        rig.target.declare([s for s in BMS if s.path != "/Soc"], [], [["bus"]])
        await rig.hear(Soh=98)
        await rig.pass_time(1)
        assert rig.bms.values == [{"/Soc": 99}]


async def test_devices_that_are_not_known_yet_are_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Rig(SOC, declared=False)) as rig:
        await rig.clock.advance(3)
        rig.declare()
        rig.target.publish("bus", {})
        await rig.hear(Soc=80)
        await rig.pass_time(1)
        assert rig.bms.values == [{"/Soc": 80}]
    assert said(caplog) == []


NUMBER, TEXT = PointSpec("/A", "V", writable=True), PointSpec("/A", text=True, writable=True)
PLAIN = Link("a", "/A", "b", "/A")
#: Link, source, target, and a word of the fault; None for a link that can be.
JUDGED = [
    (PLAIN, PointSpec("/A", "V"), NUMBER, None),
    (PLAIN, PointSpec("/A"), NUMBER, None),
    (PLAIN, PointSpec("/A", text=True), TEXT, None),
    (PLAIN, NUMBER, PointSpec("/A", "V"), "read-only"),
    (PLAIN, NUMBER, PointSpec("/A", writable=True, self_clearing=True), "every write"),
    (PLAIN, NUMBER, PointSpec("/A", writable=True, heartbeat=True), "every write"),
    (PLAIN, PointSpec("/A", text=True), NUMBER, "the source is text: expected a number"),
    (PLAIN, NUMBER, TEXT, "the source is a number: expected text"),
    (PLAIN, PointSpec("/A", "A"), NUMBER, "measured in A: expected V"),
    (Link("a", "/A", "b", "/A", 2.0), PointSpec("/A", "A"), NUMBER, None),
    (Link("a", "/A", "b", "/A", 2.0), PointSpec("/A", text=True), TEXT, "no factor"),
    (Link("a", "/A", "b", "/A", 1.0, 5.0), PointSpec("/A", "A"), NUMBER, "measured in A"),
]


@pytest.mark.parametrize(("link", "source", "target", "fault"), JUDGED)
def test_judged(link: Link, source: PointSpec, target: PointSpec, fault: str | None) -> None:
    found = fault_of(link, source, target)
    assert found is None if fault is None else fault in (found or "")
