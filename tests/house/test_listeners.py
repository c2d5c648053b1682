"""Every kind of listener of a site file, served by one house: the bridge's own unit answers on each."""

import asyncio
import contextlib
import os
import ssl
import struct
from pathlib import Path

import pytest

from bridge.adapters.pty import PtyLine
from bridge.app import House
from bridge.datastore.clock import SystemClock
from bridge.server.listening import ListenError
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from tests.house.wire import PATIENCE_S

CERTIFICATES = Path(__file__).parents[1] / "data" / "tls"
#: Link and age of unit 247's own status block: online, 0 s.
ASK, TOLD = struct.pack(">BBHH", 247, 3, 0, 2), struct.pack(">BBBHH", 247, 3, 4, 1, 0)


def crc(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def mbap(frame: bytes) -> bytes:
    return struct.pack(">HHH", 7, 0, len(frame)) + frame


@contextlib.asynccontextmanager
async def house(folder: Path, listeners: str):
    site = folder / "site.yaml"
    site.write_text(f'state: "{folder / "state"}"\nlisteners:\n{listeners}')
    load = load_site(site, os.environ, InstalledFamilies(), lambda state, device: None)
    assert load.site is not None, load.problems
    built = House(load, InstalledFamilies())
    started = asyncio.Event()
    serving = asyncio.create_task(built.run(started.set))
    waiting = asyncio.create_task(started.wait())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        yield built
    finally:
        waiting.cancel()
        serving.cancel()
        await asyncio.gather(serving, waiting, return_exceptions=True)


async def over_stream(port: int, frame: bytes, length: int, context: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(frame)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.readexactly(length)
    finally:
        writer.close()
        await writer.wait_closed()


async def over_udp(address: tuple[str, int], frame: bytes) -> bytes:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Sender(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            heard.set_result(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Sender, remote_addr=address)
    transport.sendto(frame)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await heard
    finally:
        transport.close()


async def test_every_kind(tmp_path: Path) -> None:
    heard = bytearray()
    async with PtyLine(SystemClock(), heard.extend, tmp_path / "line", 11520) as line:
        listeners = (
            '  - {tcp: "127.0.0.1:0"}\n'
            '  - {udp: "127.0.0.1:0"}\n'
            f'  - {{rtu: "{tmp_path / "line"}", baudrate: 115200}}\n'
            '  - {rtu_tcp: "127.0.0.1:0"}\n'
            f'  - {{tls: "127.0.0.1:0", certificate: "{CERTIFICATES}/bridge.pem",\n'
            f'     key: "{CERTIFICATES}/bridge.key", client_ca: "{CERTIFICATES}/authority.pem"}}\n'
        )
        async with house(tmp_path, listeners) as built:
            tcp, udp, _, rtu_tcp, tls = built.listeners
            assert await over_stream(tcp.address[1], mbap(ASK), 13) == mbap(TOLD)
            assert await over_udp(udp.address, mbap(ASK)) == mbap(TOLD)
            assert await over_stream(rtu_tcp.address[1], ASK + crc(ASK), 9) == TOLD + crc(TOLD)
            shows = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))
            shows.load_cert_chain(CERTIFICATES / "nobody.pem", CERTIFICATES / "nobody.key")
            assert await over_stream(tls.address[1], mbap(ASK), 13, shows) == mbap(TOLD)
            await line.send(ASK + crc(ASK))
            async with asyncio.timeout(PATIENCE_S):
                while len(heard) < 9:
                    await asyncio.sleep(0.005)
            assert bytes(heard) == TOLD + crc(TOLD)
        assert not any(listener.serving for listener in built.listeners)


async def test_a_missing_serial_port_keeps_nobody_else_from_serving(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listeners = f'  - {{rtu: "{tmp_path}/gone"}}\n  - {{tcp: "127.0.0.1:0"}}\n'
    async with house(tmp_path, listeners) as built:
        assert await over_stream(built.listeners[1].address[1], mbap(ASK), 13) == mbap(TOLD)
    assert f"port {tmp_path}/gone: no such port" in caplog.text


async def test_a_listener_that_cannot_be_opened_ends_the_start_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    listeners = (
        '  - {udp: "127.0.0.1:0"}\n'
        '  - {tls: "127.0.0.1:0", certificate: empty.pem, key: empty.pem, client_ca: empty.pem}\n'
    )
    with pytest.raises(BaseExceptionGroup) as told:
        async with house(tmp_path, listeners):
            pass
    assert told.group_contains(ListenError, match=r"empty\.pem .*do not make a certificate")
