"""Two foreign parsers read what the simulators send.

`vedirect` is the PyPI package of Victron text users: it reads lines, so asynchronous frames and a checksum
byte that ends a line break it, as the real devices would; those blocks are left out for it. `vedirect_m8`
takes bytes, and resumes after a HEX frame at the next record, which costs it the block that follows.
"""

import asyncio
import contextlib
import importlib.util
import logging
import os

import pytest

from bridge.adapters.vedirect.codec import HexFrame, TextBlock
from bridge.adapters.vedirect.hex import encode_get
from bridge.adapters.vedirect.simulated_dcdc import DcDcSimulator
from bridge.adapters.vedirect.simulated_inverter import InverterSimulator
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.adapters.vedirect.simulated_solar import SolarChargerSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from tests.adapters.vedirect.simulator_bench import benches

#: Generous: a noisy machine never decides a test.
BOUND_S = 30.0

PRODUCTS = {
    "ip22": (ChargerSimulator, {"flood": False}),
    "ip43": (ChargerSimulator, {"product_id": 0xA341}),
    "inverter": (InverterSimulator, {}),
    "mppt": (SolarChargerSimulator, {}),
    "bmv": (BatteryMonitorSimulator, {"serial_in_text": True}),
    "smartshunt": (BatteryMonitorSimulator, {"product_id": 0xA389, "serial_in_text": True}),
    "orion": (DcDcSimulator, {}),
}
EVERY = pytest.mark.parametrize("name", PRODUCTS)


def installed(package):
    missing = importlib.util.find_spec(package) is None and "CI" not in os.environ
    return pytest.mark.skipif(missing, reason=f"the foreign parser `{package}` is not installed")


@pytest.fixture
async def bench():
    """Make simulators that play until the test ends."""
    async with benches() as make:

        async def product(name, **more):
            kind, options = PRODUCTS[name]
            return await make(kind, **(options | more))

        yield product


@pytest.fixture
def byte_reader():
    """The parser of `vedirect_m8`, fed with bytes; importing it must not change how we log."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    from vedirect_m8.vedirect import Vedirect

    root.handlers[:] = handlers
    root.setLevel(level)

    def read(data):
        parser = Vedirect(
            {"serial_port": "/dev/ttyUSB0"}, auto_start=False, max_packet_blocks=None
        )  # opens nothing
        blocks = []
        for byte in data:
            done = parser.input_read(bytes([byte]))
            if done is not None:
                blocks.append(dict(done))
                parser.init_data_read()
        return blocks

    return read


@installed("vedirect_m8")
@EVERY
async def test_a_byte_reader_reads_every_block(bench, byte_reader, name):
    made = await bench(name)
    await made.clock.advance(60.0)
    ours = [dict(block.fields) for block in made.wire.heard(TextBlock)]
    assert len(ours) >= 59
    assert byte_reader(made.wire.stream)[: len(ours)] == ours


@installed("vedirect_m8")
async def test_a_byte_reader_among_replies(bench, byte_reader):
    """What it reads between HEX frames is what was sent, never something else."""
    made = await bench("inverter")
    for _ in range(20):
        await made.ask(encode_get(0xED8D), wait=2.5)
    ours = [dict(block.fields) for block in made.wire.heard(TextBlock)]
    theirs = byte_reader(made.wire.stream)
    assert 10 < len(theirs) < len(ours)
    assert all(block in ours for block in theirs)
    assert len([m for m in made.wire.heard(HexFrame) if m.command == 7]) == 20


def lines_of(block):
    """A block as `readline` gives it: the parser begins behind the first PID."""
    return block.splitlines(keepends=True)


@installed("vedirect")
@EVERY
async def test_a_line_reader_reads_the_blocks(bench, name):
    """Its checksum holds for every block, and its values are ours wherever the checksum byte is no line end."""
    import vedirect

    made = await bench(name)
    await made.clock.advance(30.5)
    stream = made.wire.stream
    readings = 0
    for part in stream.split(b"\r\nPID\t")[1:-1]:
        block = b"\r\nPID\t" + part
        assert vedirect.VEDirect.check_frame_checksum([block])
        reader = vedirect.VEDirect.__new__(vedirect.VEDirect)
        reader._data = {}
        with contextlib.suppress(ValueError):  # a checksum byte that is a line end or no character
            reader.parse_pdu([line + b"\n" for line in block.split(b"\n") if line.strip()])
            fields = {}
            for ours in made.wire.heard(TextBlock):
                if "PID" in ours.fields:
                    fields = {}
                fields |= ours.fields
                if fields == reader._data:
                    break
            assert fields == reader._data
            assert reader.device_serial == made.simulator.serial
            readings += 1
    assert readings >= 25


@contextlib.asynccontextmanager
async def playing(simulator, link):
    task = asyncio.create_task(simulator.run(link))
    try:
        async with asyncio.timeout(BOUND_S):
            await simulator.playing.wait()
        yield simulator
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def read_port(port):
    """Open a port with the line reader; a checksum byte that ends a line makes it start again."""
    import vedirect

    for _ in range(8):
        with contextlib.suppress(vedirect.InvalidChecksumException, ValueError):
            return vedirect.VEDirect(str(port))
    raise AssertionError(f"{port}: no block in eight tries")


@installed("vedirect")
async def test_a_line_reader_on_terminals(tmp_path):
    """All products at once on ports of their own, in real time."""
    async with contextlib.AsyncExitStack() as stack:
        simulators = {
            name: await stack.enter_async_context(playing(kind(**options), tmp_path / name))
            for name, (kind, options) in PRODUCTS.items()
        }
        async with asyncio.timeout(BOUND_S):
            read = await asyncio.gather(*(asyncio.to_thread(read_port, tmp_path / name) for name in PRODUCTS))
    for reader, simulator in zip(read, simulators.values(), strict=True):
        assert reader.device_serial == simulator.serial
        volts = {int(truth.value) / 1000 for truth in simulator.history if truth.source == "V"}
        assert reader.battery_volts in volts
    solar = read[list(PRODUCTS).index("mppt")]
    assert solar.solar_power > 0
    assert solar.device_MPPT_state.name in ("Limited", "Active")
