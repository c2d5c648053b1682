from collections.abc import Callable, Iterator

import pytest

from tests.conformance.running import Bench, running
from tests.conformance.transports import Line, Master, Rtu, RtuTcp, Tcp, Tls, Udp

Connect = Callable[[str], Master]


@pytest.fixture(scope="session")
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


@pytest.fixture(scope="session")
def bench(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bridge that serves the bench on every transport, for all tests of the session."""
    with running(tmp_path_factory.mktemp("bench"), line.name) as bench:
        yield bench


@pytest.fixture
def connect(bench: Bench, line: Line) -> Connect:
    """Make a master of a transport by its name."""

    def master(transport: str) -> Master:
        if transport == "rtu":
            return Rtu(line)
        return {"tcp": Tcp, "tls": Tls, "udp": Udp, "rtu_tcp": RtuTcp}[transport](bench)

    return master
