"""Whether a zigbee coordinator with TI's interface is on a port: it is pinged.

Nothing is reset, configured or sent into the air. Sources: Texas Instruments, Z-Stack Monitor and Test API
(SYS_PING, SYS_VERSION, UTIL_GET_DEVICE_INFO).
"""

from bridge.adapters.apsystems.frames import MtDecoder, MtFrame
from bridge.adapters.apsystems.messages import Firmware
from bridge.adapters.apsystems.radio import SERIAL_SETTINGS
from bridge.adapters.line import Line
from bridge.adapters.probing import Ear, Introduction, PortInQuestion

_PING, _VERSION, _INFO = MtFrame(0x2101), MtFrame(0x2102), MtFrame(0x2700)
#: A synchronous answer has this bit set in its command; 0x6000 says that the command is not known.
_ANSWER, _UNKNOWN = 0x4000, 0x6000
_ANSWER_WITHIN_S = 0.6
#: Status, IEEE address, short address, type, state.
_INFO_LENGTH, _IEEE = 13, slice(1, 9)
_VERSION_LENGTH = 5
_TEXT = (
    "a zigbee coordinator answers. Which inverters it reaches no probe can tell: name them in the site file "
    "by the serial numbers on their labels"
)


async def probe(port: PortInQuestion) -> Introduction | None:
    """Say whether a coordinator is there; raises LineFault. It says nothing unasked."""
    if not port.may_ask:
        return None
    async with port.open(SERIAL_SETTINGS) as line:
        heard = MtDecoder()
        if await _asked(port, line, heard, _PING) is None:
            return None
        version = await _asked(port, line, heard, _VERSION)
        info = await _asked(port, line, heard, _INFO)
    firmware = ""
    if version is not None and len(version.data) >= _VERSION_LENGTH:
        firmware = str(Firmware(*version.data[:_VERSION_LENGTH]))
    serial = ""
    if info is not None and len(info.data) >= _INFO_LENGTH:
        serial = info.data[_IEEE][::-1].hex(":").upper()
    return Introduction(
        "apsystems",
        "zigbee coordinator (Z-Stack)",
        serial=serial,
        firmware=firmware,
        text=_TEXT,
        options=None,
    )


async def _asked(port: PortInQuestion, line: Line, heard: MtDecoder, request: MtFrame) -> MtFrame | None:
    answer = await port.ask(line, request.encode(), _ear(heard, request), _ANSWER_WITHIN_S)
    return None if answer is None or answer.command == _UNKNOWN else answer


def _ear(heard: MtDecoder, request: MtFrame) -> Ear[MtFrame]:
    def ear(data: bytes, now: float) -> MtFrame | None:
        for frame in heard.receive(data, now):
            if frame.command in (request.command | _ANSWER, _UNKNOWN):
                return frame
        return None

    return ear
