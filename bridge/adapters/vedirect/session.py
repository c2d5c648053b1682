"""The session on one open VE.Direct line: messages in, points out.

The decoder (`codec.py`) makes messages of bytes; the product's tables (`ac_charger.py`) say which message
feeds which point; the poller asks for what does not come by itself.
"""

import asyncio
import contextlib
import math
from collections.abc import Mapping

from bridge.adapters.line import Line
from bridge.adapters.vedirect.access import Answer, RegisterAccess
from bridge.adapters.vedirect.codec import VeDirectDecoder
from bridge.adapters.vedirect.errands import Errands
from bridge.adapters.vedirect.hex import Command, HexError, HexFrame
from bridge.adapters.vedirect.hexlink import HexLink
from bridge.adapters.vedirect.known import KnownDevice
from bridge.adapters.vedirect.line_counters import LineCounters
from bridge.adapters.vedirect.plausible import LeapFilter
from bridge.adapters.vedirect.polling import Poller
from bridge.adapters.vedirect.product import ASYNC, IDENTITY, TEXT, Product
from bridge.adapters.vedirect.register import Register
from bridge.adapters.vedirect.registers import unpack
from bridge.adapters.vedirect.restarts import RestartWatch
from bridge.adapters.vedirect.text import TextBlock, TextError
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Path, Value


class Session:
    """One line from opening to loss. `known` says whom to believe and what the product is."""

    def __init__(
        self,
        line: Line,
        device: Device,
        clock: Clock,
        known: KnownDevice,
        restarts: RestartWatch,
        counters: LineCounters,
    ) -> None:
        self._line = line
        self._device = device
        self._clock = clock
        self._known = known
        self._restarts = restarts
        self._counters = counters
        self._decoder = VeDirectDecoder()
        self._link = HexLink(clock, line.write, device.count_error)
        self._access = RegisterAccess(self._link)
        self._poller: Poller | None = None
        self._registers: Mapping[int, Register] = {}
        self._labels: set[str] = set()
        self._leaps = LeapFilter()
        self._heard_at = -math.inf
        self._uptime_at = -math.inf
        self._doubted_at: float | None = None

    async def run(self) -> None:
        """Talk until the line is lost; raises LineLost."""
        self._known.reopened()
        polling = asyncio.create_task(self._tend())
        try:
            while True:
                data = await self._read(polling)
                for message in self._decoder.receive(data, self._clock.monotonic()):
                    self._take(message)
                if self._known.admitted:
                    self._counters.publish(self._device)
        finally:
            polling.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await polling

    def errands(self, changes: Mapping[Path, Value]) -> Errands | None:
        """Return the means to execute a command, None while nobody is known to be there."""
        if not self._known.admitted:
            return None
        return Errands(
            self._access, self._clock, changes, self._device.wanted, lambda since: self._heard_at > since
        )

    async def _read(self, polling: "asyncio.Task[None]") -> bytes:
        """Read on, noticing when what runs beside has failed."""
        if polling.done():
            polling.result()
        return await self._line.read()

    async def _tend(self) -> None:
        while not (self._known.admitted and self._known.product):
            await self._clock.sleep(0.1)
        product = self._known.product
        self._registers = {register.id: register for register in product.registers}
        self._poller = Poller(self._clock, self._access, product.registers, self._answered)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poller.run())
            if self._known.control is not None:
                group.create_task(self._known.control.keep(lambda: self.errands({})))

    # -- messages ----------------------------------------------------------------------------------

    def _take(self, message: TextBlock | HexFrame | TextError | HexError) -> None:
        if isinstance(message, TextBlock):
            self._counters.text_blocks += 1
            self._text(message.fields)
        elif isinstance(message, HexFrame):
            self._counters.hex_frames += 1
            self._hex(message)
        else:
            if isinstance(message, TextError):
                self._counters.text_errors += 1
            else:
                self._counters.hex_errors += 1
            self._device.count_error()

    def _text(self, fields: Mapping[str, str]) -> None:
        self._heard_at = self._clock.monotonic()
        if not self._known.admit(fields):
            return
        product = self._known.product
        if product is None:
            return
        values: dict[Path, Value | None] = {}
        for field in product.text:
            if field.label in fields:
                self._labels.add(field.label)
                values.update(field.decode(fields[field.label]))
            elif field.label in self._labels:
                values.update(field.decode(""))
        if self._leaps.passes(values):
            self._device.publish(TEXT, values)

    def _hex(self, frame: HexFrame) -> None:
        self._heard_at = self._clock.monotonic()
        answered = self._link.received(frame)
        if frame.command == Command.PRODUCT_ID and not answered:
            self._counters.complained(self._device)
        if not self._known.admitted:
            return
        self._device.publish(ASYNC, {})
        if frame.command != Command.ASYNC or frame.flags or frame.register is None:
            return
        register = self._registers.get(frame.register)
        if register is not None and self._poller is not None:
            self._poller.heard(register)
            self._observe(register, unpack(register.type, frame.value))

    def _answered(self, register: Register, answer: Answer) -> None:
        """Take a polled register; one the device does not have is absent for good."""
        product = self._known.product
        if not self._known.admitted or product is None:
            return
        if not answer.ok:
            if not self._is_told_otherwise(product, register):
                self._device.publish(IDENTITY, {register.path: None})
            return
        self._observe(register, answer.raw)

    def _observe(self, register: Register, raw: int | str | None) -> None:
        product, control = self._known.product, self._known.control
        if product is None or control is None:
            return
        if register == product.uptime and isinstance(raw, int):
            self._uptime_at = self._clock.monotonic()
            if self._restarts.reported(raw):
                self._device.restarted()
        if register == product.mode and self._doubtful(product, raw):
            return
        if register.path == "/ProductName":
            self._known.named(str(raw or ""))
        if not control.reported(register, raw):
            if raw is None and self._is_told_otherwise(product, register):
                return
            self._device.publish(register.group, {register.path: register.value(raw)})

    # -- judgement ---------------------------------------------------------------------------------

    def _doubtful(self, product: Product, raw: int | str | None) -> bool:
        """Tell whether a mode must wait for the uptime: on where the owner had switched off.

        Somebody may have switched on at the device, which is adopted; or it has restarted and forgotten,
        and then the owner's off is sent again. Only an uptime heard later can tell.
        """
        control, poller = self._known.control, self._poller
        is_off = raw in (0, 4)
        if (
            control is None
            or poller is None
            or is_off
            or not control.should_be_off
            or not poller.knows(product.uptime)
        ):
            self._doubted_at = None
            return False
        if self._doubted_at is not None and self._uptime_at > self._doubted_at:
            self._doubted_at = None
            return False
        if self._doubted_at is None:
            self._doubted_at = self._clock.monotonic()
        poller.ask_now(product.uptime, product.mode)
        return True

    def _is_told_otherwise(self, product: Product, register: Register) -> bool:
        """True where text or identity brings the same point, which a missing register must not blank."""
        return register.path == "/ProductName" or any(
            register.path in field.decode("") for field in product.text if field.label in self._labels
        )
