"""What is believed of a device whose port is known to be gone, and until when."""

import pytest

from bridge.datastore.values import LinkState, Quality
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.image import UnitImage
from tests.adapters.modbus.rig import Rig

STEP_S = 0.05


def served(rig: Rig) -> UnitImage:
    loaded = Catalogue().load("series607").map
    assert loaded is not None
    return UnitImage(loaded, rig.device, rig.clock, 42)


async def answers(rig: Rig, image: UnitImage, seconds: float) -> list[bytes | int]:
    """What the unit answers at each step of this time."""
    found = []
    for _ in range(round(seconds / STEP_S)):
        await rig.clock.advance(STEP_S)
        found.append(image.read_registers("holding", 0x3001, 6))
    return found


async def test_the_unit_answers_0b_half_a_second_after_it_is_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        image = served(rig)
        await rig.simulator.unplug()
        said = await answers(rig, image, 6)
    assert said.index(0x0B) * STEP_S == pytest.approx(0.5, abs=2 * STEP_S)
    assert set(said[said.index(0x0B) :]) == {0x0B}
    image.close()


async def test_the_status_block_goes_on_telling_the_age(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        image = served(rig)
        await rig.simulator.unplug()
        await rig.clock.advance(20)
        block = image.read_registers("holding", 0xFE00, 2)
        assert isinstance(block, bytes)
        link, age_s = block[:2], int.from_bytes(block[2:4], "big")
        assert link == bytes([0, LinkState.PORT_MISSING])
        assert 19 <= age_s <= 22
        assert rig.device.reading("/Dc/0/Voltage").quality is Quality.STALE
    image.close()


async def test_a_host_that_ends_the_connection_and_takes_the_next_one_is_no_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        image = served(rig)
        for _ in range(3):
            await rig.simulator.unplug()
            await rig.simulator.replug()
            assert 0x0B not in await answers(rig, image, 4)
    image.close()


async def test_it_is_back_with_its_own_first_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is back brings nothing back: old values are not believed until the device has spoken."""
    async with Rig(monkeypatch) as rig:
        await rig.known()
        image = served(rig)
        await rig.simulator.unplug()
        await rig.clock.advance(1)
        rig.simulator.misbehave("silent")
        await rig.simulator.replug()
        assert set(await answers(rig, image, 12)) == {0x0B}
        rig.simulator.misbehave("well")
        said = await answers(rig, image, 20)
        assert said[-1] == bytes.fromhex("652c00e603e800e600020009")
        back = next(n for n, one in enumerate(said) if one != 0x0B)
        assert 0x0B not in said[back:]
        assert rig.device.value("/Serial") == "WAGON1"
    image.close()
