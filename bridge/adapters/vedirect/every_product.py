"""What every VE.Direct product has: registers of the common part, identity and line counters."""

from bridge.adapters.vedirect.register import Register
from bridge.datastore.spec import PointSpec

#: How often a register is read: what changes by the second, in seconds, in minutes; settings.
FAST_S, SLOW_S, RARE_S, SETTING_S = 5.0, 10.0, 60.0, 120.0
#: How often measurements are read from a device whose text is silent.
LIVE_S = 1.0

UPTIME = Register(0x0120, "/Device/Uptime", "u32", poll_s=SLOW_S)
#: Read again now and then, since text may name no serial number at all.
SERIAL = Register(0x010A, "/Serial", "text")
#: Byte 0 is no part of it, then come the product id (u16) and 0xFE or 0xFF.
PRODUCT_ID = Register(0x0100, "/ProductId", "e8")

REGISTERS = (
    UPTIME,
    Register(0x0101, "/Device/HardwareRevision", "u8", once=True),
    Register(0x010B, "/ProductName", "text", once=True),
    Register(0x010C, "/CustomName", "text", poll_s=SETTING_S),
    Register(0x0140, "/Device/Capabilities", "u32", once=True),
)

POINTS = (
    *(
        PointSpec(path, unit)
        for path, unit in (
            ("/Device/Uptime", "s"),
            ("/Device/HardwareRevision", ""),
            ("/Device/Capabilities", ""),
            ("/ProductId", ""),
            ("/Line/TextBlocks", ""),
            ("/Line/HexFrames", ""),
            ("/Line/TextErrors", ""),
            ("/Line/HexErrors", ""),
            ("/Line/FramingReplies", ""),
        )
    ),
    *(PointSpec(path, text=True) for path in ("/Serial", "/ProductName", "/FirmwareVersion", "/CustomName")),
)


def measured(*points: tuple[str, str]) -> tuple[PointSpec, ...]:
    """Declare points that are only read: path and unit of measure."""
    return tuple(PointSpec(path, unit) for path, unit in points)
