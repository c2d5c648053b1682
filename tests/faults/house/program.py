"""The real program on a site of its own, and a Modbus client that is as plain as can be."""

import contextlib
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.repo.checkout import ROOT

#: Bound of every wait; nothing is expected to come near it.
PATIENCE_S = 20.0
#: The bridge's own unit, and a read of its first registers.
OWN = 247
READ = struct.pack(">BHH", 3, 0, 4)
SITE = """\
state: state
listeners: [{tcp: "127.0.0.1:0", name: lan, connections: 2000}]
access: {read: [127.0.0.0/8]}
mdns: false
devices: {}
"""


def until(met: Callable[[], object]) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < ends, "not so within the patience of the test"
        time.sleep(0.02)


@dataclass
class Program:
    """A bridge that runs in a folder; its log is a file there, unless it was given another."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    port: int = 0

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def logged(self, words: str) -> int:
        return len(re.findall(words, self.log()))

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S, (source, 0))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def answers(self, source: str = "127.0.0.1") -> bool:
        """True where a new connection is served."""
        try:
            with self.connect(source) as made:
                return ask(made)
        except OSError:
            return False

    def processor_s(self) -> float:
        """What it has used of the processor."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self) -> int:
        """End it in order; returns its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


def adu(number: int, pdu: bytes, unit: int = OWN) -> bytes:
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu


def exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        more = connection.recv(length - len(found))
        if not more:
            raise ConnectionResetError("closed in the middle")
        found += more
    return found


def ask(connection: socket.socket, number: int = 1) -> bool:
    """Read the bridge's own registers; True for a good reply under the same id."""
    connection.sendall(adu(number, READ))
    return exactly(connection, 17)[:9] == struct.pack(">HHHBBB", number, 0, 11, OWN, 3, 8)


@contextmanager
def running(
    folder: Path,
    site: str = SITE,
    *,
    environment: Mapping[str, str] | None = None,
    stderr: int | None = None,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Program]:
    """Run `inverter-bridge run`; it is killed at the end if it still lives.

    stderr: a descriptor for the log; such a program's port must stand in its site. prepare: run in the child.
    """
    (folder / "site.yaml").write_text(site)
    with contextlib.ExitStack() as stack:
        log = stderr if stderr is not None else stack.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", "run", str(folder / "site.yaml")],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, preexec_fn=prepare,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        program = Program(process, folder)
        try:
            if stderr is None:
                until(lambda: program.logged("serving=tcp") or process.poll() is not None)
                assert process.poll() is None, program.log()
                program.port = int(re.findall(r"serving=tcp://127\.0\.0\.1:(\d+)", program.log())[0])
            yield program
        finally:
            process.kill()
            process.wait(PATIENCE_S)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
