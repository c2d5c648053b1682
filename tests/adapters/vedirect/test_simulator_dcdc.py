"""The simulated Orion XS, and chargers with three outputs, in advanced time."""

import pytest

from bridge.adapters.vedirect.codec import TextBlock
from bridge.adapters.vedirect.simulated_dcdc import DcDcSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock
from tests.adapters.vedirect.simulator_bench import LIMIT, MODE, benches


@pytest.fixture
async def bench():
    """Make simulators that play until the test ends."""
    async with benches() as make:
        yield make


async def test_it_charges_while_the_engine_runs(bench):
    made = await bench(DcDcSimulator)
    text = await made.text()
    assert (text["CS"], text["OR"], text["ERR"]) == ("3", "0x00000000", "0")
    assert int(text["I"]) == pytest.approx(50000, abs=100)
    assert int(text["DC_IN_P"]) > int(text["P"]) > 600
    assert int(text["DC_IN_V"]) * int(text["DC_IN_I"]) / 1000 == pytest.approx(int(text["DC_IN_P"]), abs=2)
    made.simulator.device.engine = False
    text = await made.text()
    assert (text["CS"], text["I"], text["OR"]) == ("0", "0", "0x00000081")
    assert (text["DC_IN_V"], text["DC_IN_I"], text["DC_IN_P"]) == ("1262", "0", "0")


@pytest.mark.parametrize(("asked", "flags", "shown"), [(200, 0, 200), (5, 4, 10), (501, 4, 500)])
async def test_current_limit(bench, asked, flags, shown):
    made = await bench(DcDcSimulator)
    assert await made.put(LIMIT, asked) == (flags, shown)
    assert made.simulator.flash_writes == (flags == 0)
    assert int((await made.text())["I"]) == pytest.approx(shown * 100 if not flags else 50000, abs=100)


@pytest.mark.parametrize("persistent", [False, True])
async def test_mode(bench, persistent):
    made = await bench(DcDcSimulator, persistent_mode=persistent)
    assert await made.put(MODE, 4, size=1) == (0, 4)
    text = await made.text()
    assert (text["CS"], text["OR"]) == ("0", "0x00000004")
    made.simulator.misbehave("reboot")
    await made.clock.advance(3.0)
    assert await made.value(MODE) == (4 if persistent else 1)


@pytest.mark.parametrize("options", [{"product_id": 0xA053}, {"maximum_current": 51}, {"minimum_current": 0}])
def test_impossible_dcdc_chargers(options):
    with pytest.raises(ValueError, match=r"found .* expected"):
        DcDcSimulator(ManualClock(), **options)


@pytest.mark.parametrize("options", [{"product_id": 0xA341}, {"product_id": 0xA334, "outputs": 3}])
async def test_three_outputs_share_the_current(bench, options):
    made = await bench(ChargerSimulator, **options)
    await made.text()
    text = made.wire.heard(TextBlock)[-1].fields
    labels = list(text)
    assert labels[labels.index("V") : labels.index("T")] == ["V", "V2", "V3", "I", "I2", "I3"]
    total = sum(int(text[label]) for label in ("I", "I2", "I3"))
    assert total == pytest.approx(await made.value(0xED8F) * 100, abs=200)
    assert int(text["V"]) > int(text["V2"]) > int(text["V3"]) > 0
    assert await made.put(MODE, 4, size=1) == (0, 4)
    text = await made.text()
    assert (text["I"], text["I2"], text["I3"]) == ("0", "0", "0")


def test_two_outputs_are_none():
    with pytest.raises(ValueError, match="outputs: found 2, expected 1 or 3"):
        ChargerSimulator(ManualClock(), outputs=2)
