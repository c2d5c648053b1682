"""The hostile ones: `python -m benchmarks.storms NAME HOST:PORT COUNT FOLDER LINE`, one storm and out.

Prints a line when it is ready, begins when it is sent one, and ends with what it did as JSON. COUNT is of
connections or bytes; noise goes on for at least `LEAST_S`, so that there is a p99 to speak of, and never
longer than `MOST_S`. FOLDER holds the certificates, LINE is the descriptor of the far end of the serial line.
"""

import contextlib
import json
import os
import random
import resource
import select
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import FIRST, UNIT, pin

LEAST_S, MOST_S = 3.0, 90.0
#: Connections opened back to back, seconds between two bursts, and how long the crowd then stays.
BURST, BURST_EVERY_S, STAY_S = 50, 0.05, 2.0
#: One in this many datagrams is larger than a network's frame.
_HUGE_EVERY = 50
_CHUNK_MIN, _CHUNK_MAX = 64, 20_000
#: What the server is given to close a connection after each piece, and the most pieces on one connection.
_PATIENCE_S, _PIECES_MAX = 0.05, 1000
_CHANCE = random.Random(1)  # the same noise each time


@dataclass(frozen=True)
class Aim:
    """Where a storm goes and how large it is."""

    address: tuple[str, int]
    count: int
    folder: Path
    line: int


def _source(number: int) -> tuple[str, int]:
    return f"127.0.0.{1 + number % 4}", 0


def _connect(aim: Aim, number: int) -> socket.socket:
    return socket.create_connection(aim.address, 10, _source(number))


def _read(number: int, count: int) -> bytes:
    return struct.pack(">HHHBBHH", number & 0xFFFF, 0, 6, UNIT, 3, FIRST, count)


def _reset(one: socket.socket) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def crowd(aim: Aim) -> int:
    """Open connections in bursts, hold them, close them all."""
    held = []
    for number in range(aim.count):
        held.append(_connect(aim, number))
        if not (number + 1) % BURST:
            time.sleep(BURST_EVERY_S)
    time.sleep(STAY_S)
    for one in held:
        one.close()
    return aim.count


def unread(aim: Aim) -> int:
    """Send requests on each connection for as long as they are taken, and read nothing."""
    burst = b"".join(_read(number, 125) for number in range(340))
    left: dict[socket.socket, int] = {}
    for number in range(aim.count):
        left[one := _connect(aim, number)] = 0
        one.settimeout(0)
    until = time.monotonic() + LEAST_S
    while (remaining := until - time.monotonic()) > 0:
        for one in select.select([], list(left), [], remaining)[1]:
            # what was taken in part is gone on with, so that the server sees whole frames
            with contextlib.suppress(BlockingIOError):
                left[one] = (left[one] + one.send(burst[left[one] :])) % len(burst)
    for one in left:
        _reset(one)
    return aim.count


def _noise(aim: Aim, some: Callable[[int], int]) -> int:
    """Call `some` with a number until enough bytes have gone."""
    began, sent, number = time.monotonic(), 0, 0
    while (took := time.monotonic() - began) < MOST_S and (sent < aim.count or took < LEAST_S):
        sent += some(number)
        number += 1
    return sent


def _babble(one: socket.socket, sound: bytes = b"") -> int:
    """Send noise after something sound, piece by piece until the server has had enough; return its bytes."""
    sent = -len(sound)
    data = sound
    with one, contextlib.suppress(ConnectionError, ssl.SSLError):
        for _ in range(_PIECES_MAX):
            data += _CHANCE.randbytes(_CHANCE.randint(_CHUNK_MIN, _CHUNK_MAX))
            one.settimeout(10)
            while data:
                count = one.send(data)
                data = data[count:]
                sent += count
            one.settimeout(_PATIENCE_S)
            with contextlib.suppress(TimeoutError):
                while one.recv(65536):
                    pass
                break
    return max(0, sent)


def tcp(aim: Aim) -> int:
    """Noise in place of frames, on every second connection after sound ones."""
    good = _read(1, 2) * 5 + b"\0\1\0\0\0\6"
    return _noise(aim, lambda number: _babble(_connect(aim, number), good if number % 2 else b""))


def bare(aim: Aim) -> int:
    """Noise and nothing else: RTU over TCP, or TLS that nobody shakes hands for."""
    return _noise(aim, lambda number: _babble(_connect(aim, number)))


def inside(aim: Aim) -> int:
    """Noise inside of TLS, after a good handshake with a good certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(aim.folder / "ca.pem")
    context.load_cert_chain(aim.folder / "client.pem", aim.folder / "client.key")
    return _noise(aim, lambda number: _babble(context.wrap_socket(_connect(aim, number))))


def udp(aim: Aim) -> int:
    """Datagrams of all sizes, every fourth with a header that fits it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(aim.address)

        def some(number: int) -> int:
            size = 20_000 if not number % _HUGE_EVERY else _CHANCE.randint(1, 1400)
            data = _CHANCE.randbytes(size)
            if not number % 4 and size > 8:
                data = struct.pack(">HHH", number & 0xFFFF, 0, min(size, 254)) + data[: min(size, 254)]
            with contextlib.suppress(OSError):
                return one.send(data)
            return 0

        return _noise(aim, some)


def rtu(aim: Aim) -> int:
    """Noise on a serial line, as fast as it is taken."""
    os.set_blocking(aim.line, False)

    def some(number: int) -> int:  # noqa: ARG001 - as the others
        readable, writable, _ = select.select([aim.line], [aim.line], [], 1.0)
        if readable:
            os.read(aim.line, 4096)
        if writable:
            with contextlib.suppress(BlockingIOError):
                return os.write(aim.line, _CHANCE.randbytes(_CHANCE.randint(1, 3000)))
        return 0

    return _noise(aim, some)


STORMS: dict[str, Callable[[Aim], int]] = {
    storm.__name__: storm for storm in (crowd, unread, tcp, bare, inside, udp, rtu)
}


def main(name: str, address: str, count: str, folder: str, line: str) -> None:
    host, _, port = address.partition(":")
    aim = Aim((host, int(port)), int(count), Path(folder), int(line))
    pin(1)
    # The polite client shares the core and must not wait for it.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(5)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    sent = STORMS[name](aim)
    print(json.dumps({"sent": sent, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
