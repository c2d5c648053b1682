"""The simulated unit on a real pseudo-terminal, read and commanded by the independent victron-mk3 library.

Runs where that library is installed (`pip install victron-mk3`); it is of no use to the bridge itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.adapters.vebus_mk3.simulator import VeBusSimulator

foreign = pytest.importorskip("victron_mk3")

BOUND_S = 30.0


class Heard(foreign.Handler):  # type: ignore[misc, name-defined]
    """Keeps what the library tells."""

    def __init__(self) -> None:
        self.faults: list[Any] = []

    def on_fault(self, fault: Any) -> None:
        self.faults.append(fault)


@contextlib.asynccontextmanager
async def reading(simulator: VeBusSimulator, link: Path) -> AsyncIterator[Any]:
    playing = asyncio.create_task(simulator.run(link))
    handler = Heard()
    reader = foreign.VictronMK3(str(link))
    try:
        async with asyncio.timeout(BOUND_S):
            await simulator.playing.wait()
            await reader.start(handler)
            yield reader
            assert not handler.faults
    finally:
        await reader.stop()
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing


async def until_answered(ask: Any) -> Any:
    """Ask until the library has an answer: its handshake answers nothing before it is done."""
    while (answer := await ask()) is None:
        pass
    return answer


async def test_the_library_reads_every_value(tmp_path: Path) -> None:
    simulator = VeBusSimulator(phases=2, latency=0.0)
    unit = simulator.unit
    async with reading(simulator, tmp_path / "mk3") as reader:
        dc = await until_answered(reader.send_dc_request)
        assert dc.dc_voltage == pytest.approx(unit.battery_v, abs=0.02)
        assert dc.dc_current_from_charger == pytest.approx(unit.battery_a, abs=0.1)
        assert dc.ac_inverter_frequency == pytest.approx(50, abs=0.1)
        for phase in (1, 2):
            ac = await until_answered(lambda phase=phase: reader.send_ac_request(phase))
            assert ac.ac_phase == phase
            assert ac.ac_num_phases == (2 if phase == 1 else 0)
            assert ac.device_state == foreign.DeviceState.STATE_CHARGE
            assert ac.ac_mains_voltage == pytest.approx(unit.mains_v(phase - 1))
            assert ac.ac_inverter_current == pytest.approx(
                unit.output_w(phase - 1) / unit.output_v(phase - 1), abs=0.01
            )
        power = await until_answered(reader.send_power_request)
        assert power.ac_inverter_power == 400
        assert power.ac_mains_power == pytest.approx(unit.mains_w(0), abs=1)
        assert power.dc_power == pytest.approx(unit.dc_w(0), abs=1)
        leds = await until_answered(reader.send_led_request)
        assert (int(leds.on), int(leds.blink)) == unit.leds
        version = await until_answered(reader.send_version_request)
        assert version.version == 1170216


async def test_the_library_commands(tmp_path: Path) -> None:
    simulator = VeBusSimulator(latency=0.0)
    async with reading(simulator, tmp_path / "mk3") as reader:
        flags = await until_answered(lambda: reader.send_interface_request(None))
        assert int(flags.flags) == 5
        assert await until_answered(
            lambda: reader.send_state_request(foreign.SwitchState.CHARGER_ONLY, current_limit=12.5)
        )
        config = await until_answered(reader.send_config_request)
        assert config.actual_current_limit == 12.5
        assert (config.minimum_current_limit, config.maximum_current_limit) == (9.4, 50.0)
        assert config.remote_panel_detected
        switches = foreign.SwitchRegister
        assert config.switch_register & switches.SWITCH_CHARGE
        assert not config.switch_register & switches.SWITCH_INVERT
        assert simulator.unit.remote_mode == 1
        assert await until_answered(lambda: reader.send_interface_request(foreign.InterfaceFlags(0)))
        config = await until_answered(reader.send_config_request)
        assert not config.remote_panel_detected
