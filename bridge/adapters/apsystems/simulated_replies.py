"""Payloads that simulated inverters send, byte for byte as captured ones; fillers are those of the captures.

The offsets stand here a second time on purpose: what reads them is tested against this and the captures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.adapters.apsystems.models import Model

#: Data of captured answers: a YC600, a QS1 and a DS3.
_CAPTURED = {
    Model.YC600: bytes.fromhex(
        "408000038812FBFB51B103FA0F441D0000314000000081907183407104D90000000000000000626BA01B0061447A08"
        "1F00030556073F0303030100000100000000000000000000000000000000000000000000000000000000000000FEFE"
    ),
    Model.QS1: bytes.fromhex(
        "801000085070FBFB51B103EB0F419300CAF069D9F068C7C068C1206804B868E0000006A80001BB38134D01CCE90E0A"
        "01FD1E052201D967D0641F0003055400000000000000000000000000000000000000000000000000002B2A0000FEFE"
    ),
    Model.DS3: bytes.fromhex(
        "703000069723FBFB5CBBBB200003000FFFFF000000000000000006A706B2019B01F0035713898389015F001DFFFF04"
        "F50C39057F4B430619365AFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "FFFFFFFFFFFFFF3945FEFE"
    ),
}
#: Where the group of voltage and current and the energy of each panel stand.
_GROUPS = {
    Model.YC600: ((22, 42), (25, 37)),
    Model.QS1: ((25, 37), (22, 42), (19, 47), (16, 52)),
}
_SUM_AT = 101
#: Answers about parameters as far as they are known: a head, and the limit in its place.
_PARAMETERS_BYTES = 94
_DS3_LIMIT_AT, _CLASSIC_LIMIT_AT = 13, 80


@dataclass(frozen=True, slots=True)
class RawPanel:
    """One panel as raw numbers of its model."""

    voltage: int
    current: int
    energy: int


@dataclass(frozen=True, slots=True)
class RawState:
    """An inverter as raw numbers of its model. Frequency: a period of 20 ns, or Hz / 100 (DS3)."""

    seconds: int
    temperature: int
    frequency: int
    ac_voltage: int
    panels: Sequence[RawPanel]
    ac_power: int = 0


def poll_reply(model: Model, serial: str, state: RawState) -> bytes:
    """Return the data of an answer to a poll."""
    data = bytearray(_CAPTURED[model])
    data[:6] = bytes.fromhex(serial)
    if model is Model.DS3:
        _fill_ds3(data, state)
    else:
        _fill_classic(data, model, state)
    return bytes(data)


def _fill_classic(data: bytearray, model: Model, state: RawState) -> None:
    _put(data, 10, 2, state.temperature)
    _put(data, 12, 3, state.frequency)
    _put(data, 28, 2, state.ac_voltage)
    if model is Model.YC600:
        _put(data, 15, 4, state.seconds)
    else:
        _put(data, 30, 2, state.seconds)
    for panel, (group, energy) in zip(state.panels, _GROUPS[model], strict=True):
        low, high = panel.current & 0xFF, panel.current >> 8
        data[group : group + 3] = bytes((low, high | panel.voltage << 4 & 0xF0, panel.voltage >> 4))
        _put(data, energy, 3, panel.energy)


def _fill_ds3(data: bytearray, state: RawState) -> None:
    _put(data, 34, 2, state.ac_voltage)
    _put(data, 36, 2, state.frequency)
    _put(data, 38, 2, state.seconds)
    _put(data, 40, 2, state.ac_power)
    _put(data, 48, 2, state.temperature)
    for number, panel in enumerate(state.panels):
        _put(data, 26 + 2 * number, 2, panel.voltage)
        _put(data, 30 + 2 * number, 2, panel.current)
        _put(data, 50 + 4 * number, 4, panel.energy)
    _put(data, _SUM_AT, 2, sum(data[8:_SUM_AT]) & 0xFFFF)


def parameters_reply(model: Model, serial: str, limit_w: float) -> bytes:
    """Return the data of an answer about parameters; all but head and limit is filler."""
    data = bytearray(_PARAMETERS_BYTES)
    data[:6] = bytes.fromhex(serial)
    data[6:10] = b"\xfb\xfb\x51\xde"
    if model is Model.DS3:
        _put(data, _DS3_LIMIT_AT, 2, round(limit_w * 16.59))
    else:
        _put(data, _CLASSIC_LIMIT_AT, 2, round(limit_w * 28.89))
        data[_CLASSIC_LIMIT_AT + 2 : _CLASSIC_LIMIT_AT + 4] = b"\x3b\x66"
    data[-2:] = b"\xfe\xfe"
    return bytes(data)


def limit_reply(serial: str, *, accepted: bool) -> bytes:
    """Return the data of a DS3's answer to a limit."""
    body = bytes((0xDE if accepted else 0xDF, 0, 0, 0, 0, 0))
    part = b"\x06" + body
    return bytes.fromhex(serial) + b"\xfb\xfb" + part + sum(part).to_bytes(2, "big") + b"\xfe\xfe"


def _put(data: bytearray, at: int, size: int, value: int) -> None:
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "big")
