"""Who gets in, who does not, and that serving does not notice those who try."""

import asyncio
import io
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from bridge.outlets.web.passwords import PasswordBook, Role
from bridge.outlets.web.streams import OF_ONE_MAX, STREAMS_MAX

from .browsing import PATIENCE_S, Visitor, modbus, yard

READ = "03 3010 0001"
ON = bytes.fromhex("03 02 0001")


async def test_nobody_gets_in_before_a_password_is_set(tmp_path: Path) -> None:
    async with yard(tmp_path, passwords=False) as bridge, bridge.visitor() as visitor:
        assert (await visitor.get("/"))[0] == 303
        status, page = await visitor.get("/login")
        assert status == 200
        assert "inverter-bridge password --role operator" in page
        for password in ("", "admin", "operator", "password"):
            assert (await visitor.ask("/login", {"role": "operator", "password": password}))[0] in (401, 429)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/devices"),
        ("GET", "/api/v1/devices/charger"),
        ("GET", "/api/v1/devices/charger/points"),
        ("POST", "/api/v1/devices/charger/write"),
        ("POST", "/api/v1/devices/charger/operations/pair"),
        ("GET", "/api/v1/events"),
        ("GET", "/api/v1/outcomes?device=charger"),
        ("GET", "/api/v1/stream"),
        ("GET", "/api/v1/stream/charger"),
        ("GET", "/api/v1/session"),
        ("POST", "/api/v1/logout"),
    ],
)
async def test_programs_need_a_session(tmp_path: Path, method: str, path: str) -> None:
    async with (
        yard(tmp_path) as bridge,
        bridge.visitor() as visitor,
        visitor.http.request(method, path, json={}) as reply,
    ):
        assert reply.status == 401
        assert await reply.json() == {"error": "log in first"}


async def test_a_hundred_wrong_passwords(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        few = asyncio.Semaphore(20)

        async def guess(number: int) -> int:
            async with few:
                return (await visitor.ask("/login", {"role": "operator", "password": f"guess {number}"}))[0]

        async def poll() -> list[bytes]:
            return [await modbus(bridge.modbus_port, READ) for _ in range(50)]

        polled, *told = await asyncio.gather(poll(), *(guess(number) for number in range(100)))
        assert polled == [ON] * 50
        assert set(told) <= {401, 429}
        assert told.count(401) <= 13  # 5 free ones, and 8 that were waiting for their turn
        # the right one does not get in either, before the pause is over
        assert (await visitor.ask("/login", {"role": "operator", "password": "correct horse"}))[0] == 429


async def test_a_viewer_changes_nothing(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in(Role.VIEWER)
        assert (await visitor.read("/devices"))["devices"][1]["device"] == "charger"
        status, told = await visitor.ask("/devices/charger/write", {"changes": {"/Mode": 4}})
        assert (status, told) == (403, {"error": "a viewer may not do that: log in as operator"})
        assert await modbus(bridge.modbus_port, READ) == ON


@pytest.mark.parametrize("token", ["", "forged", "x" * 43, "\udcff"])
async def test_a_forged_csrf_token(tmp_path: Path, token: str) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        visitor.csrf = token.encode("utf-8", "replace").decode()
        status, told = await visitor.ask("/devices/charger/write", {"changes": {"/Mode": 4}})
        assert status == 403
        assert "forged" in told["error"]
        assert await modbus(bridge.modbus_port, READ) == ON


async def test_the_token_of_another_session(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as one, bridge.visitor() as other:
        await one.log_in()
        await other.log_in()
        one.csrf = other.csrf
        assert (await one.ask("/devices/charger/write", {"changes": {"/Mode": 4}}))[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_foreign_origin(tmp_path: Path, headers: dict[str, str]) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        status, told = await visitor.ask("/devices/charger/write", {"changes": {"/Mode": 4}}, **headers)
        assert status == 403
        assert "another site" in told["error"]
        assert (await visitor.ask("/login", {"role": "operator", "password": "x"}, **headers))[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "a b"])
async def test_a_foreign_name(tmp_path: Path, host: str) -> None:
    """A name that an attacker has made to mean this address (DNS rebinding)."""
    async with yard(tmp_path, ", public: true") as bridge:
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.read()).split(b"\r\n")[0].split()[1] in (b"400", b"421")
        writer.close()


@pytest.mark.parametrize(
    "host", ["localhost", "raspberrypi", "bridge.local", "[::1]", "192.168.1.5", "Mine.Example"]
)
async def test_an_own_name(tmp_path: Path, host: str) -> None:
    async with yard(tmp_path, ", public: true, names: [mine.example]") as bridge, bridge.visitor() as visitor:
        assert (await visitor.get("/", headers={"Host": f"{host}:8080"}))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../../../etc/passwd",
        "/static/..%2f..%2f..%2foutlet.py",
        "/static/%2e%2e/outlet.py",
        "/static/....//outlet.py",
        "/static/uplot.LICENSE",
        "/static//etc/passwd",
        "/static/page.css%00.js",
        "/devices/..%2f..%2fetc",
        "//evil.example/",
        "/api/v1/devices/..%2f..%2f..%2fetc%2fpasswd",
    ],
)
async def test_a_path_traversal(tmp_path: Path, path: str) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        cookies = visitor.http.cookie_jar.filter_cookies(visitor.http._base_url)  # type: ignore[arg-type]
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
        assert cookie
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        async with asyncio.timeout(PATIENCE_S):
            reply = await reader.read()
        writer.close()
        assert reply.split(b"\r\n")[0].split()[1] in (b"400", b"404")
        assert b"root:" not in reply
        assert b"class WebPage" not in reply


async def test_a_line_break_in_a_path_is_none_in_the_reply(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with yard(tmp_path) as bridge:
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(
            b"GET /devices/x%0d%0aSet-Cookie:a=b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        async with asyncio.timeout(PATIENCE_S):
            reply = await reader.read()
        writer.close()
    assert b"\nSet-Cookie" not in reply
    assert b"\r\nLocation: /login?after=/devices/x%0D%0ASet-Cookie%3Aa%3Db\r\n" in reply
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/x-www-form-urlencoded", b"role=\xc8", 400),
        ("application/x-www-form-urlencoded; charset=hex", b"role=00", 415),
        ("application/x-www-form-urlencoded; charset=unicode_escape", b"role=\\ud800", 415),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n", 415),
        ("multipart/form-data", b"x", 415),
    ],
)
async def test_a_form_that_no_browser_sends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, body: bytes, status: int
) -> None:
    async with (
        yard(tmp_path) as bridge,
        bridge.visitor() as visitor,
        visitor.http.post("/login", data=body, headers={"Content-Type": kind}) as reply,
    ):
        assert reply.status == status
        assert "in UTF-8" in await reply.text() or "expected UTF-8" in await reply.text()
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "sent",
    [b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET /\xff\xffx HTTP/1.1\r\nHost: a\r\n\r\n", b"x" * 20_000],
)
async def test_who_speaks_no_http_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    async with yard(tmp_path) as bridge:
        caplog.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(sent + b"\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            assert b" 400 " in (await reader.read()).partition(b"\r\n")[0]
        writer.close()
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_addresses_outside_allow_see_nothing(tmp_path: Path) -> None:
    async with (
        yard(tmp_path, ", allow: [192.168.1.0/24], public: true") as bridge,
        bridge.visitor() as visitor,
    ):
        for path in ("/", "/login", "/static/page.css", "/api/v1/stream"):
            status, text = await visitor.get(path)
            assert status == 403
            assert "127.0.0.1" in text
            assert "charger" not in text
        assert (await visitor.get("/healthz"))[0] == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "status"),
    [
        ("[]", "192.168.1.7", 403),  # nobody's word counts
        ("[127.0.0.1]", "192.168.1.7", 200),
        ("[127.0.0.1]", "8.8.8.8", 403),
        ("[127.0.0.1]", "192.168.1.7, 8.8.8.8", 403),  # the first is what a visitor may have made up
        ("[127.0.0.1]", "8.8.8.8, 192.168.1.7", 200),
        ("[127.0.0.1]", "nonsense", 403),
    ],
)
async def test_a_proxy(tmp_path: Path, proxies: str, forwarded: str, status: int) -> None:
    web = f", allow: [192.168.1.0/24], public: true, proxies: {proxies}"
    async with yard(tmp_path, web) as bridge, bridge.visitor() as visitor:
        headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
        async with visitor.http.get("/", headers=headers) as reply:
            assert reply.status == status
            assert ("Strict-Transport-Security" in reply.headers) == (proxies != "[]")


async def test_the_front_page_only_if_asked(tmp_path: Path) -> None:
    async with yard(tmp_path, ", public: true") as bridge, bridge.visitor() as visitor:
        status, page = await visitor.get("/")
        assert status == 200
        assert "charger" in page
        for path in ("/devices/charger", "/events", "/site", "/energy"):
            assert (await visitor.get(path))[0] in (303, 404)
        assert (await visitor.get("/api/v1/devices"))[0] == 401


async def test_every_reply_has_the_strict_headers(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        for path in ("/login", "/nowhere", "/static/page.js", "/api/v1/devices", "/healthz"):
            async with visitor.http.get(path) as reply:
                policy = reply.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert "frame-ancestors 'none'" in policy
                assert reply.headers["X-Content-Type-Options"] == "nosniff"
                assert "Python" not in reply.headers["Server"]


async def test_the_cookie_of_a_session(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        body = {"role": "operator", "password": "correct horse"}
        async with visitor.http.post("/api/v1/login", json=body) as reply:
            cookie = reply.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Secure" not in cookie


async def test_a_logout_ends_the_session(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        cookies = visitor.http.cookie_jar.filter_cookies(visitor.http._base_url)  # type: ignore[arg-type]
        stolen = {name: morsel.value for name, morsel in cookies.items()}
        await visitor.ask("/logout", {})
        async with (
            aiohttp.ClientSession(bridge.base, cookies=stolen) as thief,
            thief.get("/api/v1/devices") as reply,
        ):
            assert reply.status == 401


async def test_another_password_ends_the_sessions(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as operator, bridge.visitor() as viewer:
        await operator.log_in()
        await viewer.log_in(Role.VIEWER)
        PasswordBook(tmp_path / "state", 1 << 4).set(Role.OPERATOR, "quite another")
        async with asyncio.timeout(PATIENCE_S):
            while (await operator.get("/api/v1/devices"))[0] == 200:
                await asyncio.sleep(0.05)
        assert (await viewer.get("/api/v1/devices"))[0] == 200


async def test_five_hundred_streams_are_bounded(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        cookies = visitor.http.cookie_jar.filter_cookies(visitor.http._base_url)  # type: ignore[arg-type]
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
        request = f"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()
        opened: list[asyncio.StreamWriter] = []

        async def open_one() -> bytes:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
                    opened.append(writer)
                    writer.write(request)
                    return (await reader.readline()).split(b" ")[1]
            except (OSError, IndexError):
                return b"hung up"

        told = await asyncio.gather(*(open_one() for _ in range(500)))
        assert told.count(b"200") <= OF_ONE_MAX
        assert told.count(b"200") >= 1
        assert set(told) == {b"200", b"503", b"hung up"}
        assert await modbus(bridge.modbus_port, READ) == ON
        for writer in opened:
            writer.close()
        async with asyncio.timeout(PATIENCE_S):  # those who are left find room again
            while (await visitor.get("/api/v1/devices"))[0] != 200:
                await asyncio.sleep(0.05)
    assert OF_ONE_MAX < STREAMS_MAX


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"changes": {}}', 400),
        (b'{"changes": []}', 400),
        (b'{"changes": {"/Mode": null}}', 400),
        (b'{"changes": {"/Mode": true}}', 400),
        (b'{"changes": {"/Mode": NaN}}', 422),
        (b'{"changes": {"/Nothing": 1}}', 422),
        (b'{"changes": {"/Dc/0/Voltage": 1}}', 422),
        (b'{"changes": {"/Mode": -1}}', 422),
        (b'{"changes": {"/Settings/ChargeCurrentLimit": 61}}', 422),
        (b'{"changes": {"/Mode": 1' + b"0" * 400 + b"}}", 422),
        (b"[" * 50_000, 400),
        (b" " * 3_000_000, 413),
        (b'{"changes": {"/Mode": 4}}', 200),
    ],
)
async def test_any_body(tmp_path: Path, body: bytes, status: int) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        await visitor.log_in()
        headers = {"X-CSRF-Token": visitor.csrf, "Content-Type": "application/json"}
        async with visitor.http.post(
            "/api/v1/devices/charger/write", data=io.BytesIO(body), headers=headers
        ) as reply:
            assert reply.status == status, await reply.text()
            assert "Traceback" not in await reply.text()


async def test_tls_of_its_own(tmp_path: Path) -> None:
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out own.pem"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True, timeout=PATIENCE_S)
    web = ", certificate: own.pem, key: key.pem"
    async with yard(tmp_path, web, scheme="https") as bridge:
        trusting = ssl.create_default_context(cafile=tmp_path / "own.pem")
        async with Visitor(f"https://localhost:{bridge.port}") as visitor:
            body = {"role": "operator", "password": "correct horse"}
            async with visitor.http.post("/api/v1/login", json=body, ssl=trusting) as reply:
                assert reply.status == 200
                assert "Secure" in reply.headers["Set-Cookie"]


async def test_whether_it_serves_is_no_secret(tmp_path: Path) -> None:
    async with yard(tmp_path) as bridge, bridge.visitor() as visitor:
        assert await visitor.get("/healthz") == (200, "serving\n")
