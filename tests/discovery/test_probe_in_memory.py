"""Probes whose far end does not answer all they ask, in advanced time: who waits for nothing waits for no one here."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.adapters.line import Line, SerialSettings
from bridge.adapters.probing import Introduction, PortInQuestion, Probe
from bridge.adapters.pty import BYTES_PER_S_19200, Pacer
from bridge.adapters.vebus_mk3.probe import probe as probe_vebus
from bridge.adapters.vebus_mk3.simulator import VeBusSimulator
from bridge.adapters.vedirect.probe import probe as probe_vedirect
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock
from tests.adapters.vebus_mk3.rig import JoinedWire

#: Longer than any probe takes.
LONG_S = 120.0


class JoinedPort(PortInQuestion):
    """A port that is a line in memory."""

    def __init__(self, wire: JoinedWire, clock: ManualClock, **fields: Any) -> None:
        super().__init__("joined", clock, **fields)
        self.wire = wire

    @contextlib.asynccontextmanager
    async def open(self, settings: SerialSettings) -> AsyncIterator[Line]:
        self._settings = settings
        line: Any = self.wire.open()
        yield line


async def probed(
    probe: Probe, make: Callable[[ManualClock], Any], *faults: str, **fields: Any
) -> tuple[Introduction | None, Any]:
    clock = ManualClock()
    simulator, wire = make(clock), JoinedWire(clock)
    if probe is probe_vedirect:
        wire._pacer = Pacer(clock, BYTES_PER_S_19200)
    wire.simulator = simulator
    for fault in faults:
        simulator.misbehave(*fault.split())
    playing = asyncio.create_task(simulator.play(wire))
    asked = asyncio.ensure_future(probe(JoinedPort(wire, clock, **fields)))
    await clock.advance(LONG_S)
    assert asked.done()
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    return asked.result(), simulator


async def test_an_interface_without_a_unit_behind_it_is_asleep() -> None:
    found, _ = await probed(probe_vebus, VeBusSimulator, "deaf", may_ask=True)
    assert found is not None
    assert found.asleep
    assert "no Multi or Quattro answers behind it" in found.text


@pytest.mark.parametrize(
    ("options", "name", "firmware"),
    [
        ({}, "SIMULATED MultiPlus", "2648304"),
        ({"inputs": 2}, "SIMULATED Quattro", "2648304"),
        ({"old": True}, "SIMULATED MultiPlus", "2648304"),
        ({"leftover": True}, "SIMULATED MultiPlus", "2648304"),
    ],
)
async def test_systems_of_every_kind(options: dict[str, Any], name: str, firmware: str) -> None:
    found, simulator = await probed(probe_vebus, lambda clock: VeBusSimulator(clock, **options), may_ask=True)
    assert found is not None
    assert (found.name, found.serial, found.firmware, found.asleep) == (name, "SIM1", firmware, False)
    assert (list(simulator.states), list(simulator.lines_set), list(simulator.forbidden)) == ([], [], [])


@pytest.mark.parametrize("noise", ["drop 0.02", "flip 0.02"])
async def test_a_noisy_line_ends_in_time(noise: str) -> None:
    for probe, make in ((probe_vebus, VeBusSimulator), (probe_vedirect, ChargerSimulator)):
        await probed(probe, make, noise, may_ask=True)


@pytest.mark.parametrize("may_ask", [False, True])
async def test_silence_ends_in_time(may_ask: bool) -> None:
    for probe, make in ((probe_vebus, VeBusSimulator), (probe_vedirect, ChargerSimulator)):
        found, _ = await probed(probe, make, "silent", may_ask=may_ask)
        assert found is None


async def test_a_charger_that_hears_nothing_is_known_by_its_text() -> None:
    found, _ = await probed(probe_vedirect, ChargerSimulator, "deaf", may_ask=True)
    assert found is not None
    assert (found.product, found.serial) == ("ac_charger", "SIM2230A334")


async def test_a_charger_without_text_is_known_by_its_answers() -> None:
    found, _ = await probed(probe_vedirect, ChargerSimulator, "no_text", may_ask=True)
    assert found is not None
    assert (found.product, found.serial, found.firmware) == ("ac_charger", "SIM2230A334", "3.42")


async def test_a_charger_without_text_is_not_asked_unless_it_may_be() -> None:
    found, simulator = await probed(probe_vedirect, ChargerSimulator, "no_text")
    assert found is None
    assert simulator.received == []
