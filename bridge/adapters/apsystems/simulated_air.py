"""The air around a simulated coordinator: inverters, neighbours of no concern, routes and echoes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.adapters.apsystems.frames import MtFrame
from bridge.adapters.apsystems.models import Model
from bridge.adapters.apsystems.simulated_faults import Mischief
from bridge.adapters.apsystems.simulated_inverter import SimulatedInverter

_INCOMING, _CONFIRM, _ROUTE = 0x4481, 0x4480, 0x45C4
_ENDPOINT = 0x14
_COMMAND, _REPLY, _PAIR_THIRD, _PAIR_LAST = 0x0006, 0x0106, 0x010F, 0x0101
_EVERYBODY = 0xFFFF
SUCCESS, NO_ROUTE, NO_ACK = 0x00, 0xCD, 0xE9
#: Times from a request to what follows it, in s: a confirmation, one that finds no way, an answer, an echo.
_CONFIRMS_S, _GIVES_UP_S, _ANSWERS_S, _ECHOES_S = 0.08, 1.6, 0.35, 0.25
_RADIUS, _ECHO_RADIUS = 0x0E, 0x0D
_COUNTS_PER_W = {0xAA: 16.59, 0x1C: 28.89}


@dataclass(frozen=True, slots=True)
class Later:
    """A frame the coordinator will send, `after_s` from now; `answer` where an inverter wrote it."""

    after_s: float
    frame: MtFrame
    answer: bool = False


@dataclass(frozen=True, slots=True)
class Decoy:
    """A device of a neighbour: repeats broadcasts, and answers pairing of its own with its own serial."""

    short: int
    serial: str


class Air:
    """Who is in radio range. `limits` are the raw power limits that arrived, oldest first."""

    def __init__(
        self, inverters: Sequence[SimulatedInverter], decoys: Sequence[Decoy], mischief: Mischief
    ) -> None:
        self.inverters = inverters
        self.decoys = decoys
        self.limits: list[tuple[str, int]] = []
        self._mischief = mischief
        self._time = 0

    def sent(self, short: int, tsn: int, data: bytes, ecu: bytes) -> Iterator[Later]:
        """Yield what follows a message of the ECU to one inverter or everybody."""
        if short == _EVERYBODY:
            yield Later(_CONFIRMS_S, _confirm(SUCCESS, tsn))
        elif short == 0:
            yield Later(_CONFIRMS_S, _confirm(SUCCESS, tsn))
            yield Later(_ANSWERS_S, self._incoming(_COMMAND, 0, 0xFF, data, 0, _RADIUS))
        else:
            yield from self._to_one(short, tsn, data, ecu)

    def called(self, cluster: int, tsn: int, data: bytes, ecu: bytes, *, joinable: bool) -> Iterator[Later]:
        """Yield what follows a broadcast of pairing; `joinable` is False where nobody can answer it."""
        yield Later(_CONFIRMS_S, _confirm(SUCCESS, tsn))
        if not joinable:
            return
        hearers = [inverter for inverter in self.inverters if self._hears(inverter)]
        named = [inverter for inverter in hearers if data.startswith(inverter.number)]
        neighbours = [decoy.short for decoy in self.decoys]
        neighbours += [inverter.short for inverter in hearers if inverter not in named]
        for place, neighbour in enumerate(neighbours):
            if cluster != _PAIR_LAST:
                echo = self._incoming(cluster, 0, 0x8F, data, neighbour, _ECHO_RADIUS, broadcast=True)
                yield Later(_ECHOES_S + 0.1 * place, echo)
        for inverter in named if cluster == _PAIR_THIRD else ():
            if inverter.quirks.deaf_rounds:
                inverter.quirks.deaf_rounds -= 1
                continue
            inverter.paired_to = ecu
            told = b"\xff\xff" + inverter.number
            way = (self._relays(inverter) or (inverter.short,))[-1]
            answer = self._incoming(_PAIR_LAST, inverter.short, inverter.lqi, told, way, _RADIUS)
            yield Later(_ANSWERS_S, answer, answer=True)
        if cluster == _PAIR_THIRD:
            for decoy in self.decoys:
                told = b"\xff\xff" + bytes.fromhex(decoy.serial)
                answer = self._incoming(_PAIR_LAST, decoy.short, 0x40, told, decoy.short, _RADIUS)
                yield Later(_ANSWERS_S + 0.3, answer)

    def _to_one(self, short: int, tsn: int, data: bytes, ecu: bytes) -> Iterator[Later]:
        mischief = self._mischief
        inverter = next((one for one in self.inverters if one.short == short), None)
        if inverter is None or not self._hears(inverter) or inverter.paired_to != ecu or data[:6] != ecu:
            if mischief.night != "silence":
                status = NO_ROUTE if mischief.night == "cd" else NO_ACK
                yield Later(_GIVES_UP_S, _confirm(status, tsn))
            return
        if mischief.marginal:
            mischief.marginal -= 1
            yield Later(_GIVES_UP_S, _confirm(NO_ACK, tsn))
            return
        yield Later(_CONFIRMS_S, _confirm(SUCCESS, tsn))
        relays = self._relays(inverter)
        hops = short.to_bytes(2, "little") + bytes((len(relays),))
        hops += b"".join(relay.to_bytes(2, "little") for relay in relays)
        yield Later(_CONFIRMS_S, MtFrame(_ROUTE, hops))
        if mischief.weak:
            mischief.weak -= 1
            return
        if mischief.stranger:
            others = [one for one in self.inverters if one is not inverter and self._hears(one)]
            for other in others[:1]:
                yield self._answer(other, other.poll(), 0.0)
        reply = self._obey(inverter, data[6:])
        if reply:
            yield self._answer(inverter, reply, mischief.late_s)

    def _answer(self, inverter: SimulatedInverter, data: bytes, late_s: float) -> Later:
        way = (self._relays(inverter) or (inverter.short,))[-1]
        frame = self._incoming(_REPLY, inverter.short, inverter.lqi, data, way, _RADIUS)
        return Later(_ANSWERS_S + late_s, frame, answer=True)

    def _obey(self, inverter: SimulatedInverter, inner: bytes) -> bytes:
        """Do what an inner frame says and return the data of the answer, nothing where it says nothing."""
        if len(inner) < 7 or inner[:2] != b"\xfb\xfb" or inner[-2:] != b"\xfe\xfe":
            return b""
        part, found = inner[2:-4], int.from_bytes(inner[-4:-2], "big")
        if part[0] != len(part) - 1 or found != sum(part) & 0xFFFF:
            return b""
        body = part[1:]
        if body[0] == 0xBB:
            return inverter.poll()
        if body[0] == 0xDE:
            return inverter.parameters()
        ds3 = inverter.model is Model.DS3
        if body[0] == (0xAA if ds3 else 0x1C):
            raw = int.from_bytes(body[4:6] if ds3 else body[3:5], "big")
            self.limits.append((inverter.serial, raw))
            answer = inverter.take_limit(raw / _COUNTS_PER_W[body[0]])
            return answer if ds3 else b""
        return b""

    def _hears(self, inverter: SimulatedInverter) -> bool:
        inverter.advance()
        return inverter.awake

    def _relays(self, inverter: SimulatedInverter) -> tuple[int, ...]:
        if inverter.relays or not self._mischief.relays:
            return inverter.relays
        others = [one.short for one in self.inverters if one is not inverter]
        others += [decoy.short for decoy in self.decoys]
        return tuple(others[: self._mischief.relays])

    def _incoming(
        self,
        cluster: int,
        source: int,
        lqi: int,
        data: bytes,
        way: int,
        radius: int,
        *,
        broadcast: bool = False,
    ) -> MtFrame:
        """Build an AF_INCOMING_MSG; `way` is whoever sent it last."""
        self._time = (self._time + 0x4F3) & 0xFFFFFFFF
        head = b"\x00\x00" + cluster.to_bytes(2, "little") + source.to_bytes(2, "little")
        head += bytes((_ENDPOINT, _ENDPOINT, broadcast, lqi, 0)) + self._time.to_bytes(4, "little")
        return MtFrame(
            _INCOMING, head + bytes((0, len(data))) + data + way.to_bytes(2, "little") + bytes((radius,))
        )


def _confirm(status: int, tsn: int) -> MtFrame:
    return MtFrame(_CONFIRM, bytes((status, _ENDPOINT, tsn)))
