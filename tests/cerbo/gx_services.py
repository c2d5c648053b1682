"""A GX's Modbus client as far as its services come and go, on a clock of the test's; and its EM24.

Written from what dbus-modbus-client 1.83 does: an update every 100 ms reads the groups that are due (1 s for fast
registers, 4 s for others), any failing group ends it; after 5 s without a whole one the service is removed, and
what was removed is looked for every 10 s. A device's role is chosen by a write, and makes the service anew.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.datastore.clock import ManualClock
from tests.cerbo.stand_in import ImageModbus, ModbusDevice, ModelRegister, client, run

UPDATE_S, FAIL_S, LOOK_S = 0.1, 5.0, 10.0
EM24 = """
import device
import probe
from register import Reg, Reg_mapu16, Reg_s32l, Reg_text, Reg_u16

class Version(Reg):
    def __init__(self, base, name):
        super().__init__(base, 1, name)

    def decode(self, values):
        word = values[0]
        return self.update("%d.%d.%d" % (word >> 12, word >> 8 & 15, word & 255))

class EM24(device.CustomName, device.ModbusDevice):
    vendor_id = "cg"
    productid = 0xB017
    productname = "Carlo Gavazzi EM24 Ethernet Energy Meter"
    default_role = "grid"
    allowed_roles = ["grid", "pvinverter", "genset", "acload", "evcharger", "heatpump"]

    def device_init(self):
        self.info_regs = [
            Version(0x0302, "/HardwareVersion"), Version(0x0304, "/FirmwareVersion"),
            Reg_u16(0x1002, "/PhaseConfig"), Reg_text(0x5000, 7, "/Serial"),
        ]
        application, phases = (self.read(base, 1, "holding")[0] for base in (0xA000, 0x1002))
        assert application == 7
        self.data_regs = [
            Reg_s32l(0x0028, "/Ac/Power", 10), Reg_u16(0x0033, "/Ac/Frequency", 10),
            Reg_s32l(0x0034, "/Ac/Energy/Forward", 10), Reg_s32l(0x004E, "/Ac/Energy/Reverse", 10),
            Reg_u16(0xA100, "/SwitchPos"),
        ]
        for n in range((3, 3, 2, 1, 3)[phases]):
            self.data_regs += [
                Reg_s32l(0x0000 + 2 * n, "/Ac/L%d/Voltage" % (n + 1), 10),
                Reg_s32l(0x000C + 2 * n, "/Ac/L%d/Current" % (n + 1), 1000),
                Reg_s32l(0x0012 + 2 * n, "/Ac/L%d/Power" % (n + 1), 10),
                Reg_s32l(0x0040 + 2 * n, "/Ac/L%d/Energy/Forward" % (n + 1), 10),
            ]

models = {n: {"model": "EM24", "handler": EM24} for n in range(1648, 1654)}
probe.add_handler(probe.ModelRegister(Reg_u16(0x000B), models, methods=["tcp"], units=[1]))
"""


@dataclass
class Service:
    """A device that the client has: its role is part of its name."""

    device: ModbusDevice
    role: str
    last_seen: float
    read_at: dict[int, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.role}.{self.device.get_ident()}"

    def update(self, now: float) -> None:
        """Read what is due; raises RuntimeError at the first exception."""
        device = self.device
        for group in device.groups:
            fast = any(reg.name in device.fast_regs for reg in group)
            first, last = group[0], group[-1]
            if now - self.read_at.get(first.base, -math.inf) < (1.0 if fast else 4.0):
                continue
            values = device.read(first.base, last.base + last.count - first.base, group.access)
            self.read_at[first.base] = now
            for reg in group:
                reg.decode(values[reg.base - first.base :][: reg.count])
                device.dbus[reg.name] = reg.shown()
        self.last_seen = now


class Gx:
    """The client with its list of devices, each an image under a name of the test's."""

    def __init__(self, clock: ManualClock, devices: Mapping[str, ImageModbus]) -> None:
        self._clock = clock
        self._devices = devices
        self._services: dict[str, Service] = {}
        self._roles: dict[str, str] = {}
        self._looked_at = -math.inf
        #: What came (+) and went (-), and when.
        self.history: list[tuple[float, str]] = []
        with client() as types:
            run(EM24, "carlo_gavazzi.py")
            self._types: list[ModelRegister] = list(types)

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """What stands on D-Bus."""
        return {service.name: dict(service.device.dbus) for service in self._services.values()}

    def set_role(self, name: str, role: str) -> bool:
        """Write `/Role` of a device; False where it is not allowed."""
        service = self._services[name]
        if role not in service.device.allowed_roles:
            return False
        self._roles[name] = role
        self._remove(name)
        self._look(name)
        return True

    async def live(self, seconds: float) -> None:
        """Update for this long."""
        for _ in range(round(seconds / UPDATE_S)):
            await self._clock.advance(UPDATE_S)
            self._update(self._clock.monotonic())

    def _update(self, now: float) -> None:
        for name, service in list(self._services.items()):
            try:
                service.update(now)
            except RuntimeError:
                if now - service.last_seen > FAIL_S:
                    self._remove(name)
        if now - self._looked_at > LOOK_S:
            self._looked_at = now
            for name in self._devices.keys() - self._services.keys():
                self._look(name)

    def _look(self, name: str) -> None:
        found = next((d for kind in self._types if (d := kind.probe(self._devices[name]))), None)
        if found is not None:
            found.init()
            role = self._roles.get(name, found.default_role)
            service = self._services[name] = Service(found, role, self._clock.monotonic())
            self.history.append((self._clock.monotonic(), f"+{service.name}"))

    def _remove(self, name: str) -> None:
        gone = self._services.pop(name)
        self.history.append((self._clock.monotonic(), f"-{gone.name}"))
