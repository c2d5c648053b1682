"""Modbus over TLS: both sides show certificates, and the client's says what role it has.

Modbus/TCP Security 2.1: TLS 1.2 or later, mutual authentication, and the role as UTF8String under the
extension 1.3.6.1.4.1.50316.802.1. A connection is judged by its address before it may shake hands.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from asyncio import sslproto
from dataclasses import dataclass
from pathlib import Path

from bridge.server.access import Peer, peer_address
from bridge.server.connection import Owner
from bridge.server.listening import ListenError
from bridge.server.mbap_connection import MbapConnection
from bridge.server.role import role_of

_log = logging.getLogger(__name__)

#: A client that has not shaken hands by then is no Modbus client, or on a line that is of no use.
HANDSHAKE_S = 10.0
#: Connections that may wait to be accepted, as many as asyncio's own servers let.
_BACKLOG = 100
#: Pause after a failed accept, which would otherwise be tried again in every turn of the loop.
_ACCEPT_AGAIN_S = 1.0
#: asyncio's own loop gives every TLS connection a buffer of 256 KiB before it has shown a certificate. A
#: record has 16 KiB at most (RFC 8446, 5.1), a Modbus frame 260 bytes.
_TLS_BUFFER = 16_640


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The bridge's own certificate (with its chain) and key, and the authority of its clients, in PEM."""

    certificate: Path
    key: Path
    client_ca: Path


def tls_context(files: TlsFiles, name: str) -> ssl.SSLContext:
    """Return what a listener shakes hands with. Reads files. Raises ListenError."""
    _slim_buffers()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    for what, path in (
        ("certificate", files.certificate),
        ("key", files.key),
        ("client_ca", files.client_ca),
    ):
        try:
            path.read_bytes()
        except OSError as fault:
            raise ListenError(
                f"listener {name}: {what}: {path} cannot be read ({fault.strerror or fault}): expected a "
                "file in PEM that this user may read"
            ) from fault
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as fault:
        raise ListenError(
            f"listener {name}: {files.certificate} and {files.key} do not make a certificate with its key "
            f"({_said(fault)}): expected both in PEM, belonging together, the key without a password"
        ) from fault
    try:
        context.load_verify_locations(files.client_ca)
    except (ssl.SSLError, OSError) as fault:
        raise ListenError(
            f"listener {name}: client_ca: {files.client_ca} holds no certificate ({_said(fault)}): expected "
            "that of the authority which signs the clients' certificates, in PEM"
        ) from fault
    return context


def _slim_buffers() -> None:
    """Bound what a stranger costs; a Python that keeps its buffers otherwise is left as it is."""
    if isinstance(getattr(sslproto.SSLProtocol, "max_size", None), int):
        sslproto.SSLProtocol.max_size = _TLS_BUFFER


class _Guest:
    """A client that has been let in by its address and must now show its certificate."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer


class SecureConnection(MbapConnection):
    """One client of Modbus TCP over TLS, from the moment its certificate has been found good."""

    def __init__(self, owner: Owner, guest: _Guest) -> None:
        super().__init__(owner)
        self._guest = guest
        self.peer = guest.peer
        self.entered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Judge the client again, now that its role is known."""
        self.peer = Peer(self._guest.peer.address, _role(transport))
        self._owner.keep(self)
        self._open(transport)
        if self._owner.admission.confirm(self.peer):
            self._owner.admission.hand_over(self._guest, self)
            self.entered = True
        else:
            self.abort()


class TlsDoor:
    """The socket of a TLS listener: judges addresses before anybody may shake hands.

    asyncio's own servers shake hands with everybody first, and keep those that never answer out of sight.
    """

    def __init__(self, owner: Owner, context: ssl.SSLContext, listening: socket.socket) -> None:
        self._owner = owner
        self._context = context
        self._greeting: set[asyncio.Task[None]] = set()
        self.sockets = (listening,)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(listening))

    def close(self) -> None:
        """Accept nobody any more, and give up those who are still shaking hands."""
        self._accepting.cancel()
        for task in self._greeting:
            task.cancel()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listening:
            while True:
                try:
                    accepted, address = await loop.sock_accept(listening)
                except OSError as fault:  # out of descriptors, or the client has gone again
                    _log.warning("listener=%s cannot accept: %s", self._owner.terms.name, _said(fault))
                    await self._owner.terms.clock.sleep(_ACCEPT_AGAIN_S)
                    continue
                guest = _Guest(Peer(peer_address(str(address[0]))))
                if not self._owner.admission.admit(guest, role_to_come=True):
                    accepted.close()
                    continue
                task = loop.create_task(self._greet(accepted, guest))
                self._greeting.add(task)
                task.add_done_callback(self._greeting.discard)

    async def _greet(self, accepted: socket.socket, guest: _Guest) -> None:
        connection = SecureConnection(self._owner, guest)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
            )
        except OSError as fault:  # a refused or broken handshake, whose socket has been closed
            terms = self._owner.terms
            _log.debug("listener=%s peer=%s no handshake: %s", terms.name, guest.peer, _said(fault))
        finally:
            if not connection.entered:
                self._owner.admission.left(guest)


def listening_socket(host: str, port: int) -> socket.socket:
    """Open a socket to listen on; may look a name up, so it belongs into a thread. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    listening.settimeout(0)
    return listening


def _role(transport: asyncio.BaseTransport) -> str | None:
    shaken = transport.get_extra_info("ssl_object")
    certificate = shaken.getpeercert(binary_form=True) if shaken is not None else None
    return None if certificate is None else role_of(certificate)


def _no_password() -> str:
    """Stand in for a person at a terminal, whom the library would ask."""
    raise ValueError("the key has a password")


def _said(fault: Exception) -> str:
    with contextlib.suppress(AttributeError):
        reason = fault.reason  # type: ignore[attr-defined]
        if isinstance(reason, str):
            return reason.lower().replace("_", " ")
    return str(getattr(fault, "strerror", None) or fault)
