"""Masters made of a socket or a file descriptor and nothing else, one for each transport.

All ask for the reply to one PDU; what stands around the PDU is checked here, by the documents alone: nothing
of the bridge is imported.
"""

import os
import select
import socket
import ssl
import struct
import termios
import time
import tty
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from tests.conformance.running import PATIENCE_S, Bench

#: How long a line is listened to before it counts as silent. Too short a time could miss a fault of the
#: bridge, and never make one up.
SILENT_S = 0.1


class Master(ABC):
    """One master."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send bytes as they are."""

    @abstractmethod
    def receive(self, timeout_s: float = PATIENCE_S) -> bytes:
        """Return what came first, b"" when the far end closed. Raises TimeoutError."""

    @abstractmethod
    def close(self) -> None:
        """End."""

    @abstractmethod
    def frame(self, unit: int, pdu: bytes) -> bytes:
        """Return a request as it goes on the wire."""

    @abstractmethod
    def reply(self, unit: int) -> bytes:
        """Return the PDU of the reply to the newest frame."""

    def ask(self, unit: int, pdu: bytes) -> bytes:
        """Send one request and return the PDU of its reply."""
        self.send(self.frame(unit, pdu))
        return self.reply(unit)

    def silent(self) -> bool:
        """True where nothing comes."""
        try:
            return not self.receive(SILENT_S)
        except TimeoutError:
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Mbap(Master):
    """MBAP header: transaction id, protocol id 0, length, unit (Messaging on TCP/IP 1.0b, 3.1.3)."""

    transaction = 0

    def frame(self, unit: int, pdu: bytes) -> bytes:
        self.transaction = (self.transaction + 0x1235) & 0xFFFF
        return struct.pack(">HHHB", self.transaction, 0, len(pdu) + 1, unit) + pdu

    def reply(self, unit: int) -> bytes:
        transaction, answering, pdu = self.next_reply()
        assert (transaction, answering) == (self.transaction, unit)
        return pdu

    def next_reply(self) -> tuple[int, int, bytes]:
        """Return transaction id, unit and PDU of the next reply."""
        frame = self.next_frame()
        transaction, protocol, length, unit = struct.unpack_from(">HHHB", frame)
        assert protocol == 0
        assert length == len(frame) - 6
        return transaction, unit, frame[7:]

    @abstractmethod
    def next_frame(self) -> bytes:
        """Return the next whole frame."""


class _Stream(Master):
    """Bytes over a connected socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(PATIENCE_S)
        self.kept = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, timeout_s: float = PATIENCE_S) -> bytes:
        self.socket.settimeout(timeout_s)
        try:
            return self.socket.recv(4096)
        except ConnectionResetError:
            return b""

    def exactly(self, count: int) -> bytes:
        """Return so many bytes."""
        while len(self.kept) < count:
            more = self.receive()
            assert more, f"closed after {self.kept.hex()}"
            self.kept += more
        found, self.kept = self.kept[:count], self.kept[count:]
        return found

    def close(self) -> None:
        self.socket.close()


class Tcp(_Stream, _Mbap):
    """Modbus TCP."""

    def __init__(self, bench: Bench, port: str = "tcp") -> None:
        super().__init__(socket.create_connection(bench.addresses[port], PATIENCE_S))

    def next_frame(self) -> bytes:
        head = self.exactly(6)
        return head + self.exactly(struct.unpack_from(">H", head, 4)[0])


class Tls(Tcp):
    """Modbus TCP over TLS with the client's certificate."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench, "tls")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(bench.folder / "ca.pem")
        context.load_cert_chain(bench.folder / "client.pem", bench.folder / "client.key")
        self.socket = context.wrap_socket(self.socket, server_hostname=bench.addresses["tls"][0])


class Udp(_Mbap):
    """Modbus in datagrams."""

    def __init__(self, bench: Bench) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(bench.addresses["udp"])

    def send(self, data: bytes) -> None:
        self.socket.send(data)

    def receive(self, timeout_s: float = PATIENCE_S) -> bytes:
        self.socket.settimeout(timeout_s)
        return self.socket.recv(4096)

    def next_frame(self) -> bytes:
        return self.receive()

    def close(self) -> None:
        self.socket.close()


def crc(data: bytes) -> bytes:
    """Return the CRC as it is sent (Serial Line 1.02, 6.2.2: generation, bit by bit)."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return struct.pack("<H", register)


def _length(found: bytes, asked: int) -> int | None:
    """Return how long the reply is that begins so, None while that cannot be told (AP 6)."""
    if len(found) < 3:
        return None
    function = found[1]
    if function & 0x80:
        return 5
    if function in (1, 2, 3, 4, 23):
        return 5 + found[2]
    if function == 8:
        return asked
    if function == 43:
        place = 8
        for _ in range(found[7] if len(found) > 7 else 1):
            if len(found) < place + 2:
                return None
            place += 2 + found[place + 1]
        return place + 2
    return {22: 10}.get(function, 8)


class _Rtu(Master):
    """Unit, PDU, CRC (Serial Line 1.02, 2.5.1)."""

    #: Length of the newest request, which that of an echo is.
    asked = 0

    def frame(self, unit: int, pdu: bytes) -> bytes:
        head = bytes((unit,)) + pdu
        self.asked = len(head) + 2
        return head + crc(head)

    def reply(self, unit: int) -> bytes:
        found = b""
        while (length := _length(found, self.asked)) is None or len(found) < length:
            found += self.some()
        assert crc(found[:-2]) == found[-2:], found.hex()
        assert found[0] == unit
        return found[1:-2]

    @abstractmethod
    def some(self) -> bytes:
        """Return at least one byte, none of the next frame."""


class RtuTcp(_Stream, _Rtu):
    """RTU frames over TCP."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(socket.create_connection(bench.addresses["rtu_tcp"], PATIENCE_S))

    def some(self) -> bytes:
        return self.exactly(1)


class Line:
    """A pseudo-terminal: the bench's slave has one end by its name, the masters of the tests the other."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.name = os.ttyname(slave)
        # kept open, so that the line does not hang up while the bridge has it closed
        self._slave = slave

    def close(self) -> None:
        """Take the line away."""
        os.close(self.master)
        os.close(self._slave)


class Rtu(_Rtu):
    """RTU on a line. One master a line, so its predecessors' bytes are thrown away."""

    def __init__(self, line: Line) -> None:
        self._line = line.master
        termios.tcflush(self._line, termios.TCIFLUSH)

    def send(self, data: bytes) -> None:
        os.write(self._line, data)

    def receive(self, timeout_s: float = PATIENCE_S) -> bytes:
        if not select.select([self._line], [], [], timeout_s)[0]:
            raise TimeoutError
        return os.read(self._line, 4096)

    def some(self) -> bytes:
        if not select.select([self._line], [], [], PATIENCE_S)[0]:
            raise TimeoutError
        return os.read(self._line, 1)

    def pause(self) -> None:
        """Let the line be silent for so long that no frame goes on (several hundred characters)."""
        time.sleep(0.4)

    def close(self) -> None:
        """Leave the line to the next master."""
