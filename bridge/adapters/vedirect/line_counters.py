"""What came over a VE.Direct line, counted and shown as points."""

import logging
from dataclasses import dataclass

from bridge.adapters.vedirect.product import LINE
from bridge.datastore.device import Device

_log = logging.getLogger(__name__)

#: Complaints of the device about frames nobody sent: its receive line picks up noise or floats.
_WIRING_HINT = 5


@dataclass(slots=True)
class LineCounters:
    """Counts since the bridge began with the device; framing_replies are complaints that match no request."""

    text_blocks: int = 0
    hex_frames: int = 0
    text_errors: int = 0
    hex_errors: int = 0
    framing_replies: int = 0

    def publish(self, device: Device) -> None:
        """Show the counters."""
        device.publish(
            LINE,
            {
                "/Line/TextBlocks": self.text_blocks,
                "/Line/HexFrames": self.hex_frames,
                "/Line/TextErrors": self.text_errors,
                "/Line/HexErrors": self.hex_errors,
                "/Line/FramingReplies": self.framing_replies,
            },
        )

    def complained(self, device: Device) -> None:
        """Count a framing reply to nothing; says once what that hints at."""
        self.framing_replies += 1
        device.count_error()
        if self.framing_replies == _WIRING_HINT:
            _log.warning(
                "device=%s wiring: the device complains of frames nobody sent: its receive line floats or "
                "picks up noise; check the cable, its voltage level (3.3 V or 5 V) and the ground",
                device.name,
            )
