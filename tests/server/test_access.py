"""Who may connect and who may write, as tables, and over real sockets."""

import asyncio
import ipaddress
import logging
from collections.abc import Collection

import pytest
import yaml

from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Outcome
from bridge.server.access import Access, AccessError, Address, Peer, Rule, peer_address
from tests.server.plant import (
    LIMIT,
    MODE,
    TOTAL,
    UNIT,
    Client,
    Plant,
    read,
    registers,
    running,
    write,
    write_many,
)


def peer_at(host: str, role: str | None = None) -> Peer:
    return Peer(peer_address(host), role)


def access(read: list[str] | None = None, write: list[str] | None = None) -> Access:
    return Access(read, write, clock=ManualClock())


@pytest.mark.parametrize(
    ("peer", "may_read", "may_write"),
    [
        ("127.0.0.1", True, True),
        ("127.200.3.4", True, True),
        ("::1", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("192.168.1.20", True, False),
        ("::ffff:192.168.1.20", True, False),
        ("10.255.0.1", True, False),
        ("172.16.0.1", True, False),
        ("172.31.255.255", True, False),
        ("169.254.7.7", True, False),
        ("fe80::1%eth0", True, False),
        ("fd12:3456::1", True, False),
        ("172.32.0.1", False, False),
        ("192.169.0.1", False, False),
        ("8.8.8.8", False, False),
        ("::ffff:8.8.8.8", False, False),
        ("2001:db8::1", False, False),
    ],
)
def test_defaults(peer: str, may_read: bool, may_write: bool) -> None:
    judged = access()
    address = peer_at(peer)
    assert (judged.may_read(address), judged.may_write(address)) == (may_read, may_write)


@pytest.mark.parametrize(
    ("entries", "peer", "allowed"),
    [
        (["192.168.1.20"], "192.168.1.20", True),
        (["192.168.1.20"], "192.168.1.21", False),
        (["192.168.1.0/24"], "192.168.1.255", True),
        (["192.168.1.0/24"], "::ffff:192.168.1.255", True),
        (["2001:db8::/32"], "2001:db8::5", True),
        (["2001:db8::/32"], "10.0.0.1", False),
        ([], "127.0.0.1", False),
    ],
)
def test_entries(entries: list[str], peer: str, allowed: bool) -> None:
    assert access(write=entries).may_write(peer_at(peer)) is allowed
    assert access(read=entries).may_read(peer_at(peer)) is allowed


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("192.168.1.20/24", r"did you mean 192\.168\.1\.0/24\?"),
        ("192.168.1.256", "expected a network"),
        ("10.0.0/8", "expected a network"),
        ("two words", "expected a network"),
        ("-dash", "expected a network"),
        ("", "expected a network"),
    ],
)
def test_bad_entries_are_told(entry: str, told: str) -> None:
    with pytest.raises(AccessError, match=told) as fault:
        access(write=[entry])
    assert repr(entry) in str(fault.value)


@pytest.mark.parametrize(
    ("judged", "line"),
    [
        (access(), 'access: {write: [127.0.0.0/8, "::1/128", 192.168.1.20]}'),
        (access(write=["cerbo.local"]), "access: {write: [cerbo.local, 192.168.1.20]}"),
        (
            access(read=["192.168.1.0/24"], write=["10.0.0.1"]),
            "access: {read: [192.168.1.0/24], write: [10.0.0.1, 192.168.1.20]}",
        ),
    ],
)
def test_the_line_that_would_allow_a_writer_works_as_printed(judged: Access, line: str) -> None:
    peer = peer_at("192.168.1.20")
    assert judged.line_to_write(peer) == line
    lists = yaml.safe_load(line)["access"]
    assert access(lists.get("read"), lists["write"]).may_write(peer)


def test_the_line_that_would_allow_a_reader_works_as_printed() -> None:
    peer = peer_at("2001:db8::7")
    lists = yaml.safe_load(access(write=["::1"]).line_to_read(peer))["access"]
    assert access(lists["read"], lists["write"]).may_read(peer)
    assert lists["write"] == ["::1"]


class Names:
    """A resolver whose answers a test sets; a name without one cannot be resolved."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked = 0

    async def __call__(self, name: str) -> Collection[Address]:
        self.asked += 1
        if name not in self.known:
            raise OSError(f"{name} is unknown")
        return [ipaddress.ip_address(self.known[name])]


async def test_names_follow_their_addresses_and_keep_the_last_good_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names, clock = Names(cerbo="192.168.1.5"), ManualClock()
    judged = Access(write=["cerbo"], clock=clock, resolver=names)
    old, new = peer_at("192.168.1.5"), peer_at("192.168.1.6")
    assert not judged.may_write(old)
    await judged.resolve()
    assert judged.may_write(old)
    names.known = {}
    for _ in range(3):
        await judged.resolve()
    assert judged.may_write(old)
    assert len([r for r in caplog.records if "cerbo cannot be looked up" in r.getMessage()]) == 1
    names.known = {"cerbo": "192.168.1.6"}
    await judged.resolve()
    assert (judged.may_write(old), judged.may_write(new)) == (False, True)


async def test_names_are_looked_up_every_minute() -> None:
    names, clock = Names(cerbo="192.168.1.5"), ManualClock()
    judged = Access(write=["cerbo"], clock=clock, resolver=names)
    running_ = asyncio.create_task(judged.run())
    await clock.advance(1)
    assert names.asked == 1
    await clock.advance(120)
    assert names.asked == 3
    running_.cancel()
    await asyncio.gather(running_, return_exceptions=True)


async def test_reload_looks_up_at_once_and_a_bad_list_changes_nothing() -> None:
    judged = Access(clock=ManualClock(), resolver=Names(cerbo="192.168.1.5"))
    peer = peer_at("192.168.1.5")
    await judged.reload(None, ["cerbo"])
    assert judged.may_write(peer)
    with pytest.raises(AccessError):
        await judged.reload(None, ["10.0.0.1/8"])
    assert judged.may_write(peer)
    await judged.reload(None, [])
    assert not judged.may_write(peer)


async def test_the_real_resolver_finds_localhost() -> None:
    judged = Access(write=["localhost"], clock=ManualClock())
    await judged.resolve()
    assert judged.may_write(peer_at("127.0.0.1"))


async def test_a_peer_outside_read_is_closed_without_a_byte(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    await plant.access.reload(["192.0.2.0/24"], None)
    for _ in range(3):
        client = await plant.connect()
        assert await client.closed() == b""
        await client.close()
    assert plant.counters.connections_refused == 3
    lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(lines) == 1
    assert "access: {read: [192.0.2.0/24, 127.0.0.1]}" in lines[0]


async def test_losing_the_right_to_read_ends_a_connection(plant: Plant, client: Client) -> None:
    await client.ask(read(0, 1))
    await plant.access.reload([], None)
    await plant.clock.advance(40)
    assert await client.closed() == b""


async def test_a_writer_without_the_right_gets_01_and_the_log_its_cure(
    plant: Plant, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await plant.access.reload(None, ["192.168.1.20"])
    for pdu in (write(LIMIT, 20), write(0, 0xFF00, 5), bytes.fromhex("16 3011 0000 0014")):
        assert await client.ask(pdu) == bytes([pdu[0] | 0x80, 0x01])
    assert plant.adapter.commands == []
    assert plant.counters.writes_refused == 3
    assert [(a.outcome, a.exception_code, a.address) for a in plant.attempts] == [
        (Outcome.REFUSED, 1, LIMIT),
        (Outcome.REFUSED, 1, 0),
        (Outcome.REFUSED, 1, LIMIT),
    ]
    lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(lines) == 1
    assert "peer=127.0.0.1" in lines[0]
    assert "access: {write: [192.168.1.20, 127.0.0.1]}" in lines[0]
    assert await client.ask(read(7, 1)) == registers(7)
    await plant.clock.advance(590)
    await client.ask(write(LIMIT, 20))
    await plant.clock.advance(20)
    await client.ask(write(LIMIT, 20))
    lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(lines) == 2
    assert "refused=4" in lines[1]


async def test_without_the_right_nothing_is_said_about_addresses_and_values(
    plant: Plant, client: Client
) -> None:
    await plant.access.reload(None, [])
    for pdu in (write(0x2000, 1), write(LIMIT, 61), write(TOTAL, 1)):
        assert await client.ask(pdu) == bytes([pdu[0] | 0x80, 0x01])
    assert await client.ask(write(LIMIT, 20)[:-1]) == bytes([0x86, 0x03])
    assert await client.ask(write(LIMIT, 20), unit=99) == bytes([0x86, 0x0B])


async def test_a_read_only_listener_refuses_everybody(caplog: pytest.LogCaptureFixture) -> None:
    async with running(write=False) as plant:
        client = await plant.connect()
        assert await client.ask(write(LIMIT, 20), unit=UNIT) == bytes([0x86, 0x01])
        assert "write: false" in caplog.text
        await client.close()


LIMITED = [
    "192.168.1.20",
    Rule("192.168.1.30", units=(20, 21), paths=("/Mode", "/Settings/*")),
    Rule("192.168.1.30", units=(22,)),
    Rule(role="operator", units=(20,)),
    Rule("10.0.0.0/8", role="engineer"),
]


@pytest.mark.parametrize(
    ("host", "role", "unit", "paths", "allowed"),
    [
        ("192.168.1.20", None, 99, ["/Anything"], True),
        ("192.168.1.30", None, 20, [], True),
        ("192.168.1.30", None, 20, ["/Mode"], True),
        ("192.168.1.30", None, 20, ["/Mode", "/Settings/ChargeCurrentLimit"], True),
        ("192.168.1.30", None, 20, ["/Mode", "/Relay/0/State"], False),
        ("192.168.1.30", None, 20, ["/Mode/More"], False),
        ("192.168.1.30", None, 22, ["/Relay/0/State"], True),
        ("192.168.1.30", None, 23, [], False),
        ("192.168.1.31", "operator", 20, ["/Mode"], True),
        ("192.168.1.31", "operator", 21, ["/Mode"], False),
        ("10.0.0.1", "engineer", 20, ["/Mode"], True),
        ("10.0.0.1", "viewer", 20, ["/Mode"], False),
        ("192.168.1.31", "engineer", 20, ["/Mode"], False),
    ],
)
def test_entries_for_some(host: str, role: str | None, unit: int, paths: list[str], allowed: bool) -> None:
    judged = Access(None, LIMITED, clock=ManualClock())
    assert judged.may_write(peer_at(host, role), unit, paths) is allowed


def test_the_line_repeats_entries_for_some_as_they_are() -> None:
    line = Access(None, LIMITED, clock=ManualClock()).line_to_write(peer_at("192.168.1.99", "night shift"))
    assert yaml.safe_load(line)["access"]["write"] == [
        "192.168.1.20",
        {"from": "192.168.1.30", "units": [20, 21], "paths": ["/Mode", "/Settings/*"]},
        {"from": "192.168.1.30", "units": [22]},
        {"role": "operator", "units": [20]},
        {"from": "10.0.0.0/8", "role": "engineer"},
        "role:night shift",
    ]


def test_an_entry_for_nobody_is_told() -> None:
    with pytest.raises(AccessError, match="for nobody"):
        access(write=["role:"])


async def test_a_writer_of_some_points_is_refused_the_others_whole(plant: Plant, client: Client) -> None:
    await plant.access.reload(None, [Rule("127.0.0.1", units=(UNIT,), paths=("/Mode",))])
    assert await client.ask(write(MODE, 4)) == write(MODE, 4)
    for pdu in (write(LIMIT, 20), write_many(MODE, 1, 20)):
        assert await client.ask(pdu) == bytes([pdu[0] | 0x80, 0x01])
    assert plant.adapter.commands == [{"/Mode": 4}]
    plant.units.put(21, plant.unit)
    assert await client.ask(write(MODE, 1), unit=21) == b"\x86\x01"


async def test_a_reader_of_some_units_is_refused_the_others(plant: Plant) -> None:
    await plant.access.reload([Rule("127.0.0.0/8", units=(21,))], None)
    plant.units.put(21, plant.unit)
    client = await plant.connect()
    for pdu in (read(7, 1), bytes.fromhex("08 0000 5555"), bytes.fromhex("17 0003 0001 3011 0001 02 0014")):
        assert await client.ask(pdu) == bytes([pdu[0] | 0x80, 0x01])
        assert (await client.ask(pdu, unit=21))[0] == pdu[0]
    assert await client.ask(read(0, 0)) == b"\x83\x03"
    assert await client.ask(read(0, 1), unit=99) == b"\x83\x0b"
    await client.close()


async def test_a_limit_set_by_a_reload_reaches_open_connections(plant: Plant, client: Client) -> None:
    assert await client.ask(read(7, 1)) == registers(7)
    await plant.access.reload([Rule("127.0.0.0/8", units=(21,))], None)
    await plant.clock.advance(40)
    assert await client.ask(read(7, 1)) == b"\x83\x01"
