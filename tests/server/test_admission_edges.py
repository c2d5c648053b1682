"""Who is let in, one guest at a time: the last that is, the first that is not, and the books afterwards."""

import ipaddress
import logging

import pytest

from bridge.datastore.clock import ManualClock
from bridge.server.access import Access, Peer, Rule
from bridge.server.admission import Admission
from bridge.server.counters import Counters
from bridge.server.terms import Terms, TurnedAway
from bridge.server.units import Units


class Caller:
    """A connection that only has a peer."""

    def __init__(self, host: str | None = "10.0.0.1", role: str | None = None) -> None:
        self.peer = None if host is None else Peer(ipaddress.ip_address(host), role)


class Door:
    """Admission with its terms, and who was turned away."""

    def __init__(
        self, connections_max: int | None = 4, read: list[str | Rule] | None = None, units: int = 0
    ) -> None:
        clock, listed = ManualClock(), Units()
        for unit in range(1, units + 1):
            listed.put(unit, None)
        self.terms = Terms("lan", listed, Access(read, clock=clock), clock, Counters())
        self.admission = Admission(self.terms, connections_max)
        self.turned_away: list[TurnedAway] = []
        self.terms.turned_away.connect(self.turned_away.append)

    def come(self, *callers: Caller) -> list[bool]:
        return [self.admission.admit(caller) for caller in callers]


@pytest.mark.parametrize(("units", "cap"), [(0, 64), (24, 64), (25, 66), (100, 216)])
def test_the_cap_goes_by_the_units_unless_it_is_said(units: int, cap: int) -> None:
    assert Door(None, units=units).admission.connections_max == cap
    assert Door(7, units=units).admission.connections_max == 7


@pytest.mark.parametrize(("cap", "one_peers"), [(1, 1), (2, 1), (4, 3), (8, 6), (10, 7)])
def test_one_peer_holds_three_quarters_and_another_the_rest(cap: int, one_peers: int) -> None:
    door = Door(cap)
    assert door.come(*(Caller() for _ in range(cap + 1))) == [True] * one_peers + [False] * (
        cap + 1 - one_peers
    )
    assert door.come(*(Caller(f"10.0.0.{n}") for n in range(2, cap + 3 - one_peers))) == [True] * (
        cap - one_peers
    ) + [False]
    assert len(door.admission) == cap
    assert door.terms.counters.connections == cap
    assert door.terms.counters.connections_refused == cap + 2 - one_peers


def test_what_leaves_makes_room_and_is_forgotten() -> None:
    door = Door()
    callers = [Caller(), Caller(), Caller(), Caller("10.0.0.2")]
    assert door.admission.emptied.is_set()
    assert door.come(*callers) == [True] * 4
    assert not door.admission.emptied.is_set()
    assert door.admission.peers == {"10.0.0.1": 3, "10.0.0.2": 1}
    door.admission.left(callers[0])
    door.admission.left(callers[0])  # and once more
    door.admission.left(Caller())  # who was never here
    assert door.admission.peers == {"10.0.0.1": 2, "10.0.0.2": 1}
    assert door.terms.counters.connections == 3
    assert door.come(Caller(), Caller()) == [True, False]
    for caller in callers[1:3]:
        door.admission.left(caller)
    assert door.admission.peers == {"10.0.0.1": 1, "10.0.0.2": 1}
    door.admission.left(callers[3])
    assert door.admission.peers == {"10.0.0.1": 1}
    assert not door.admission.emptied.is_set()


def test_the_last_to_leave_is_told() -> None:
    door, caller = Door(), Caller()
    door.come(caller)
    door.admission.left(caller)
    assert door.admission.emptied.is_set()
    assert (len(door.admission), door.admission.peers, door.terms.counters.connections) == (0, {}, 0)


def test_nobody_comes_in_while_it_ends_and_nobody_who_has_gone_already() -> None:
    door = Door()
    assert door.come(Caller(None)) == [False]
    door.admission.ending = True
    assert door.come(Caller()) == [False]
    assert door.turned_away == []
    assert door.admission.emptied.is_set()


def test_a_role_to_come_lets_an_address_in_that_must_be_confirmed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    door = Door(read=[Rule("10.0.0.0/8", role="scada")])
    assert door.come(Caller()) == [False]
    assert not door.admission.admit(Caller("192.168.0.1"), role_to_come=True)
    greeting = Caller()
    assert door.admission.admit(greeting, role_to_come=True)
    assert not door.admission.confirm(Peer(ipaddress.ip_address("10.0.0.1"), "guest"))
    assert door.admission.confirm(Peer(ipaddress.ip_address("10.0.0.1"), "scada"))
    settled = Caller(role="scada")
    door.admission.hand_over(greeting, settled)
    assert len(door.admission) == 1
    door.admission.left(greeting)
    assert door.admission.peers == {"10.0.0.1": 1}
    door.admission.left(settled)
    assert door.admission.peers == {}
    assert [told.reason.partition(";")[0].partition(",")[0] for told in door.turned_away] == [
        "this address may not read",
        "this address may not read",
        "this role may not read",
    ]
