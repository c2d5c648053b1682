"""Alarms out of bits and error numbers: 0 ok, 1 warning, 2 alarm, as Victron's /Alarms paths number them.

Source: VE.Direct Protocol 3.33, labels AR, WARN and ERR. AR latches until an inverter is switched on anew,
WARN is momentary.
"""

from collections.abc import Callable, Mapping

from bridge.adapters.vedirect.product import Derive
from bridge.datastore.values import Path, Value

REASON, WARNING = "/Alarms/Reason", "/Alarms/Warning"
OK, WARN, ALARM = 0, 1, 2

#: Bits of AR and WARN by product.
INVERTER_BITS: Mapping[int, Path] = {
    0x0001: "/Alarms/LowVoltage",
    0x0002: "/Alarms/HighVoltage",
    0x0004: "/Alarms/LowSoc",
    0x0020: "/Alarms/LowTemperature",
    0x0040: "/Alarms/HighTemperature",
    0x0100: "/Alarms/Overload",
    0x0200: "/Alarms/Ripple",
    0x0400: "/Alarms/LowVoltageAcOut",
    0x0800: "/Alarms/HighVoltageAcOut",
    0x1000: "/Alarms/ShortCircuit",
    0x2000: "/Alarms/BmsLockout",
}
MONITOR_BITS: Mapping[int, Path] = {
    0x0001: "/Alarms/LowVoltage",
    0x0002: "/Alarms/HighVoltage",
    0x0004: "/Alarms/LowSoc",
    0x0008: "/Alarms/LowStarterVoltage",
    0x0010: "/Alarms/HighStarterVoltage",
    0x0020: "/Alarms/LowTemperature",
    0x0040: "/Alarms/HighTemperature",
    0x0080: "/Alarms/MidVoltage",
}

_ANY = 0xFFFF

#: Error numbers that are an alarm of their own on a charger.
_HIGH_VOLTAGE = 2
_HOT = frozenset({17, 26})


def alarms_of(bits: Mapping[int, Path], whole: Path | None = None) -> Derive:
    """Make a product's alarms of its alarm reason and, where it has one, its warning.

    whole: the point that says that there is any alarm, made of the reason where no label tells it.
    """

    def derive(
        batch: Mapping[Path, Value | None], value_of: Callable[[Path], Value | None]
    ) -> Mapping[Path, Value | None]:
        if REASON not in batch and WARNING not in batch:
            return {}
        reason, warning = (batch[path] if path in batch else value_of(path) for path in (REASON, WARNING))
        whole_bits = {} if whole is None or whole in batch else {_ANY: whole}
        if reason is None and warning is None:
            return dict.fromkeys({**bits, **whole_bits}.values())
        return {path: _level(bit, reason, warning) for bit, path in {**bits, **whole_bits}.items()}

    return derive


def _level(bit: int, reason: Value | None, warning: Value | None) -> int:
    if isinstance(reason, int) and reason & bit:
        return ALARM
    return WARN if isinstance(warning, int) and warning & bit else OK


def error_alarms(batch: Mapping[Path, Value | None], _: object) -> Mapping[Path, Value | None]:
    """Make a charger's alarms of its error number."""
    if "/ErrorCode" not in batch:
        return {}
    code = batch["/ErrorCode"]
    if code is None:
        return {"/Alarms/HighVoltage": None, "/Alarms/HighTemperature": None}
    return {
        "/Alarms/HighVoltage": ALARM if code == _HIGH_VOLTAGE else OK,
        "/Alarms/HighTemperature": ALARM if code in _HOT else OK,
    }


__all__ = [
    "ALARM",
    "INVERTER_BITS",
    "MONITOR_BITS",
    "OK",
    "REASON",
    "WARN",
    "WARNING",
    "alarms_of",
    "error_alarms",
]
