"""One opened bus of python-can, its blocking calls made alike for all interfaces.

Imported when a bus is opened, and nowhere else: sites without CAN never load python-can. What is done here
otherwise than its examples have it follows from faults that were reproduced with version 4.6: see each.
"""

import contextlib
import fcntl
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import can

from bridge.adapters.can.faults import bus_name, is_busy, is_fatal, lost, refused
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.options import CanOptions, multicast_address, socketcand_address
from bridge.adapters.line_faults import LineFault, PortMissing, explained, said
from bridge.adapters.ports import is_socket, socket_address

# It tells every failed try with a traceback; the bridge tells a fault once, in its own words.
logging.getLogger("can").setLevel(logging.CRITICAL)

#: Longest that one call waits for a frame, in seconds: how soon a reader notices that it shall end.
RECEIVE_S = 0.2
#: Bytes of an slcan adapter that may wait for the end of their line, of which the longest has 140: it keeps
#: them all, and noise may never end.
LINE_MAX = 4096
#: Longest that one frame may take to leave, in seconds.
SEND_S = 0.5
#: slcan's own default of 2 s is for adapters that start anew when their port opens; CANable does not.
_SLEEP_AFTER_OPEN_S = 0.1
#: pyserial's wait inside slcan. Its default of 1 ms would wake the processor a thousand times a second.
_SERIAL_WAIT_S = 0.1
_CONNECT_WITHIN_S = 3.0
#: These return at once, and for ever, once their far end is gone: they are asked and left alone in turns.
_POLL_S = {"socketcand": 0.02, "gs_usb": 0.005}
#: These bring back each frame that has left, and mark it. On others the mark means another program of this
#: computer, which is heard like anybody else.
_MARKED_ECHOES = frozenset({"gs_usb"})
#: Error class "bus-off" and "restarted" in the id of an error frame (linux/can/error.h).
_BUS_OFF, _RESTARTED = 0x40, 0x100


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """The adapter tells of trouble on the bus. bus_off: True when it leaves it, False when it is back."""

    bus_off: bool | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A 29-bit, remote or FD frame, which no family here speaks."""


class Garbled(Exception):
    """Something came that is no frame; the bus goes on."""


class NotSent(Exception):
    """The adapter could not take a frame now; the bus goes on."""


Heard = CanFrame | ErrorFrame | Ignored


class Driver:
    """An open bus. `receive` is for one thread, `send` for one other, `close` ends both."""

    def __init__(self, options: CanOptions, bus: can.BusABC, lock: int | None = None) -> None:
        self._options = options
        self._bus = bus
        self._lock = lock
        self._poll_s = _POLL_S.get(options.interface)
        self._echoes = options.interface in _MARKED_ECHOES

    def receive(self) -> Heard | None:
        """Return what came within RECEIVE_S, None for nothing. Raises Garbled and LineLost."""
        try:
            if self._poll_s is None:
                message = self._bus.recv(RECEIVE_S)
            else:
                message = self._bus.recv(0)
                if message is None:
                    time.sleep(self._poll_s)
        except Exception as fault:
            raise self._judged(fault) from fault
        if message is None and len(getattr(self._bus, "_buffer", b"")) > LINE_MAX:
            raise self._judged(ValueError(f"found {LINE_MAX} bytes without the end of a line"))
        if message is None or (self._echoes and not message.is_rx):
            return None
        return _heard(message)

    def send(self, frame: CanFrame) -> None:
        """Hand a frame to the adapter. That it has left, or was acknowledged, no adapter tells.

        Raises NotSent and LineLost.
        """
        # is_extended_id is True unless it is said: an inverter would never hear such frames
        message = can.Message(arbitration_id=frame.id, data=frame.data, is_extended_id=False)
        try:
            self._bus.send(message, timeout=SEND_S)
        except Exception as fault:
            if is_busy(fault):
                raise NotSent(said(fault)) from fault
            raise lost(self._options, fault) from fault

    def close(self) -> None:
        """Give the bus back, also where python-can cannot do it in order any more. Never raises."""
        with contextlib.suppress(Exception):
            self._bus.shutdown()
        # slcan says goodbye first: where nobody is there any more it raises, and leaves its port open
        port = getattr(self._bus, "serialPortOrig", None)
        if port is not None:
            with contextlib.suppress(Exception):
                port.close()
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = None

    def _judged(self, fault: Exception) -> LineFault | Garbled:
        if is_fatal(fault):
            return lost(self._options, fault)
        flush: Callable[[], None] | None = getattr(self._bus, "flush", None)
        if flush is not None:
            # slcan keeps bytes that are no text and would fail on them with every line that follows
            try:
                flush()
            except Exception as ended:  # noqa: BLE001 - whatever it raises, the port is gone
                return lost(self._options, ended)
        return Garbled(said(fault))


def open_driver(options: CanOptions) -> Driver:
    """Open a bus. Blocks: call it in a thread. Raises PortMissing, PortBusy, PortDenied, PortUnusable."""
    lock = _claimed(options) if options.interface == "slcan" else None
    try:
        arguments = _arguments(options)
        bus = can.Bus(interface=options.interface, ignore_config=True, **arguments)
    except Exception as fault:
        if lock is not None:
            os.close(lock)
        raise (fault if isinstance(fault, LineFault) else refused(options, fault)) from fault
    return Driver(options, bus, lock)


def _arguments(options: CanOptions) -> dict[str, Any]:
    """Return what python-can is given beside the interface."""
    match options.interface:
        case "slcan":
            if is_socket(options.channel):
                _try_to_connect(options, *socket_address(options.channel), "a serial server (raw TCP)")
            return {
                "channel": options.channel,
                # without one, stock CANable firmware stays at 125 kbit/s
                "bitrate": options.bitrate,
                "sleep_after_open": _SLEEP_AFTER_OPEN_S,
                "timeout": _SERIAL_WAIT_S,
            }
        case "gs_usb":
            return {"channel": int(options.channel), "bitrate": options.bitrate}
        case "socketcand":
            host, port, bus = socketcand_address(options.channel)
            _try_to_connect(options, host, port, "socketcand")
            return {"channel": bus, "host": host, "port": port, "tcp_tune": True}
        case "udp_multicast":
            group, port = multicast_address(options.channel)
            # no hop: frames stay on this computer; there is no authentication of any kind
            return {"channel": group, "port": port, "hop_limit": 0, "fd": False}
    return {"channel": options.channel}


def _claimed(options: CanOptions) -> int | None:
    """Lock a serial port for this process; pyserial itself locks nothing."""
    if is_socket(options.channel):
        return None
    try:
        descriptor = os.open(options.channel, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as fault:
        raise explained(options.channel, fault) from fault
    try:
        if not os.isatty(descriptor):
            raise OSError(0, "it is no serial port")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(descriptor)
        raise explained(options.channel, fault) from fault
    return descriptor


def _try_to_connect(options: CanOptions, host: str, port: int, server: str) -> None:
    """Refuse a server that is not there: python-can would try socketcand for 10 s without a pause."""
    try:
        socket.create_connection((host, port), timeout=_CONNECT_WITHIN_S).close()
    except OSError as fault:
        raise PortMissing(
            bus_name(options), f"{said(fault)}: expected {server} to listen there; is it running?"
        ) from fault


def _heard(message: can.Message) -> Heard:
    if message.is_error_frame:
        bits = message.arbitration_id
        return ErrorFrame(True if bits & _BUS_OFF else False if bits & _RESTARTED else None)
    if message.is_extended_id or message.is_remote_frame or message.is_fd or len(message.data) > 8:
        return Ignored()
    return CanFrame(message.arbitration_id & 0x7FF, bytes(message.data))
