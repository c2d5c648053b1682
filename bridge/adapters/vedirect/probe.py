"""Whether a VE.Direct device is on a port: its text is heard, else it is pinged.

Only ping (which tells the version), product id and serial number are asked, which change nothing in a device.
Source: VE.Direct Protocol 3.33.
"""

from collections.abc import Mapping

from bridge.adapters.line import SerialSettings
from bridge.adapters.probing import Ear, Introduction, PortInQuestion
from bridge.adapters.vedirect.codec import HexFrame, TextBlock, VeDirectDecoder
from bridge.adapters.vedirect.every_product import SERIAL
from bridge.adapters.vedirect.hex import (
    Command,
    Flags,
    encode_get,
    encode_ping,
    encode_product_id,
)
from bridge.adapters.vedirect.hexlink import REPLY_TIMEOUT_S
from bridge.adapters.vedirect.identity import is_main, product_class, product_id_of, product_name, serial_of
from bridge.adapters.vedirect.product import firmware

SETTINGS = SerialSettings(19200)
#: Text comes once a second.
LISTEN_S = 1.5
#: Upper two bits of a version word say which program runs.
_VERSION = 0x3FFF
_FAMILY = "vedirect"
_REPLIES = (Command.APP_VERSION, Command.PRODUCT_ID)


class _Heard:
    """The newest text block that names its sender, and frames as they are waited for."""

    def __init__(self) -> None:
        self._decoder = VeDirectDecoder()
        self.fields: Mapping[str, str] | None = None

    def block(self, data: bytes, now: float) -> Mapping[str, str] | None:
        self._take(data, now)
        return self.fields

    def reply(self, command: Command, register: int | None = None) -> Ear[HexFrame]:
        """Return an ear for the reply to a request; it hears a refusal (3 or 4) as well."""

        def ear(data: bytes, now: float) -> HexFrame | None:
            for frame in self._take(data, now):
                if frame.command in _REPLIES or (frame.command, frame.register) == (command, register):
                    return frame
            return None

        return ear

    def _take(self, data: bytes, now: float) -> list[HexFrame]:
        frames = []
        for message in self._decoder.receive(data, now):
            if isinstance(message, HexFrame):
                frames.append(message)
            elif isinstance(message, TextBlock) and is_main(message.fields):
                self.fields = message.fields
        return frames


async def probe(port: PortInQuestion) -> Introduction | None:
    """Say which VE.Direct device is there; raises LineFault."""
    heard = _Heard()
    await port.listen(SETTINGS, LISTEN_S, heard.block)
    told = _by_text(heard.fields)
    if not port.may_ask or (told is not None and told.serial):
        return told
    async with port.open(SETTINGS) as line:
        pong = await port.ask(line, encode_ping(), heard.reply(Command.PONG), REPLY_TIMEOUT_S)
        if pong is None or pong.command != Command.PONG:
            return _by_text(heard.fields)

        async def asked(request: bytes, command: Command, register: int | None = None) -> HexFrame | None:
            reply = await port.ask(line, request, heard.reply(command, register), REPLY_TIMEOUT_S)
            return None if reply is None or reply.command in _REPLIES else reply

        product = await asked(encode_product_id(), Command.PING)
        serial = await asked(encode_get(SERIAL.id), Command.GET, SERIAL.id)
    told = _by_text(heard.fields)
    number = int.from_bytes(product.payload[:2], "little") if product is not None else 0
    word = int.from_bytes(pong.payload[:2], "little") & _VERSION
    text = "" if serial is None or serial.flags != Flags.OK else serial.value.decode("ascii", "replace")
    if told is None:
        return _introduced(number, product_class(number, set()) or "", serial_of(text), f"{word:03X}")
    return _introduced(
        product_id_of(heard.fields or {}) or number, told.product, serial_of(text), f"{word:03X}"
    )


def _by_text(fields: Mapping[str, str] | None) -> Introduction | None:
    if fields is None:
        return None
    number = product_id_of(fields) or 0
    product = product_class(number, set(fields)) or ""
    return _introduced(
        number, product, serial_of(fields.get("SER#", "")), fields.get("FWE", fields.get("FW", ""))
    )


def _introduced(number: int, product: str, serial: str, version: str) -> Introduction:
    return Introduction(
        family=_FAMILY,
        product=product,
        name=product_name(number, product),
        serial=serial,
        firmware=firmware(version) if version else "",
        options={"product": product} if product else {},
    )
