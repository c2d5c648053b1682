"""Power limits of inverters: set, asked back, and taken off again. Experimental: few have tried it.

What an inverter says of its own limit decides, not that it took the command.
"""

import logging
from collections.abc import Callable, Mapping

from bridge.adapters.apsystems.codec import Model, limit_accepted, limit_from_parameters, limit_sequence
from bridge.adapters.apsystems.inverter import Inverter
from bridge.adapters.apsystems.inverter_frames import LIMIT_TOLERANCE_W
from bridge.adapters.apsystems.messages import Answer, Delivery
from bridge.adapters.apsystems.options import InverterOptions
from bridge.adapters.apsystems.points import LIMITS, limit_path, model_of
from bridge.adapters.apsystems.radio import Radio
from bridge.adapters.apsystems.roof import Roof
from bridge.datastore.device import Device
from bridge.datastore.refusals import ValueRefused
from bridge.datastore.values import Outcome, Path, Value

_log = logging.getLogger(__name__)

#: What a question that got no answer means for a command.
_OUTCOMES: Mapping[Delivery, Outcome] = {
    Delivery.NO_ANSWER: Outcome.TIMED_OUT,
    Delivery.UNCONFIRMED: Outcome.TIMED_OUT,
}


class Limits:
    """The power limits of one roof."""

    def __init__(self, device: Device, roof: Roof, radio: Radio) -> None:
        self._device = device
        self._roof = roof
        self._radio = radio
        self._inverters = {limit_path(inverter.number): inverter for inverter in roof.inverters}

    def owns(self, path: Path) -> bool:
        """True for the limit of an inverter."""
        return path in self._inverters

    def check(self, path: Path) -> None:
        """Raise ValueRefused for an inverter that cannot be limited."""
        inverter = self._inverters[path]
        if not inverter.options.can_limit:
            raise ValueRefused(path, _refusal(inverter.options))

    async def set(self, path: Path, watts: float, unwanted: Callable[[], bool]) -> Outcome:
        """Put a limit in force, in W a panel, and show what the inverter says of it."""
        inverter = self._inverters[path]
        address = self._roof.addresses.find(inverter.serial)
        if address is None:
            return Outcome.OFFLINE
        model = model_of(inverter.options)
        order, dummy, query = limit_sequence(self._radio.ecu, model, watts)
        denied = False
        for frame, tries in ((order, 1), (dummy, 1), (query, 2)):
            if unwanted():
                return Outcome.SUPERSEDED
            answer = await self._radio.ask(address, inverter.serial, frame, tries=tries)
            if not _delivered(answer):
                return _OUTCOMES.get(answer.delivery, Outcome.OFFLINE)
            if frame is order and answer.heard is not None:
                denied = limit_accepted(answer.heard.data) is False
        return self._judge(inverter, model, watts, answer, denied=denied)

    def _judge(
        self, inverter: Inverter, model: Model, watts: float, answer: Answer, *, denied: bool
    ) -> Outcome:
        """Compare what was asked for with what the inverter says."""
        found = None if answer.heard is None else limit_from_parameters(model, answer.heard.data)
        if found is None:
            return Outcome.REFUSED if denied else Outcome.TIMED_OUT
        near = abs(found - watts) <= LIMIT_TOLERANCE_W
        self._device.publish(LIMITS, {limit_path(inverter.number): watts if near else round(found)})
        if near:
            return Outcome.CONFIRMED
        _log.warning(
            "device=%s inverter=%s limit=%g W asked for, %.0f W in force",
            self._device.name, inverter.serial, watts, found,
        )  # fmt: skip
        return Outcome.REFUSED if denied else Outcome.ADJUSTED


def _delivered(answer: Answer) -> bool:
    """True for what reached the inverter; only the last question needs an answer."""
    return answer.delivery in (Delivery.ANSWERED, Delivery.NO_ANSWER)


def _refusal(options: InverterOptions) -> str:
    if options.allow_limit is False:
        return f"inverter {options.serial} is not to be limited: the site file says allow_limit: false"
    return (
        f"inverter {options.serial} is a {options.model}, whose limit is off until the site file says "
        "allow_limit: true (untried on most of them)"
    )


def as_watts(value: Value) -> float:
    """Return a checked limit as a number."""
    return 0.0 if isinstance(value, str) else float(value)
