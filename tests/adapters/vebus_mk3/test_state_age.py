"""What /State is made of must be as fresh as the state itself: a charger's old stage is no state."""

import pytest

from bridge.adapters.vebus_mk3.simulated_interface import SimulatedInterface
from tests.adapters.vebus_mk3.rig import Rig

BULK, ABSORPTION = 3, 4


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
