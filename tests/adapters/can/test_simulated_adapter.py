"""The simulated slcan adapter by itself, byte for byte as Lawicel's and CANable's answer."""

import asyncio

import pytest

from bridge.adapters.can.frames import CanFrame
from bridge.adapters.can.simulated_adapter import SimulatedAdapter
from bridge.adapters.can.simulated_bus import SimulatedBus
from bridge.datastore.clock import ManualClock

FRAME = CanFrame(0x351, b"\x14\x02")


class Desk:
    """An adapter whose serial side is at hand; a node listens on its bus."""

    def __init__(self, *, lawicel: bool) -> None:
        clock = ManualClock()
        self.bus = SimulatedBus(clock)
        self.heard: list[CanFrame] = []
        self.node = self.bus.join(self.heard.append)
        self.adapter = SimulatedAdapter(clock, self.bus, lawicel=lawicel)
        self.adapter._place = self.bus.join(self.adapter._carry)

    def say(self, text: str) -> bytes:
        """Say something on the serial side; returns all that comes back."""
        self.adapter._hear(text.encode())
        said = b""
        while True:
            try:
                said += self.adapter._lines.get_nowait()
            except asyncio.QueueEmpty:
                return said


#: What is said in order, and the answer of an adapter that acknowledges.
TALKS = [
    ([("S6\r", b"\r"), ("O\r", b"\r"), ("t351214 02\r", b"\a"), ("t35121402\r", b"z\r")], [FRAME]),
    ([("S6\r", b"\r"), ("O\r", b"\r"), ("O\r", b"\a"), ("S5\r", b"\a"), ("C\r", b"\r")], []),
    ([("S6\rO\r", b"\r\r"), ("t351", b""), ("21402\r", b"z\r")], [FRAME]),
    ([("O\r", b"\r"), ("t35121402\r", b"\a")], []),  # 125 kbit/s: the bus has another rate
    ([("t35121402\r", b"\a")], []),  # closed
    ([("S6\rL\r", b"\r\r"), ("t35121402\r", b"\a")], []),  # listening only
    ([("F\r", b"F00\r"), ("V\r", b"V1013\r"), ("N\r", b"NSIM1\r"), ("\r", b"\r"), ("Sx\r", b"\a")], []),
    ([("S6\rO\r", b"\r\r"), ("t8002\r", b"\a"), ("t3519\r", b"\a"), ("T000003510\r", b"\a")], []),
]


@pytest.mark.parametrize(("talk", "heard"), TALKS)
def test_an_adapter_that_acknowledges(talk: list[tuple[str, bytes]], heard: list[CanFrame]) -> None:
    desk = Desk(lawicel=True)
    assert [desk.say(text) for text, _ in talk] == [answer for _, answer in talk]
    assert desk.heard == heard


@pytest.mark.parametrize(("talk", "heard"), TALKS)
def test_a_canable_says_nothing_but_what_it_is_asked(
    talk: list[tuple[str, bytes]], heard: list[CanFrame]
) -> None:
    desk = Desk(lawicel=False)
    for text, _ in talk:
        answer = desk.say(text)
        assert b"\a" not in answer
        assert answer in (b"", b"z\r", b"F00\r", b"NSIM1\r") or answer.startswith(b"d2cb159")
    assert desk.heard == heard


def test_frames_of_the_bus_become_lines_while_the_channel_is_open() -> None:
    desk = Desk(lawicel=True)
    desk.node.send(FRAME)
    assert desk.say("S6\rO\r") == b"\r\r"
    desk.node.send(FRAME)
    desk.node.send(CanFrame(0x355, b""))
    assert desk.say("") == b"t35121402\rt3550\r"


def test_bus_off_shows_in_the_flags() -> None:
    desk = Desk(lawicel=True)
    desk.say("S6\rO\r")
    desk.adapter.misbehave("bus_off")
    desk.node.send(FRAME)
    assert desk.say("F\r") == b"F80\r"


def test_endless_lines_are_dropped() -> None:
    desk = Desk(lawicel=True)
    assert desk.say("t" * 1000) == b""
    assert desk.say("C\r") == b"\r"
