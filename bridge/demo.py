"""The demonstration: simulated equipment behind a real bridge, on this machine alone."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bridge.site.models import ServedUnit

LISTENER = "127.0.0.1:5020"
#: How long the simulators may take to open their ports, and how often that is looked at, in seconds.
_PLAYED_WITHIN_S, _LOOK_EVERY_S = 15.0, 0.05
#: Where the page of the demonstration is, if nobody else is there.
PAGE = ("127.0.0.1", 8080)


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """One device of the demonstration: its line in the site file, and the simulator that plays it.

    serial: what the simulator shows, "" where it shows none. options: further keys of the site file, in
    which `channel` instead of `port` names the simulator of a CAN device. setting: one of the simulator.
    """

    name: str
    unit: int
    map: str
    family: str
    product: str
    serial: str
    options: str = ""
    key: str = "port"
    setting: str = ""

    def site_line(self, link: Path) -> str:
        """Return the device's line of the site file."""
        further = f", {self.options}" if self.options else ""
        return f'  {self.name}: {{adapter: {self.family}, {self.key}: "{link}", unit: {self.unit}{further}}}'

    def simulate(self, link: Path) -> list[str]:
        """Return the command that plays it."""
        return [
            *(sys.executable, "-m", "bridge", "simulate", self.family, "--link", str(link)),
            *(("--product", self.product) if self.product else ()),
            *(("--serial", self.serial) if self.serial else ()),
            *(("--set", self.setting) if self.setting else ()),
        ]


_SLCAN = "interface: slcan, dialect: pylontech"
_PACK = "battery: {cells: 16, chemistry: lfp, capacity: 200}"
_ROOF = (
    "ecu_id: D8A3011B97D0, always_day: true, location: [52.1, 5.2], poll: 12 s, serial: SIMROOF, inverters: ["
    '{serial: "408000158215", model: yc600, address: 0x103A}, '
    '{serial: "802000018915", model: qs1, address: 0x2A3D}, '
    '{serial: "703000017664", model: ds3, address: 0x7C3A}]'
)
DEVICES = (
    SimulatedDevice("multi", 10, "vebus", "vebus_mk3", "", "SIM1"),
    SimulatedDevice("charger", 20, "bluesmart_charger", "vedirect", "ac_charger", "SIM2230A334"),
    SimulatedDevice("shunt", 21, "smartshunt", "vedirect", "battery_monitor", "SIM2205A381"),
    SimulatedDevice("solar", 22, "bluesolar_mppt", "vedirect", "solar_charger", "SIM1942A053"),
    SimulatedDevice("inverter", 23, "phoenix_inverter", "vedirect", "inverter", "SIM2117A2E2"),
    SimulatedDevice("dcdc", 24, "orion_dcdc", "vedirect", "dcdc", "SIM2433A3F0"),
    SimulatedDevice(
        "pack", 30, "can_battery", "can_battery", "pylontech", "SIM30", f"{_SLCAN}, serial: SIM30", "channel"
    ),
    SimulatedDevice("bms", 31, "can_bms", "can_bms", "", "", f"{_SLCAN}, {_PACK}, serial: SIM31", "channel"),
    SimulatedDevice(
        "island", 32, "sunny_island", "sunny_island", "", "", "interface: slcan, serial: SIMISLAND", "channel"
    ),
    SimulatedDevice(
        "wagon",
        42,
        "series607",
        "modbus",
        "",
        "",
        "map: series607, baudrate: 38400, remote_unit: 42, serial: SIMWAG",
    ),
    SimulatedDevice("roof", 50, "apsystems_roof", "apsystems", "", "", _ROOF, setting="ecu=D8A3011B97D0"),
)
#: The battery's values go to the BMS, which only shows what it would tell an inverter.
LINKS = (
    "/Dc/0/Voltage", "/Dc/0/Current", "/Dc/0/Temperature", "/Soc", "/Soh", "/Info/MaxChargeVoltage",
    "/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent",
)  # fmt: skip


def demo_units() -> tuple[ServedUnit, ...]:
    """Return the units of the demonstration, as `read --demo` and its like expect them."""
    return tuple(ServedUnit(f"tcp://{LISTENER}", d.unit, d.name, d.map, None) for d in DEVICES)


def page_is_free() -> bool:
    """True where the page's address can be listened on."""
    with contextlib.closing(socket.socket()) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(PAGE)
        except OSError:
            return False
    return True


def site_text(folder: Path, *, page: bool = False) -> str:
    """Return the demonstration's site file, its ports in `folder`; page: with a page, which all may read."""
    lines = [
        "site: Demonstration",
        f'state: "{folder / "state"}"',
        "listeners:",
        f'  - {{tcp: "{LISTENER}", name: demo}}',
        "devices:",
        *(device.site_line(folder / device.name) for device in DEVICES),
        "links:",
        *(f'  - {{from: "pack:{path}", to: "bms:{path}"}}' for path in LINKS),
        *(('outlets: {{web: {{listen: "{}:{}", public: true}}}}'.format(*PAGE),) if page else ()),
    ]
    return "\n".join(lines) + "\n"


@contextlib.asynccontextmanager
async def simulators(folder: Path) -> AsyncIterator[None]:
    """Play every device in a process of its own, until the block ends."""
    processes = [
        await asyncio.create_subprocess_exec(
            *device.simulate(folder / device.name),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the bridge, which ends them after itself
        )
        for device in DEVICES
    ]
    try:
        with contextlib.suppress(TimeoutError):  # the bridge would find one that is late, and say so
            async with asyncio.timeout(_PLAYED_WITHIN_S):
                for device in DEVICES:
                    while not (folder / device.name).exists():  # noqa: ASYNC110 - another process makes it
                        await asyncio.sleep(_LOOK_EVERY_S)
        yield
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            await process.wait()
