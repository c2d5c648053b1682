"""What the radio tells its owner: messages, outcomes and states, as plain values."""

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """One message from the air (AF_INCOMING_MSG). `lqi` 0 to 255; addresses as numbers.

    `mac_source` is whoever sent it last, a relay perhaps; it never tells who wrote it.
    """

    cluster: int
    source: int
    broadcast: bool
    lqi: int
    data: bytes
    mac_source: int
    radius: int


class Delivery(enum.Enum):
    """What became of a question to an inverter; only the last three are faults of anything."""

    #: It answered.
    ANSWERED = "answered"
    #: Delivered, and no answer came: weak light.
    NO_ANSWER = "no_answer"
    #: No route (CD): night, out of range, never paired to this ECU.
    NO_ROUTE = "no_route"
    #: No radio acknowledgement (E9): at the edge of range.
    NO_ACK = "no_ack"
    #: The radio took the question and never told what became of it.
    UNCONFIRMED = "unconfirmed"
    #: The address is one no inverter can have: this one has not been paired. Nothing was sent.
    UNPAIRED = "unpaired"
    #: The radio refused it (C2, 02): it is not started. It wants a whole start.
    REFUSED = "refused"
    #: The radio said nothing at all: frozen, or not there. It wants a reset.
    DEAD = "dead"

    @property
    def asleep(self) -> bool:
        """True for what every night looks like: no error of anybody."""
        return self in (Delivery.NO_ANSWER, Delivery.NO_ROUTE, Delivery.NO_ACK, Delivery.UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class Answer:
    """Outcome of one question. `heard` is set with ANSWERED only.

    relays: the way it took, () for direct, None where the radio did not tell. others: messages that came
    meanwhile or since the last question and belong to somebody else, late answers of inverters among them.
    status: of the last confirmation or refusal.
    """

    delivery: Delivery
    heard: Heard | None = None
    relays: tuple[int, ...] | None = None
    others: tuple[Heard, ...] = ()
    attempts: int = 1
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Firmware:
    """What SYS_RESET_IND says of the coordinator's firmware."""

    transport: int
    product: int
    major: int
    minor: int
    maintenance: int

    @property
    def tried(self) -> bool:
        """True for the one that inverters are known to answer to (kadzsol's)."""
        return (self.product, self.major, self.minor, self.maintenance) == (2, 2, 7, 2)

    def __str__(self) -> str:
        return f"product {self.product}, release {self.major}.{self.minor}.{self.maintenance}"


@dataclass(frozen=True, slots=True)
class Health:
    """Answer to a health check. `text` says what was found, and what to do where it is not well."""

    answered: bool
    ieee: str | None = None
    device_type: int | None = None
    state: int | None = None
    well: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class PairingStep:
    """Progress of pairing one inverter: one for each broadcast, one at the end of each round.

    sent: broadcasts of this round so far, 1 to 4. echoes: own broadcasts repeated by neighbours, in this
    round. answer: the inverter's short address, once it is confirmed. heard: somebody named the serial
    number without confirming the address. done: nothing follows.
    """

    serial: str
    round: int
    sent: int
    echoes: int
    answer: int | None = None
    heard: bool = False
    done: bool = False
    text: str = ""
