"""VE.Direct as it comes down the line: text blocks and HEX frames out of one stream of bytes.

A colon anywhere but in a checksum byte begins a HEX frame; the text state waits until the frame's LF and
goes on where it was. Newer firmware sends frames directly behind the checksum byte, older firmware in the
middle of a record.
"""

from bridge.adapters.vedirect.hex import HexError, HexFrame, HexParser
from bridge.adapters.vedirect.text import TextBlock, TextError, TextParser

Message = TextBlock | HexFrame | TextError | HexError

#: Silence inside a block or frame after which it is given up. Practice of public readers: 200 to 500 ms.
GAP_S = 0.5


class VeDirectDecoder:
    """Turns received bytes into messages. Takes any bytes, in any portions, and never raises."""

    __slots__ = ("_heard", "_hex", "_text")

    def __init__(self) -> None:
        self._text = TextParser()
        self._hex = HexParser()
        self._heard: float | None = None

    @property
    def inside(self) -> bool:
        """True while a block or a frame has begun and not ended."""
        return self._hex.inside or self._text.inside

    def receive(self, data: bytes, now: float) -> list[Message]:
        """Take what came at monotonic time `now` (s) and return the messages it completes.

        A silence of `GAP_S` inside a block or frame gives it up; between blocks it means nothing. No
        bytes at all only look for such a silence.
        """
        out: list[Message] = []
        if self._heard is not None and now - self._heard >= GAP_S:
            self._hex.reset(out.append)
            self._text.reset(out.append)
        if not data:
            return out
        self._heard = now
        at, end = 0, len(data)
        while at < end:
            if self._hex.inside:
                at = self._hex.feed(data, at, out.append)
            else:
                at = self._text.feed(data, at, out.append)
                if at < end:
                    self._hex.begin()
                    at += 1
        return out


__all__ = ["GAP_S", "HexError", "HexFrame", "Message", "TextBlock", "TextError", "VeDirectDecoder"]
