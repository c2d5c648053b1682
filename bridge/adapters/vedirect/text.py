"""The text half of VE.Direct: blocks of `CR LF label TAB value`, ended by `Checksum TAB byte`.

The law of the protocol (Victron "VE.Direct Protocol" 3.33): all bytes of a block, from its first CR to the
checksum byte, sum to 0 modulo 256; HEX frames may cut in anywhere and are no part of the sum. A record
ends with the CR of the next one, and the block ends with the checksum byte itself, which can have any
value. So the byte behind `Checksum TAB` is taken blindly, and nothing counts before it.
"""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.adapters.vedirect.reason import Reason

#: The document asks readers for 8 characters of label, 32 of value and 22 fields; unknown devices get room.
LABEL_MAX = 16
VALUE_MAX = 64
FIELDS_MAX = 64

_CHECKSUM_LABEL = b"Checksum"
_LF, _CR, _TAB, _COLON = 0x0A, 0x0D, 0x09, 0x3A
_RECORD_START = _CR + _LF


@dataclass(frozen=True, slots=True)
class TextBlock:
    """One text block whose checksum is right: labels with their values as sent, in order of sending."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TextError:
    """A text block that was thrown away whole."""

    reason: Reason


def encode_block(fields: Mapping[str, str]) -> bytes:
    """Make the text block that a device with these labels and values sends."""
    records = "".join(f"\r\n{label}\t{value}" for label, value in fields.items())
    block = records.encode("ascii") + b"\r\n" + _CHECKSUM_LABEL + b"\t"
    return block + bytes([-sum(block) & 0xFF])


TextMessage = TextBlock | TextError
TextEmit = Callable[[TextMessage], None]


class _State(enum.IntEnum):
    IDLE = 0  # between blocks
    BREAK = 1  # behind a CR, before its LF
    LABEL = 2
    VALUE = 3
    CHECK = 4  # behind `Checksum TAB`


_PRINTABLE = re.compile(rb"[ -9;-~]*")
#: Bytes that may be taken at once in a state. None of them is the colon, which begins a HEX frame.
_RUNS: dict[_State, re.Pattern[bytes]] = {
    _State.IDLE: re.compile(rb"[^\r:]*"),
    _State.BREAK: re.compile(rb""),
    _State.LABEL: _PRINTABLE,
    _State.VALUE: _PRINTABLE,
}


class TextParser:
    """The state of the text stream; untouched while a HEX frame cuts in."""

    __slots__ = ("_fields", "_label", "_spoilt", "_state", "_steps", "_sum", "_token")

    def __init__(self) -> None:
        self._state = _State.IDLE
        self._sum = 0
        self._spoilt: Reason | None = None
        self._fields: dict[str, str] = {}
        self._label = ""
        self._token = bytearray()
        self._steps: dict[_State, Callable[[int, TextEmit], None]] = {
            _State.IDLE: self._begin,
            _State.BREAK: self._after_break,
            _State.LABEL: self._after_label,
            _State.VALUE: self._after_value,
        }

    @property
    def inside(self) -> bool:
        """True in the middle of a block."""
        return self._state is not _State.IDLE

    def reset(self, emit: TextEmit) -> None:
        """Throw away what has begun, because the line fell silent in the middle of it."""
        if self._state is not _State.IDLE:
            if self._fields or self._state is not _State.BREAK:
                emit(TextError(Reason.GAP))
            self._state = _State.IDLE

    def feed(self, data: bytes, start: int, emit: TextEmit) -> int:
        """Take bytes from `start`; returns the index of the colon that begins a HEX frame, or the end."""
        at, end = start, len(data)
        while at < end:
            state = self._state
            if state is _State.CHECK:
                if not self._check(data[at], emit) and data[at] == _COLON:
                    return at
                at += 1
                continue
            run = _RUNS[state].match(data, at)
            stop = at if run is None else run.end()
            if stop > at:
                if state is not _State.IDLE:
                    self._collect(data[at:stop], LABEL_MAX if state is _State.LABEL else VALUE_MAX)
                at = stop
                if at == end:
                    break
            if data[at] == _COLON:
                return at
            self._steps[state](data[at], emit)
            at += 1
        return at

    def _collect(self, run: bytes, longest: int) -> None:
        self._sum += sum(run)
        if len(self._token) + len(run) > longest:
            self._spoil(Reason.LENGTH)
            run = run[: longest - len(self._token)]
        self._token += run

    def _spoil(self, reason: Reason) -> None:
        """Go on to the block's end, so that its remains are not taken for another block."""
        self._spoilt = self._spoilt or reason

    def _begin(self, _byte: int, _emit: TextEmit) -> None:
        self._start_block(_CR)
        self._state = _State.BREAK

    def _start_block(self, byte_sum: int) -> None:
        self._sum = byte_sum
        self._spoilt = None
        self._fields = {}
        self._token.clear()

    def _after_break(self, byte: int, emit: TextEmit) -> None:
        self._sum += byte
        if byte == _LF:
            self._state = _State.LABEL
        elif not self._fields and self._spoilt is None:
            # Nothing of a block has come yet: another CR may be its true beginning, other bytes are noise.
            self._sum = _CR
            if byte != _CR:
                self._state = _State.IDLE
        else:
            self._spoil(Reason.BYTE)
            if byte != _CR:
                self._state = _State.LABEL
        if len(self._fields) > FIELDS_MAX:
            emit(TextError(Reason.LENGTH))
            self._state = _State.IDLE

    def _after_label(self, byte: int, emit: TextEmit) -> None:
        self._sum += byte
        if byte == _CR:
            self._spoil(Reason.BYTE)
            self._token.clear()
            self._state = _State.BREAK
        elif byte != _TAB or not self._token:
            self._spoil(Reason.BYTE)
        elif self._token == _CHECKSUM_LABEL:
            self._state = _State.CHECK
        else:
            label_sum = sum(self._token)
            self._label = self._token.decode("ascii")
            if self._label in self._fields:
                # No device repeats a label: the end of the former block was lost, and this is the next one.
                emit(TextError(Reason.RESTART))
                self._start_block(_RECORD_START + label_sum + _TAB)
            self._token.clear()
            self._state = _State.VALUE

    def _after_value(self, byte: int, _emit: TextEmit) -> None:
        self._sum += byte
        if byte == _CR:
            self._fields[self._label] = self._token.decode("ascii")
            self._token.clear()
            self._state = _State.BREAK
        else:
            self._spoil(Reason.BYTE)

    def _check(self, byte: int, emit: TextEmit) -> bool:
        """Close the block with its checksum byte; False when it was not right."""
        self._state = _State.IDLE
        if (self._sum + byte) & 0xFF == 0 and self._spoilt is None and self._fields:
            emit(TextBlock(self._fields))
            return True
        emit(TextError(self._spoilt or Reason.CHECKSUM))
        # The true checksum byte may be the one that was lost: then this is the first byte of what follows.
        if byte == _CR:
            self._begin(byte, emit)
        return False
