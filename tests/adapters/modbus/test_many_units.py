"""200 devices of one host, each polled once a second, and their 200 units behind it."""

import asyncio
import itertools
import struct
from pathlib import Path

import pytest

from bridge.adapters.line import LineLost
from bridge.adapters.modbus import endpoint as endpoint_module
from bridge.adapters.modbus.adapter import ModbusAdapter
from bridge.adapters.modbus.options import ModbusOptions
from bridge.datastore.clock import ManualClock
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.image import UnitImage

UNITS = 200
#: Time from request to reply: half of what a second has for each of them.
LATENCY_S = 0.0025
MAP = """
kind: client
device: {role: grid}
registers:
  - {address: 0, type: u16, path: /Ac/Power}
  - {address: 1, type: u16, path: /Ac/Frequency}
"""


class Host:
    """The far end of one connection: every unit's registers hold its number and how often it was asked."""

    def __init__(self, clock: ManualClock) -> None:
        self.port = "tcp://host"
        self.asked: dict[int, list[float]] = {unit: [] for unit in range(1, UNITS + 1)}
        #: Units that never answer.
        self.dead: set[int] = set()
        self._clock = clock
        self._replies: asyncio.Queue[bytes] = asyncio.Queue()
        self._closed = False

    def write(self, data: bytes) -> None:
        if self._closed:
            raise LineLost(self.port, "closed")
        number, _, _, unit, function, _, count = struct.unpack(">HHHBBHH", data)
        self.asked[unit].append(self._clock.monotonic())
        if unit not in self.dead:
            words = (unit, len(self.asked[unit]))[:count]
            pdu = struct.pack(f">BB{count}H", function, 2 * count, *words)
            self._replies.put_nowait(struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu)

    async def read(self) -> bytes:
        reply = await self._replies.get()
        await self._clock.sleep(LATENCY_S)
        return reply

    def close(self) -> None:
        self._closed = True


async def test_none_is_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also with one among them that never answers, whose time-outs the others have to bear."""
    clock = ManualClock()
    host = Host(clock)

    async def connect(*_: object) -> Host:
        return host

    monkeypatch.setattr(endpoint_module, "_connect", connect)
    file = tmp_path / "meter.yaml"
    file.write_text(MAP)
    loaded = Catalogue().load(str(file)).map
    assert loaded is not None
    store = Datastore(clock, StateStore(None))
    devices = {unit: store.add(f"meter{unit}") for unit in host.asked}
    images = {unit: UnitImage(loaded, device, clock, unit) for unit, device in devices.items()}
    tasks = [asyncio.create_task(store.run())]
    for unit, device in devices.items():
        options = ModbusOptions(
            adapter="modbus", map=str(file), host="host", remote_unit=unit, poll=1.0, timeout=0.1, retries=1
        )
        adapter = ModbusAdapter(device, options, clock)
        tasks += [asyncio.create_task(device.run(adapter)), asyncio.create_task(adapter.run())]
    try:
        async with asyncio.timeout(20):  # the maps are loaded by threads, in real time
            while not all(device.paths for device in devices.values()):
                await asyncio.sleep(0.005)
        await clock.advance(5)
        host.dead.add(77)
        began = clock.monotonic()
        for _ in range(12):
            await clock.advance(1)
            for unit, image in images.items():
                if unit != 77:
                    told = image.read_registers("holding", 0, 2)
                    assert isinstance(told, bytes), f"unit {unit}: exception {told}"
                    number, count = struct.unpack(">HH", told)
                    assert number == unit
                    assert len(host.asked[unit]) - count in (0, 1), "the newest may be under way"
        assert images[77].read_registers("holding", 0, 2) == 0x0B
        for unit in host.asked.keys() - {77}:
            times = [*(time for time in host.asked[unit] if time >= began - 1), clock.monotonic()]
            gaps = [after - before for before, after in itertools.pairwise(times)]
            assert max(gaps) < 1.5, f"unit {unit}"
            assert len(times) >= 12, f"unit {unit}"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for image in images.values():
            image.close()
