"""What speaks on a port and is no equipment of ours, told by what it says.

Sources: NMEA 0183 sentences; start-up and status lines of Marlin and Grbl; telegrams of DSMR smart meters;
result codes of mobile modems (3GPP TS 27.007); ASH frames of Silicon Labs' zigbee firmware (UG101).
"""

import re
from collections.abc import Sequence

from bridge.adapters.line import SerialSettings

#: Rates at which a stranger is listened for, once something was heard that nobody has understood.
RATES = tuple(SerialSettings(rate) for rate in (9600, 115200, 4800, 38400, 57600))
#: Most of what is meant here speaks once a second.
LISTEN_S = 1.2

_SHOWN = 40
_PRINTABLE = re.compile(rb"[ -~\t]{8,}")

_STRANGERS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a GPS or another NMEA 0183 talker", re.compile(rb"[$!][A-Z]{2}[A-Z]{3},[ -~]*\*[0-9A-Fa-f]{2}\s")),
    (
        "a 3D printer",
        re.compile(
            rb"(?:^|[\r\n])(?:echo: ?\S|Marlin |ok T:|T:\d+\.\d+ /\d|FIRMWARE_NAME:|start[\r\n]+echo)"
        ),
    ),
    ("a milling machine (Grbl)", re.compile(rb"(?:^|[\r\n])Grbl \d")),
    ("a smart meter's P1 port (DSMR)", re.compile(rb"[01]-\d:\d+\.\d+\.\d+\([ -~]*\)")),
    ("a mobile modem", re.compile(rb"(?:^|[\r\n])(?:RING|\+C[A-Z]+:|\^[A-Z]+:)")),
    ("a zigbee stick with Silicon Labs' firmware", re.compile(rb"\x1a?\xc1\x02[\x00-\x0c]..\x7e", re.DOTALL)),
    ("a computer's console", re.compile(rb"login: $|(?:^|[\r\n])\[ *\d+\.\d{6}\] |(?:^|[\r\n])U-Boot ")),
)


def named(heard: Sequence[bytes]) -> str | None:
    """Return who says this, for each rate what was heard at it; None for whom we do not know."""
    for data in heard:
        for name, pattern in _STRANGERS:
            found = pattern.search(data)
            if found is not None:
                return f'{name} ("{_shown(found[0])}")'
    return None


def described(heard: Sequence[bytes]) -> str:
    """Return what was heard, as a person may know it again; empty for nothing at all."""
    texts = [max(_PRINTABLE.findall(data), key=len, default=b"") for data in heard]
    text = max(texts, key=len, default=b"")
    if text:
        return f'text such as "{_shown(text)}"'
    if not heard:
        return ""
    longest = max(heard, key=len)
    return f"{len(longest)} bytes that begin with {longest[:8].hex(' ').upper()}"


def _shown(data: bytes) -> str:
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data.strip())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + ".."
