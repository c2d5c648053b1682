"""What is known of a roof: its energy book, each inverter's newest answer, and how both become points."""

import contextlib
import logging
from collections.abc import Iterable

from bridge.adapters.apsystems.addresses import Addresses
from bridge.adapters.apsystems.codec import DecodeOptions, InverterReading, Rejection, decode_reply
from bridge.adapters.apsystems.counting import Run, Sample
from bridge.adapters.apsystems.energy import EnergyBook
from bridge.adapters.apsystems.inverter import Inverter, facts_of
from bridge.adapters.apsystems.inverter_energy import Moment, Taken
from bridge.adapters.apsystems.messages import Heard
from bridge.adapters.apsystems.night import Daytime, Phase
from bridge.adapters.apsystems.options import ApsystemsOptions
from bridge.adapters.apsystems.points import (
    ALIVE_WHEN,
    ANSWERED,
    COUNTS,
    ENERGIES,
    HEARD,
    IDENTITY,
    LIMITS,
    NEXT_SUNRISE,
    NEXT_SUNSET,
    NIGHT,
    REJECTED,
    ROOF,
    STATES,
    UNANSWERED,
    InverterState,
    at,
    groups_of,
    inverter_group,
    limit_path,
    model_of,
    specs_of,
    stale_after_s,
)
from bridge.adapters.apsystems.readings import (
    Shown,
    asleep_batch,
    dark_roof_batch,
    energy_batch,
    inverter_batch,
    roof_batch,
)
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Identity

_log = logging.getLogger(__name__)

_KEY = "energy"
#: Energies are shown once they are on disk; a disk that takes longer is not waited for.
_SAVE_WITHIN_S = 2.0
#: The power of a panel is its mean over the time since the answer before. Over longer ones it is no power.
_MEAN_MOST_S, _MEAN_PERIODS = 1800.0, 3.0
_AWAKE = (InverterState.RUNNING, InverterState.NO_GRID)
#: Answers missed in a row after which an inverter counts as silent, or asleep where it may be.
MISSED = 2


class Roof:
    """The points of one roof. Knows nothing of the radio."""

    def __init__(self, device: Device, options: ApsystemsOptions, clock: Clock, daytime: Daytime) -> None:
        self.book = EnergyBook.from_record(device.memory.get(_KEY))
        self.addresses = Addresses(options, device.memory)
        self.inverters = tuple(
            Inverter(number, inverter, facts_of(inverter))
            for number, inverter in enumerate(options.inverters, 1)
        )
        self.answered = self.unanswered = self.rejected = 0
        self._device = device
        self._options = options
        self._clock = clock
        self._daytime = daytime
        self._stale_s = stale_after_s(options)

    def begin(self) -> None:
        """Declare the points and show what is known without any answer: identity and saved energies."""
        self._device.declare(specs_of(self._options), groups_of(self._options), ALIVE_WHEN)
        for inverter in self.inverters:
            initial_wh = inverter.options.initial_energy * 1000.0
            self.book.enter(inverter.serial, model_of(inverter.options).panels, initial_wh)
        self.learn("")
        self.book.roll(self._moment())
        self.show_energies(self.inverters)
        self.show_states()
        self.show_counts()
        self._device.publish(LIMITS, {limit_path(inverter.number): None for inverter in self.inverters})

    def learn(self, firmware: str) -> None:
        """Take the identity of the roof, with the coordinator's firmware as far as it is known."""
        known = self._device.identity
        firmware = firmware or ("" if known is None else known.firmware)
        serial = self._options.serial or self._options.ecu_id
        simulated = "SIMULATED " if serial.startswith("SIM") else ""
        identity = Identity(serial, product_name=f"{simulated}APsystems roof", firmware=firmware)
        self._device.learn(identity)
        self._device.publish(
            IDENTITY,
            {
                "/Serial": serial,
                "/ProductName": identity.product_name,
                "/FirmwareVersion": firmware or None,
                "/NumberOfInverters": len(self.inverters),
                **{at(i.number, "/Serial"): i.serial for i in self.inverters},
                **{
                    at(i.number, "/ProductName"): f"APsystems {model_of(i.options).label}"
                    for i in self.inverters
                },
            },
        )

    # -- what inverters say ------------------------------------------------------------------------

    async def take(self, heard: Heard, relays: int | None) -> InverterReading | Rejection | None:
        """Take an answer of any inverter of the roof; None for one of somebody else."""
        inverter = next((i for i in self.inverters if heard.data[:6].hex() == i.serial), None)
        if inverter is None:
            return None
        options = DecodeOptions(inverter.options.swap_panels, inverter.options.energy_scale)
        reading = decode_reply(heard.data, model_of(inverter.options), options)
        inverter.heard_at, inverter.missed = self._clock.monotonic(), 0
        self.answered += 1
        if isinstance(reading, Rejection):
            self._reject(inverter, f"{reading.reason.value}: {reading.text}")
            return reading
        await self._measured(inverter, reading, heard.lqi, relays)
        return reading

    def missed(self, inverter: Inverter) -> None:
        """Take note that an inverter did not answer."""
        inverter.missed += 1
        self.unanswered += 1
        self.show_states()
        self.show_counts()

    async def _measured(
        self, inverter: Inverter, reading: InverterReading, lqi: int, relays: int | None
    ) -> None:
        sample = Sample(reading.seconds, tuple(panel.energy_raw for panel in reading.panels))
        taken = self.book.take(inverter.serial, sample, inverter.facts, self._moment())
        if taken.run in (Run.DOUBTED, Run.IMPLAUSIBLE):
            self._reject(inverter, taken.text)
            return
        if taken.run is Run.LATE:
            return
        fault = "; ".join(reading.doubts)
        if fault and fault != inverter.fault:
            _log.warning('device=%s inverter=%s doubt="%s"', self._device.name, inverter.serial, fault)
        elif not fault and inverter.fault:
            _log.info("device=%s inverter=%s well again", self._device.name, inverter.serial)
        inverter.fault = fault
        if taken.run is Run.NEW:
            self._device.publish(LIMITS, {limit_path(inverter.number): None})  # it may have forgotten it
        if taken.run is not Run.REPEATED:
            await self.save()
        inverter.shown = Shown(reading, self._powers(inverter, reading, taken), lqi, relays)
        self._show(inverter)

    def _powers(self, inverter: Inverter, reading: InverterReading, taken: Taken) -> tuple[float, ...] | None:
        """Return the power of each panel, None while it is not known."""
        now = self._clock.monotonic()
        if not reading.grid:
            inverter.measured_at = now
            return (0.0,) * len(reading.panels)
        if taken.run is Run.REPEATED:
            before = inverter.shown
            fresh = inverter.measured_at is not None and now - inverter.measured_at < self._mean_most_s
            return before.powers if before is not None and fresh else None
        over_s = taken.span_s if inverter.measured_at is None else now - inverter.measured_at
        inverter.measured_at = now
        return taken.powers if over_s <= self._mean_most_s else None

    @property
    def _mean_most_s(self) -> float:
        return max(_MEAN_MOST_S, _MEAN_PERIODS * self._options.poll)

    def _reject(self, inverter: Inverter, text: str) -> None:
        self.rejected += 1
        self._device.count_error()
        if text.partition(":")[0] != inverter.fault.partition(":")[0]:
            _log.warning('device=%s inverter=%s rejected="%s"', self._device.name, inverter.serial, text)
        inverter.fault = text
        self.show_counts()

    # -- the clock ---------------------------------------------------------------------------------

    async def clock_moved(self, seconds: float) -> None:
        """Correct what was stamped with a wall clock that has been set meanwhile."""
        self.book.clock_moved(seconds)
        await self.save()

    async def turn_day(self) -> None:
        """Begin a new day in the book where the date has changed."""
        if self.book.roll(self._moment()):
            await self.save()
            self.show_energies(self.inverters)

    async def save(self) -> None:
        """Save the energy book; returns when it is on disk, or the disk takes too long."""
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(_SAVE_WITHIN_S):
                await self._device.memory.save(_KEY, self.book.record())

    def keep(self) -> None:
        """Put the energy book on its way to the disk, as at an end."""
        self._device.memory.put(_KEY, self.book.record())

    # -- showing -----------------------------------------------------------------------------------

    @property
    def answering(self) -> tuple[Inverter, ...]:
        """The inverters that answer and whose newest answer may still be believed."""
        now = self._clock.monotonic()
        return tuple(
            i
            for i in self.inverters
            if i.heard_at is not None and now - i.heard_at < self._stale_s and i.missed < MISSED
        )

    @property
    def asked_in_vain(self) -> bool:
        """True when every inverter that has an address was asked, and none answers any more."""
        asked = [i for i in self.inverters if self.addresses.find(i.serial) is not None]
        return bool(asked) and all(i.missed >= MISSED for i in asked)

    def state_of(self, inverter: Inverter) -> InverterState | None:
        """Return how an inverter fares; None while nobody knows yet."""
        if self.addresses.find(inverter.serial) is None:
            return InverterState.NOT_PAIRED
        phase = self._daytime.phase(self._clock.now())
        if phase is Phase.NIGHT:
            return InverterState.ASLEEP
        if inverter.missed >= MISSED:
            return InverterState.SILENT if phase is Phase.DAY else InverterState.ASLEEP
        if inverter.heard_at is None or inverter.shown is None:
            return None
        return InverterState.RUNNING if inverter.shown.reading.grid else InverterState.NO_GRID

    def show_night(self) -> None:
        """Show a roof without light: no power anywhere, energies as they are."""
        batch = dark_roof_batch()
        for inverter in self.inverters:
            batch |= asleep_batch(inverter.number, model_of(inverter.options).panels)
            inverter.shown = None
        self._device.publish(NIGHT, batch)
        self.show_states()

    def show_energies(self, inverters: Iterable[Inverter]) -> None:
        """Show the energies of the roof and of some inverters."""
        self._device.publish(ENERGIES, energy_batch(self.book, {i.number: i.serial for i in inverters}))

    def show_states(self) -> None:
        """Show how each inverter fares, and the sun."""
        now = self._clock.now()
        rise, fall = self._daytime.next_sunrise(now), self._daytime.next_sunset(now)
        states = {at(i.number, "/State"): self.state_of(i) for i in self.inverters}
        self._device.publish(
            STATES,
            {
                HEARD: sum(state in _AWAKE for state in states.values()),
                NEXT_SUNRISE: None if rise is None else int(rise),
                NEXT_SUNSET: None if fall is None else int(fall),
                **{path: None if state is None else int(state) for path, state in states.items()},
                **{at(i.number, "/Address"): self.addresses.find(i.serial) for i in self.inverters},
            },
        )

    def show_counts(self) -> None:
        """Show how the air is doing."""
        self._device.publish(
            COUNTS, {ANSWERED: self.answered, UNANSWERED: self.unanswered, REJECTED: self.rejected}
        )

    def _show(self, inverter: Inverter) -> None:
        """Show an answer: energies first, so that nobody sees a power whose energy is not counted yet."""
        assert inverter.shown is not None  # noqa: S101 - set by the caller
        self.show_energies([inverter])
        self._device.publish(inverter_group(inverter.number), inverter_batch(inverter.number, inverter.shown))
        self._device.publish(ROOF, roof_batch(i.shown for i in self.answering if i.shown is not None))
        self.show_states()
        self.show_counts()

    def _moment(self) -> Moment:
        return self._daytime.moment(self._clock.now(), self._clock.monotonic())
