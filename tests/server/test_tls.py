"""Modbus over TLS: who may shake hands, what role a certificate gives, and what a role may do."""

import asyncio
import ssl
from asyncio import sslproto
from pathlib import Path
from typing import Any

import pytest

from bridge.server.listener import TcpListener
from bridge.server.listening import ListenError
from bridge.server.role import role_of
from bridge.server.terms import Terms
from bridge.server.tls import TlsFiles
from tests.server.plant import LIMIT, PATIENCE_S, UNIT, Client, Plant, adu, read, registers, running, write

HERE = Path(__file__).parents[1] / "data" / "tls"
FILES = TlsFiles(HERE / "bridge.pem", HERE / "bridge.key", HERE / "authority.pem")


def secure(terms: Terms) -> TcpListener:
    return TcpListener("127.0.0.1", 0, terms, tls=FILES, connections_max=8)


def shows(name: str | None, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(HERE / "authority.pem"))
    if name is not None:
        context.load_cert_chain(HERE / f"{name}.pem", HERE / f"{name}.key")
    if newest is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
    return context


async def connect(plant: Plant, context: ssl.SSLContext) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", plant.port, ssl=context))


async def shut_out(plant: Plant, context: ssl.SSLContext) -> None:
    """Make sure that a client gets nothing. Under TLS 1.3 it learns of its refusal with its first read."""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", plant.port, ssl=context)
            writer.write(adu(1, UNIT, read(0, 1)))
            assert await reader.read() == b""
    except OSError:  # ssl.SSLError is one
        pass
    finally:
        if writer is not None:
            writer.transport.abort()


async def test_certificates_on_both_sides() -> None:
    async with running(make=secure) as plant:
        client = await connect(plant, shows("nobody"))
        assert await client.ask(read(5, 2)) == registers(5, 6)
        assert await client.ask(write(LIMIT, 20)) == write(LIMIT, 20)
        assert str(plant.attempts[-1].origin) == "modbus:127.0.0.1"
        await client.send(adu(1, UNIT, read(1, 1)) + adu(2, UNIT, read(2, 1)))
        assert await client.reply() == (1, UNIT, registers(1))
        assert await client.reply() == (2, UNIT, registers(2))
        assert client.writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
        await client.close()
        await plant.until(lambda: plant.counters.connections == 0)


async def test_tls_1_2_is_enough() -> None:
    async with running(make=secure) as plant:
        client = await connect(plant, shows("operator", ssl.TLSVersion.TLSv1_2))
        assert client.writer.get_extra_info("ssl_object").version() == "TLSv1.2"
        assert await client.ask(read(7, 1)) == registers(7)
        await client.close()


@pytest.mark.parametrize("name", [None, "stranger"])
async def test_without_a_certificate_of_our_authority_nobody_gets_in(name: str | None) -> None:
    async with running(make=secure) as plant:
        await shut_out(plant, shows(name))
        await plant.until(lambda: not len(plant.listener.admission))
        assert plant.counters.connections == 0
        client = await connect(plant, shows("operator"))
        assert await client.ask(read(7, 1)) == registers(7)
        await client.close()


async def test_what_speaks_no_tls_is_closed_and_costs_nobody_else() -> None:
    async with running(make=secure) as plant:
        plain = await plant.connect()
        await plain.send(adu(1, UNIT, read(0, 1)))
        assert b"\x83" not in await plain.closed()
        await plain.close()
        client = await connect(plant, shows("operator"))
        assert await client.ask(read(7, 1)) == registers(7)
        await client.close()


async def test_a_stranger_is_lent_no_large_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    before = sslproto.SSLProtocol.__init__

    def init(self: sslproto.SSLProtocol, *words: Any, **named: Any) -> None:
        before(self, *words, **named)
        made.append(len(self._ssl_buffer))

    monkeypatch.setattr(sslproto.SSLProtocol, "__init__", init)
    async with running(make=secure) as plant:
        client = await connect(plant, shows("nobody"))
        assert await client.ask(read(5, 2)) == registers(5, 6)
        await client.close()
    assert len(made) == 2  # the client's and the listener's, in this one process
    assert max(made) <= 16_640  # asyncio's own are of 262 144 bytes


async def test_those_who_never_shake_hands_count_for_the_cap_and_end_with_the_listener() -> None:
    async with running(make=secure) as plant:
        silent = [await plant.connect() for _ in range(6)]
        await plant.until(lambda: len(plant.listener.admission) == 6)
        refused = await plant.connect()
        assert await refused.closed() == b""
        assert plant.counters.connections_refused == 1
        await refused.close()
    for client in silent:
        assert await client.closed() == b""
        await client.close()
    assert plant.counters.connections == 0


@pytest.mark.parametrize(
    ("name", "lists", "reads", "writes"),
    [
        ("operator", (None, ["role:operator"]), True, True),
        ("viewer", (None, ["role:operator"]), True, False),
        ("nobody", (None, ["role:operator"]), True, False),
        ("operator", (["role:operator"], ["role:operator"]), True, True),
        ("viewer", (["role:viewer", "role:operator"], ["role:operator"]), True, False),
    ],
)
async def test_roles(
    name: str, lists: tuple[list[str] | None, list[str] | None], reads: bool, writes: bool
) -> None:
    async with running(make=secure) as plant:
        await plant.access.reload(*lists)
        client = await connect(plant, shows(name))
        assert (await client.ask(read(7, 1)) == registers(7)) is reads
        assert (await client.ask(write(LIMIT, 20)) == write(LIMIT, 20)) is writes
        await client.close()


async def test_a_role_that_may_not_read_gets_nothing_and_the_log_its_cure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(make=secure) as plant:
        await plant.access.reload(["role:operator"], None)
        await shut_out(plant, shows("viewer"))
        await plant.until(lambda: plant.counters.connections_refused == 1)
        assert 'access: {read: ["role:operator", "role:viewer"]}' in caplog.text
        await plant.until(lambda: plant.counters.connections == 0)


async def test_an_address_that_may_not_read_is_closed_before_it_shakes_hands() -> None:
    async with running(make=secure) as plant:
        await plant.access.reload(["192.0.2.0/24"], None)
        client = await plant.connect()
        assert await client.closed() == b""
        assert plant.counters.connections_refused == 1
        await client.close()


async def test_a_refused_write_names_the_role(caplog: pytest.LogCaptureFixture) -> None:
    async with running(make=secure) as plant:
        await plant.access.reload(None, ["192.168.1.20"])
        client = await connect(plant, shows("operator"))
        assert await client.ask(write(LIMIT, 20)) == b"\x86\x01"
        assert 'access: {write: [192.168.1.20, "role:operator"]}' in caplog.text
        assert str(plant.attempts[-1].origin) == "modbus:127.0.0.1 (operator)"
        await client.close()


@pytest.mark.parametrize(
    ("name", "role"), [("operator", "operator"), ("critical", "viewer"), ("nobody", None), ("bridge", None)]
)
def test_the_role_is_found_in_the_certificate(name: str, role: str | None) -> None:
    der = ssl.PEM_cert_to_DER_cert((HERE / f"{name}.pem").read_text())
    assert role_of(der) == role
    for cut in range(len(der)):
        assert role_of(der[:cut]) is None  # nothing is read from a broken one, and nothing raised


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (TlsFiles(HERE / "gone.pem", FILES.key, FILES.client_ca), r"certificate: .*gone\.pem cannot be read"),
        (TlsFiles(FILES.certificate, HERE / "viewer.key", FILES.client_ca), "do not make a certificate"),
        (TlsFiles(FILES.certificate, FILES.key, FILES.key), "client_ca: .* holds no certificate"),
    ],
)
async def test_files_that_will_not_do_are_told(files: TlsFiles, told: str) -> None:
    plant = Plant(make=lambda terms: TcpListener("127.0.0.1", 0, terms, tls=files))
    with pytest.raises(ListenError, match=told):
        await plant.listener.start()
    assert not plant.listener.serving


async def test_uvloop_serves_tls() -> None:
    uvloop = pytest.importorskip("uvloop")

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test_certificates_on_both_sides())

    await asyncio.to_thread(run)
