"""A simulated CC2530 with the community's coordinator firmware: MT commands in, frames out.

What it says of itself is captured; what it refuses follows from captured refusals. `soft` and `hard_reset`
are what happens to it from outside.
"""

import enum
from collections.abc import Callable, Iterator

from bridge.adapters.apsystems.frames import MtFrame
from bridge.adapters.apsystems.simulated_air import Air, Later

_PING, _RESET, _WRITE, _REGISTER, _START, _INFO = 0x2101, 0x4100, 0x2605, 0x2400, 0x2600, 0x2700
_SEND, _SEND_EXT, _LOOPBACK, _FIND = 0x2401, 0x2402, 0x2710, 0x2749
#: The community's script asks for device information with the type bits of an answer, and is answered.
_INFO_ODD = 0x6700
_RESET_IND, _STATE_IND, _RPC_ERROR = 0x4180, 0x45C0, 0x6000
_CAPABILITIES = bytes.fromhex("7907")
_STARTUP, _EXTADDR, _PANID, _CLEAR_ALL = 0x03, 0x01, 0x83, 0x03
_ENDPOINT = 0x14
_UP, _STARTING = 0x09, 0x08
_NOT_STARTED, _NO_ENDPOINT, _NOT_FOUND, _DUPLICATE = 0xC2, 0x02, 0x02, 0xB8
_FACTORY_IEEE = bytes.fromhex("4B7C2D0A004B1200")
_WATCHDOG, _EXTERNAL = 0x02, 0x01
_BOOTS_S = 0.4
#: Bytes of data that these commands have at least.
_LEAST = {_WRITE: 2, _SEND: 10, _SEND_EXT: 20}
#: Command types: a request that is answered.
_SREQ = 1
_ASSOCIATION_BYTES = 28


class Flash(enum.Enum):
    """What is flashed: transport, product, and three numbers of the release."""

    COMMUNITY = bytes((2, 2, 2, 7, 2))
    STOCK = bytes((2, 0, 2, 6, 3))
    #: A release no capture shows; inverters answer it no more than the stock one.
    OTHER = bytes((2, 1, 2, 7, 1))


class SimulatedCoordinator:
    """The module. `handle` answers one frame; `vanish` is called where a reset takes a USB port away."""

    def __init__(self, air: Air, vanish: Callable[[], None] = lambda: None, up_after_s: float = 1.2) -> None:
        self.air = air
        self.flash = Flash.COMMUNITY
        self.up_after_s = up_after_s
        #: Hears nothing, until a reset by wire, or by command where `soft_cures`.
        self.frozen = self.soft_cures = False
        self.never_up = self.usb = False
        self.boot_s = 0.0
        self.in_boot_loader = False
        self.state = 0
        #: Counts restarts; what an earlier life would have sent is never sent.
        self.life = 0
        self.resets_by_wire = 0
        self._vanish = vanish
        self._running = self.flash
        self._registered = False
        self._items: dict[int, bytes] = {}

    @property
    def ecu(self) -> bytes:
        """The reversed identity it was configured with."""
        return self._items.get(_EXTADDR, _FACTORY_IEEE)[2:]

    def handle(self, frame: MtFrame) -> Iterator[Later]:
        """Yield what follows a frame of the host."""
        if self.in_boot_loader:
            return
        if self.frozen:
            if frame.command == _RESET and self.soft_cures:
                self.frozen = False
                yield from self._restart(_WATCHDOG)
            return
        answers = self._commands().get(frame.command)
        if answers is not None and len(frame.data) >= _LEAST.get(frame.command, 0):
            yield from answers(frame)
        elif frame.command >> 13 == _SREQ:
            yield Later(0, MtFrame(_RPC_ERROR, b"\x02" + frame.command.to_bytes(2, "big")))

    def crash(self) -> None:
        """Lose the network, and answer all the same."""
        self.state, self._registered = 0, False

    def hard_reset(self) -> Iterator[Later]:
        """Pulse its RST pin."""
        self.resets_by_wire += 1
        self.frozen = False
        yield from self._restart(_EXTERNAL)

    def force_run(self) -> Iterator[Later]:
        """Leave the boot loader, as it does by itself after its time."""
        if self.in_boot_loader:
            self.in_boot_loader = False
            yield Later(_BOOTS_S, self._indication(_EXTERNAL))

    def _commands(self) -> "dict[int, Callable[[MtFrame], Iterator[Later]]]":
        return {
            _PING: lambda f: _answer(f, _CAPABILITIES),
            _RESET: self._reset,
            _WRITE: self._write,
            _REGISTER: self._register,
            _START: self._start,
            _INFO: lambda _: self._info(),
            _INFO_ODD: lambda _: self._info(),
            _SEND: self._send,
            _SEND_EXT: self._send_ext,
            _LOOPBACK: lambda f: _answer(f, f.data),
            _FIND: lambda f: _answer(f, bytes(_ASSOCIATION_BYTES)),
        }

    def _reset(self, frame: MtFrame) -> Iterator[Later]:
        hard = frame.data[:1] == b"\x00"
        yield from self._restart(_WATCHDOG)
        if hard and self.usb:
            self._vanish()

    def _restart(self, reason: int) -> Iterator[Later]:
        self.life += 1
        self.crash()
        self._running = self.flash
        if self._items.get(_STARTUP) == bytes((_CLEAR_ALL,)):
            self._items.clear()
        if self.boot_s:
            self.in_boot_loader = True
        else:
            yield Later(_BOOTS_S, self._indication(reason))

    def _indication(self, reason: int) -> MtFrame:
        return MtFrame(_RESET_IND, bytes((reason,)) + self._running.value)

    def _write(self, frame: MtFrame) -> Iterator[Later]:
        item, size, value = frame.data[0], frame.data[1], frame.data[2:]
        if size == len(value):
            self._items[item] = value
        return _answer(frame, b"\x00" if size == len(value) else b"\x02")

    def _register(self, frame: MtFrame) -> Iterator[Later]:
        status = _DUPLICATE if self._registered else 0
        self._registered = self._registered or frame.data[:1] == bytes((_ENDPOINT,))
        return _answer(frame, bytes((status,)))

    def _start(self, frame: MtFrame) -> Iterator[Later]:
        yield from _answer(frame, b"")
        if not self.never_up:
            self.state = _STARTING
            yield Later(self.up_after_s / 2, MtFrame(_STATE_IND, bytes((_STARTING,))))
            yield Later(self.up_after_s, MtFrame(_STATE_IND, bytes((_UP,))))

    def is_up(self) -> None:
        """Be coordinator: called when the frame that says so leaves."""
        self.state = _UP

    def _info(self) -> Iterator[Later]:
        ieee = self._items.get(_EXTADDR, _FACTORY_IEEE)
        kind = 7 if self.state == _UP else 0
        said = b"\x00" + ieee + b"\x00\x00" + bytes((kind, self.state, 0))
        yield Later(0, MtFrame(0x6700, said))

    def _send(self, frame: MtFrame) -> Iterator[Later]:
        data = frame.data
        short, tsn, size, payload = int.from_bytes(data[:2], "little"), data[6], data[9], data[10:]
        status = self._refusal(size == len(payload))
        yield from _answer(frame, bytes((status,)))
        if not status:
            yield from self.air.sent(short, tsn, payload, self.ecu if self._is_paired_network() else b"")

    def _send_ext(self, frame: MtFrame) -> Iterator[Later]:
        data = frame.data
        cluster, tsn = int.from_bytes(data[13:15], "little"), data[15]
        size, payload = int.from_bytes(data[18:20], "little"), data[20:]
        status = self._refusal(size == len(payload) and data[0] == 0x0F)
        yield from _answer(frame, bytes((status,)))
        if not status:
            joinable = self._is_paired_network()
            yield from self.air.called(cluster, tsn, payload, self.ecu, joinable=joinable)

    def _refusal(self, whole: bool) -> int:
        if self.state != _UP:
            return _NOT_STARTED
        return 0 if whole and self._registered else _NO_ENDPOINT

    def _is_paired_network(self) -> bool:
        """True where inverters could hear it: the right firmware, and the PAN of its own identity."""
        pan = self._items.get(_PANID, b"")
        return self._running is Flash.COMMUNITY and pan == self.ecu[::-1][:2]


def _answer(frame: MtFrame, data: bytes) -> Iterator[Later]:
    yield Later(0, MtFrame(frame.command | 0x4000, data))
