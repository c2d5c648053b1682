"""Alarms of a battery as its frames tell them: the bits of 0x359, and the edge-coded pairs of 0x35A.

A pair of 0x35A says 1 "raised" or 2 "cleared"; 0 and 3 say nothing, so that a frame of zeros never clears
an alarm (SMA's document, MG's guide). Whoever hears them keeps each alarm until it is cleared, or until
the frame has not come for a while.
"""

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from bridge.adapters.can.battery_frames import PAIRS, STATUS
from bridge.adapters.can.fields import FieldValue, decode, encode

#: The alarms of 0x35A, from its lowest pair on.
ALARMS = (
    *("general", "high_voltage", "low_voltage", "high_temperature", "low_temperature"),
    *("high_temperature_charge", "low_temperature_charge", "high_current", "high_charge_current"),
    *("contactor", "short_circuit", "bms_internal", "cell_imbalance"),
)
#: What the bits of 0x359 are called among those of 0x35A: protections have acted, alarms warn.
PROTECTIONS: Mapping[str, str] = {
    "over_voltage": "high_voltage",
    "under_voltage": "low_voltage",
    "over_temperature": "high_temperature",
    "under_temperature": "low_temperature",
    "discharge_over_current": "high_current",
    "charge_over_current": "high_charge_current",
    "system_error": "bms_internal",
}
STATUS_ALARMS: Mapping[str, str] = {
    "high_voltage": "high_voltage",
    "low_voltage": "low_voltage",
    "high_temperature": "high_temperature",
    "low_temperature": "low_temperature",
    "discharge_high_current": "high_current",
    "charge_high_current": "high_charge_current",
    "internal_communication_fail": "bms_internal",
}
#: What stands behind the modules in 0x359.
STATUS_TOKEN = "PN"  # noqa: S105 - no password, Pylontech's mark

_PROTECTION, _ALARM = "protection_", "alarm_"
_PAIR_BITS, _PAIR_MASK = 2, 3


class Pair(enum.IntEnum):
    """The two words of a pair that mean something."""

    RAISED = 1
    CLEARED = 2


class Level(enum.IntEnum):
    """How bad an alarm is, as points and registers have it."""

    OK = 0
    WARNING = 1
    ALARM = 2


@dataclass(frozen=True, slots=True)
class Edges:
    """What one 0x35A says of its alarms or of its warnings."""

    raised: frozenset[str]
    cleared: frozenset[str]


@dataclass(frozen=True, slots=True)
class StatusBits:
    """What one 0x359 says: the whole truth, not edges. Names as in `PROTECTIONS` and `STATUS_ALARMS`."""

    protections: tuple[str, ...]
    alarms: tuple[str, ...]
    modules: int | None = None


# -- 0x359 ---------------------------------------------------------------------------------------------


def read_status(data: bytes) -> StatusBits | None:
    """Return what a 0x359 says, None where it is too short."""
    found = decode(STATUS, data)
    if found is None:
        return None
    modules = found["modules"]
    return StatusBits(
        _set_of(found, _PROTECTION), _set_of(found, _ALARM), modules if isinstance(modules, int) else None
    )


def status_data(protections: Collection[str], alarms: Collection[str], modules: int) -> bytes:
    """Return the seven bytes of a 0x359. Raises ValueError for an unknown name or too many modules."""
    values: dict[str, FieldValue] = {_PROTECTION + name: True for name in protections}
    values |= {_ALARM + name: True for name in alarms}
    return encode(STATUS, values | {"modules": modules, "token": STATUS_TOKEN})


def status_levels(status: StatusBits) -> dict[str, Level]:
    """Return the level of every alarm that 0x359 tells, by its name in 0x35A."""
    levels = dict.fromkeys(STATUS_ALARMS.values(), Level.OK)
    levels |= {STATUS_ALARMS[name]: Level.WARNING for name in status.alarms}
    return levels | {PROTECTIONS[name]: Level.ALARM for name in status.protections}


def status_of(alarms: Collection[str], warnings: Collection[str], modules: int) -> bytes:
    """Return the 0x359 for alarms and warnings named as in 0x35A; those it has no bit for are left out."""
    return status_data(
        [bit for bit, name in PROTECTIONS.items() if name in alarms],
        [bit for bit, name in STATUS_ALARMS.items() if name in warnings],
        modules,
    )


def _set_of(found: Mapping[str, FieldValue], prefix: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(prefix) for name, on in found.items() if name.startswith(prefix) and on)


# -- 0x35A ---------------------------------------------------------------------------------------------


def read_pairs(data: bytes) -> tuple[Edges, Edges] | None:
    """Return what a 0x35A says of alarms and of warnings, None where it is too short."""
    found = decode(PAIRS, data.ljust(8, b"\0")) if len(data) >= PAIRS.least else None
    if found is None:
        return None
    return _edges(found["alarm_pairs"]), _edges(found["warning_pairs"])


def pairs_data(alarms: Collection[str], warnings: Collection[str]) -> bytes:
    """Return the eight bytes of a 0x35A: those named are raised, all others are cleared, reserved ones are 0.

    Raises ValueError for an unknown name.
    """
    return encode(PAIRS, {"alarm_pairs": _word(alarms), "warning_pairs": _word(warnings)})


def _edges(word: FieldValue) -> Edges:
    bits = word if isinstance(word, int) else 0
    pairs = {name: bits >> _PAIR_BITS * n & _PAIR_MASK for n, name in enumerate(ALARMS)}
    raised, cleared = (
        frozenset(name for name, pair in pairs.items() if pair == wanted)
        for wanted in (Pair.RAISED, Pair.CLEARED)
    )
    return Edges(raised, cleared)


def _word(raised: Collection[str]) -> int:
    unknown = [name for name in raised if name not in ALARMS]
    if unknown:
        raise ValueError(f"found the alarms {unknown}, expected some of {', '.join(ALARMS)}")
    pairs = (Pair.RAISED if name in raised else Pair.CLEARED for name in ALARMS)
    return sum(pair << _PAIR_BITS * n for n, pair in enumerate(pairs))


# -- both ----------------------------------------------------------------------------------------------


class Latches:
    """Alarms kept from what 0x35A and 0x359 tell, each of them forgotten when it has not come for a while.

    An alarm that was neither raised nor cleared yet is unknown and has no level. Where both frames tell of
    one alarm, the worse counts.
    """

    def __init__(self, expire_s: float) -> None:
        self._expire_s = expire_s
        self._pairs: dict[str, tuple[bool | None, bool | None]] = {}
        self._pairs_at = self._status_at = float("-inf")
        self._status: Mapping[str, Level] = {}

    def take_pairs(self, data: bytes, now: float) -> bool:
        """Take a 0x35A heard at monotonic time `now`; False where it is too short."""
        told = read_pairs(data)
        if told is None:
            return False
        if now - self._pairs_at > self._expire_s:
            self._pairs = {}
        self._pairs_at = now
        alarms, warnings = told
        for name in ALARMS:
            alarm, warning = self._pairs.get(name, (None, None))
            self._pairs[name] = _latched(alarms, name, alarm), _latched(warnings, name, warning)
        return True

    def take_status(self, data: bytes, now: float) -> bool:
        """Take a 0x359 heard at monotonic time `now`; False where it is too short."""
        told = read_status(data)
        if told is None:
            return False
        self._status, self._status_at = status_levels(told), now
        return True

    def forget(self) -> None:
        """Know nothing any more, as when another battery is found."""
        self._pairs, self._status = {}, {}

    def levels(self, now: float) -> dict[str, Level | None]:
        """Return every alarm's level at monotonic time `now`, None where it is not known."""
        pairs = self._pairs if now - self._pairs_at <= self._expire_s else {}
        status = self._status if now - self._status_at <= self._expire_s else {}
        return {name: _worst([_level(*pairs.get(name, (None, None))), status.get(name)]) for name in ALARMS}


def _latched(edges: Edges, name: str, before: bool | None) -> bool | None:
    if name in edges.raised:
        return True
    return False if name in edges.cleared else before


def _level(alarm: bool | None, warning: bool | None) -> Level | None:
    if alarm:
        return Level.ALARM
    if warning:
        return Level.WARNING
    return None if alarm is None and warning is None else Level.OK


def _worst(levels: Iterable[Level | None]) -> Level | None:
    return max((level for level in levels if level is not None), default=None)
