"""What a coordinator says by itself, as plain values, in the order in which it came."""

from dataclasses import dataclass

from bridge.adapters.apsystems.messages import Firmware, Heard


@dataclass(frozen=True, slots=True)
class ResetIndication:
    """It has restarted (SYS_RESET_IND)."""

    reason: int
    firmware: Firmware


@dataclass(frozen=True, slots=True)
class StateChange:
    """ZDO_STATE_CHANGE_IND: 8 starting, 9 coordinator up."""

    state: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """AF_DATA_CONFIRM: what the radio knows of the delivery of the message with this TSN."""

    status: int
    endpoint: int
    tsn: int


@dataclass(frozen=True, slots=True)
class Route:
    """ZDO_SRC_RTG_IND: the relays through which an inverter was reached."""

    destination: int
    relays: tuple[int, ...]


Event = ResetIndication | StateChange | Confirm | Route | Heard


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Answer to UTIL_GET_DEVICE_INFO; `ieee` as people write it."""

    ieee: str
    device_type: int
    state: int
