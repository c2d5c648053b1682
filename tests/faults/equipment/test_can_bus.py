"""A CAN bus that is full, one that the adapter is thrown off, and a wall clock that jumps under those on it."""

import itertools

import pytest

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can_bms.adapter import LISTEN_FIRST_S
from bridge.datastore.values import LinkState
from tests.adapters.can_battery.packs import LIVE, Pack
from tests.adapters.can_bms.rig import BLOCK, FRESH
from tests.adapters.can_bms.rig import Rig as BmsRig
from tests.adapters.sunny_island.rig import Rig as IslandRig

DAY_S = 86_400.0
JUMPS = pytest.mark.parametrize("jump_s", [365 * DAY_S, -DAY_S, -1_699_999_000.0])
#: More than a bus of 500 kbit/s carries in a second.
FULL = 5_000
#: The ids of a set of a BMS towards a Sunny Island.
SET = (0x351, 0x355, 0x356, 0x35A)


def soc_of(value: int) -> CanFrame:
    return CanFrame(0x355, bytes([value, 0, 98, 0]))


@pytest.mark.parametrize("id", [0x355, 0x123, 0x305], ids=["its own", "of nobody", "of inverters"])
async def test_a_bus_full_of_one_frame(monkeypatch: pytest.MonkeyPatch, id: int) -> None:
    """Every frame is taken, the newest is shown, and the others on the bus are heard all the same."""
    async with Pack(monkeypatch) as pack:
        await pack.known()
        node = pack.bus.join(lambda _: None)
        for second in range(3):
            for count in range(FULL):
                node.send(soc_of(count % 50) if id == 0x355 else CanFrame(id, bytes(8)))
            if id == 0x355:
                assert pack.value("/Soc") == (FULL - 1) % 50
            await pack.clock.advance(1)
            assert pack.device.link is LinkState.ONLINE, second
            assert all(pack.device.reading(path).age_s < 2.1 for path in LIVE)


async def test_thrown_off_the_bus_a_battery_turns_silent_and_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        pack.bus.go_off(off=True)
        assert await pack.until(lambda: not pack.device.alive) <= 5.1
        assert pack.values(*LIVE) == [None] * 4
        await pack.clock.advance(60)
        assert not pack.device.alive
        pack.bus.go_off(off=False)
        assert await pack.until(lambda: pack.device.alive) <= 2.5


async def test_thrown_off_the_bus_a_bms_is_there_again_with_a_whole_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with BmsRig(monkeypatch) as rig:
        await rig.sending()
        rig.bus.go_off(off=True)
        before = len(rig.sent())
        await rig.clock.advance(3)
        assert len(rig.sent()) == before
        back_at = rig.clock.monotonic()
        rig.bus.go_off(off=False)
        await rig.clock.advance(1.1)
        assert {frame.id for _, frame in rig.sent(since=back_at)} >= set(SET)


async def test_a_hub_that_restarts_again_and_again_under_a_battery(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        for _ in range(8):
            pack.bus.unplug()
            assert await pack.until(lambda: not pack.device.alive) <= 0.7
            await pack.clock.advance(1)
            pack.bus.replug()
            assert await pack.until(lambda: pack.device.alive) <= 8
            assert None not in pack.values(*LIVE[:2])


async def test_a_hub_that_restarts_again_and_again_under_a_bms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time it listens first, and then says the whole set or nothing."""
    async with BmsRig(monkeypatch) as rig:
        await rig.sending()
        for _ in range(8):
            rig.bus.unplug()
            await rig.clock.advance(1.5)
            rig.bus.replug()
            back_at, known = rig.clock.monotonic(), len(rig.sent())
            rig.begin(BLOCK)
            await rig.until(lambda known=known: len(rig.sent()) > known, 12, 0.1)
            await rig.clock.advance(1.1)
            times = [at for at, _ in rig.sent(since=back_at)]
            assert times[0] - back_at >= LISTEN_FIRST_S
            assert {frame.id for _, frame in rig.sent(since=back_at)} >= set(SET)


@JUMPS
async def test_a_battery_goes_on_where_the_wall_clock_jumps(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    async with Pack(monkeypatch) as pack:
        await pack.known()
        pack.clock.jump(jump_s)
        for _ in range(40):
            await pack.clock.advance(0.5)
            assert pack.device.alive
            assert None not in pack.values(*LIVE)


async def patience_s(monkeypatch: pytest.MonkeyPatch, jump_s: float) -> float:
    """How long a BMS goes on after its writer is gone, counted from the jump; its frames keep their rhythm."""
    async with BmsRig(monkeypatch) as rig:
        await rig.sending()
        rig.clock.jump(jump_s)
        found = await rig.until(lambda: rig.phase != FRESH)
        times = [at for at, _ in rig.sent(0x351)]
        assert max(b - a for a, b in itertools.pairwise(times)) <= 1.1
        return found


@JUMPS
async def test_a_bms_keeps_its_rhythm_and_its_patience_where_the_wall_clock_jumps(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    usual = await patience_s(monkeypatch, 0.0)
    assert usual > 3
    assert await patience_s(monkeypatch, jump_s) == pytest.approx(usual, abs=0.2)


@JUMPS
async def test_an_island_is_neither_stopped_nor_lost_where_the_wall_clock_jumps(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    async with IslandRig(monkeypatch) as rig:
        await rig.known()
        energies = {path: rig.value(path) for path in rig.device.paths if path.startswith("/Energy/")}
        rig.clock.jump(jump_s)
        await rig.clock.advance(20)
        assert rig.device.link is LinkState.ONLINE
        assert rig.commands == []
        for path, before in energies.items():
            assert 0 <= float(rig.value(path) or 0) - float(before or 0) < 0.1
