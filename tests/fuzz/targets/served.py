"""The request handler over TCP and UDP, held to an oracle that knows nothing of it."""

import asyncio

from tests.fuzz.target import Target, portions
from tests.fuzz.targets.choices import WORTH_TRYING, Choices, mbap, requests_in, stream_seeds
from tests.fuzz.targets.oracle import UNIT, Oracle
from tests.fuzz.targets.served_plant import (
    OWNER,
    READER,
    STRANGER,
    FakeStream,
    Loop,
    ServedPlant,
    StrictUnit,
    datagrams,
    listener,
)

_PEERS = (OWNER, OWNER, OWNER, READER, STRANGER)
#: A read, and its reply, by which it is seen that all is well afterwards.
AGAIN = bytes.fromhex("0300070001"), bytes.fromhex("03020007")


class Served:
    """What all transports share: the loop, the plant, and the check of what was done."""

    def __init__(self, unit: type[StrictUnit] = StrictUnit) -> None:
        self.loop = Loop()
        self.plant = ServedPlant(unit)
        self.loop.run(self.plant.begin())

    def __call__(self, data: bytes) -> None:
        """Hold one input to all that is promised."""
        self.plant.fresh()
        self.loop.run(self.session(data))

    def close(self) -> None:
        """End the plant and its loop."""
        self.loop.close(self.plant.end())

    async def session(self, data: bytes) -> None:
        """Play one input."""
        raise NotImplementedError

    def check_done(self, oracle: Oracle, *, sound: bool = True) -> None:
        """Nothing was written that was not asked for, in the order in which it was."""
        done = [dict(batch) for batch in self.plant.executed()]
        wanted = oracle.executed if sound else oracle.executed[: len(done)]
        assert done == wanted, f"done {done}, expected {oracle.executed}"
        if sound:
            for path, value in oracle.values.items():
                assert self.plant.device.value(path) == value


class Mbap(Served):
    """Modbus TCP. The first byte says who asks and how it is cut, the second whether requests are built."""

    async def session(self, data: bytes) -> None:
        choices = Choices(data)
        who, dice = choices.byte(), choices.byte()
        peer = _PEERS[who % len(_PEERS)]
        stream = data[2:]
        if who & 0x40:
            stream = b""
            while choices.left:
                unit, pdu = choices.request()
                stream += mbap(len(stream) & 0xFFFF, unit, pdu)
        made = listener(self.plant, rtu=False)
        protocol = made()
        transport = FakeStream(protocol, peer)
        if peer == STRANGER:
            await transport.settle()
            assert transport.closed
            assert not transport.sent
            return
        oracle = Oracle(may_write=peer == OWNER)
        asked, sound = requests_in(stream)
        wanted = [mbap(transaction, unit, oracle.reply(unit, pdu)) for transaction, unit, pdu in asked]
        await transport.feed([stream] if dice & 1 else portions(stream, dice))
        whole = b"".join(wanted)
        await transport.settle(lambda: sound and len(transport.sent) >= len(whole))
        assert transport.closed == (not sound)
        if sound:
            assert transport.sent == whole, f"found {transport.sent.hex()}, expected {whole.hex()}"
        else:
            assert whole.startswith(transport.sent)
        self.check_done(oracle, sound=sound)
        transport.close()
        await transport.settle()
        again = FakeStream(made(), OWNER)
        await again.feed([mbap(7, UNIT, AGAIN[0])])
        await again.settle()
        assert again.sent == mbap(7, UNIT, AGAIN[1])
        again.close()
        await again.settle()


class Udp(Served):
    """Modbus over UDP. Each datagram is a request of its own; raw ones are cut by their second byte."""

    async def session(self, data: bytes) -> None:
        choices = Choices(data)
        who, dice = choices.byte(), choices.byte()
        sent: list[tuple[bytes, str]] = []
        if who & 0x40:
            while choices.left and len(sent) < 40:
                unit, pdu = choices.request()
                whole = mbap(len(sent), unit, pdu)
                spoil = choices.byte()
                whole = whole[: spoil % 12] if spoil > 0xF0 else whole
                sent.append((whole, _PEERS[spoil % len(_PEERS)]))
        else:
            pieces = [data[2:]] if dice & 1 else portions(data[2:], dice)
            sent = [(piece, _PEERS[number % len(_PEERS)]) for number, piece in enumerate(pieces)]
        protocol, transport = datagrams(self.plant)
        oracle, wanted = Oracle(), []
        for datagram, peer in sent:
            asked, sound = requests_in(datagram)
            if sound and len(asked) == 1 and len(datagram) == 7 + len(asked[0][2]) and peer != STRANGER:
                transaction, unit, pdu = asked[0]
                oracle.may_write = peer == OWNER
                wanted.append((mbap(transaction, unit, oracle.reply(unit, pdu)), peer))
            protocol.datagram_received(datagram, (peer, 40000))
            for _ in range(200):
                await asyncio.sleep(0)
                if len(transport.sent) >= len(wanted) and not protocol.waiting:
                    break
        for _ in range(5):
            await asyncio.sleep(0)
        assert transport.sent == wanted
        self.check_done(oracle)


TARGETS = (
    Target(
        "server_tcp",
        "any bytes over Modbus TCP: the very replies of an independent model, nothing else written or logged",
        Mbap,
        1200,
        lambda: stream_seeds(lambda unit, pdu: mbap(1, unit, pdu), 0x40, 0),
        WORTH_TRYING,
    ),
    Target(
        "server_udp",
        "any datagrams: the very replies of an independent model to the right senders, nothing else",
        Udp,
        1200,
        lambda: stream_seeds(lambda unit, pdu: mbap(1, unit, pdu), 0x40, 0),
        WORTH_TRYING,
    ),
)
