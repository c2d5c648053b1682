"""The session on one open VE.Direct line: messages in, points out.

The decoder (`codec.py`) makes messages of bytes; the product's tables (`ac_charger.py`) say which message
feeds which point; the poller asks for what does not come by itself.
"""

import asyncio
import math
from collections.abc import Collection, Mapping

from bridge.adapters.line import Line, LineLost
from bridge.adapters.vedirect.access import Answer, RegisterAccess
from bridge.adapters.vedirect.agreement import Agreement
from bridge.adapters.vedirect.codec import VeDirectDecoder
from bridge.adapters.vedirect.errands import Errands
from bridge.adapters.vedirect.hex import Command, HexError, HexFrame
from bridge.adapters.vedirect.hexlink import HexLink
from bridge.adapters.vedirect.identity import is_main
from bridge.adapters.vedirect.introduction import TEXT_SILENT_S, Introduction, TextSeen
from bridge.adapters.vedirect.known import KnownDevice
from bridge.adapters.vedirect.line_counters import LineCounters
from bridge.adapters.vedirect.plausible import LeapFilter
from bridge.adapters.vedirect.polling import Poller
from bridge.adapters.vedirect.product import (
    ASYNC,
    IDENTITY,
    MORE_TEXT,
    TEXT,
    TEXT_STALE_S,
    Control,
    Product,
    TextField,
)
from bridge.adapters.vedirect.register import Register
from bridge.adapters.vedirect.registers import unpack
from bridge.adapters.vedirect.restarts import RestartWatch
from bridge.adapters.vedirect.text import TextBlock, TextError
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Path, Value

#: Points that identity brings as well.
_IDENTITY_PATHS = frozenset({"/ProductName", "/Serial"})


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
        self._text_seen = TextSeen()
        self._introduction = Introduction(clock, self._link, self._access, known, self._text_seen)
        self._labels: dict[str, str] = {}
        self._leaps = LeapFilter()
        self._agreement = Agreement(lambda path: bool(device.spec(path).unit_of_measure))
        self._heard_at = -math.inf
        self._main_at = -math.inf
        self._uptime_at = -math.inf
        self._doubted_at: float | None = None
        #: True once a whole block has come: the rest of one that the port was opened amid proves no noise.
        self._begun = False

    async def run(self) -> None:
        """Talk until the line is lost; raises LineLost."""
        self._known.reopened()
        polling = asyncio.create_task(self._tend())
        try:
            while True:
                data = await self._read(polling)
                messages = self._decoder.receive(data, self._clock.monotonic())
                for message in messages:
                    self._take(message)
                if messages and self._known.admitted:
                    self._counters.publish(self._device)
        finally:
            polling.cancel()
            # Not by suppressing CancelledError, which would swallow one that is meant for this task.
            await asyncio.gather(polling, return_exceptions=True)

    def errands(self, changes: Mapping[Path, Value]) -> Errands | None:
        """Return the means to execute a command, None while nobody is known to be there."""
        if not self._known.admitted:
            return None
        return Errands(
            self._access,
            self._clock,
            changes,
            self._device.wanted,
            lambda since: self._heard_at > since - self._text_seen.slack_s,
        )

    async def _read(self, polling: "asyncio.Task[None]") -> bytes:
        """Read on, noticing when what runs beside has failed."""
        if polling.done():
            polling.result()
        return await self._line.read()

    async def _tend(self) -> None:
        """Run what asks the device beside what listens to it; raises what ends any of it."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._introduction.run())
                while not (self._known.admitted and self._known.product):
                    await self._clock.sleep(0.1)
                product, control = self._known.product, self._known.control
                self._registers = {register.id: register for register in product.registers}
                self._poller = Poller(
                    self._clock, self._access, product.registers, self._answered, self._is_quiet
                )
                group.create_task(self._poller.run())
                if control is not None:
                    group.create_task(control.keep(lambda: self.errands({})))
        except* LineLost as lost:
            raise lost.exceptions[0] from None

    def _is_quiet(self) -> bool:
        """True while no text comes: then registers stand in for it."""
        return self._clock.monotonic() - self._text_seen.main > TEXT_SILENT_S

    # -- messages ----------------------------------------------------------------------------------

    def _take(self, message: TextBlock | HexFrame | TextError | HexError) -> None:
        if isinstance(message, TextBlock):
            self._counters.text_blocks += 1
            self._begun = True
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
            if self._begun:
                self._agreement.damaged(self._clock.monotonic())

    def _text(self, fields: Mapping[str, str]) -> None:
        self._heard_at = now = self._clock.monotonic()
        kind = TEXT if is_main(fields) else MORE_TEXT
        if kind == TEXT:
            self._text_seen.came(now, named="SER#" in fields)
            self._main_at = now if self._known.admit(fields) else -math.inf
        elif not self._known.admitted:
            return
        # A block without a product id is of the device whose main block was heard last, if that is recent.
        if now - self._main_at > TEXT_STALE_S:
            return
        product = self._known.product
        if product is None:
            return
        values: dict[Path, Value | None] = {}
        for field in product.text:
            text = fields.get(field.label)
            if text is not None:
                self._labels[field.label] = kind
            elif self._labels.get(field.label, TEXT) != kind or self._may_come_otherwise(product, field):
                continue
            decoded = field.decode(text or "")
            if field.reports is None:
                values.update(decoded)
            elif text is not None:
                raw = decoded[field.reports.path]
                self._observe(field.reports, raw if isinstance(raw, int) else None)
        if self._leaps.passes(values) and values and self._agreement.believes(kind, values, now):
            self._device.publish(kind, {**values, **product.derive(values, self._device.value)})

    def _hex(self, frame: HexFrame) -> None:
        self._heard_at = self._clock.monotonic()
        answered = self._link.received(frame)
        if answered and self._poller is not None:
            self._poller.answering()
        if frame.command == Command.PRODUCT_ID and not answered:
            self._counters.complained(self._device)
        if not self._known.admitted:
            return
        self._device.publish(ASYNC, {})
        if frame.command != Command.ASYNC or frame.flags or frame.register is None:
            return
        register = self._registers.get(frame.register)
        if register is not None and self._poller is not None and self._poller.serves(register):
            self._poller.heard(register)
            self._observe(register, unpack(register.type, frame.value))

    def _answered(self, register: Register, answer: Answer) -> None:
        """Take a polled register; one the device does not have is absent for good."""
        product = self._known.product
        if not self._known.admitted or product is None:
            return
        if not answer.ok:
            if not self._is_told_otherwise(product, register, self._labels):
                self._device.publish(IDENTITY, {register.path: None})
            return
        self._observe(register, answer.raw)

    def _observe(self, register: Register, raw: int | str | None) -> None:
        product, control = self._known.product, self._known.control
        now = self._clock.monotonic()
        if product is None or control is None:
            return
        if not self._agreement.believes(register.id, {register.path: register.value(raw)}, now):
            if self._poller is not None:
                self._poller.ask_again(register)
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
            labels = () if self._is_quiet() else self._labels
            if raw is None and self._is_told_otherwise(product, register, labels):
                return
            values = {register.path: register.value(raw)}
            self._device.publish(register.group, {**values, **product.derive(values, self._device.value)})

    # -- judgement ---------------------------------------------------------------------------------

    def _doubtful(self, product: Product, raw: int | str | None) -> bool:
        """Tell whether a mode must wait for the uptime: one that is not what the owner has set.

        Somebody may have changed it at the device, which is adopted; or it has restarted and forgotten,
        and then the owner's mode is sent again. Only an uptime heard later can tell.
        """
        control, poller, mode = self._known.control, self._poller, product.mode
        if (
            control is None
            or poller is None
            or mode is None
            or poller.deaf
            or not poller.knows(product.uptime)
            or not self._is_unwanted(control, mode, raw)
        ):
            self._doubted_at = None
            return False
        if self._doubted_at is not None and self._uptime_at > self._doubted_at:
            self._doubted_at = None
            return False
        if self._doubted_at is None:
            self._doubted_at = self._clock.monotonic()
        poller.ask_now(product.uptime, mode)
        return True

    def _is_unwanted(self, control: Control, mode: Register, raw: int | str | None) -> bool:
        """True for a mode in which the owner would not have the equipment."""
        if control.should_be_off:
            return raw not in (0, 4)
        held = self._device.held(mode.path)
        return held is not None and raw is not None and mode.value(raw) != held

    def _may_come_otherwise(self, product: Product, field: TextField) -> bool:
        """True for a label never heard whose point a register can bring; without one it is absent."""
        return field.label not in self._labels and any(
            register.path in field.paths for register in product.registers
        )

    def _is_told_otherwise(self, product: Product, register: Register, labels: Collection[str]) -> bool:
        """True where text, identity or another register brings the point: one missing must not blank it."""
        return (
            register.path in _IDENTITY_PATHS
            or any(register.path in field.paths for field in product.text if field.label in labels)
            or (self._poller is not None and self._poller.has_other(register))
        )
