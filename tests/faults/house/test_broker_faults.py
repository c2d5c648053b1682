"""A broker that says no, nothing, one byte at a time, or far too much: Modbus notices nothing."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.house.program import PATIENCE_S, SITE, Program, ask, running, until

#: MQTT 5.0, sections 3.2 and 3.9: type, length, flags, reason, no properties.
WELCOME, NOT_AUTHORISED = bytes.fromhex("2003000000"), bytes.fromhex("2003008700")
_CONNECT, _PUBLISH, _SUBSCRIBE, _PINGREQ = 1, 3, 8, 12


class Broker:
    """A broker in a thread for each client, which is as bad as `manner` says."""

    def __init__(self) -> None:
        self.manner = "silent"
        self.connects = 0
        self.flooded = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._ended.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                thread = threading.Thread(target=self._serve, args=(client, self.manner), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket, manner: str) -> None:
        client.settimeout(0.2)
        with client, contextlib.suppress(OSError):
            for kind, body in packets(client, lambda: self._ended.is_set() or manner != self.manner):
                if kind == _CONNECT:
                    self.connects += 1
                    if manner == "refusing":
                        client.sendall(NOT_AUTHORISED)
                        return
                    if manner == "slow":
                        for number in range(len(WELCOME) - 1):  # and never the last
                            client.sendall(WELCOME[number : number + 1])
                            time.sleep(0.3)
                    if manner == "flooding":
                        client.sendall(WELCOME)
                elif kind == _SUBSCRIBE and manner == "flooding":
                    filters = list(filters_of(body))
                    client.sendall(bytes([0x90, 3 + len(filters)]) + body[:2] + b"\0" * (1 + len(filters)))
                    topics = [one.replace("+", "x").replace("#", "x/x/set") for one in filters]
                    flood = b"".join(publication(topic, b"x" * 200) for topic in topics) * 50
                    client.settimeout(5)
                    for _ in range(150):
                        client.sendall(flood)
                        self.flooded += 50 * len(topics)
                    client.settimeout(0.2)
                elif kind == _PUBLISH and manner == "flooding":
                    (length,) = struct.unpack(">H", body[:2])
                    client.sendall(b"\x40\x02" + body[2 + length : 4 + length])
                elif kind == _PINGREQ:
                    client.sendall(b"\xd0\0")


def packets(client: socket.socket, over: "threading.Event | object") -> Iterator[tuple[int, bytes]]:
    """Yield what a client says until it leaves, or `over()`."""
    buffer = b""
    while not over():  # type: ignore[operator]
        try:
            more = client.recv(4096)
        except TimeoutError:
            continue
        if not more:
            return
        buffer += more
        while len(buffer) >= 2:
            length, size = 0, 1
            for size, byte in enumerate(buffer[1:5], 1):
                length |= (byte & 0x7F) << 7 * (size - 1)
                if byte < 0x80:
                    break
            if len(buffer) < 1 + size + length:
                break
            yield buffer[0] >> 4, buffer[1 + size : 1 + size + length]
            buffer = buffer[1 + size + length :]


def filters_of(body: bytes) -> Iterator[str]:
    at = 3 + body[2]
    while at < len(body):
        (length,) = struct.unpack_from(">H", body, at)
        yield body[at + 2 : at + 2 + length].decode()
        at += 3 + length


def publication(topic: str, payload: bytes) -> bytes:
    body = struct.pack(">H", len(topic)) + topic.encode() + b"\0" + payload
    assert len(body) < 1 << 14
    return bytes([0x30, 0x80 | len(body) & 0x7F, len(body) >> 7]) + body


@contextmanager
def bad_broker() -> Iterator[Broker]:
    broker = Broker()
    try:
        yield broker
    finally:
        broker.close()


def served(program: Program, seconds: float) -> float:
    """Ask again and again; returns the longest that a reply has taken."""
    worst, ends = 0.0, time.monotonic() + seconds
    with program.connect() as client:
        while time.monotonic() < ends:
            began = time.monotonic()
            assert ask(client)
            worst = max(worst, time.monotonic() - began)
            time.sleep(0.01)
    return worst


@pytest.mark.parametrize("manner", ["refusing", "silent", "slow", "flooding"])
def test_modbus_is_served_whatever_the_broker_does(tmp_path: Path, manner: str) -> None:
    with bad_broker() as broker:
        broker.manner = manner
        site = f'{SITE}outlets: {{mqtt: {{url: "mqtt://127.0.0.1:{broker.port}"}}}}\n'
        with running(tmp_path, site) as program:
            before = program.resident_kib()
            until(lambda: broker.connects)
            served(program, 1.0)
            if manner == "flooding":
                until(lambda: broker.flooded >= 3000)
                served(program, 0.5)
            assert program.resident_kib() - before < 32 * 1024
            assert program.logged(r"ERROR.*broker=|WARNING.*broker=") <= 3
            assert "Traceback" not in program.log()
            assert program.answers()
            assert program.end() == 0
