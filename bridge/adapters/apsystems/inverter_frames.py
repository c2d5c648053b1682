"""What is said to inverters: the payloads of polls, limits and queries. Pure.

A payload is the ECU's reversed identity and an inner frame `FB FB | n | body | sum16 | FE FE`, where the sum
is that of n and the body. The rule holds on every captured frame of both directions but answers of YC600 and
QS1, which carry 0000.
"""

from bridge.adapters.apsystems.ecu import Ecu
from bridge.adapters.apsystems.models import Model

HEAD = b"\xfb\xfb"
TAIL = b"\xfe\xfe"
#: Offered range of a power limit, in W a channel; programs of the field offer the same.
LIMIT_W = (20, 700)
#: A limit read back may differ by this much from the one that was set.
LIMIT_TOLERANCE_W = 2.0

_POLL = bytes.fromhex("BB0000000000")
_PARAMETERS = bytes.fromhex("DE0000000000")
_MODEL = bytes.fromhex("DC0000000000")
_REBOOT = bytes.fromhex("C10000000000")
_NORMAL = bytes.fromhex("00000D6030FBD300000000000000000401")
#: First byte of the body that answers a limit (DS3; untried).
_ACCEPTED, _DENIED = 0xDE, 0xDF
#: Counts a watt, and where the read-back stands in the answer about parameters.
_DS3_COUNTS_PER_W, _DS3_LIMIT_AT = 16.59, 13
_CLASSIC_COUNTS_PER_W, _CLASSIC_LIMIT_AT = 28.89, 80
_CLASSIC_LIMIT_ENDS = b"\x3b\x66"


def sum16(part: bytes) -> int:
    """Return the sum of an inner frame: of its length byte and body."""
    return sum(part) & 0xFFFF


def inner_frame(body: bytes) -> bytes:
    """Wrap a body of at most 255 bytes."""
    part = bytes((len(body),)) + body
    return HEAD + part + sum16(part).to_bytes(2, "big") + TAIL


def poll_request(ecu: Ecu) -> bytes:
    """Ask for all measurements."""
    return ecu.reversed_id + inner_frame(_POLL)


def read_parameters_request(ecu: Ecu) -> bytes:
    """Ask for the parameters, the power limit among them."""
    return ecu.reversed_id + inner_frame(_PARAMETERS)


def model_request(ecu: Ecu) -> bytes:
    """Ask for model and version. From one project only: untried."""
    return ecu.reversed_id + inner_frame(_MODEL)


def reboot_request(ecu: Ecu) -> bytes:
    """Ask an inverter to restart. Untried, also by those who found it: nothing sends it by itself."""
    return ecu.reversed_id + inner_frame(_REBOOT)


def normal_operation(ecu: Ecu) -> bytes:
    """Tell all inverters that the ECU is at work (captured; what the body means nobody says)."""
    return ecu.reversed_id + inner_frame(_NORMAL)


def limit_request(ecu: Ecu, model: Model, watts: float) -> bytes:
    """Set the power limit in W a channel; raises ValueError outside 20 to 700 W.

    Counts are rounded down, as programs of the field do: never more than was asked for.
    """
    low, high = LIMIT_W
    if not low <= watts <= high:
        raise ValueError(f"power limit: found {watts:g} W, expected {low} to {high} W a channel")
    if model is Model.DS3:
        body = bytes.fromhex("AA270000") + int(watts * _DS3_COUNTS_PER_W).to_bytes(2, "big")
    else:
        body = bytes.fromhex("1C8C02") + int(watts * _CLASSIC_COUNTS_PER_W).to_bytes(2, "big") + b"\x00"
    return ecu.reversed_id + inner_frame(body)


def limit_sequence(ecu: Ecu, model: Model, watts: float) -> tuple[bytes, bytes, bytes]:
    """Return what known programs send for a limit: set it, a query with a wrong sum, the query.

    Raises ValueError outside 20 to 700 W.
    """
    query = read_parameters_request(ecu)
    dummy = query[: -len(TAIL) - 2] + b"\x00\x00" + TAIL
    return limit_request(ecu, model, watts), dummy, query


def limit_accepted(data: bytes) -> bool | None:
    """Read a DS3's answer to a limit: taken, refused, or None where it is no such answer. Untried."""
    if len(data) < 10 or data[6:8] != HEAD:
        return None
    return {_ACCEPTED: True, _DENIED: False}.get(data[9])


def limit_from_parameters(model: Model, data: bytes) -> float | None:
    """Return the limit in W a channel that an answer about parameters shows, None where it shows none."""
    if data[6:8] != HEAD:
        return None
    if model is Model.DS3:
        counts, per_watt = data[_DS3_LIMIT_AT : _DS3_LIMIT_AT + 2], _DS3_COUNTS_PER_W
    else:
        end = _CLASSIC_LIMIT_AT + 2
        if data[end : end + 2] != _CLASSIC_LIMIT_ENDS:
            return None
        counts, per_watt = data[_CLASSIC_LIMIT_AT:end], _CLASSIC_COUNTS_PER_W
    return int.from_bytes(counts, "big") / per_watt if len(counts) == 2 else None
