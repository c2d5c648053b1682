"""A simulated device in advanced time, on a wire that keeps what it sends."""

import asyncio
import contextlib

from bridge.adapters.pty import BYTES_PER_S_19200, Pacer
from bridge.adapters.vedirect.codec import HexFrame, TextBlock, VeDirectDecoder
from bridge.adapters.vedirect.hex import encode_get, encode_set
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import ManualClock

MODE, LIMIT, LIMIT_MAX, UPTIME = 0x0200, 0xEDF0, 0xEDDF, 0x0120


class MemoryWire:
    """The far end of a line without a line: every byte with the time it arrived, decoded at once."""

    def __init__(self, clock):
        self.clock = clock
        self.pacer = Pacer(clock, BYTES_PER_S_19200)
        self.decoder = VeDirectDecoder()
        self.bytes = []
        self.messages = []
        self.plugged = True

    async def send(self, data):
        await self.pacer.send(data, self.take)

    def take(self, data):
        if not self.plugged:
            return
        now = self.clock.monotonic()
        self.bytes.append((now, data))
        self.messages += [(now, message) for message in self.decoder.receive(data, now)]

    async def unplug(self):
        self.plugged = False

    async def replug(self):
        self.plugged = True

    @property
    def stream(self):
        """All that was sent."""
        return b"".join(data for _, data in self.bytes)

    def heard(self, kind, since=0.0):
        return [message for time, message in self.messages if isinstance(message, kind) and time >= since]


class Bench:
    """A simulator on a memory wire."""

    def __init__(self, clock, kind=ChargerSimulator, **options):
        self.clock = clock
        self.simulator = kind(clock, **options)
        self.wire = MemoryWire(clock)

    async def ask(self, frame, wait=0.4):
        """Send a frame and return the frames with which it was answered."""
        since = self.clock.monotonic()
        self.simulator.hear(frame)
        await self.clock.advance(wait)
        return [m for m in self.wire.heard(HexFrame, since) if m.command != 0xA]

    async def value(self, register, *, signed=False):
        (reply,) = await self.ask(encode_get(register))
        assert (reply.command, reply.register, reply.flags) == (7, register, 0)
        return int.from_bytes(reply.value, "little", signed=signed)

    async def flags(self, register):
        """The flags with which a GET is answered."""
        (reply,) = await self.ask(encode_get(register))
        return reply.flags

    async def put(self, register, raw, size=2):
        (reply,) = await self.ask(encode_set(register, raw.to_bytes(size, "little", signed=raw < 0)))
        assert (reply.command, reply.register) == (8, register)
        return reply.flags, int.from_bytes(reply.value, "little")

    async def text(self, seconds=1.5):
        """The labels sent from now on, the newest of each."""
        since = self.clock.monotonic()
        await self.clock.advance(seconds)
        fields = {}
        for block in self.wire.heard(TextBlock, since):
            fields |= block.fields
        return fields


@contextlib.asynccontextmanager
async def benches():
    """Give a maker of simulators that play until the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(kind=ChargerSimulator, **options):
            made = Bench(ManualClock(), kind, **options)
            task = asyncio.create_task(made.simulator.play(made.wire))
            stack.push_async_callback(_end, task)
            await made.clock.advance(0.0)
            return made

        yield make


async def _end(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
