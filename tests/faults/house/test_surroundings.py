"""What is round the real program and fails: its log, its signals, its name server."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.house.program import PATIENCE_S, SITE, ask, free_port, running, until
from tests.interop.tools import tool
from tests.repo.checkout import ROOT

HERE = Path(__file__).parent
#: Refuses reads from anywhere else, which is a line in the log for each address.
GUARDED = "access: {read: [127.0.0.1]}"


def test_a_log_that_nobody_reads_stops_nothing_and_tells_what_was_lost(tmp_path: Path) -> None:
    port = free_port()
    site = SITE.replace("127.0.0.1:0", f"127.0.0.1:{port}").replace("access: {read: [127.0.0.0/8]}", GUARDED)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with running(tmp_path, site, stderr=writing) as program:
        program.port = port
        until(program.answers)
        with program.connect() as client:
            for number in range(100):  # each says a line of some 200 bytes
                assert not program.answers(f"127.0.1.{number + 1}")
                assert ask(client, number)
            os.set_blocking(reading, False)
            read = os.read(reading, 1 << 16)
            assert len(read) <= 4096
            program.answers("127.0.2.1")
            told = b""
            ends = time.monotonic() + PATIENCE_S
            while b"were lost" not in told and time.monotonic() < ends:
                try:
                    told += os.read(reading, 1 << 16)
                except BlockingIOError:
                    time.sleep(0.02)
            lost = re.search(rb"log lines=(\d+) were lost: nobody read them", told)
            assert lost is not None
            assert 60 < int(lost[1]) <= 110
            assert ask(client)
        os.close(reading)  # and now nobody is there at all
        os.close(writing)
        assert not program.answers("127.0.3.1")
        assert program.answers()
        assert program.end() == 0


def test_a_log_on_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    port = free_port()
    site = SITE.replace("127.0.0.1:0", f"127.0.0.1:{port}").replace("access: {read: [127.0.0.0/8]}", GUARDED)
    with (
        Path("/dev/full").open("wb") as full,
        running(tmp_path, site, stderr=full.fileno()) as program,
    ):
        program.port = port
        until(program.answers)
        assert not program.answers("127.0.1.1")  # which says a line
        assert program.answers()
        assert program.end() == 0


def test_it_runs_with_its_standard_streams_closed(tmp_path: Path) -> None:
    port = free_port()

    def close() -> None:
        for stream in (0, 1, 2):
            os.close(stream)

    with running(
        tmp_path, SITE.replace("127.0.0.1:0", f"127.0.0.1:{port}"), stderr=subprocess.DEVNULL, prepare=close
    ) as program:
        program.port = port
        until(program.answers)
        assert not program.answers("127.0.9.1") or program.answers()
        assert program.end() == 0


def test_a_storm_of_signals(tmp_path: Path) -> None:
    with running(tmp_path) as program, program.connect() as client:
        for number in range(200):
            program.process.send_signal(signal.SIGHUP)
            if number % 20 == 0:
                assert ask(client, number)
        until(lambda: program.logged("reloaded"))
        assert ask(client)
        assert program.descriptors() < 40
        for _ in range(50):
            if program.process.poll() is None:
                program.process.send_signal(signal.SIGTERM)
                program.process.send_signal(signal.SIGHUP)
        assert program.process.wait(PATIENCE_S) == 0
        assert "Traceback" not in program.log()
        assert not program.logged(" ERROR ")


def test_no_time_zone_is_known(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("timezone: Europe/Stockholm\ndevices: {}\n")
    (tmp_path / "tzdata.py").write_text("raise ImportError")  # as where the package is missing too
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "run", site],
        cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONTZPATH": "", "TZ": "Nowhere/Land"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "site.yaml:1:11: found 'Europe/Stockholm'" in done.stderr
    assert "this system knows none: install tzdata" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def hanging_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes name servers silent."""
    library = tmp_path_factory.mktemp("names") / "hanging.so"
    command = [tool("cc", "gcc libc6-dev"), "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library)]
    subprocess.run([*command, str(HERE / "hanging_names.c"), "-ldl"], check=True, timeout=60)
    return library


def test_a_name_server_that_never_answers(tmp_path: Path, hanging_names: Path) -> None:
    site = (
        SITE.replace("read: [127.0.0.0/8]", "read: [127.0.0.0/8], write: [cerbo.hangs, scada.hangs]").replace(
            "devices: {}",
            'devices: {shunt: {adapter: vedirect, port: "socket://gateway.hangs:4001", unit: 21}}',
        )
        + 'outlets: {mqtt: {url: "mqtt://broker.hangs"}}\n'
    )
    with running(tmp_path, site, environment={"LD_PRELOAD": str(hanging_names)}) as program:
        assert program.answers()
        time.sleep(0.5)
        assert program.answers()
        program.process.send_signal(signal.SIGHUP)  # reading the site file again goes on in a thread
        assert program.end() == 0
