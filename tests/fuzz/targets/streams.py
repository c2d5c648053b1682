"""What any decoder of a byte stream promises, whatever the protocol."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tests.fuzz.target import Run, cut_and_rest, portions

Message = TypeVar("Message")


class Stream(Protocol[Message]):
    """A decoder: takes bytes heard at a monotonic time in seconds, returns what they complete."""

    def receive(self, data: bytes, now: float, /) -> Sequence[Message]: ...


@dataclass(frozen=True)
class StreamPromise(Generic[Message]):
    """Any bytes: no exception, the same messages however they are cut, and the next good one is found.

    compare: what of a message must not depend on how its bytes came. sound: raises for a message that
    cannot be. held: how many bytes a decoder keeps at most. good: bytes that, after `quiet_s` of silence,
    give `wanted`; sent `times`: where frames have no end of their own, the first may complete garbage.
    """

    make: Callable[[], Stream[Message]]
    compare: Callable[[Message], object]
    sound: Callable[[Message], None]
    held: Callable[[Stream[Message]], int]
    held_most: int
    good: bytes
    wanted: Sequence[object]
    quiet_s: float
    times: int = 1

    def __call__(self, data: bytes) -> None:
        """Hold one input to all that is promised."""
        dice, stream = cut_and_rest(data)
        whole = self._heard([stream])
        cut = self._heard(portions(stream, dice))
        assert cut == whole, f"cut by {dice}: found {cut}, whole: {whole}"

    def _heard(self, pieces: Sequence[bytes]) -> list[object]:
        decoder, now, heard = self.make(), 100.0, []
        for piece in pieces:
            for message in decoder.receive(piece, now):
                self.sound(message)
                heard.append(self.compare(message))
            assert self.held(decoder) <= self.held_most
        found: list[object] = []
        for _ in range(self.times):
            now += self.quiet_s
            decoder.receive(b"", now)
            found = [self.compare(message) for message in decoder.receive(self.good, now)]
        missing = [message for message in self.wanted if message not in found]
        assert not missing, f"after garbage and silence: not found {missing}"
        return heard


def stream(promise: StreamPromise[Message]) -> Callable[[], Run]:
    """Return what a target makes: the promise itself, which keeps nothing."""
    return lambda: promise
