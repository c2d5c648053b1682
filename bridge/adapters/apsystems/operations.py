"""What a person asks of a roof beside its points: pairing, the radio's console, a poll now."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import cast

from bridge.adapters.apsystems.codec import InverterReading, Rejection
from bridge.adapters.apsystems.ecu import parse_serial, short_text
from bridge.adapters.apsystems.inverter import Inverter
from bridge.adapters.apsystems.messages import Answer, Delivery, PairingStep
from bridge.adapters.apsystems.night import Daytime, Phase
from bridge.adapters.apsystems.radio import Radio
from bridge.adapters.apsystems.radio_faults import RadioFault
from bridge.adapters.apsystems.roof import Roof
from bridge.adapters.apsystems.session import Session
from bridge.datastore.clock import Clock
from bridge.datastore.operations import Operation, OperationFault

Arguments = Mapping[str, object]
Steps = AsyncIterator[Mapping[str, object]]

#: What a poll came to, for a person.
_DELIVERIES: Mapping[Delivery, str] = {
    Delivery.ANSWERED: "answered",
    Delivery.NO_ANSWER: "reached, but no answer: is there light on its panels?",
    Delivery.NO_ROUTE: "no way to it: asleep, out of reach, or paired to another ECU",
    Delivery.NO_ACK: "no acknowledgement: at the edge of the radio's reach, or asleep",
    Delivery.UNCONFIRMED: "the radio did not tell what became of the question",
    Delivery.UNPAIRED: "not paired: run `inverter-bridge pair`",
    Delivery.REFUSED: "the radio is being started again: try in a minute",
    Delivery.DEAD: "the radio does not answer: see `inverter-bridge radio health`",
}


class Operations:
    """The operations of one roof."""

    def __init__(self, clock: Clock, roof: Roof, radio: Radio, daytime: Daytime, session: Session) -> None:
        self._clock = clock
        self._roof = roof
        self._radio = radio
        self._daytime = daytime
        self._session = session

    def by_name(self) -> Mapping[str, Operation]:
        """Return what can be asked for."""
        return {
            "pair": self._pair,
            "pair_list": self._list,
            "forget": self._forget,
            "poll_now": self._poll,
            "radio_health": self._health,
            "radio_start": self._start,
            "radio_raw": self._raw,
        }

    # -- pairing -----------------------------------------------------------------------------------

    async def _pair(self, arguments: Arguments) -> Steps:
        """Pair the inverters named by `serials`, or all of the site that have no address."""
        serials = self._wanted(arguments)
        self._refuse_by_night(anyway=arguments.get("anyway") is True)
        for serial in serials:
            found: int | None = None
            try:
                pairing = cast("AsyncGenerator[PairingStep, None]", self._radio.pair(serial))
                async with contextlib.aclosing(pairing) as steps:
                    async for step in steps:
                        found = step.answer
                        yield {
                            "serial": step.serial,
                            "round": step.round,
                            "sent": step.sent,
                            "echoes": step.echoes,
                            "answer": None if found is None else short_text(found),
                            "heard": step.heard,
                            "done": step.done,
                            "text": step.text,
                        }
            except RadioFault as fault:
                raise OperationFault(str(fault)) from fault
            if found is not None:
                await self._roof.addresses.learn(serial, found)
                yield await self._proved(serial, found)

    def _wanted(self, arguments: Arguments) -> list[str]:
        named = arguments.get("serials")
        serials = [str(each) for each in named] if isinstance(named, list | tuple) else []
        for serial in serials:
            try:
                parse_serial(serial)
            except ValueError as fault:
                raise OperationFault(str(fault)) from fault
        if serials:
            return list(dict.fromkeys(serials))
        missing = [i.serial for i in self._roof.inverters if self._roof.addresses.find(i.serial) is None]
        if not missing:
            raise OperationFault(
                f"all {len(self._roof.inverters)} inverters of the site have an address: name the serial "
                "number of one to pair it anew"
            )
        return missing

    def _refuse_by_night(self, *, anyway: bool) -> None:
        now = self._clock.now()
        if anyway or self._daytime.phase(now) is not Phase.NIGHT:
            return
        sunrise = self._daytime.next_sunrise(now)
        when = "there is none to come" if sunrise is None else f"it is at {self._daytime.clock(sunrise, now)}"
        raise OperationFault(
            "it is night at the roof and inverters sleep, expected daylight: pair after sunrise "
            f"({when}), or say --anyway"
        )

    async def _proved(self, serial: str, address: int) -> Mapping[str, object]:
        """Ask a newly paired inverter at once: only its answer proves the pairing."""
        inverter = self._named(serial)
        if inverter is None:
            text = f'add it to the site file: {{serial: "{serial}", model: yc600, qs1 or ds3}}'
            return {"serial": serial, "address": short_text(address), "polled": None, "text": text}
        in_force = self._roof.addresses.find(serial)
        if in_force is not None and in_force != address:
            text = (
                f"the site file says address {short_text(in_force)}, which goes before: take it out, or make "
                f"it {short_text(address)}"
            )
            return {"serial": serial, "address": short_text(address), "polled": None, "text": text}
        answer, found = await self._session.ask(inverter)
        self._session.turns.now(inverter.number - 1)
        return {"serial": serial, "address": short_text(address), **_told(answer, found)}

    async def _list(self, _: Arguments) -> Steps:
        """Tell of every inverter of the site, then of those that were paired and are not in it."""
        addresses, now = self._roof.addresses, self._clock.monotonic()
        for inverter in self._roof.inverters:
            found = addresses.find(inverter.serial)
            state = self._roof.state_of(inverter)
            of_site = addresses.is_of_site(inverter.serial)
            yield {
                "serial": inverter.serial,
                "model": inverter.options.model,
                "address": None if found is None else short_text(found),
                "from": None if found is None else "site file" if of_site else "pairing",
                "state": None if state is None else state.name.lower(),
                "heard_s_ago": None if inverter.heard_at is None else round(now - inverter.heard_at),
            }
        ours = {inverter.serial for inverter in self._roof.inverters}
        for serial, address in addresses.learnt.items():
            if serial not in ours:
                yield {
                    "serial": serial,
                    "model": None,
                    "address": short_text(address),
                    "from": "pairing, not in the site file",
                    "state": None,
                    "heard_s_ago": None,
                }

    async def _forget(self, arguments: Arguments) -> Steps:
        """Forget the address that pairing had found; the inverter itself stays paired to its ECU."""
        serial = str(arguments.get("serial", ""))
        if not await self._roof.addresses.forget(serial):
            of_site = self._roof.addresses.is_of_site(serial)
            cure = "take `address` out of the site file" if of_site else "`pair --list` shows those there are"
            raise OperationFault(f"pairing has found no address of {serial or 'nobody'}: {cure}")
        self._session.look()
        self._roof.show_states()
        yield {"serial": serial, "text": "forgotten; its energies stay"}

    # -- polls and the radio -----------------------------------------------------------------------

    async def _poll(self, _: Arguments) -> Steps:
        """Ask every inverter now."""
        for inverter in self._roof.inverters:
            answer, found = await self._session.ask(inverter)
            yield {"serial": inverter.serial, **_told(answer, found)}

    async def _health(self, _: Arguments) -> Steps:
        """Tell how the coordinator is."""
        health = await self._radio.health()
        firmware = self._radio.firmware
        yield {
            "state": self._radio.state.value,
            "well": health.well,
            "text": health.text if self._radio.fault is None else str(self._radio.fault),
            "ieee": health.ieee,
            "firmware": None if firmware is None else str(firmware),
            "restarts": self._radio.cures,
        }

    async def _start(self, _: Arguments) -> Steps:
        """Start the coordinator anew."""
        try:
            firmware = await self._radio.restart()
        except RadioFault as fault:
            raise OperationFault(str(fault)) from fault
        yield {"text": f"started, firmware {firmware}"}

    async def _raw(self, arguments: Arguments) -> Steps:
        """Send one command as it is, and tell what came back."""
        try:
            frames = await self._radio.raw(str(arguments.get("hex", "")))
        except (ValueError, RadioFault) as fault:
            raise OperationFault(str(fault)) from fault
        for frame in frames:
            yield {"frame": frame}

    def _named(self, serial: str) -> Inverter | None:
        return next((i for i in self._roof.inverters if i.serial == serial), None)


def _told(answer: Answer, found: InverterReading | Rejection | None) -> Mapping[str, object]:
    text = _DELIVERIES[answer.delivery]
    if isinstance(found, Rejection):
        text = f"answered, but {found.text}"
    return {"polled": answer.delivery.value, "text": text, "relays": list(answer.relays or ())}
