"""The commands of docs/security.md make certificates that the bridge serves and judges clients by."""

import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from bridge.server.role import role_of
from tests.repo.checkout import ROOT

TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
(COMMANDS,) = (text for text in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) if "openssl" in text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    assert shutil.which("openssl"), "openssl is missing: apt-get install openssl"
    subprocess.run(
        ["sh", "-e"], input=COMMANDS, cwd=made, text=True, check=True, timeout=50, capture_output=True
    )
    return made


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bytes | None:
    """Join both ends in memory; return the client's certificate as the server has it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return far.getpeercert(binary_form=True)


def test_both_sides_trust_each_other_and_the_role_is_read(folder: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.load_verify_locations(folder / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    client.load_cert_chain(folder / "plc.pem", folder / "plc.key")
    certificate = shake_hands(server, client, "bridge.local")
    assert certificate is not None
    assert role_of(certificate) == "operator"


def test_a_stranger_is_not_trusted(folder: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.load_verify_locations(folder / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    strangers = ROOT / "tests/data/tls"
    client.load_cert_chain(strangers / "stranger.pem", strangers / "stranger.key")
    with pytest.raises(ssl.SSLError):
        shake_hands(server, client, "bridge.local")
