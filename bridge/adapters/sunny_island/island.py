"""One Sunny Island, or a cluster of them, as the bridge knows it: what its frames say becomes points here.

It outlives the channel: counters, phases and the watch over AC2 stay while the adapter is unplugged.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping

from bridge.adapters.can.fields import decode
from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.island_frames import (
    EXTERNAL,
    EXTERNAL_POWER,
    EXTERNAL_REACTIVE,
    INVERTER_POWER,
    INVERTER_REACTIVE,
    ISLAND_BATTERY,
    ISLAND_FRAMES,
    ISLAND_STATUS,
    LOAD,
    OUTPUT,
    RELAYS,
)
from bridge.adapters.energy_counter import EnergyCounter
from bridge.adapters.sunny_island import points
from bridge.adapters.sunny_island.foreign import is_foreign
from bridge.adapters.sunny_island.lines import LineCount
from bridge.adapters.sunny_island.options import SunnyIslandOptions
from bridge.adapters.sunny_island.readings import (
    FAILURE,
    OUTPUT_ABSENT_V,
    STATE_OFF,
    Fields,
    GridWatch,
    Lines,
    battery_values,
    by_line,
    currents,
    energy_flows,
    external_values,
    number,
    of_lines,
    output_powers,
    output_present,
    output_values,
    relay_values,
    state_values,
    status_values,
    total,
)
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Identity

_log = logging.getLogger(__name__)

#: Frames further apart than this belong to different moments; an island may leave one round out.
TOGETHER_S = 2.5
#: Kinds of AC2 that an owner may name, as /Ac/In/1/Type numbers them.
_EXTERNAL_TYPES = {"grid": 1, "generator": 2, "shore": 3}


class Island:
    """A device's points and counters."""

    def __init__(self, device: Device, options: SunnyIslandOptions, clock: Clock) -> None:
        device.declare(points.specs(allow_commands=options.allow_commands), points.GROUPS, points.ALIVE_WHEN)
        self._device = device
        self._options = options
        self._clock = clock
        self.serial = options.serial or _made_up(device.name)
        self.energy = EnergyCounter(clock, device.memory, tuple(points.ENERGIES))
        self.energy.belong_to(self.serial)
        self._grid = GridWatch()
        self._heard: dict[int, tuple[Fields, float]] = {}
        #: The frames of this round that the output power is made of.
        self._round: dict[int, Fields] = {}
        self._newest_at = -math.inf
        self._lines = LineCount(options.phases, device.memory)
        self._introduced = self._foreign_told = False
        #: Set, and counted, at every frame that tells the output's voltage, for commands that wait for it.
        self.output_told = asyncio.Event()
        self.outputs_told = 0
        #: True while the output has voltage; None before it was heard.
        self.output_on: bool | None = None
        self._takers: Mapping[int, Callable[[Fields], None]] = {
            ISLAND_BATTERY.id: self._take_battery,
            ISLAND_STATUS.id: self._take_status,
            RELAYS.id: self._take_relays,
            OUTPUT.id: self._take_output,
            EXTERNAL.id: self._take_external,
            EXTERNAL_POWER.id: self._take_external_power,
            INVERTER_POWER.id: self._take_inverter_power,
            EXTERNAL_REACTIVE.id: self._take_external_reactive,
            INVERTER_REACTIVE.id: self._take_inverter_reactive,
            LOAD.id: self._take_load,
        }

    def hear(self, frame: CanFrame) -> None:
        """Take a frame of the bus; those that are none of an island's are left to others."""
        spec = ISLAND_FRAMES.get(frame.id)
        if spec is None:
            return
        if is_foreign(frame):
            self._tell_foreign(frame)
            return
        fields = decode(spec, frame.data)
        if fields is None:
            self._device.count_error()
            return
        self._newest_at = self._clock.monotonic()
        self._heard[frame.id] = (fields, self._newest_at)
        self._takers[frame.id](fields)

    def channel_lost(self) -> None:
        """Take note that nothing can be heard now, which says nothing of the island."""
        self._newest_at = -math.inf

    async def watch(self) -> None:
        """Show the island as off once nothing more comes of it on an open bus, until cancelled."""
        while True:
            due = self._newest_at + TOGETHER_S
            now = self._clock.monotonic()
            if now < due:
                await self._clock.sleep(due - now)
                continue
            if self._newest_at > -math.inf:
                self._device.publish(points.STATE, {"/State": STATE_OFF, "/VebusChargeState": 0})
            self._newest_at = -math.inf
            await self._clock.sleep(TOGETHER_S)

    # -- frames ------------------------------------------------------------------------------------------

    def _take_battery(self, fields: Fields) -> None:
        if not self._device.alive:
            self._introduce()
        self._device.publish(points.DC, battery_values(fields))
        self._show_state()

    def _take_status(self, fields: Fields) -> None:
        self._device.publish(points.STATUS, status_values(fields))
        self._show_state()

    def _take_relays(self, fields: Fields) -> None:
        values = relay_values(fields)
        valid = fields.get("ac2_voltage_valid")
        alarm = None if valid is None else self._grid.alarm(valid=bool(valid))
        # A generator that stands still is no alarm.
        values["/Alarms/GridLost"] = None if self._options.external == "generator" else alarm
        self._device.publish(points.RELAYS, values)

    def _take_output(self, fields: Fields) -> None:
        voltages = of_lines(fields, "out_voltage_l{}_v")
        self._count_lines(OUTPUT.id, voltages)
        hertz = number(fields, "out_frequency_hz")
        self._device.publish(points.OUTPUT_VOLTAGE, output_values(voltages, hertz, self._lines.count))
        self.output_on = output_present(voltages)
        self.outputs_told += 1
        self.output_told.set()
        self._show_state()

    def _take_external(self, fields: Fields) -> None:
        voltages = of_lines(fields, "ext_voltage_l{}_v")
        self._count_lines(EXTERNAL.id, voltages)
        hertz = number(fields, "ext_frequency_hz")
        self._device.publish(points.EXTERNAL_VOLTAGE, external_values(voltages, hertz, self._lines.count))
        powers = self._lately(EXTERNAL_POWER.id)
        if powers is not None:
            amps = currents(of_lines(powers, "ext_power_l{}_w"), voltages, 0.0)
            self._device.publish(points.EXTERNAL_CURRENT, by_line("ActiveIn", "I", amps, self._lines.count))

    def _take_external_power(self, fields: Fields) -> None:
        powers = of_lines(fields, "ext_power_l{}_w")
        values = by_line("ActiveIn", "P", powers, self._lines.count)
        values["/Ac/ActiveIn/P"] = total(powers, self._lines.count)
        self._device.publish(points.EXTERNAL_POWER, values)
        self._finish_round()  # the round's first frame: what is missing of the last one is not coming
        self._add(EXTERNAL_POWER.id, fields)

    def _take_inverter_power(self, fields: Fields) -> None:
        powers = of_lines(fields, "inv_power_l{}_w")
        self._device.publish(points.INVERTER_POWER, by_line("Inverter", "P", powers, self._lines.count))
        self._add(INVERTER_POWER.id, fields)

    def _take_load(self, fields: Fields) -> None:
        self._device.publish(points.LOAD, {"/Ac/Out/P": number(fields, "load_power_w")})
        self._add(LOAD.id, fields)

    def _take_external_reactive(self, fields: Fields) -> None:
        values = by_line("ActiveIn", "Q", of_lines(fields, "ext_reactive_l{}_var"), self._lines.count)
        self._device.publish(points.REACTIVE_EXTERNAL, values)

    def _take_inverter_reactive(self, fields: Fields) -> None:
        values = by_line("Inverter", "Q", of_lines(fields, "inv_reactive_l{}_var"), self._lines.count)
        self._device.publish(points.REACTIVE_INVERTER, values)

    # -- what follows from several of them ---------------------------------------------------------------

    def _add(self, frame_id: int, fields: Fields) -> None:
        self._round[frame_id] = fields
        if len(self._round) == 3:
            self._finish_round()

    def _finish_round(self) -> None:
        """Work out the output from the powers of one round; without the total load where that is missing."""
        taken, self._round = self._round, {}
        drawn, given = taken.get(EXTERNAL_POWER.id), taken.get(INVERTER_POWER.id)
        if drawn is None or given is None:
            return
        load = taken.get(LOAD.id)
        load_w = None if load is None else number(load, "load_power_w")
        powers = output_powers(
            of_lines(drawn, "ext_power_l{}_w"), of_lines(given, "inv_power_l{}_w"), load_w, self._lines.count
        )
        self._device.publish(points.OUTPUT_POWER, by_line("Out", "P", powers, self._lines.count))
        summed = total(powers, self._lines.count)
        if load is None and self._lately(LOAD.id) is None:
            self._device.publish(points.LOAD, {"/Ac/Out/P": summed})
        output = self._lately(OUTPUT.id)
        if output is not None:
            amps = currents(powers, of_lines(output, "out_voltage_l{}_v"), OUTPUT_ABSENT_V)
            self._device.publish(points.OUTPUT_CURRENT, by_line("Out", "I", amps, self._lines.count))
        self._count_energy(summed if load_w is None else load_w)

    def _count_energy(self, output_w: float | None) -> None:
        battery = self._lately(ISLAND_BATTERY.id)
        if battery is None:
            return
        watts = battery_values(battery)["/Dc/0/Power"]
        self.energy.count("", energy_flows(output_w, watts if isinstance(watts, float) else None))
        self._show_energy()

    def _show_energy(self) -> None:
        counted = self.energy.points()
        twins = {f"/Energy/{twin}": counted[f"/Energy/{name}"] for name, twin in points.ENERGIES.items()}
        self._device.publish(points.ENERGY, {**counted, **twins})

    def _show_state(self) -> None:
        output = self._lately(OUTPUT.id)
        if output is None:
            return
        battery, status = self._lately(ISLAND_BATTERY.id) or {}, self._lately(ISLAND_STATUS.id) or {}
        dc = battery_values(battery)
        volts, amps = dc["/Dc/0/Voltage"], dc["/Dc/0/Current"]
        values = state_values(
            of_lines(output, "out_voltage_l{}_v"),
            battery_v=volts if isinstance(volts, float) else None,
            battery_a=amps if isinstance(amps, float) else None,
            set_point_v=number(status, "charge_voltage_setpoint_v"),
            failed=number(status, "operating_state") == FAILURE,
        )
        self._device.publish(points.STATE, values)

    def _lately(self, frame_id: int) -> Fields | None:
        """Return a frame that is of the present moment, None for one too old."""
        fields, at = self._heard.get(frame_id, ({}, -math.inf))
        return fields if self._clock.monotonic() - at <= TOGETHER_S else None

    # -- who it is ---------------------------------------------------------------------------------------

    def _count_lines(self, frame_id: int, voltages: Lines) -> None:
        if self._lines.heard(frame_id, voltages):
            _log.info("device=%s phases=%d found by their voltage", self._device.name, self._lines.count)
            self._show_identity()

    def _introduce(self) -> None:
        """Say who it is, and take up what was saved for it: once, and again after a silence."""
        if not self._introduced:
            self._introduced = True
            self._device.learn(Identity(serial=self.serial, product_name=_product_name(self.serial)))
        self._show_identity()

    def _show_identity(self) -> None:
        self._device.publish(
            points.IDENTITY,
            {
                "/Serial": self.serial,
                "/ProductName": _product_name(self.serial),
                "/FirmwareVersion": None,
                "/Ac/NumberOfPhases": self._lines.count,
                "/Ac/In/1/Type": _EXTERNAL_TYPES[self._options.external],
            },
        )
        self._show_energy()

    def _tell_foreign(self, frame: CanFrame) -> None:
        if self._foreign_told:
            return
        self._foreign_told = True
        _log.warning(
            "device=%s frame=%s is a keep-alive as other inverters, a GX or a battery send it, no telemetry "
            "of a Sunny Island: it is not shown; give each inverter a bus of its own",
            self._device.name, frame,
        )  # fmt: skip


def _made_up(device: str) -> str:
    """Return a serial number for an island, which tells none, from the name it has in the site file."""
    return "SUNNYISLAND_" + "".join(c for c in device if c.isascii() and (c.isalnum() or c == "_"))


def _product_name(serial: str) -> str:
    return "SIMULATED Sunny Island" if serial.startswith("SIM") else "Sunny Island"
