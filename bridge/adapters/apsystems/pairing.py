"""Pairing: four broadcasts in every PAN, and the one answer that gives an inverter's short address.

The answer comes from the inverter in cluster 0x0101 with its serial number at bytes 2 to 7, in reply to the
third broadcast. Everything else that carries the serial number is an echo: neighbours repeat what they hear,
and `mac_source` of an echo is the neighbour. Known programs take it for the inverter.
"""

import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bridge.adapters.apsystems.coordinator import Coordinator
from bridge.adapters.apsystems.coordinator_events import Event
from bridge.adapters.apsystems.ecu import COORDINATOR, Ecu, parse_serial, short_text
from bridge.adapters.apsystems.messages import Heard, PairingStep
from bridge.adapters.apsystems.radio_faults import RadioRefused, RadioSilent
from bridge.datastore.clock import Clock

ROUNDS = 5
#: Programs of the field leave 1.5 to 5 s between broadcasts; the answer comes well within.
BETWEEN_S = 2.0
#: Silence at the end of a round, for answers by way of neighbours.
LISTEN_S = 3.0
ANSWER_CLUSTER = 0x0101
_SERIAL_AT = slice(2, 8)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One of the four: its cluster, its TSN, which is its number, and its data."""

    cluster: int
    tsn: int
    data: bytes


class Kind(enum.Enum):
    """What a message heard while pairing is."""

    ANSWER = "answer"
    ECHO = "echo"
    NAMED = "named"
    FOREIGN = "foreign"


def broadcasts(ecu: Ecu, serial: str) -> tuple[Broadcast, ...]:
    """Return the four broadcasts of a round; raises ValueError for a serial number that is none."""
    number = parse_serial(serial)
    anybody = b"\xff\xff"
    return (
        Broadcast(0x020D, 0, number + anybody + b"\x10" + anybody + ecu.reversed_id),
        Broadcast(0x020C, 1, number),
        Broadcast(0x010F, 2, number + ecu.short_wire + b"\x10" + anybody + ecu.reversed_id),
        Broadcast(0x0101, 3, ecu.reversed_id),
    )


def judge(event: Event | None, ecu: Ecu, serial: str) -> Kind | None:
    """Tell the answer from everything else; None for what is no message."""
    if not isinstance(event, Heard):
        return None
    number = parse_serial(serial)
    if event.source == COORDINATOR:
        return Kind.ECHO
    if (
        event.cluster == ANSWER_CLUSTER
        and event.data[_SERIAL_AT] == number
        and ecu.may_be_inverter(event.source)
    ):
        return Kind.ANSWER
    return Kind.NAMED if number in event.data else Kind.FOREIGN


async def pair(
    coordinator: Coordinator, clock: Clock, serial: str, rounds: int = ROUNDS
) -> AsyncIterator[PairingStep]:
    """Call one inverter until it answers, on a freshly started coordinator; the last step is `done`.

    Raises RadioRefused or RadioSilent where the radio does not send, ValueError for a wrong serial number.
    """
    ecu, calls = coordinator.ecu, broadcasts(coordinator.ecu, serial)
    answer: int | None = None
    heard = False
    echoes_of_all = 0
    for number in range(1, rounds + 1):
        echoes = 0
        with coordinator.events() as happened:
            for sent, call in enumerate(calls, start=1):
                status = await coordinator.send_inter_pan(call.cluster, call.tsn, call.data)
                if status is None:
                    raise RadioSilent(coordinator.port, wired=True)
                if status:
                    raise RadioRefused(coordinator.port, f"pairing broadcast {sent}", status)
                pause = LISTEN_S if sent == len(calls) else BETWEEN_S
                due = clock.monotonic() + pause
                while (event := await coordinator.next_event(happened, due)) is not None:
                    kind = judge(event, ecu, serial)
                    echoes += kind is Kind.ECHO
                    heard = heard or kind is Kind.NAMED
                    if kind is Kind.ANSWER and isinstance(event, Heard):
                        answer = event.source
                yield PairingStep(serial, number, sent, echoes, answer, heard)
        echoes_of_all += echoes
        if answer is not None:
            break
    text = _verdict(serial, answer, echoes_of_all, heard=heard, rounds=number)
    yield PairingStep(serial, number, len(calls), echoes, answer, heard, done=True, text=text)


def _verdict(serial: str, answer: int | None, echoes: int, *, heard: bool, rounds: int) -> str:
    """Say what came of it, and what to do where nothing did."""
    if answer is not None:
        return f"{serial} is paired, its address is {short_text(answer)}"
    if heard:
        return (
            f"{serial} was named in {rounds} rounds, but never answered by itself, expected its answer: move "
            "the antenna closer to it and pair again; an earlier pairing stays"
        )
    if echoes:
        return (
            f"{serial} did not answer in {rounds} rounds, though other inverters repeated the call: is the "
            "serial number right, has it light on its panels; an earlier pairing stays"
        )
    return (
        f"nothing heard of {serial} in {rounds} rounds: pair in daylight, with the antenna within reach of "
        "an inverter; where even neighbours never repeat the call, look at antenna and firmware; an earlier "
        "pairing stays"
    )
