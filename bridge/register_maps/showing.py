"""How a register shows what its source supplies, a stale value and a missing one included."""

import re

from bridge.register_maps.format import Kind, Register, RegisterMap, Stale
from bridge.register_maps.packing import encode, pattern
from bridge.register_maps.supply import Supplied
from bridge.register_maps.types import BitType

#: Stock clients make a settings path and a bus name of the serial: other characters stop the device.
_SERIAL = "/Serial"
_NOT_IN_SERIALS = re.compile("[^A-Za-z0-9_]")


def policy_for(loaded: RegisterMap, register: Register, supplied: Supplied, *, holding: bool) -> Stale | None:
    """Return what to do about a stale value, None for one that is not; `holding` when it was shown before."""
    if not supplied.stale:
        return None
    policy = register.stale or loaded.stale
    if policy is Stale.HOLD and not (holding and supplied.heard):
        policy = Stale.INVALID  # there is nothing to hold
    if policy is Stale.INVALID and isinstance(register.type, BitType):
        return Stale.EXCEPTION  # a bit has no pattern that says "no value"
    return policy


def registers_of(loaded: RegisterMap, register: Register, supplied: Supplied, policy: Stale | None) -> bytes:
    """Return the bytes to show; of a bit, the block with this bit alone."""
    value = supplied.value
    if value is None:
        # Clients of personas know no invalid pattern: a measurement that is not there reads 0.
        absent_is_zero = loaded.kind is Kind.PERSONA and register.invalid is None and policy is None
        if absent_is_zero or policy is Stale.ZERO:
            return bytes(2 * register.length)
        return pattern(register.type, register.invalid)
    if register.switch is not None:
        return b"\0\1" if register.switch.reads(value) else b"\0\0"
    if register.path == _SERIAL and isinstance(value, str):
        value = _NOT_IN_SERIALS.sub("", value)
    return encode(register.type, value, register.scale, register.invalid)
