"""The families whose devices sit on a serial port each, as the tests of ports need them.

Of each there are two devices that can be told apart by what they measure: the first one shows more than
`between`, the second one less.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bridge.adapters.apsystems import znp_commands  # noqa: F401 - loaded here: real time is not the tests'
from bridge.adapters.apsystems.adapter import ApsystemsAdapter
from bridge.adapters.apsystems.options import ApsystemsOptions
from bridge.adapters.apsystems.simulator import BYTES_PER_S as BYTES_PER_S_115200
from bridge.adapters.apsystems.simulator import ApsystemsSimulator
from bridge.adapters.base import Adapter, DeviceOptions
from bridge.adapters.modbus.adapter import ModbusAdapter
from bridge.adapters.modbus.options import ModbusOptions
from bridge.adapters.modbus.simulated_panel import SERIAL
from bridge.adapters.modbus.simulator import BYTES_PER_S as BYTES_PER_S_38400
from bridge.adapters.modbus.simulator import Series607Simulator
from bridge.adapters.pty import BYTES_PER_S_19200, Wire
from bridge.adapters.vebus_mk3.adapter import VeBusAdapter
from bridge.adapters.vebus_mk3.options import VeBusOptions
from bridge.adapters.vebus_mk3.simulator import BYTES_PER_S as BYTES_PER_S_2400
from bridge.adapters.vebus_mk3.simulator import VeBusSimulator
from bridge.adapters.vedirect.adapter import VeDirectAdapter
from bridge.adapters.vedirect.options import VeDirectOptions
from bridge.adapters.vedirect.simulated_monitor import BatteryMonitorSimulator
from bridge.adapters.vedirect.simulator import ChargerSimulator
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Value

#: An inverter on RTU with a serial number, which the Series607's own Arduino spoils: its registers can hold one.
INVERTER_MAP = Path(__file__).with_name("inverter.yaml")


class FarEnd(Protocol):
    """A simulated device."""

    async def play(self, wire: Wire) -> None: ...

    def hear(self, data: bytes) -> None: ...

    def misbehave(self, fault: str, argument: str = "") -> None: ...


@dataclass(frozen=True)
class Kind:
    """A family: its adapter, its far end, a measured point that tells two devices apart, and a set-point."""

    name: str
    adapter: Callable[[Any, Any, Any], Adapter]
    far_end: Callable[..., Any]
    options: Callable[..., DeviceOptions]
    moves: Callable[[Any], list[bytes]]
    bytes_per_s: float
    serials: tuple[str, str]
    measured: str
    between: float
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    set_point: Mapping[str, Value]
    #: The same point back to what it was.
    undone: Mapping[str, Value]
    #: The set-point's value that is in force in the far end.
    in_force: Callable[[Any], Value]
    #: True where the adapter begins with threads.
    threads: bool = False

    def is_known(self, device: Device) -> bool:
        """True when the device has shown what it measures and what can be set."""
        return all(device.value(path) is not None for path in (self.measured, *self.set_point))

    def meant(self, serial: str) -> Mapping[str, Any]:
        """Return the options that mean one device and no other."""
        if self.name == "apsystems":
            return {"inverters": [{"serial": serial, "model": "yc600", "address": 0x103A}]}
        return {"serial": serial}

    def is_first(self, value: Value) -> bool:
        """True for what the first device measures."""
        return isinstance(value, int | float) and value > self.between


def _charger(clock: Clock, serial: str, **about: Any) -> ChargerSimulator:
    return ChargerSimulator(clock, serial=serial, **{"flood": False, **about})


def _shunt(clock: Clock, serial: str, **about: Any) -> BatteryMonitorSimulator:
    """A monitor as it is made: its text names no serial number, its registers do."""
    return BatteryMonitorSimulator(clock, serial=serial, serial_in_text=False, **about)


def _multi(clock: Clock, serial: str, *, load: float = 400.0, **about: Any) -> VeBusSimulator:
    made = VeBusSimulator(clock, serial=serial, **about)
    made.misbehave("load", str(load))
    return made


def _inverter(clock: Clock, serial: str, **about: Any) -> Series607Simulator:
    made = Series607Simulator(clock, **about)
    made.misbehave("stuck")  # switched off it would show no voltage, by which the two are told apart
    for place in range(3):
        made.panel.registers[SERIAL + place] = int.from_bytes(
            serial[2 * place : 2 * place + 2].encode(), "big"
        )
    return made


def _roof(clock: Clock, serial: str, **about: Any) -> ApsystemsSimulator:
    """A coordinator over one inverter of this serial number, from noon on."""
    return ApsystemsSimulator(clock, inverters=f"{serial}/yc600/0x103A", **{"hour": 12.0, **about})


def _roof_options(port: str, **options: Any) -> ApsystemsOptions:
    inverters = [{"serial": "408000158215", "model": "yc600", "address": 0x103A}]
    own = {"inverters": inverters, "location": (0.0, 0.0), "timezone": "UTC", "always_day": True}
    return ApsystemsOptions.model_validate({"adapter": "apsystems", "port": port, **own, **options})


def _modbus_options(port: str, **options: Any) -> ModbusOptions:
    own = {"map": str(INVERTER_MAP), "remote_unit": 42, "baudrate": 38400}
    return ModbusOptions(adapter="modbus", port=port, **{**own, **options})


VEDIRECT = Kind(
    name="vedirect",
    adapter=VeDirectAdapter,
    far_end=_charger,
    options=lambda port, **options: VeDirectOptions(adapter="vedirect", port=port, **options),
    moves=lambda far: [heard.raw for heard in far.received if heard.raw.startswith(b":8")],
    bytes_per_s=BYTES_PER_S_19200,
    serials=("SIM1A", "SIM2B"),
    measured="/Dc/0/Voltage",
    between=20.0,
    first={},
    second={"product_id": 0xA30A},
    set_point={"/Settings/ChargeCurrentLimit": 5.0},
    undone={"/Settings/ChargeCurrentLimit": 8.0},
    in_force=lambda far: far.registers.quantity(0xEDF0),
)
SHUNT = Kind(
    name="vedirect shunt",
    adapter=VeDirectAdapter,
    far_end=_shunt,
    options=VEDIRECT.options,
    moves=VEDIRECT.moves,
    bytes_per_s=BYTES_PER_S_19200,
    serials=("SIM1C", "SIM2D"),
    measured="/Dc/0/Voltage",
    between=20.0,
    first={"nominal_v": 24.0},
    second={"nominal_v": 12.0},
    set_point={},
    undone={},
    in_force=lambda far: 0,
)
VEBUS = Kind(
    name="vebus_mk3",
    adapter=VeBusAdapter,
    far_end=_multi,
    options=lambda port, **options: VeBusOptions(adapter="vebus_mk3", port=port, **options),
    moves=lambda far: [repr(state).encode() for state in far.commands],
    bytes_per_s=BYTES_PER_S_2400,
    serials=("1122AABB", "1122AABC"),
    measured="/Ac/Out/L1/P",
    between=650.0,
    first={"load": 900.0},
    second={"load": 400.0},
    set_point={"/Ac/In/1/CurrentLimit": 10.0},
    undone={"/Ac/In/1/CurrentLimit": 12.0},
    in_force=lambda far: far.unit.limit_da / 10,
)
MODBUS = Kind(
    name="modbus",
    adapter=ModbusAdapter,
    far_end=_inverter,
    options=_modbus_options,
    moves=lambda far: [heard.frame for heard in far.received if heard.frame[1] in (5, 6, 15, 16)],
    bytes_per_s=BYTES_PER_S_38400,
    serials=("WAGON1", "WAGON2"),
    measured="/Dc/0/Voltage",
    between=20.0,
    first={"voltage": 25.9},
    second={"voltage": 12.6},
    set_point={"/Mode": 4},
    undone={"/Mode": 2},
    in_force=lambda far: far.panel.registers[0x3005],
    threads=True,
)
ROOF = Kind(
    name="apsystems",
    adapter=ApsystemsAdapter,
    far_end=_roof,
    options=_roof_options,
    moves=lambda far: [b"limit" for inverter in far.inverters if inverter.limit_w < 700],
    bytes_per_s=BYTES_PER_S_115200,
    serials=("408000158215", "408000158216"),
    measured="/Ac/Power",
    between=300.0,
    first={},
    second={"rating": 100.0},
    set_point={},
    undone={},
    in_force=lambda far: 0,
)
#: Those whose devices tell a serial number to whoever opens their port.
KINDS = (VEDIRECT, VEBUS, MODBUS)
