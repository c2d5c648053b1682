"""The session at 2400 Bd: how soon, how fast, how fresh on a bad line; and that nothing damaged is shown."""

import pytest

from bridge.datastore.values import LinkState, Outcome, Quality
from tests.adapters.vebus_mk3.rig import LIMIT, MODE, STANDBY, Rig

VOLTAGE = "/Dc/0/Voltage"
#: One of each group.
FAST = (VOLTAGE, "/Ac/ActiveIn/L1/V", "/Ac/Out/L1/P", "/Leds/Mains", "/State")
SLOW = (MODE, STANDBY, "/Soc", "/VebusChargeState")
DC_REQUEST = bytes((0xFF, ord("F"), 0))


@pytest.mark.parametrize("latency", [0.0, 0.02])
@pytest.mark.parametrize("phases", [1, 3])
async def test_first_values(monkeypatch: pytest.MonkeyPatch, phases: int, latency: float) -> None:
    async with Rig(monkeypatch, phases=phases, latency=latency) as rig:
        took = await rig.until(lambda: rig.device.value(VOLTAGE) is not None)
        assert took < 2.5
        await rig.until(lambda: all(rig.device.value(path) is not None for path in FAST), 2)
        assert rig.device.link is LinkState.ONLINE


@pytest.mark.parametrize(("phases", "latency"), [(1, 0.0), (1, 0.02), (3, 0.0), (3, 0.02)])
async def test_the_line_never_rests(monkeypatch: pytest.MonkeyPatch, phases: int, latency: float) -> None:
    """From a reply's last byte to the next request's first: 5 ms at most; so a cycle is its byte time."""
    async with Rig(monkeypatch, phases=phases, latency=latency) as rig:
        await rig.clock.advance(120)  # the settings have been read
        rig.simulator.replied.clear()
        rig.wire.sent.clear()
        rig.simulator.received.clear()
        carried = rig.simulator.line_bytes
        await rig.clock.advance(20)
        replies = rig.simulator.replied
        asked = [time for time, _ in rig.wire.sent]
        gaps = [next(time for time in asked if time >= reply - 1e-6) - reply for reply in replies[:-1]]
        assert max(gaps) <= 0.005
        byte_time = (rig.simulator.line_bytes - carried) / 240
        waiting = latency * len(replies)
        assert 1.05 * (byte_time + waiting) >= 20
        assert latency or 1.3 * byte_time >= 20
        cycles = sum(data == DC_REQUEST for _, data in rig.simulator.received)
        assert 20 / cycles < {1: 0.6, 3: 1.5}[phases]


async def test_three_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, phases=3) as rig:
        await rig.clock.advance(12)
        assert rig.device.value("/Ac/NumberOfPhases") == 3
        assert [rig.device.value(f"/Ac/Out/L{n}/P") for n in (1, 2, 3)] == [400, 300, 200]
        assert [rig.device.value(f"/Ac/ActiveIn/L{n}/P") for n in (1, 2, 3)] == [800, 700, 600]
        assert rig.device.value("/Ac/ActiveIn/P") == 2100
        assert rig.device.value("/Ac/Out/P") == 900
        assert rig.device.value("/Dc/0/Power") == 3 * 372
        assert [rig.device.value(f"/Ac/ActiveIn/L{n}/V") for n in (1, 2, 3)] == [230.4, 230.1, 229.8]


async def test_several_units_on_a_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, units_per_phase=2) as rig:
        await rig.known()
        assert rig.device.value("/Ac/Out/L1/P") == 400
        assert rig.device.value("/Ac/ActiveIn/L1/P") == 1600
        assert rig.device.value("/Ac/ActiveIn/L1/I") == pytest.approx(6.94, abs=0.02)


async def test_phases_that_are_not_there_are_absent_and_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert rig.device.reading("/Ac/Out/L2/P").quality is Quality.ABSENT
        assert rig.device.reading("/Ac/ActiveIn/L3/V").quality is Quality.ABSENT
        assert not [data for _, data in rig.simulator.received if data[1:] in (b"F\x02", b"F\x03", b"F\x04")]


async def test_a_system_that_tells_one_phase_and_has_two(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, phases=2, options={"phases": 2}) as rig:
        await rig.clock.advance(12)
        assert rig.device.value("/Ac/NumberOfPhases") == 2
        assert rig.device.value("/Ac/Out/L2/P") == 300


async def test_every_point_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a unit has is heard, and what it has not is absent: nothing stays unknown."""
    async with Rig(monkeypatch, inputs=2) as rig:
        await rig.clock.advance(120)
        unknown = [p for p in rig.device.paths if rig.device.reading(p).quality is Quality.STALE]
        assert unknown == []
        assert rig.device.value("/ProductName") == "SIMULATED Quattro"
        assert rig.device.value("/Serial") == "SIM1"


async def test_slow_items_are_slow_and_fast_ones_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        for _ in range(20):
            await rig.clock.advance(0.5)
            assert all(rig.device.reading(path).age_s < 1 for path in FAST)
            assert all(rig.device.reading(path).age_s < 3 for path in SLOW)


@pytest.mark.parametrize(("phases", "seed"), [(1, 1), (1, 2), (3, 1), (3, 2)])
async def test_a_bad_line(monkeypatch: pytest.MonkeyPatch, phases: int, seed: int) -> None:
    """1 % of all bytes lost or flipped: fresh within 5 s, and nothing damaged gets past the filter."""
    async with Rig(monkeypatch, seed=seed, phases=phases) as rig:
        await rig.clock.advance(60)
        constant = [
            path
            for path in rig.device.paths
            if rig.device.value(path) is not None
            and path.split("/")[1] not in ("Energy", "Line", "Soc")
            and path != VOLTAGE
        ]
        truth = {path: rig.device.value(path) for path in constant}
        wrong = []

        def changed(paths: object) -> None:
            for path in paths:
                value = rig.device.value(path)
                if path in truth and value is not None and value != truth[path]:
                    wrong.append((path, value))

        rig.device.changed.connect(changed)
        rig.simulator.misbehave("drop", "0.005")
        rig.simulator.misbehave("flip", "0.005")
        others = [f"/Ac/{side}" for side in ("ActiveIn/L2/V", "ActiveIn/L3/V", "Out/L2/P", "Out/L3/P")]
        ages = dict.fromkeys((*FAST, *SLOW, LIMIT, *(others if phases == 3 else ())), 0.0)
        for _ in range(360):
            await rig.clock.advance(0.5)
            for path in ages:
                ages[path] = max(ages[path], rig.device.reading(path).age_s)
        assert rig.simulator.mischief.spoilt > 200
        assert max(ages.values()) < 5, ages
        assert wrong == []
        assert rig.device.link is LinkState.ONLINE


async def test_a_real_leap_is_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("load", "2500")
        assert await rig.until(lambda: rig.device.value("/Ac/Out/L1/P") == 2500) < 1.0
        rig.simulator.misbehave("mains", "off")
        assert await rig.until(lambda: rig.device.value("/State") == 9) < 1.5


async def test_nothing_that_moves_a_switch_is_sent_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.clock.advance(120)
        assert not rig.commands
        assert all(state.mode == 0 and state.flags & 0x10 for state in rig.simulator.states)
        assert len(rig.simulator.states) == 1


async def test_another_system_on_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch, serial="1122AABB") as rig:
        await rig.known()
        assert rig.device.value("/Serial") == "1122AABB"
    async with Rig(monkeypatch, serial="1122AABC", state=rig.state, clock=rig.clock) as other:
        await other.clock.advance(10)
        assert other.device.link is LinkState.WRONG_DEVICE
        assert other.device.value(VOLTAGE) is None
    options = {"serial": "1122AABC"}
    async with Rig(
        monkeypatch, serial="1122AABC", state=rig.state, clock=rig.clock, options=options
    ) as named:
        await named.known()
        assert named.device.link is LinkState.ONLINE


@pytest.mark.parametrize("options", [None, {"serial": "1122AABB"}])
async def test_a_system_that_does_not_tell_who_it_is_where_that_is_known(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, options: dict[str, str] | None
) -> None:
    """Its reply may have been lost on a bad line, and the system may be another one."""
    async with Rig(monkeypatch, serial="1122AABB", options=options) as rig:
        await rig.known()
    async with Rig(
        monkeypatch, serial="1122AABB", state=rig.state, clock=rig.clock, options=options
    ) as again:
        telling = again.simulator.interface._unit_info
        again.simulator.interface._unit_info = lambda address: []
        await again.clock.advance(20)
        assert again.device.value(VOLTAGE) is None
        assert (await again.write({"/Mode": 4}))["/Mode"] is Outcome.OFFLINE
        assert not again.commands
        assert caplog.text.count("tells no unit number, expected 1122AABB") == 1
        again.simulator.interface._unit_info = telling
        await again.known()
        assert again.device.link is LinkState.ONLINE


async def test_a_unit_that_tells_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        rig.simulator.interface._unit_info = lambda address: []
        await rig.known()
        assert rig.device.value("/Serial") == "VEBUS_multi"
        assert rig.device.link is LinkState.ONLINE


async def test_a_load_that_never_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that leap with every reading are held back twice and then shown."""
    async with Rig(monkeypatch) as rig:
        await rig.known()
        for step in range(120):
            rig.unit.load_w[0] = 300.0 + 1700 * (step * 7 % 5)
            await rig.clock.advance(0.09)
            assert rig.device.reading(VOLTAGE).age_s < 3
            assert rig.device.reading("/Ac/Out/L1/P").age_s < 3
        assert rig.device.link is LinkState.ONLINE
