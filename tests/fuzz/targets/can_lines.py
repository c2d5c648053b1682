"""A CAN bus as devices hear it: the text lines of an slcan adapter, and whatever frames are on the bus."""

import asyncio
import logging
import math
from collections.abc import Iterator

from can.interfaces.slcan import slcanBus

from bridge.adapters.can import driver
from bridge.adapters.can.battery_frames import BATTERY_FRAMES
from bridge.adapters.can.driver import Driver, Garbled
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.island_frames import ISLAND_FRAMES
from bridge.adapters.can.options import CanOptions
from bridge.adapters.can_battery import points
from bridge.adapters.can_battery.adapter import CanBatteryAdapter
from bridge.adapters.can_battery.options import CanBatteryOptions
from bridge.adapters.sunny_island.island import Island
from bridge.adapters.sunny_island.options import SunnyIslandOptions
from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.state import StateStore
from tests.fuzz.target import Target, portions
from tests.fuzz.targets.served_plant import Loop

_GOOD = b"t35185802E803E8030000\r"
_GOOD_FRAME = CanFrame(0x351, bytes.fromhex("5802E803E8030000"))
_IDS = (*BATTERY_FRAMES, *ISLAND_FRAMES, 0x100)
_DIALECTS = ("pylontech", "pylontech_new", "sma", "victron")


class SlcanLines:
    """An adapter on a serial line that brings anything; the first byte says how it is cut."""

    def __init__(self) -> None:
        driver.RECEIVE_S = 0.0
        self._options = CanOptions(adapter="can", interface="slcan", channel="/dev/null")
        self._bus = slcanBus("loop://", sleep_after_open=0, timeout=0)

    def close(self) -> None:
        """Close the line."""
        self._bus.shutdown()
        driver.RECEIVE_S = 0.2

    def __call__(self, data: bytes) -> None:
        if not data:
            return
        line = self._bus.serialPortOrig
        line.reset_input_buffer()
        self._bus.flush()
        heard = Driver(self._options, self._bus)
        for piece in portions(data[1:], data[0]):
            line.write(piece)
            self._drain(heard)
            assert len(self._bus._buffer) <= driver.LINE_MAX + len(piece)
        found: list[object] = []
        for _ in range(2):  # the first line may end what the garbage has begun
            line.write(b"\r" + _GOOD)
            found = self._drain(heard)
        assert _GOOD_FRAME in found

    def _drain(self, heard: Driver) -> list[object]:
        found: list[object] = []
        for _ in range(2000):
            try:
                frame = heard.receive()
            except Garbled:
                continue
            if isinstance(frame, CanFrame):
                assert 0 <= frame.id <= 0x7FF
                assert len(frame.data) <= 8
            if frame is None and not self._bus.serialPortOrig.in_waiting:
                return found
            found.append(frame)
        raise AssertionError("the reader never comes to an end")


class Hearing:
    """A battery of each dialect and an island on one bus, which hear frames of any id with any data.

    Ten bytes a frame: which id, how much time has passed and how long it is, and its data.
    """

    def __init__(self) -> None:
        self._loop = Loop()
        logging.getLogger("bridge.adapters.can_battery").setLevel(logging.ERROR)

    def close(self) -> None:
        """End the loop."""

        async def nothing() -> None: ...

        self._loop.close(nothing())

    def __call__(self, data: bytes) -> None:
        self._loop.run(self._session(data))

    async def _session(self, data: bytes) -> None:
        clock = ManualClock()
        bus = {"interface": "virtual", "channel": "x"}
        batteries = []
        for dialect in _DIALECTS:
            device = Device(dialect, clock, StateStore().memory(dialect))
            options = CanBatteryOptions.model_validate({"adapter": "can_battery", "dialect": dialect, **bus})
            device.declare(points.POINTS, points.GROUPS, points.ALIVE_WHEN)
            batteries.append((device, CanBatteryAdapter(device, options, clock)))
        island_device = Device("island", clock, StateStore().memory("island"))
        island = Island(
            island_device, SunnyIslandOptions.model_validate({"adapter": "sunny_island", **bus}), clock
        )
        devices = [island_device, *(device for device, _ in batteries)]
        for start in range(0, min(len(data), 400), 10):
            part = data[start : start + 10]
            how = part[1] if len(part) > 1 else 0
            frame = CanFrame(_IDS[part[0] % len(_IDS)], part[2 : 2 + how % 9])
            clock._step_to(clock.monotonic() + (0, 0.1, 1.0, 30.0)[how >> 6])
            for _, battery in batteries:
                battery._heard(frame)
            island.hear(frame)
            for device in devices:
                device.expire()
                _sound(device)
        await asyncio.sleep(0)


def _sound(device: Device) -> None:
    for path in device.paths:
        value = device.value(path)
        if isinstance(value, float):
            assert math.isfinite(value), (device.name, path, value)
        spec = device.spec(path)
        if value is not None:
            assert isinstance(value, str) == spec.text, (device.name, path, value)
        if path == "/Soc" and isinstance(value, int | float):
            assert value >= 0


def _line_seeds() -> Iterator[bytes]:
    for number, line in enumerate(
        (
            _GOOD,
            b"T0000035185802E803E8030000\r",
            b"r3510\r",
            b"V1013\r",
            b"\a",
            b"t3519\r",
            b"tXYZ8\r",
            b"F80\r",
        )
    ):
        yield bytes((number,)) + line + _GOOD
    yield b"\1" + b"\xff\xfe" * 20 + b"\r" + _GOOD
    yield b"\1" + b"x" * 5900


def _bus_seeds() -> Iterator[bytes]:
    for number in range(len(_IDS)):
        yield bytes((number, 0x88, 88, 0, 94, 0, 0x90, 1, 2, 3)) * 3
        yield bytes((number, 0x48)) + b"\xff" * 8 + bytes((number, 0xC2)) + bytes(8)


TARGETS = (
    Target(
        "slcan_lines",
        "any bytes of an adapter: frames or damage, bounded memory, and the next good frame is found",
        SlcanLines,
        6000,
        _line_seeds,
        (b"\r", b"\a", b"t351", b"T", b"d", b"8", b"\xff"),
    ),
    Target(
        "can_devices",
        "any frames at any time: no exception, and points that are finite and of their kind",
        Hearing,
        400,
        _bus_seeds,
    ),
)
