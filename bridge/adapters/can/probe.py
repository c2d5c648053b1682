"""Whether an slcan adapter is on a port: frames of an open channel are heard, else it is asked its version.

The channel is neither opened nor closed, so that nothing reaches the bus. Sources: Lawicel CAN232 manual (V,
N, frames); CANable's stock firmware, which tells the hash of its source and acknowledges nothing.
"""

import re

from bridge.adapters.can.dialects import DIALECTS
from bridge.adapters.line import SerialSettings
from bridge.adapters.probing import Ear, Introduction, PortInQuestion

#: What python-can opens such ports at; adapters on USB do not mind.
SETTINGS = SerialSettings(115200)
LISTEN_S = 1.2
_ANSWER_WITHIN_S = 0.5
#: Frames that prove a channel: one could be chance.
_FRAMES = 2
_FRAME = re.compile(rb"(?:^|[\r\n\a])t([0-7][0-9A-F]{2})([0-8])((?:[0-9A-F]{2})*)(?=\r)")
#: Lawicel's V1013, and what CANable and its successors say.
_VERSION = re.compile(
    rb"(?:^|[\r\n\a])(V[0-9A-Fa-f]{4}|[0-9a-f]{7} github\.com/[ -~]+|[^\r\n]*canable[ -~]*)\r"
)
_SERIAL = re.compile(rb"(?:^|[\r\n\a])N([0-9A-Za-z]{2,16})\r")
#: An empty line ends what an earlier program has begun to write.
_ASK_VERSION, _ASK_SERIAL = b"\rV\r", b"N\r"
_INVERTERS = frozenset[int]().union(*(dialect.inverter_speaks for dialect in DIALECTS.values()))
_LIMITS = 0x351


async def probe(port: PortInQuestion) -> Introduction | None:
    """Say whether an slcan adapter is there; raises LineFault."""
    ids = await port.listen(SETTINGS, LISTEN_S, _frames())
    if not port.may_ask:
        return None if ids is None else _introduced(ids, "", "")
    async with port.open(SETTINGS) as line:
        version = await port.ask(line, _ASK_VERSION, _match(_VERSION), _ANSWER_WITHIN_S)
        if version is None:
            return None if ids is None else _introduced(ids, "", "")
        serial = await port.ask(line, _ASK_SERIAL, _match(_SERIAL), _ANSWER_WITHIN_S, tries=2)
    return _introduced(ids or frozenset(), version, serial or "")


def _frames() -> Ear[frozenset[int]]:
    """Return an ear for frames; it tells their ids."""
    heard = bytearray()

    def ear(data: bytes, _now: float) -> frozenset[int] | None:
        heard.extend(data)
        found = [int(i, 16) for i, count, tail in _FRAME.findall(heard) if len(tail) >= 2 * int(count)]
        return frozenset(found) if len(found) >= _FRAMES else None

    return ear


def _match(pattern: re.Pattern[bytes]) -> Ear[str]:
    heard = bytearray()

    def ear(data: bytes, _now: float) -> str | None:
        heard.extend(data)
        found = pattern.search(heard)
        return None if found is None else found[1].decode("ascii", "replace").strip()

    return ear


def _introduced(ids: frozenset[int], version: str, serial: str) -> Introduction:
    text = "an slcan adapter; what is on its bus is not known before its channel is opened"
    if _LIMITS in ids:
        text = "an slcan adapter, and a battery (or another BMS) speaks on its bus: adapter can_battery"
    elif ids & _INVERTERS:
        text = "an slcan adapter, and an inverter speaks on its bus: adapter can_bms"
    elif ids:
        text = "an slcan adapter whose channel is open: " + ", ".join(f"{i:03X}" for i in sorted(ids)[:8])
    return Introduction("can", "slcan adapter", serial=serial, firmware=version, text=text, options=None)
