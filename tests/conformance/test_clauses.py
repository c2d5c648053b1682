"""Every clause of the table, on every transport it applies to."""

import pytest

from tests.conformance.conftest import Connect
from tests.conformance.table import ALL, CASES, Case
from tests.conformance.transports import Rtu

PAIRS = [(case, transport) for case in CASES for transport in case.transports]


@pytest.mark.parametrize(("case", "transport"), PAIRS, ids=[f"{t}: {c}" for c, t in PAIRS])
def test_clause(connect: Connect, case: Case, transport: str) -> None:
    with connect(transport) as master:
        for request, reply in case.exchanges:
            if reply is None:
                master.send(master.frame(case.unit, request))
                assert master.silent()
            else:
                assert master.ask(case.unit, request).hex(" ") == reply.hex(" ")
        if case.exchanges[-1][1] is None:  # it has kept silent, and it lives
            if isinstance(master, Rtu):
                master.pause()
            assert master.ask(20, bytes.fromhex("03 6010 0001")) == bytes.fromhex("03 02 42 01")


def test_numbers_are_given_once() -> None:
    numbers = [case.number for case in CASES]
    assert len(set(numbers)) == len(numbers)


def test_every_transport_has_its_cases() -> None:
    assert {transport for case in CASES for transport in case.transports} == set(ALL)
