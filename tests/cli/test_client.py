"""What a person hears when the bridge is not there, or not what was expected."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bridge.cli import client
from tests.cli.conftest import Command, write_site

COMMANDS = [
    ("read", "charger", "/Mode"),
    ("watch", "charger", "/Mode"),
    ("write", "charger", "/Mode", "on"),
    ("status",),
]


@contextmanager
def listening(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP port that treats its connections badly."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(30)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    behave(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            with closing(socket.create_connection(("127.0.0.1", server.getsockname()[1]))):
                pass
            thread.join(30)


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_nobody_listens(tmp_path: Path, command: Command, arguments: tuple[str, ...]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    site = write_site(tmp_path, port)
    ended = command(arguments[0], "--site", site, *arguments[1:])
    assert (ended.status, ended.out) == (1, "")
    assert f"nothing listens on 127.0.0.1:{port}" in ended.err
    assert f"inverter-bridge run {site}" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_the_connection_is_closed_without_a_byte(tmp_path: Path, command: Command) -> None:
    with listening(lambda connection: None) as port:
        ended = command("read", "--site", write_site(tmp_path, port), "charger", "/Mode")
    assert ended.status == 1
    assert f"127.0.0.1:{port} closed the connection without an answer" in ended.err
    assert "does not let 127.0.0.1 read" in ended.err


def test_somebody_else_lives_there(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.cli.target.REPLY_S", 0.2)
    monkeypatch.setattr("bridge.cli.target._REPLY_MARGIN_S", -1.0)

    def chat(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.recv(1000)

    with listening(chat) as port:
        ended = command("read", "--site", write_site(tmp_path, port), "charger", "/Mode")
    assert ended.status == 1
    assert f"127.0.0.1:{port}" in ended.err
    assert "expected a running bridge" in ended.err


def test_an_unknown_host_is_named(site: str, command: Command) -> None:
    ended = command("read", "--site", site, "--at", "no-such-host.invalid:502", "charger", "/Mode")
    assert ended.status == 1
    assert "no-such-host.invalid:502" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_the_time_allowed_is_longer_than_any_reply_of_the_default() -> None:
    assert client.REPLY_S > 0.4
