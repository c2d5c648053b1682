import asyncio
import os
import re
import signal
import subprocess
import sys

import pytest

from bridge.adapters.trace import read_trace
from bridge.cli import main
from tests.adapters.far_ends import BOUND_S, Terminal, until
from tests.adapters.test_trace_replay import CAPTURE

COMMAND = [sys.executable, "-c", "import sys; from bridge.cli import main; sys.exit(main())", "trace"]


@pytest.fixture
def start():
    running = []

    def start(*arguments: object) -> subprocess.Popen:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=BOUND_S)


async def test_a_replayed_capture_is_recorded_again_unchanged(start, tmp_path):
    replaying = start("replay", CAPTURE, "--link", tmp_path / "link", "--speed", 100)
    await until((tmp_path / "link").exists)
    recording = start("record", tmp_path / "link", tmp_path / "t")
    shown, said = replaying.communicate(timeout=BOUND_S)
    assert replaying.returncode == 0, said
    assert shown.startswith("# port /dev/pts/")
    assert "played 23505 bytes" in said
    _, said = recording.communicate(timeout=BOUND_S)
    assert recording.returncode == 1  # the port went away before anybody ended the recording
    assert "its far end hung up" in said
    assert "23505 bytes received" in said
    assert b"".join(entry.data for entry in read_trace(tmp_path / "t")) == CAPTURE.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_recording_is_ended_by_hand(start, tmp_path, number):
    terminal = Terminal()
    recording = start("record", terminal.path, tmp_path / "t")
    await until((tmp_path / "t").exists)
    terminal.say(b"hello")
    await until(lambda: b"68656c6c6f" in (tmp_path / "t").read_bytes())
    recording.send_signal(number)
    _, said = recording.communicate(timeout=BOUND_S)
    assert recording.returncode == 0
    assert "5 bytes received, 1 chunks recorded" in said
    assert "Traceback" not in said
    terminal.unplug()


async def test_a_replay_is_ended_by_hand_and_takes_its_link_away(start, tmp_path):
    replaying = start("replay", CAPTURE, "--link", tmp_path / "link", "--loop")
    await until((tmp_path / "link").exists)
    replaying.send_signal(signal.SIGTERM)
    replaying.communicate(timeout=BOUND_S)
    assert replaying.returncode == 0
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(("sent", "status"), [(b"asked", 0), (b"acked", 1)])
async def test_a_replay_compares_and_shows_what_is_sent(start, tmp_path, sent, status):
    (tmp_path / "t").write_text("0.1 < 00\n0.2 > 61736b6564\n0.5 < 00\n")
    replaying = start("replay", tmp_path / "t", "--link", tmp_path / "link", "--compare", "--show")
    await until((tmp_path / "link").exists)
    reader = os.open(tmp_path / "link", os.O_RDWR | os.O_NOCTTY)
    os.write(reader, sent)  # the replay does not end before its own bytes are taken
    assert await asyncio.to_thread(os.read, reader, 1) == b"\x00"
    assert await asyncio.to_thread(os.read, reader, 1) == b"\x00"
    shown, said = replaying.communicate(timeout=BOUND_S)
    assert replaying.returncode == status, said
    assert f" > {sent.hex()}\n" in shown
    assert ("byte 1 of those sent to the device: found 63 6b 65 64, expected 73 6b 65 64" in said) is (
        status == 1
    )
    os.close(reader)


def test_a_recording_of_silence_says_what_to_look_at(tmp_path, capsys):
    terminal = Terminal()
    assert main(["trace", "record", terminal.path, str(tmp_path / "t"), "--seconds", "0.05"]) == 0
    assert "nothing was received: is the device switched on" in capsys.readouterr().err
    terminal.unplug()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["record", "{}/no-port", "{}/new"], 1, "no such port"),
        (["record", "socket://127.0.0.1:1", "{}/new"], 1, "expected a serial server"),
        (["record", "/dev/null", "{}/new"], 2, "no serial port"),
        (["record", "socket://", "{}/new"], 2, "expected socket://HOST:PORT"),
        (["record", "/dev/null", "{}/bad"], 2, "is there already: choose another name"),
        (["record", "/dev/null", "{}/new", "--baudrate", "0"], 2, "--baudrate"),
        (["replay", "{}/absent"], 2, "cannot be read"),
        (["replay", "{}/bad"], 2, "bad:2: found '1.0 = 00', expected `SECONDS < HEX`"),
        (["replay", "{}/one-sided"], 2, "holds no bytes from the device"),
        (["replay", "{}/empty"], 2, "holds no bytes from the device"),
        (["replay", "{}/raw", "--compare"], 2, "--compare needs a trace"),
        (
            ["replay", "{}/one-sided", "--compare", "--loop"],
            2,
            "--compare needs a trace and goes without --loop",
        ),
        (["replay", "{}/raw", "--link", "{}/bad"], 1, "link .*/bad: .*: expected a new name or a link"),
        (["replay", "{}/raw", "--speed", "0"], 2, "--speed"),
    ],
)
def test_every_failure_is_a_line_and_a_status(tmp_path, capsys, arguments, status, message):
    (tmp_path / "bad").write_text("# a trace\n1.0 = 00\n")
    (tmp_path / "one-sided").write_text("1.0 > 00\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "raw").write_bytes(b"\r\nPID\t0xA334")
    assert main(["trace", *(argument.format(tmp_path) for argument in arguments)]) == status
    said = capsys.readouterr().err
    assert re.search(message, said), said
    assert "Traceback" not in said
