"""Starts the bench behind every kind of listener, and stops it again."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.bench import NEVER_SEEN, SLOW, UNIT, WRITTEN, bench_map
from tests.repo.checkout import ROOT

#: Bound of every wait; nothing comes near it on a machine that is not on its knees.
PATIENCE_S = 30.0
#: The role extension of Modbus/TCP Security 2.1, section 8.4.
ROLE_OID = "1.3.6.1.4.1.50316.802.1"


@dataclass(frozen=True)
class Bench:
    """A bridge that runs: its folder, and host and port of each network listener by its name."""

    folder: Path
    addresses: dict[str, tuple[str, int]]

    @property
    def port(self) -> int:
        """The port of Modbus TCP, on 127.0.0.1."""
        return self.addresses["tcp"][1]


@contextmanager
def running(folder: Path, line: str | None = None) -> Iterator[Bench]:
    """Run a bridge in `folder`; on `line`, a serial port, as an RTU slave too."""
    make_certificates(folder)
    (folder / "bench.yaml").write_text(bench_map())
    (folder / "site.yaml").write_text(_site(folder, line))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.bench", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    overdue = threading.Timer(PATIENCE_S, process.kill)
    overdue.start()
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said, f"the bridge did not start (exit {process.wait(PATIENCE_S)}): see its message above"
        overdue.cancel()
        yield Bench(folder, {name: (host, port) for name, (host, port) in json.loads(said).items()})
        assert process.poll() is None, f"the bridge died (exit {process.returncode}) under the tests"
    finally:
        overdue.cancel()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout is not None
        process.stdout.close()


def _site(folder: Path, line: str | None) -> str:
    patient = "write: true, reply_within: 20 s"
    files = "certificate: server.pem, key: server.key, client_ca: ca.pem"
    listeners = [
        f'{{tcp: "127.0.0.1:0", name: tcp, {patient}}}',
        f'{{udp: "127.0.0.2:0", name: udp, {patient}}}',
        f'{{rtu_tcp: "127.0.0.3:0", name: rtu_tcp, {patient}}}',
        f'{{tls: "127.0.0.4:0", name: tls, {files}, {patient}}}',
    ]
    if line is not None:
        listeners.append(f'{{rtu: "{line}", name: rtu, baudrate: 115200, {patient}}}')
    devices = {UNIT: "good", NEVER_SEEN: "unseen", SLOW: "slow", WRITTEN: "good"}
    return "\n".join(
        (
            f'state: "{folder / "state"}"',
            "log: {level: warning}",
            "listeners:",
            *(f"  - {listener}" for listener in listeners),
            "devices:",
            *(
                f"  {how}{unit}: {{adapter: bench, unit: {unit}, map: ./bench.yaml, behaviour: {how}}}"
                for unit, how in devices.items()
            ),
            "",
        )
    )


def make_certificates(folder: Path) -> None:
    """Make an authority, the bridge's certificate and that of a client in the role `operator`, in PEM."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Yard")
    for name, extension in (
        ("server", "subjectAltName=IP:127.0.0.4"),
        ("client", f"{ROLE_OID}=ASN1:UTF8String:operator"),
    ):
        openssl(
            "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}",
            "-CA", "ca.pem", "-CAkey", "ca.key", "-addext", extension,
        )  # fmt: skip
