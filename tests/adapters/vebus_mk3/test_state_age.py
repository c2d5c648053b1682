"""What /State is made of must be as fresh as the state itself: a charger's old stage is no state."""

import pytest

from bridge.adapters.vebus_mk3.points import FAST_STALE_S
from bridge.adapters.vebus_mk3.simulated_interface import SimulatedInterface
from bridge.datastore.values import Quality
from tests.adapters.vebus_mk3.rig import Rig

FAULT, BULK, ABSORPTION = 2, 3, 4


async def test_an_old_stage_of_the_charger_is_not_shown_as_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit goes on to another stage while its answers about stages are lost: its LEDs tell."""
    async with Rig(monkeypatch) as rig:
        rig.unit.soc = 0.95
        await rig.known()
        await rig.until(lambda: rig.device.value("/State") == ABSORPTION)
        answers = SimulatedInterface._winmon

        def loses_stages(self: SimulatedInterface, slot: int, body: bytes) -> list[bytes]:
            return [reply for reply in answers(self, slot, body) if len(reply) < 4 or reply[3] != 9]

        monkeypatch.setattr(SimulatedInterface, "_winmon", loses_stages)
        rig.unit.soc = 0.5
        await rig.clock.advance(12)
        assert rig.device.value("/VebusChargeState") is None
        assert rig.device.value("/State") == BULK


def losing(monkeypatch: pytest.MonkeyPatch, request: bytes) -> None:
    answers = SimulatedInterface.answers

    def some(self: SimulatedInterface, data: bytes) -> list[bytes]:
        return [] if data == request else answers(self, data)

    monkeypatch.setattr(SimulatedInterface, "answers", some)


async def test_lamps_that_are_heard_no_more_leave_a_fault_unknown_and_not_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        rig.simulator.misbehave("error", "3")
        await rig.until(lambda: rig.device.value("/State") == FAULT)
        losing(monkeypatch, b"\xffL")
        for _ in range(80):
            await rig.clock.advance(0.25)
            assert rig.device.value("/State") in (FAULT, None)
        assert rig.device.value("/State") is None


async def test_a_state_does_not_outlive_the_first_phase_that_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Rig(monkeypatch) as rig:
        await rig.known()
        assert rig.device.value("/State") is not None
        losing(monkeypatch, b"\xffF\x01")
        await rig.clock.advance(FAST_STALE_S + 0.5)
        assert rig.device.reading("/Ac/ActiveIn/L1/V").quality is Quality.STALE
        assert rig.device.reading("/State").quality is Quality.STALE
        assert rig.device.reading("/Leds/Mains").quality is Quality.OK  # which goes on to be heard
