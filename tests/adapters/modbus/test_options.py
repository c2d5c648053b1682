"""What a site file may say of a Modbus device."""

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.adapters.modbus.endpoint import endpoint_of
from bridge.adapters.modbus.options import FAMILY, ModbusOptions, host_address


def made(**keys: Any) -> ModbusOptions:
    return ModbusOptions(adapter="modbus", **{"map": "em24", **keys})


@pytest.mark.parametrize(
    ("keys", "name", "way"),
    [
        ({"host": "192.168.1.5"}, "tcp://192.168.1.5:502", "tcp"),
        ({"host": "meter.local:1502"}, "tcp://meter.local:1502", "tcp"),
        ({"host": "[fe80::1]"}, "tcp://[fe80::1]:502", "tcp"),
        ({"host": "10.0.0.1", "transport": "udp"}, "udp://10.0.0.1:502", "udp"),
        ({"host": "10.0.0.1:4001", "transport": "rtu_over_tcp"}, "tcp://10.0.0.1:4001", "rtu_over_tcp"),
        ({"port": "/dev/ttyS9"}, "/dev/ttyS9", "rtu"),
        ({"port": "socket://10.0.0.1:4001"}, "socket://10.0.0.1:4001", "rtu"),
    ],
)
def test_where_a_device_is(keys: dict[str, Any], name: str, way: str) -> None:
    endpoint = endpoint_of(made(**keys))
    assert (endpoint.name, endpoint.way) == (name, way)


def test_spellings_of_one_host_are_one_bus() -> None:
    assert (
        endpoint_of(made(host="Meter.local")).identity == endpoint_of(made(host="meter.local:502")).identity
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "expected either `port` (a serial port) or `host` (TCP or UDP)"),
        ({"host": "h", "port": "/dev/ttyS0"}, "expected either `port`"),
        ({"host": "h", "transport": "rtu"}, "expected `port` with `transport: rtu`"),
        ({"port": "/dev/ttyS0", "transport": "udp"}, "expected `host` with `transport: udp`"),
        ({"host": "http://h"}, "expected a host such as 192.168.1.5, meter.local:1502"),
        ({"host": "h:0"}, "expected a host such as"),
        ({"port": "/dev/ttyS0", "baudrate": 38401}, "expected one of 1200, 2400"),
        ({"host": "h", "map": "series607"}, "expected a `serial` of your choice, as serial: WAGON1"),
        ({"host": "h", "serial": "WAGON 1"}, "expected letters, digits and _"),
        ({"host": "h", "remote_unit": 256}, "less than or equal to 255"),
        ({"host": "h", "poll": 0.01}, "greater than or equal to 0.1"),
        ({"host": "h", "quirk": "series608"}, "Input should be 'series607'"),
        ({"host": "h", "map": None}, "valid string"),
    ],
)
def test_what_it_may_not_say(keys: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as refused:
        made(**keys)
    assert expected in str(refused.value)


def test_the_map_it_is_read_with_serves_it() -> None:
    assert FAMILY.native_map(made(host="h", map="./mine.yaml"), None) == "./mine.yaml"


def test_a_bus_is_nobodys_alone() -> None:
    assert FAMILY.ports(made(port="/dev/ttyUSB2")) == ()


def test_the_port_of_a_host() -> None:
    assert host_address("a.b") == ("a.b", 502)
