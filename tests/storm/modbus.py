"""Modbus devices in the storm: a Series607 on an RTU line, and a meter behind Modbus TCP."""

import asyncio
import math
import random
import struct
from collections.abc import Coroutine, Mapping
from typing import Any

from bridge.adapters.modbus.options import FAMILY
from bridge.adapters.modbus.simulated_panel import POWER, STATE, State
from bridge.adapters.modbus.simulator import BYTES_PER_S, Series607Simulator
from bridge.adapters.pty import Wire as Far
from bridge.datastore.clock import ManualClock
from bridge.datastore.values import Value
from tests.storm.line import LineMember
from tests.storm.member import Trouble
from tests.storm.truth import Held, Rule

#: Three polls of 2 s, and how long the last good voltage of a Series607 stands in for impossible ones.
_POLLED_S, _STANDS_IN_S = 6.0, 5.0
#: From a press of the button to what the Arduino's registers show of it.
_SHOWN_S = 1.5
_KEPT = 500
_TCP_BYTES_PER_S = 1e6
_TCP_PORT_DELAY_S = 0.01


class Series607Member(LineMember):
    """An inverter behind its Arduino."""

    family = FAMILY
    bytes_per_s = BYTES_PER_S
    cutting = (("silent", ""), ("foreign", ""))
    nuisances = (
        *(("delay", "0.3"), ("late", ""), ("noise", ""), ("refuse", "4"), ("ignore_writes", "")),
        *(("other_model", ""),),
        *(
            ("f01", ""),
            ("f04", ""),
            ("f05", ""),
            ("garbage", ""),
            ("stuck", ""),
            ("button", ""),
            ("usb_only", ""),
        ),
    )

    def __init__(self, clock: ManualClock, name: str, unit: int) -> None:
        self.simulator = Series607Simulator(clock)
        self._nonsense_at = -math.inf
        super().__init__(
            clock, name, "series607", unit, map="series607", remote_unit=42, serial="WAGON1", baudrate=38400
        )
        self.writes = [("/Mode", [2, 4])]
        window = _POLLED_S + _SHOWN_S
        self.rules = {
            "/Dc/0/Voltage": Rule(window + _STANDS_IN_S, 0.06),
            "/Ac/Out/L1/V": Rule(window),
            "/Ac/Out/L1/P": Rule(window, 1.0),
            "/Ac/Out/L1/I": Rule(window, 0.005),
            "/State": Rule(window),
            "/Mode": Rule(window),
            "/FaultCode": Rule(window),
            "/Alarms/LowVoltage": Rule(window),
            "/Alarms/HighTemperature": Rule(window),
        }

    def reached_by(self, name: str) -> dict[str, Any]:
        """Return its port; the name says that it is one."""
        return {"port": f"/dev/{name}"}

    def held(self) -> Mapping[str, Held]:
        """What the inverter does, and what the Arduino shows where that is all there is."""
        panel = self.simulator.panel
        shown = panel.registers[STATE] != State.OFF
        watts = panel.registers[POWER] if shown else 0
        fault = panel.fault
        # what the display goes on showing is all that anybody can know; what it shows for a moment is not
        volts = panel.voltage if panel.nonsense is None else round(panel.nonsense * 1000) % 0x10000 / 1000
        return {
            "/Dc/0/Voltage": volts if shown else 0.0,
            "/Ac/Out/L1/V": 230 if shown else 0,
            "/Ac/Out/L1/P": watts,
            "/Ac/Out/L1/I": watts / 230,
            "/State": int(panel.registers[STATE]),
            "/Mode": 2 if shown else 4,  # the Arduino's word: it is all that anybody can know
            "running": int(panel.running),
            "/FaultCode": fault if fault != 3 else 0,
            "/Alarms/LowVoltage": 2 if fault == 1 else 0,
            "/Alarms/HighTemperature": 2 if fault == 4 else 0,
        }

    def watch(self) -> None:
        """Note what is true, and when the display last showed nonsense."""
        super().watch()
        if self.simulator.panel.nonsense is not None:
            self._nonsense_at = self.clock.monotonic()

    def excused(self, path: str, served: Value) -> bool:
        """Nonsense that stays for longer than a page of the display is what the display says."""
        return path == "/Dc/0/Voltage" and self.clock.monotonic() - self._nonsense_at <= self.window(path)

    def did(self, path: str, value: Value, since: float, step: float) -> bool:
        """The inverter itself counts as well: the Arduino shows one that goes off as running for 0.7 s."""
        running = any(one == (value != 4) for one in self.true_since("running", since))
        return running or super().did(path, value, since, step)

    def change(self, dice: random.Random) -> None:
        """Let load and battery move."""
        if dice.random() < 0.1:
            self.simulator.panel.power = dice.uniform(0, 900)
        if self.simulator.panel.voltage:
            self.simulator.panel.voltage = round(25.9 + dice.uniform(-0.3, 0.3), 1)

    def forget(self) -> None:
        """Shorten what the simulator remembers."""
        del self.simulator.received[:-_KEPT]

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Play the inverter."""
        return [self.play(), self._notes()]

    async def _notes(self) -> None:
        """Note what the Arduino's loop shows as it goes, also while nobody asks."""
        while True:
            await self.clock.sleep(0.1)
            self.watch()


class MeterSimulator:
    """An EM24 behind Modbus TCP: answers function 3 and 4 after a moment, and misbehaves on request."""

    MODEL = 1648

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._wire: Far | None = None
        self._unread = bytearray()
        self._due: asyncio.Queue[bytes] = asyncio.Queue()
        self.powers_w = [0.0, 0.0, 0.0]
        self.forward_kwh, self.reverse_kwh = 1234.5, 12.0
        self.model = self.MODEL
        self.delay_s = _TCP_PORT_DELAY_S
        self.silent = self.old = self.half = False
        self.refuses = 0
        self._former = b""

    @property
    def registers(self) -> dict[int, int]:
        """All registers as they stand now."""
        found = dict.fromkeys(
            (*range(0x36), *range(0x40, 0x50), 0x302, 0x304, 0x1002, *range(0x5000, 0x5007)), 0
        )
        found |= {0xA000: 7, 0xA100: 3, 0x0B: self.model, 0x33: 500, 0x1002: 0, 0x302: 0x1000, 0x304: 0x1000}
        serial = b"SIMEM24000001\0"
        found |= {0x5000 + i: int.from_bytes(serial[2 * i : 2 * i + 2], "big") for i in range(7)}

        def put(address: int, value: float, scale: int) -> None:
            raw = round(value * scale) & 0xFFFFFFFF
            found[address], found[address + 1] = raw & 0xFFFF, raw >> 16

        for phase, watts in enumerate(self.powers_w):
            put(2 * phase, 230.0 + phase, 10)
            put(0x0C + 2 * phase, watts / 230, 1000)
            put(0x12 + 2 * phase, watts, 10)
        put(0x28, sum(self.powers_w), 10)
        put(0x34, self.forward_kwh, 10)
        put(0x4E, self.reverse_kwh, 10)
        return found

    async def play(self, wire: Far) -> None:
        """Answer until cancelled."""
        self._wire = wire
        self._unread.clear()
        while not self._due.empty():
            self._due.get_nowait()
        try:
            while True:
                request = await self._due.get()
                await self._clock.sleep(self.delay_s)
                if self.silent:
                    continue
                reply = self._answer(request)
                if self.old and self._former:
                    reply, self._former = self._former, reply
                else:
                    self._former = reply
                await wire.send(reply[: len(reply) // 2] if self.half else reply)
        finally:
            self._wire = None

    def hear(self, data: bytes) -> None:
        """Take bytes of the client."""
        self._unread += data
        while len(self._unread) >= 6 and len(self._unread) >= (
            end := 6 + struct.unpack_from(">H", self._unread, 4)[0]
        ):
            if self._wire is not None:
                self._due.put_nowait(bytes(self._unread[:end]))
            del self._unread[:end]

    def connected(self) -> None:
        """Begin a connection: what was left of the former one is nobody's."""
        self._unread.clear()
        self._former = b""

    def _answer(self, request: bytes) -> bytes:
        function, address, count = struct.unpack_from(">BHH", request, 7)
        known = self.registers
        wanted = range(address, address + count)
        if self.refuses or function not in (3, 4) or any(place not in known for place in wanted):
            pdu = bytes((function | 0x80, self.refuses or (2 if function in (3, 4) else 1)))
        else:
            words = b"".join(known[place].to_bytes(2, "big") for place in wanted)
            pdu = bytes((function, len(words))) + words
        return request[:4] + struct.pack(">H", len(pdu) + 1) + request[6:7] + pdu


class MeterMember(LineMember):
    """A meter on the network. TCP damages nothing: connections break, and replies come late or not at all."""

    family = FAMILY
    bytes_per_s = _TCP_BYTES_PER_S

    def __init__(self, clock: ManualClock, name: str, unit: int) -> None:
        self.simulator: MeterSimulator = MeterSimulator(clock)
        super().__init__(clock, name, "em24", unit, map="em24", poll=1.0, timeout=0.5)
        meter = self.simulator

        def sets(name: str, value: object, former: object, *, cuts: bool = False) -> Trouble:
            return Trouble(lambda: setattr(meter, name, value), lambda: setattr(meter, name, former), cuts)

        self.troubles |= {
            "silent": sets("silent", True, False, cuts=True),
            "late": sets("delay_s", 0.9, _TCP_PORT_DELAY_S),
            "half replies": sets("half", True, False, cuts=True),
            "former replies": sets("old", True, False),
            "refuses": sets("refuses", 4, 0, cuts=True),
        }
        window = 5.0
        self.rules = {
            **{
                f"/Ac/L{phase}/{name}": Rule(window, 0.006)
                for phase in (1, 2, 3)
                for name in ("Voltage", "Current")
            },
            **{f"/Ac/L{phase}/Power": Rule(window, 0.06) for phase in (1, 2, 3)},
            "/Ac/Power": Rule(window, 0.06),
            "/Ac/Frequency": Rule(window),
            "/Ac/Energy/Forward": Rule(window, 0.06),
            "/Ac/Energy/Reverse": Rule(window, 0.06),
        }

    def reached_by(self, name: str) -> dict[str, Any]:
        """Return its host."""
        return {"host": name}

    def damage(self, share: float) -> None:
        """TCP damages nothing."""

    def well(self) -> None:
        """Nothing to end: each trouble ends itself."""

    def held(self) -> Mapping[str, Held]:
        """What the meter measures."""
        meter = self.simulator
        found: dict[str, Held] = {
            "/Ac/Power": sum(meter.powers_w),
            "/Ac/Frequency": 50.0,
            "/Ac/Energy/Forward": meter.forward_kwh,
            "/Ac/Energy/Reverse": meter.reverse_kwh,
        }
        for place, watts in enumerate(meter.powers_w):
            at = f"/Ac/L{place + 1}"
            found |= {f"{at}/Voltage": 230.0 + place, f"{at}/Current": watts / 230, f"{at}/Power": watts}
        return found

    def change(self, dice: random.Random) -> None:
        """Let the house draw something else."""
        if dice.random() < 0.5:
            self.watch()
            self.simulator.powers_w = [round(dice.uniform(-3000, 5000), 1) for _ in range(3)]
            self.simulator.forward_kwh += dice.uniform(0, 0.01)
            self.watch()

    def lives(self) -> list[Coroutine[Any, Any, None]]:
        """Play the meter."""
        return [self.play()]


def members(clock: ManualClock, dice: random.Random, first_unit: int = 42) -> list[LineMember]:
    """Both."""
    return [Series607Member(clock, "wagon", first_unit), MeterMember(clock, "meter", first_unit + 1)]
