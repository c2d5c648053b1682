"""A charger and a BMS for the tests of the page: few points of every kind, and operations with steps."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from bridge.adapters.base import Adapter, DeviceOptions, Family
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.operations import Operation, OperationFault
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Identity, LinkState, Outcome, Path, Value

MODES = {1: "on", 4: "off"}
SPECS = (
    PointSpec("/Dc/0/Voltage", "V"),
    PointSpec("/Dc/0/Power", "W"),
    PointSpec("/Dc/0/Temperature", "C"),
    PointSpec("/Serial", text=True),
    PointSpec("/Mode", writable=True, choices=MODES, confirm_s=20.0),
    PointSpec(
        "/Settings/ChargeCurrentLimit", "A", writable=True, minimum=0, maximum=60, step=0.1, confirm_s=20.0
    ),
    PointSpec("/Settings/AbsorptionVoltage", "V", writable=True, nonvolatile=True, minimum=20, maximum=30),
    PointSpec("/Name", text=True, writable=True, confirm_s=20.0),
)
FRAMES = (
    PointSpec("/Bms/Phase", choices={0: "stopped", 5: "observe"}),
    PointSpec("/Bms/Frames/351", text=True),
)
VALUES: Mapping[Path, Value | None] = {
    "/Dc/0/Voltage": 26.61,
    "/Dc/0/Power": 640.0,
    "/Dc/0/Temperature": None,
    "/Serial": "HQ2230A334",
    "/Mode": 1,
    "/Settings/ChargeCurrentLimit": 25.0,
    "/Settings/AbsorptionVoltage": 28.4,
    "/Name": "Dock",
}


class YardOptions(DeviceOptions):
    """How the device behaves."""

    observe: bool = True
    poll: float = 0.2


class YardAdapter(Adapter):
    """Confirms at once; the second half of a pairing fails where it is asked for `nobody`."""

    def __init__(self, device: Device, options: YardOptions, clock: Clock) -> None:
        self._device = device
        self._options = options
        self._clock = clock

    async def run(self) -> None:
        """Publish again and again."""
        bms = self._options.adapter == "can_bms"
        self._device.declare([*SPECS, *(FRAMES if bms else ())], [GroupSpec("all")], [["all"]])
        serial = f"SIM{self._device.name.upper()}"
        self._device.learn(Identity(serial, "charger", 0xA330, "Blue Smart IP22 24|16 (simulated)", "3.45"))
        values = {**VALUES, "/Serial": serial}
        if bms:
            values |= {"/Bms/Phase": 5, "/Bms/Frames/351": "3002c8002c01c001"}
        self._device.publish("all", values)
        self._device.set_link(LinkState.ONLINE)
        while True:
            await self._clock.sleep(self._options.poll)
            self._device.publish("all", {"/Dc/0/Voltage": 26.61})
            self._device.publish("all", {**values, **self._kept()})

    def _kept(self) -> dict[Path, Value]:
        writable = [spec.path for spec in SPECS if spec.writable]
        return {path: value for path in writable if (value := self._device.value(path)) is not None}

    async def command(self, changes: Mapping[Path, Value], deadline: float) -> Mapping[Path, Outcome]:
        """Put changes in force."""
        self._device.publish("all", dict(changes))
        return dict.fromkeys(changes, Outcome.CONFIRMED)

    def operations(self) -> Mapping[str, Operation]:
        """Offer a pairing and a console."""
        return {"pair": self._pair, "pair_list": self._list, "forget": self._list, "radio_raw": self._list}

    async def _pair(self, arguments: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        serials = arguments.get("serials")
        for serial in serials if isinstance(serials, list) else []:
            yield {"serial": serial, "text": f"{serial}: round 1"}
            await asyncio.sleep(0)
            if serial == "nobody":
                raise OperationFault("nobody was found: is there light on its panels?")
            yield {"serial": serial, "text": f"{serial}: answered"}

    async def _list(self, arguments: Mapping[str, object]) -> AsyncIterator[Mapping[str, object]]:
        yield {"text": f"asked for {sorted(arguments)}"}


def _family(name: str) -> Family:
    return Family(
        name=name,
        title="Yard",
        options=YardOptions,
        adapter="tests.web.plant:YardAdapter",
        simulator="tests.web.plant:YardAdapter",
    )


FAMILIES = {"yard": _family("yard"), "can_bms": _family("can_bms")}
MAP = """\
title: A charger of the yard
registers:
  - {address: 0x3000, type: u16, scale: 100, path: /Dc/0/Voltage}
  - {address: 0x3010, type: e16, path: /Mode, values: {on: 1, off: 4}, write: true}
  - {address: 0x3011, type: u16, scale: 10, path: /Settings/ChargeCurrentLimit, write: [0, 60]}
"""
