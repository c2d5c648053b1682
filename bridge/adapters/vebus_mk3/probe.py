"""Whether an MK3 interface is on a port, and a VE.Bus system behind it.

An interface tells its version once a second while nobody asks; else it is asked for it. Then only queries
go out: no mode, no line and no flag is set. The unit powers its interface, so one that sleeps is silent.
"""

from bridge.adapters.line import Line, SerialSettings
from bridge.adapters.probing import Ear, Introduction, PortInQuestion
from bridge.adapters.vebus_mk3.codec import (
    encode_address,
    encode_info,
    encode_version,
    encode_winmon,
    parse,
)
from bridge.adapters.vebus_mk3.frames import Frame, FrameDecoder
from bridge.adapters.vebus_mk3.messages import (
    AddressSet,
    Config,
    Message,
    SlotReply,
    UnitInfo,
    Version,
    Winmon,
    WinmonReply,
)
from bridge.adapters.vebus_mk3.nameplate import UNKNOWN_PRODUCT, product_name, serial_of
from bridge.adapters.vebus_mk3.requests import CONFIG_WITHIN_S, REPLY_WITHIN_S

SETTINGS = SerialSettings(2400)
#: Its version comes once a second; a frame of it takes 40 ms.
LISTEN_S = 2.5
_FAMILY = "vebus_mk3"
#: What the adapter's own name on USB shows it by.
_ADAPTER = "MK3"
_CONFIG, _UNIT = 5, 7
_ASLEEP = (
    "found an MK3 that says nothing: the Multi or Quattro powers it, and is off or asleep; switch it on, or "
    "look at the cable between the two"
)
_DEAF = (
    "found an MK3 interface of version {}, but no Multi or Quattro answers behind it: it is off or asleep, "
    "or the cable between them is not in its VE.Bus socket"
)


class _Heard:
    """Messages in whatever arrives."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()

    def one(self, kind: type[Message], slot: WinmonReply | None = None) -> Ear[Message]:
        """Return an ear for a kind of message, or for a code in a slot."""

        def ear(data: bytes, now: float) -> Message | None:
            for found in self._decoder.receive(data, now):
                message = parse(found.data) if isinstance(found, Frame) else None
                if not isinstance(message, kind):
                    continue
                if slot is None or (isinstance(message, SlotReply) and message.code == slot):
                    return message
            return None

        return ear


async def probe(port: PortInQuestion) -> Introduction | None:
    """Say which VE.Bus system is there; raises LineFault."""
    version = await port.listen(SETTINGS, LISTEN_S, _Heard().one(Version))
    if port.may_ask:
        async with port.open(SETTINGS) as line:
            heard = _Heard()
            version = await port.ask(line, encode_version(), heard.one(Version), REPLY_WITHIN_S) or version
            if isinstance(version, Version):
                return await _asked(port, line, heard, version.number)
    if isinstance(version, Version):
        return Introduction(_FAMILY, UNKNOWN_PRODUCT, text=f"MK3 interface of version {version.number}")
    if _ADAPTER in port.described.upper():
        return Introduction(_FAMILY, UNKNOWN_PRODUCT, asleep=True, text=_ASLEEP)
    return None


async def _asked(port: PortInQuestion, line: Line, heard: _Heard, number: int) -> Introduction:
    unit = await port.ask(line, encode_info(_UNIT, 0), heard.one(UnitInfo), REPLY_WITHIN_S)
    config = await port.ask(line, encode_info(_CONFIG), heard.one(Config), CONFIG_WITHIN_S)
    if unit is None and config is None:
        return Introduction(_FAMILY, UNKNOWN_PRODUCT, asleep=True, text=_DEAF.format(number))
    serial = serial_of(unit.number) if isinstance(unit, UnitInfo) else ""
    return Introduction(
        _FAMILY,
        product_name(serial, config.inputs if isinstance(config, Config) else 0),
        serial=serial,
        firmware=await _firmware(port, line, heard),
        text=f"MK3 interface of version {number}",
    )


async def _firmware(port: PortInQuestion, line: Line, heard: _Heard) -> str:
    """Return the unit's version, two words or both at once; empty where it tells none."""
    await port.ask(line, encode_address(0), heard.one(AddressSet), REPLY_WITHIN_S)
    words = b""
    for command, code in (
        (Winmon.VERSION_LOW, WinmonReply.VERSION_LOW),
        (Winmon.VERSION_HIGH, WinmonReply.VERSION_HIGH),
    ):
        reply = await port.ask(line, encode_winmon("X", command), heard.one(SlotReply, code), REPLY_WITHIN_S)
        if not isinstance(reply, SlotReply):
            return ""
        words += reply.data
        if len(words) >= 4:
            break
    return str(int.from_bytes(words[:4], "little"))
