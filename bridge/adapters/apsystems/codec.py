"""Payloads of inverters: bytes in, readings out. Pure; never raises on any input.

Offsets and scales are those of the captures and programs that `tests/data/apsystems` names; they count from
the start of an incoming message's data, and everything is big endian.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from bridge.adapters.apsystems.inverter_frames import (
    HEAD,
    limit_accepted,
    limit_from_parameters,
    limit_request,
    limit_sequence,
    model_request,
    normal_operation,
    poll_request,
    read_parameters_request,
    reboot_request,
    sum16,
)
from bridge.adapters.apsystems.models import Model

__all__ = [
    "DecodeOptions",
    "InverterReading",
    "Model",
    "PanelReading",
    "Reason",
    "Rejection",
    "decode_reply",
    "limit_accepted",
    "limit_from_parameters",
    "limit_request",
    "limit_sequence",
    "model_request",
    "normal_operation",
    "poll_request",
    "read_parameters_request",
    "reboot_request",
    "reply_serial",
    "signal_percent",
]

_SERIAL_BYTES = 6
_MARK = 8
#: Below this voltage, or outside these frequencies, the inverter sees no grid.
_GRID_V_MIN = 80.0
_GRID_HZ = (30.0, 80.0)
#: Beyond these no inverter reports a measurement: cells, cooling and cables of these models end far inside.
_TEMPERATURE = (-50.0, 125.0)
_AC_V_MAX = 400.0
_PANEL_V_MAX = 100.0
_PANEL_A_MAX = 30.0
#: Twice the largest model's rating; raw values beyond it mean that the field is something else.
_AC_W_MAX = 2000


class Reason(enum.Enum):
    """Why a message is no reading; the value is the word for logs and counters."""

    SHORT = "short"
    ENCRYPTED = "encrypted"
    OTHER_MODEL = "other_model"
    OTHER_FRAME = "other_frame"
    CHECKSUM = "checksum"
    START_UP = "start_up"
    IMPLAUSIBLE = "implausible"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that is dropped, and what was found and expected."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What a site says of one inverter. `swap_panels` numbers its panels the other way round.

    `energy_wh_per_count` replaces the model's scale of the energy counters.
    """

    swap_panels: bool = False
    energy_wh_per_count: float | None = None


@dataclass(frozen=True, slots=True)
class PanelReading:
    """One panel: V, A, its energy counter since the inverter's power-up, raw and in Wh."""

    voltage: float
    current: float
    energy_raw: int
    energy_wh: float


@dataclass(frozen=True, slots=True)
class InverterReading:
    """One poll's answer. Seconds count from the inverter's power-up and wrap at `model.seconds_modulus`.

    AC voltage (V) and frequency (Hz) are None where the inverter said zero while it lives; `grid` is False
    only where it measured that there is none, and then its power is 0. `ac_power` (W, DS3 only) is its own
    figure, of untried scale. `doubts` are worth one log line each.
    """

    serial: str
    model: Model
    seconds: int
    temperature: float
    ac_voltage: float | None
    frequency: float | None
    panels: tuple[PanelReading, ...]
    ac_power: float | None
    grid: bool
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Fields:
    """What the fields of one model say, before anybody doubts it."""

    seconds: int
    temperature: float
    ac_voltage: float | None
    frequency: float | None
    panels: tuple[PanelReading, ...]
    ac_power: float | None = None


def reply_serial(data: bytes) -> str | None:
    """Return the serial number that begins every message of an inverter, None where there is none."""
    text = data[:_SERIAL_BYTES].hex()
    return text if len(text) == 2 * _SERIAL_BYTES and text.isdecimal() else None


def signal_percent(lqi: int) -> float:
    """Return link quality (0 to 255) as the ECU programs show it, in percent."""
    return lqi * 100 / 255


def decode_reply(
    data: bytes,
    model: Model,
    options: DecodeOptions = DecodeOptions(),
) -> InverterReading | Rejection:
    """Read the answer to a poll as that of a configured model."""
    refused = _refused(data, model)
    if refused is not None:
        return refused
    fields = _READERS[model](data, options)
    refused = _improbable(fields)
    if refused is not None:
        return refused
    serial = data[:_SERIAL_BYTES].hex()
    return InverterReading(
        serial=serial,
        model=model,
        seconds=fields.seconds,
        temperature=fields.temperature,
        ac_voltage=fields.ac_voltage,
        frequency=fields.frequency,
        panels=fields.panels,
        ac_power=fields.ac_power,
        grid=_has_grid(fields.ac_voltage, fields.frequency),
        doubts=_doubts(serial, model),
    )


def _doubts(serial: str, model: Model) -> tuple[str, ...]:
    """Name what is odd about an answer that can be read all the same."""
    expected = Model.of_serial(serial)
    if expected is None or expected is model:
        return ()
    return (
        f"serial {serial} is that of a {expected.label}, the site says {model.label}: "
        f"set `model: {expected.value}`",
    )


def _refused(data: bytes, model: Model) -> Rejection | None:
    """Judge the frame around the values."""
    if len(data) <= _MARK + 1:
        return Rejection(Reason.SHORT, f"found {len(data)} bytes, expected {model.reply_bytes}")
    if data[_SERIAL_BYTES:_MARK] != HEAD:
        return Rejection(
            Reason.ENCRYPTED,
            f"found {data[_SERIAL_BYTES:_MARK].hex().upper()} after serial {data[:_SERIAL_BYTES].hex()}, "
            "expected FBFB: an encrypted model, which this version cannot read",
        )
    length, mark = data[_MARK], data[_MARK + 1 :]
    if not (length == model.inner_bytes and mark.startswith(model.mark)):
        for other in Model:
            if length == other.inner_bytes and mark.startswith(other.mark):
                return Rejection(
                    Reason.OTHER_MODEL,
                    f"found the answer of a {other.label}, expected that of a {model.label}: "
                    f"set `model: {(Model.of_serial(data[:6].hex()) or other).value}`",
                )
        return Rejection(
            Reason.OTHER_FRAME,
            f"found a message beginning {data[_MARK : _MARK + 3].hex().upper()}, expected "
            f"{model.inner_bytes:02X}{model.mark.hex().upper()}: no answer to a poll, or an unknown model",
        )
    if len(data) < model.reply_bytes:
        return Rejection(Reason.SHORT, f"found {len(data)} bytes, expected {model.reply_bytes}")
    if model.summed:
        end = _MARK + 1 + length
        found, expected = _u16(data, end), sum16(data[_MARK:end])
        if found != expected:
            return Rejection(Reason.CHECKSUM, f"found inner sum {found:04X}, expected {expected:04X}")
    return None


def _improbable(fields: _Fields) -> Rejection | None:
    """Judge the values: what an inverter says before it has measured, and what none can measure."""
    if not fields.seconds and not any(panel.energy_raw for panel in fields.panels):
        return Rejection(Reason.START_UP, "found 0 s and no energy since power-up: it has not begun to count")
    low, high = _TEMPERATURE
    if not any(panel.voltage for panel in fields.panels) and not low <= fields.temperature <= high:
        return Rejection(
            Reason.START_UP,
            f"found no panel voltage and {fields.temperature:.1f} degrees: it has not measured yet",
        )
    for what, value, lowest, highest in (
        ("temperature", fields.temperature, low, high),
        ("AC voltage", fields.ac_voltage or 0.0, 0.0, _AC_V_MAX),
        *(("panel voltage", panel.voltage, 0.0, _PANEL_V_MAX) for panel in fields.panels),
        *(("panel current", panel.current, 0.0, _PANEL_A_MAX) for panel in fields.panels),
    ):
        if not lowest <= value <= highest:
            return Rejection(
                Reason.IMPLAUSIBLE, f"found {what} {value:.1f}, expected {lowest:g} to {highest:g}"
            )
    return None


def _has_grid(voltage: float | None, frequency: float | None) -> bool:
    """Tell "measured that there is none" from "said nothing about it"."""
    low, high = _GRID_HZ
    return (voltage is None or voltage >= _GRID_V_MIN) and (frequency is None or low <= frequency <= high)


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _u24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "big")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _numbered(panels: list[PanelReading], options: DecodeOptions) -> tuple[PanelReading, ...]:
    return tuple(reversed(panels)) if options.swap_panels else tuple(panels)


#: Panels in order: where the 3-byte group of voltage and current stands, and where the energy.
_YC600_PANELS = ((22, 42), (25, 37))
_QS1_PANELS = ((25, 37), (22, 42), (19, 47), (16, 52))


def _classic(
    data: bytes, options: DecodeOptions, model: Model, panels: tuple[tuple[int, int], ...], seconds: int
) -> _Fields:
    """Read what YC600 and QS1 share."""
    scale = options.energy_wh_per_count or model.wh_per_count
    found = []
    for group, energy in panels:
        low, middle, high = data[group : group + 3]
        counter = _u24(data, energy)
        found.append(
            PanelReading(
                voltage=(high << 4 | middle >> 4) * 82.5 / 4096,
                current=((middle & 15) << 8 | low) * 27.5 / 4096,
                energy_raw=counter,
                energy_wh=counter * scale,
            )
        )
    period, volts = _u24(data, 12), _u16(data, 28)
    return _Fields(
        seconds=seconds,
        temperature=_u16(data, 10) * 0.2752 - 258.7,
        ac_voltage=volts / (4 * 1.3277) if volts else None,
        frequency=50_000_000 / period if period else None,
        panels=_numbered(found, options),
    )


def _yc600(data: bytes, options: DecodeOptions) -> _Fields:
    return _classic(data, options, Model.YC600, _YC600_PANELS, _u32(data, 15))


def _qs1(data: bytes, options: DecodeOptions) -> _Fields:
    # The groups of panels 3 and 4 stand where the YC600 has its seconds.
    return _classic(data, options, Model.QS1, _QS1_PANELS, _u16(data, 30))


def _ds3(data: bytes, options: DecodeOptions) -> _Fields:
    scale = options.energy_wh_per_count or Model.DS3.wh_per_count
    found = []
    for panel in range(Model.DS3.panels):
        counter = _u32(data, 50 + 4 * panel)
        found.append(
            PanelReading(
                voltage=_u16(data, 26 + 2 * panel) / 48,
                current=_u16(data, 30 + 2 * panel) * 0.0125,
                energy_raw=counter,
                energy_wh=counter * scale,
            )
        )
    volts, hundredths, watts = _u16(data, 34), _u16(data, 36), _u16(data, 40)
    return _Fields(
        seconds=_u16(data, 38),
        temperature=_u16(data, 48) * 0.0198 - 23.84,
        ac_voltage=volts / 3.8 if volts else None,
        frequency=hundredths / 100 if hundredths else None,
        panels=_numbered(found, options),
        ac_power=float(watts) if watts <= _AC_W_MAX else None,
    )


_READERS: dict[Model, Callable[[bytes, DecodeOptions], _Fields]] = {
    Model.YC600: _yc600,
    Model.QS1: _qs1,
    Model.DS3: _ds3,
}
