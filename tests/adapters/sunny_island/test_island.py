"""The island as it is heard: frames go in, points come out. No bus; the clock stands until it is advanced."""

import dataclasses
import logging
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.inverter_frames import GX_IDENT, GX_KEEPALIVE, KEEPALIVE
from bridge.adapters.can.simulated_island import FAILURE, OPERATING, IslandState, telemetry
from bridge.adapters.sunny_island.island import Island
from bridge.adapters.sunny_island.options import SunnyIslandOptions
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.datastore.values import Quality

RUNNING = IslandState(
    lines=2,
    external_w=(2300, -700),
    inverter_w=(-1800, 1300),
    external_var=(200, 0),
    inverter_var=(-100, 0),
    output_v=120.2,
    output_hz=60.01,
    external_v=119.8,
    external_hz=59.98,
    battery_v=52.1,
    battery_a=12.0,
    battery_c=23.0,
    soc_pct=99.0,
    operating=OPERATING,
    ac2_closed=True,
    ac2_valid=True,
)
THREE = dataclasses.replace(
    RUNNING, lines=3, external_w=(300, 200, 100), inverter_w=(100, 100, 100), output_v=230.0, external_v=229.0
)
ONE = dataclasses.replace(RUNNING, lines=1, external_w=(400,), inverter_w=(100,), output_v=230.0)

#: What a battery converter of hobbyists sends as 0x305.
HOBBYIST = CanFrame(0x305, bytes.fromhex("2100000000000000"))


class Ear:
    """An island that is told frames by hand."""

    def __init__(
        self, state: StateStore | None = None, clock: ManualClock | None = None, **options: Any
    ) -> None:
        self.clock = clock or ManualClock()
        self.state = state or StateStore(None)
        self.device = Datastore(self.clock, self.state).add("si")
        wanted = SunnyIslandOptions(adapter="sunny_island", interface="virtual", channel="v", **options)
        self.island = Island(self.device, wanted, self.clock)

    async def rounds(self, state: IslandState, count: int = 1, lacking: Iterable[int] = ()) -> "Ear":
        """Let rounds of frames arrive, each followed by its second."""
        for _ in range(count):
            for frame in telemetry(state):
                if frame.id not in lacking:
                    self.island.hear(frame)
            await self.clock.advance(1.0)
        return self

    def value(self, path: str) -> object:
        return self.device.value(path)

    def lines(self, path: str) -> list[object]:
        """The values of a path with `{}` where the line stands; the word for those that have none."""
        readings = [self.device.reading(path.format(line)) for line in (1, 2, 3)]
        return [r.value if r.quality is Quality.OK else r.quality.value for r in readings]


async def test_a_split_phase_pair() -> None:
    ear = await Ear(phases=2).rounds(RUNNING, 2)
    assert ear.lines("/Ac/ActiveIn/L{}/P") == [2300, -700, "absent"]
    assert ear.lines("/Ac/ActiveIn/L{}/V") == [119.8, 119.8, "absent"]
    assert ear.lines("/Ac/ActiveIn/L{}/F") == [59.98, 59.98, "absent"]
    assert ear.lines("/Ac/ActiveIn/L{}/I") == [19, -5, "absent"]
    assert ear.lines("/Ac/ActiveIn/L{}/Q") == [200, 0, "absent"]
    assert ear.lines("/Ac/Inverter/L{}/P") == [-1800, 1300, "absent"]
    assert ear.lines("/Ac/Inverter/L{}/Q") == [-100, 0, "absent"]
    assert ear.lines("/Ac/Out/L{}/V") == [120.2, 120.2, "absent"]
    assert ear.lines("/Ac/Out/L{}/F") == [60.01, 60.01, "absent"]
    assert ear.lines("/Ac/Out/L{}/P") == [500, 600, "absent"]
    assert ear.lines("/Ac/Out/L{}/I") == [4, 4, "absent"]
    shown = {
        "/Ac/ActiveIn/P": 1600, "/Ac/Out/P": 1100, "/Ac/NumberOfPhases": 2, "/State": 3, "/Mode": 3,
        "/Dc/0/Voltage": 52.1, "/Dc/0/Current": 12.0, "/Soc": 99.0, "/Dc/0/Temperature": 23.0,
        "/Ac/ActiveIn/Connected": 1, "/Alarms/GridLost": 0, "/Alarms/Fault": 0, "/ErrorCode": 0,
        "/Serial": "SUNNYISLAND_si", "/ProductName": "Sunny Island", "/Ac/In/1/Type": 1,
    }  # fmt: skip
    assert {path: ear.value(path) for path in shown} == shown


async def test_three_lines_by_the_site_file() -> None:
    ear = await Ear(phases=3).rounds(THREE)
    assert ear.lines("/Ac/Out/L{}/P") == [400, 300, 200]
    assert ear.lines("/Ac/Out/L{}/V") == [230.0, 230.0, 230.0]
    assert ear.lines("/Ac/ActiveIn/L{}/P") == [300, 200, 100]
    assert ear.lines("/Ac/ActiveIn/L{}/I") == [1, 0, 0]
    assert ear.value("/Ac/ActiveIn/P") == 600


@pytest.mark.parametrize(("state", "phases"), [(ONE, 1), (RUNNING, 2), (THREE, 3)])
async def test_lines_are_learnt_and_remembered(state: IslandState, phases: int) -> None:
    ear = await Ear().rounds(state, 1)
    assert ear.value("/Ac/NumberOfPhases") == 1  # nothing is believed of a single frame
    await ear.rounds(state, 3)
    assert ear.value("/Ac/NumberOfPhases") == phases
    assert [ear.lines("/Ac/Out/L{}/V").count(word) for word in ("absent", "stale")] == [3 - phases, 0]
    again = await Ear(ear.state, ear.clock).rounds(dataclasses.replace(state, output_v=0, external_v=0))
    assert again.value("/Ac/NumberOfPhases") == phases
    assert again.lines("/Ac/Out/L{}/V") == [0.0] * phases + ["absent"] * (3 - phases)


async def test_a_line_is_learnt_while_only_one_has_mains() -> None:
    """AC2 may have one phase, and the output three."""
    ear = Ear()
    for _ in range(4):
        for frame in telemetry(THREE):
            if frame.id == 0x309:
                frame = telemetry(ONE)[-1]
            ear.island.hear(frame)
        await ear.clock.advance(1)
    assert ear.value("/Ac/NumberOfPhases") == 3


async def test_what_the_site_says_of_lines_is_not_unlearnt() -> None:
    ear = await Ear(phases=1).rounds(THREE, 5)
    assert ear.value("/Ac/NumberOfPhases") == 1
    assert ear.lines("/Ac/Out/L{}/P") == [400, "absent", "absent"]


@pytest.mark.parametrize(
    ("lacking", "lost", "kept"),
    [
        (0x300, ("/Ac/ActiveIn/L1/P", "/Ac/Out/L1/P", "/Ac/Out/L1/I", "/Ac/ActiveIn/L1/I"), "/Ac/Out/P"),
        (0x301, ("/Ac/Inverter/L1/P", "/Ac/Out/L1/P", "/Ac/Out/L1/I"), "/Ac/ActiveIn/L1/I"),
        (0x304, ("/Ac/Out/L1/V", "/Ac/Out/L1/I", "/Mode", "/State"), "/Ac/Out/L1/P"),
        (0x306, ("/Soh", "/ErrorCode", "/Error", "/Alarms/Fault"), "/State"),
        (0x307, ("/Alarms/GridLost", "/Relay/0/State", "/Ac/ActiveIn/Connected"), "/State"),
        (0x309, ("/Ac/ActiveIn/L1/V", "/Ac/ActiveIn/L1/I"), "/Ac/ActiveIn/L1/P"),
    ],
)
async def test_a_missing_frame_makes_what_needs_it_stale_and_nothing_else(
    lacking: int, lost: tuple[str, ...], kept: str
) -> None:
    ear = await Ear(phases=2).rounds(RUNNING, 3)
    assert all(ear.value(path) is not None for path in lost)
    await ear.rounds(RUNNING, 9, lacking=[lacking])
    assert {path: ear.device.reading(path).quality for path in lost} == dict.fromkeys(lost, Quality.STALE)
    assert ear.device.reading(kept).quality is Quality.OK
    await ear.rounds(RUNNING, 2)
    assert all(ear.value(path) is not None for path in lost)


async def test_without_the_battery_frame_the_island_is_not_alive() -> None:
    ear = await Ear(phases=2).rounds(RUNNING, 3)
    assert ear.device.alive
    await ear.rounds(RUNNING, 6, lacking=[0x305])
    assert not ear.device.alive


async def test_without_the_total_load_the_lines_are_added_up() -> None:
    ear = await Ear(phases=2).rounds(RUNNING, 3, lacking=[0x308])
    assert ear.lines("/Ac/Out/L{}/P") == [500, 600, "absent"]
    assert ear.value("/Ac/Out/P") == 1100


async def test_each_round_is_worked_out_from_its_own_frames() -> None:
    """Loads that change never show as a mixture of two seconds."""
    ear = Ear(phases=1)
    shown = []
    for step in range(6):
        drawn = 1000 * (step % 2)
        state = dataclasses.replace(ONE, external_w=(drawn,), inverter_w=(1000 - drawn,))
        await ear.rounds(state)
        shown.append(ear.value("/Ac/Out/L1/P"))
    assert shown == [1000] * 6


async def test_a_frame_of_a_generator_that_stands_still_is_no_alarm() -> None:
    dark = dataclasses.replace(ONE, ac2_valid=False, ac2_closed=False, external_v=0)
    grid, generator = await Ear().rounds(dark, 3), await Ear(external="generator").rounds(dark, 3)
    assert grid.value("/Alarms/GridLost") == 2
    assert generator.device.reading("/Alarms/GridLost").quality is Quality.ABSENT
    assert (grid.value("/Ac/In/1/Type"), generator.value("/Ac/In/1/Type")) == (1, 2)
    assert generator.value("/Ac/ActiveIn/ActiveInput") == 240


async def test_a_failure() -> None:
    ear = await Ear().rounds(dataclasses.replace(ONE, operating=FAILURE, error=952, output_v=0))
    shown = {"/State": 2, "/ErrorCode": 952, "/Error": "F952", "/Alarms/Fault": 2, "/Mode": 4}
    assert {path: ear.value(path) for path in shown} == shown


@pytest.mark.parametrize("frame", [KEEPALIVE, GX_KEEPALIVE, GX_IDENT, HOBBYIST], ids=str)
async def test_another_inverters_keepalive_is_no_telemetry(
    frame: CanFrame, caplog: pytest.LogCaptureFixture
) -> None:
    ear = await Ear(phases=2).rounds(RUNNING, 2)
    before = {path: ear.value(path) for path in ear.device.paths}
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            ear.island.hear(frame)
    assert {path: ear.value(path) for path in ear.device.paths} == before
    assert len([record for record in caplog.records if "keep-alive" in record.message]) == 1


async def test_a_bus_with_nothing_but_keepalives_is_not_an_island() -> None:
    ear = Ear()
    for _ in range(10):
        for frame in (KEEPALIVE, GX_KEEPALIVE, GX_IDENT):
            ear.island.hear(frame)
    assert not ear.device.alive
    assert all(ear.value(path) is None for path in ear.device.paths)


@pytest.mark.parametrize("length", [0, 1])
async def test_a_frame_too_short_to_say_anything_is_counted(length: int) -> None:
    ear = Ear()
    for frame in telemetry(ONE):
        ear.island.hear(CanFrame(frame.id, b"\1" * length))
    assert ear.device.status().errors == 10
    assert not ear.device.alive


async def test_a_short_tail_is_absent() -> None:
    ear = Ear()
    ear.island.hear(CanFrame(0x305, bytes.fromhex("0902 88ff")))
    assert ear.value("/Dc/0/Current") == 12.0
    assert ear.device.reading("/Soc").quality is Quality.ABSENT


async def test_energies_by_the_drivers_formulae_with_a_right_constant() -> None:
    """A quarter of an hour of 1100 W at the output and 52.1 V x 12 A into the battery, then of discharging."""
    ear = await Ear(phases=2).rounds(RUNNING, 901)
    assert ear.value("/Energy/GridToAcOut") == pytest.approx(1.1 / 4, rel=2e-3)
    assert ear.value("/Energy/GridToDc") == pytest.approx(0.6252 / 4, rel=2e-3)
    assert ear.value("/Energy/DcToAcOut") == 0
    charged = ear.value("/Energy/GridToAcOut")
    discharging = dataclasses.replace(RUNNING, external_w=(0, 0), inverter_w=(500, 600), battery_a=-22)
    await ear.rounds(discharging, 900)
    assert ear.value("/Energy/DcToAcOut") == pytest.approx(1.1 / 4, rel=2e-3)
    assert ear.value("/Energy/GridToAcOut") == pytest.approx(charged, rel=2e-3)
    twins = ("AcIn1ToAcOut", "AcIn1ToInverter", "InverterToAcOut")
    own = ("GridToAcOut", "GridToDc", "DcToAcOut")
    assert [ear.value(f"/Energy/{n}") for n in twins] == [ear.value(f"/Energy/{n}") for n in own]


async def test_energies_are_kept_and_gaps_not_counted() -> None:
    ear = await Ear(phases=2).rounds(RUNNING, 601)
    counted = ear.value("/Energy/GridToAcOut")
    assert counted == pytest.approx(1.1 / 6, rel=0.01)
    ear.island.energy.save()
    await ear.clock.advance(3600)
    again = await Ear(ear.state, ear.clock, phases=2).rounds(RUNNING, 1)
    assert again.value("/Energy/GridToAcOut") == counted
    other = await Ear(ear.state, ear.clock, phases=2, serial="OTHER").rounds(RUNNING, 1)
    assert other.value("/Energy/GridToAcOut") == 0


async def test_energies_never_fall() -> None:
    """A source behind the output can give more than the loads take."""
    back = dataclasses.replace(RUNNING, external_w=(-2000, 0), inverter_w=(-500, 0))
    ear = await Ear(phases=2).rounds(back, 60)
    assert ear.value("/Ac/Out/P") == -2500
    assert ear.value("/Energy/GridToAcOut") == 0
    assert ear.value("/Energy/GridToDc") > 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0x2FE, 0x30B) | st.integers(0, 0x7FF), st.binary(max_size=8)), max_size=60)
)
async def test_no_frame_of_any_bytes_can_harm(frames: list[tuple[int, bytes]]) -> None:
    """Any frames in any order: no exception, no published nonsense type, and the next good round is right."""
    ear = Ear(phases=2)
    for id, data in frames:
        ear.island.hear(CanFrame(id, data))
        await ear.clock.advance(0.05)
    await ear.rounds(RUNNING, 2)
    assert ear.lines("/Ac/Out/L{}/P") == [500, 600, "absent"]
    assert ear.value("/Dc/0/Current") == 12.0
    assert ear.value("/State") == 3
