"""Masters that others wrote, at a whole bridge: what each of them says it was told."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyModbusTCP.client import ModbusClient

from tests.conformance.bench import NEVER_SEEN, SLOW, UNIT, WRITTEN
from tests.conformance.running import PATIENCE_S, Bench
from tests.interop import tools

HERE = Path(__file__).parent
TRANSPORTS = ("tcp", "udp", "rtu")

#: What the C program prints, on any transport.
LIBMODBUS = {
    "read_bits": "0111111111",
    "read_input_bits": "1001001001",
    "read_input_bits 2000": "2000",
    "read_registers 125": " ".join(map(str, range(125))),
    "read_input_registers": "1000 1001 1002",
    "write_bit": "1",
    "write_register": "1",
    "read back": "321",
    "write_bits": "10",
    "bits back": "1011001110",
    "write_registers 123": "123",
    "read 123": "123",
    "the same": "1",
    "write_register 0x12": "1",
    "mask_write_register": "1",
    "masked": str(0x17),
    "write_and_read_registers": "700 701",
    "unknown register": "ILLEGAL ADDRESS",
    "unknown coil": "ILLEGAL ADDRESS",
    "report_slave_id": "ILLEGAL FUNCTION",
    "read-only register": "ILLEGAL ADDRESS",
    "read-only coil": "ILLEGAL ADDRESS",
    "out of range": "ILLEGAL VALUE",
    "refused": "DEVICE FAILURE",
    "busy": "BUSY",
    "lost": "NO RESPONSE",
    "slow": "ACKNOWLEDGE",
    "never seen": "NO RESPONSE",
}


def where(bench: Bench, cable: tuple[Path, Path], transport: str) -> tuple[str, ...]:
    """The arguments by which the masters find the bench."""
    if transport == "rtu":
        return "rtu", str(cable[1])
    host, port = bench.addresses[transport]
    return transport, host, str(port)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("transport", ["tcp", "rtu"])
def test_libmodbus(bench: Bench, cable: tuple[Path, Path], tmp_path: Path, transport: str) -> None:
    program = tools.compiled(HERE / "libmodbus_client.c", tmp_path)
    printed = tools.run(program, *where(bench, cable, transport))
    told = dict(line.split(": ", 1) for line in printed.splitlines())
    assert told == LIBMODBUS | ({"nobody": "NO RESPONSE"} if transport == "tcp" else {})


@pytest.mark.parametrize("transport", ["tcp", "rtu"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-a", "20", "-t", "4", "-r", "16485", "-c", "2"), ["[16485]: \t101", "[16486]: \t102"]),
        (("-a", "20", "-t", "3", "-r", "16384", "-c", "125"), ["[16384]: \t1000", "[16508]: \t1124"]),
        (("-a", "20", "-t", "0", "-r", "0", "-c", "2"), ["[0]: \t0", "[1]: \t1"]),
        (("-a", "20", "-t", "1", "-r", "3", "-c", "2"), ["[3]: \t1", "[4]: \t0"]),
        (("-a", "20", "-t", "4", "-r", "18432"), ["Illegal data address"]),
        (("-a", "21", "-t", "4", "-r", "16384"), ["Target device failed to respond"]),
    ],
    ids=["holding", "125 input", "coils", "discrete", "unknown", "never seen"],
)
def test_mbpoll(
    bench: Bench, cable: tuple[Path, Path], transport: str, arguments: tuple[str, ...], told: list[str]
) -> None:
    kind, *place = where(bench, cable, transport)
    line = ("-b", "115200", "-P", "none") if kind == "rtu" else ("-p", place[1])
    words = [tools.tool("mbpoll", "mbpoll"), "-m", kind, "-0", "-1", "-o", "10", *line, *arguments, place[0]]
    printed = mbpoll(words)
    for expected in told:
        assert expected in printed


def mbpoll(words: list[str]) -> str:
    """Run mbpoll, which ends badly when it is told an exception."""
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False
    )
    return done.stdout


def test_pymodbustcp(bench: Bench) -> None:
    host, port = bench.addresses["tcp"]
    client = ModbusClient(host=host, port=port, unit_id=UNIT, timeout=PATIENCE_S, auto_open=False)
    assert client.open()
    try:
        assert client.read_holding_registers(0x4000, 125) == list(range(125))
        assert client.read_input_registers(0x4000, 3) == [1000, 1001, 1002]
        assert client.read_coils(0, 3) == [False, True, True]
        assert client.read_discrete_inputs(0, 4) == [True, False, False, True]
        identity = client.read_device_identification()
        assert identity is not None
        told = (identity.vendor_name, identity.product_code, identity.major_minor_revision)
        assert told == (b"Boatyard", b"4201", b"1.02")
        assert client.read_holding_registers(0x4800, 1) is None
        assert client.last_except == 2
        client.unit_id = WRITTEN
        assert client.write_single_register(0x5310, 5)
        assert client.write_single_coil(0x320, True)
        assert client.write_multiple_registers(0x5330, list(range(123)))
        assert client.read_holding_registers(0x5330, 123) == list(range(123))
        assert client.write_multiple_coils(0x500, [True, False] * 50)
        assert client.read_coils(0x500, 100) == [True, False] * 50
        assert client.write_read_multiple_registers(0x53C0, [7], 0x53C0, 1) == [7]
        for unit, address, code in (
            (WRITTEN, 0x6012, 4),
            (SLOW, 0x5000, 5),
            (WRITTEN, 0x6013, 6),
            (NEVER_SEEN, 0x5000, 11),
        ):
            client.unit_id = unit
            assert not client.write_single_register(address, 1)
            assert client.last_except == code
    finally:
        client.close()


#: What the masters in JavaScript and on the old pymodbus say alike.
COMMON: dict[str, Any] = {
    "coils": [False] + [True] * 7,
    "discrete inputs": [True, False, False, True, False, False, True, False],
    "125 registers": list(range(125)),
    "input registers": [1000, 1001, 1002],
    "register back": [17],
    "unknown register": "exception 2",
    "read-only register": "exception 2",
    "out of range": "exception 3",
    "refused": "exception 4",
    "slow": "exception 5",
    "never seen": "exception 11",
    "identification": {"0": "Boatyard", "1": "4201", "2": "1.02"},
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_modbus_serial_in_javascript(bench: Bench, cable: tuple[Path, Path], transport: str) -> None:
    node = tools.tool("node", "nodejs")
    folder = tools.javascript()
    told = json.loads(tools.run(node, "client.js", *where(bench, cable, transport), cwd=folder))
    more = {
        "one coil": "done",
        "coil back": True,
        "one register": "done",
        "many coils": "done",
        "many registers": "done",
        "registers back": [1, 2, 3],
        "busy": "exception 6",
        "nobody": "exception 11",
        **({"together": list(range(40))} if transport == "tcp" else {}),
    }
    assert told == COMMON | more


@pytest.mark.timeout(400)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_pymodbus_of_a_cerbo(bench: Bench, cable: tuple[Path, Path], transport: str) -> None:
    python = tools.old_pymodbus()
    told = json.loads(tools.run(python, HERE / "pymodbus25_client.py", *where(bench, cable, transport)))
    more = {
        "one coil": True,
        "one register": 17,
        "many coils": 3,
        "many registers": 3,
        "mask": "done",
        "masked": [7],
        "both": [704, 9],
        "slave id": "exception 1",
    }
    assert told == COMMON | more
