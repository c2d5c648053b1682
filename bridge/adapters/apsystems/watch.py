"""The state of a roof's link: the radio's, the night's, or the inverters'; with words for a person."""

import logging

from bridge.adapters.apsystems.inverter import Inverter
from bridge.adapters.apsystems.night import Daytime, Phase
from bridge.adapters.apsystems.points import COUNTS, RADIO_RESTARTS
from bridge.adapters.apsystems.radio import Radio, RadioState
from bridge.adapters.apsystems.radio_faults import WrongFirmware
from bridge.adapters.apsystems.roof import Roof
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import LinkState

_log = logging.getLogger(__name__)

#: Polls missed in a row, all in daylight, after which an inverter that never answered is told of.
_NEVER_HEARD = 3


class Watch:
    """Judges the link after every event, and tells once of what a person must mend."""

    def __init__(self, device: Device, clock: Clock, roof: Roof, radio: Radio, daytime: Daytime) -> None:
        self._device = device
        self._clock = clock
        self._roof = roof
        self._radio = radio
        self._daytime = daytime
        self._firmware = ""
        self._told: set[str] = set()

    @property
    def asleep(self) -> bool:
        """True while the roof is dark: by night, and where silence may be the night's and all are silent."""
        phase = self._daytime.phase(self._clock.now())
        return phase is Phase.NIGHT or (phase is Phase.EDGE and self._roof.asked_in_vain)

    def judge(self) -> None:
        """Set the link's state from all that is known."""
        radio = self._radio
        self._device.publish(COUNTS, {RADIO_RESTARTS: radio.cures})
        if radio.state is RadioState.NO_LINE:
            # Whoever keeps the line says so; until it has been tried, the night may be told.
            if self._device.link is LinkState.STARTING and self.asleep:
                self._device.set_link(LinkState.NIGHT, self._daytime.until(self._clock.now()))
            return
        if radio.state is RadioState.FAILED:
            wrong = isinstance(radio.fault, WrongFirmware)
            self._device.set_link(LinkState.WRONG_DEVICE if wrong else LinkState.SILENT, str(radio.fault))
        elif self.asleep:
            self._device.set_link(LinkState.NIGHT, self._daytime.until(self._clock.now()))
        elif self._roof.answering and self._device.alive:  # not by what came before the port was lost
            self._device.set_link(LinkState.ONLINE, self._who_answers())
        elif radio.state is RadioState.READY:
            self._nobody()
        elif self._device.link in (LinkState.NIGHT, LinkState.WRONG_DEVICE):
            self._device.set_link(LinkState.STARTING)
        if radio.state is RadioState.READY:
            self._learn_firmware()

    def tell_of(self, inverter: Inverter) -> None:
        """Tell once of an inverter that does not answer though it should."""
        if self._radio.state is not RadioState.READY:
            return
        phase = self._daytime.phase(self._clock.now())
        if phase is Phase.DAY and inverter.heard_at is None and inverter.missed >= _NEVER_HEARD:
            self._once(
                f"never {inverter.serial}",
                f"found no answer of inverter {inverter.serial} in {inverter.missed} polls by daylight, "
                f"{self.cure}",
            )

    def tell_unpaired(self) -> None:
        """Tell once of inverters without an address."""
        missing = [i.serial for i in self._roof.inverters if self._roof.addresses.find(i.serial) is None]
        if not self._told.issuperset(missing):
            self._told.update(missing)
            self._once(
                f"unpaired {' '.join(missing)}",
                f"found no address of {', '.join(missing)}, expected them to be paired: by day run "
                "`inverter-bridge pair`, or say `address` in the site file where it is known",
            )

    @property
    def cure(self) -> str:
        """What to do about inverters that never answer a radio which is well."""
        return (
            f"expected one of an inverter paired to ecu_id {self._radio.ecu.text}: is that the `ecu_id` it "
            "was paired to, has its address changed, is it in reach? If in doubt pair it anew: "
            "`inverter-bridge pair SERIAL`"
        )

    def _nobody(self) -> None:
        """Judge a well radio that no inverter answers, in daylight."""
        roof, link = self._roof, self._device.link
        if all(roof.addresses.find(i.serial) is None for i in roof.inverters):
            self._device.set_link(LinkState.SILENT, "no inverter is paired: run `inverter-bridge pair`")
        elif roof.asked_in_vain:
            self._device.set_link(LinkState.SILENT, f"no inverter answers, {self.cure}")
        elif link in (LinkState.NIGHT, LinkState.WRONG_DEVICE):
            self._device.set_link(LinkState.STARTING)

    def _who_answers(self) -> str:
        there, of_all = len(self._roof.answering), len(self._roof.inverters)
        return f"{there} of {of_all} inverters answer"

    def _learn_firmware(self) -> None:
        firmware = self._radio.firmware
        if firmware is None:
            return
        release = f"{firmware.major}.{firmware.minor}.{firmware.maintenance}"
        if release != self._firmware:
            self._firmware = release
            self._roof.learn(release)

    def _once(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _log.warning('device=%s reason="%s"', self._device.name, text)
