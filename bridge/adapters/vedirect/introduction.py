"""Asking a device by HEX who it is: for those whose text names no serial number, and those without text.

A BMV names only its product in text, some devices send no text at all, and older firmware is silent in text
for as long as HEX is spoken. The product id is asked by command 4, which is preferred over register 0x0100
(its two-byte form has its bytes swapped in some firmware); either, and register 0x010A, may be unknown to
old units. Sources: VE.Direct Protocol 3.33; BMV700 Series Hex Protocol.
"""

import math
from dataclasses import dataclass

from bridge.adapters.vedirect.access import Errand, RegisterAccess
from bridge.adapters.vedirect.every_product import PRODUCT_ID, SERIAL
from bridge.adapters.vedirect.hex import Command, encode_app_version, encode_product_id
from bridge.adapters.vedirect.hexlink import HexLink, NoReply, Priority, Rejected
from bridge.adapters.vedirect.identity import PROOF_BLOCKS, serial_of
from bridge.adapters.vedirect.known import KnownDevice
from bridge.datastore.clock import Clock

#: Silence of text after which a device is taken for one that sends none now. Newer MPPTs send every 2 s.
TEXT_SILENT_S = 3.0
#: How often one already known is asked again while its text does not name it.
_AGAIN_S = 10.0
#: How often a device that does not answer is asked, and one that is known by its text.
_DEAF_S, _RARELY_S = 5.0, 30.0
#: Rounds without an answer after which a device that sends text is believed by its text alone.
_DEAF_ROUNDS = 2
_LOOK_S = 0.25
#: Device, application version word: the upper two bits say which program runs.
_VERSION = 0x3FFF


@dataclass(slots=True)
class TextSeen:
    """When the newest main text block came, and the newest one that named a serial number (monotonic)."""

    main: float = -math.inf
    named: float = -math.inf
    #: How much longer than a second the device takes from block to block (newer MPPTs send every 2 s).
    slack_s: float = 0.0

    def came(self, now: float, *, named: bool) -> None:
        """Take note of a main block."""
        if now - self.main <= TEXT_SILENT_S:
            self.slack_s = max(0.0, now - self.main - 1.0)
        self.main = now
        if named:
            self.named = now


class Introduction:
    """Keeps `known` told who is on one open line, as far as text does not."""

    def __init__(
        self, clock: Clock, link: HexLink, access: RegisterAccess, known: KnownDevice, text: TextSeen
    ) -> None:
        self._clock = clock
        self._link = link
        self._access = access
        self._known = known
        self._text = text
        self._since = clock.monotonic()
        self._next = -math.inf
        self._deaf = 0
        self._doubts = 0
        self._version = ""

    async def run(self) -> None:
        """Ask when it is needed, until cancelled; raises LineLost."""
        while True:
            await self._clock.sleep(_LOOK_S)
            while self._needed():
                await self._round()

    def _needed(self) -> bool:
        now = self._clock.monotonic()
        if now < self._next or now - self._text.named <= TEXT_SILENT_S:
            return False
        if not self._known.admitted and now - self._text.main <= TEXT_SILENT_S:
            return self._known.unnamed > 0
        return now - max(self._since, self._text.main) > TEXT_SILENT_S or self._known.admitted

    async def _round(self) -> None:
        try:
            product_id = await self._product_id()
            serial = await self._serial()
            if not self._version:
                self._version = await self._firmware()
        except NoReply:
            self._deaf += 1
            pause = _LOOK_S if self._deaf <= _DEAF_ROUNDS else _RARELY_S if self._known.admitted else _DEAF_S
            self._next = self._clock.monotonic() + pause
            if (
                self._deaf >= _DEAF_ROUNDS
                and not self._known.admitted
                and self._known.unnamed >= PROOF_BLOCKS
            ):
                self._known.presume()
            return
        self._deaf = 0
        admitted = self._known.introduced(product_id, serial, self._version)
        self._doubts = 0 if admitted else self._doubts + 1
        proving = 0 < self._doubts < PROOF_BLOCKS
        self._next = self._clock.monotonic() + (0.0 if proving else _AGAIN_S)

    async def _product_id(self) -> int | None:
        try:
            reply = await self._link.request(encode_product_id(), (Command.PING, None), Priority.READ)
        except Rejected:
            answer = await self._access.get(PRODUCT_ID, Errand())
            whole = isinstance(answer.raw, int) and answer.ok and answer.raw > 0xFFFF
            return int(answer.raw or 0) >> 8 & 0xFFFF if whole else None
        return int.from_bytes(reply.payload[:2], "little") if len(reply.payload) >= 2 else None

    async def _serial(self) -> str | None:
        try:
            answer = await self._access.get(SERIAL, Errand())
        except Rejected:
            return None
        return serial_of(str(answer.raw)) or None if answer.ok and answer.raw is not None else None

    async def _firmware(self) -> str:
        """Return the application version as label FW writes it, empty where the device tells none."""
        try:
            reply = await self._link.request(encode_app_version(), (Command.PING, None), Priority.READ)
        except Rejected:
            return ""
        if len(reply.payload) < 2:
            return ""
        return f"{int.from_bytes(reply.payload[:2], 'little') & _VERSION:03X}"


__all__ = ["TEXT_SILENT_S", "Introduction", "TextSeen"]
