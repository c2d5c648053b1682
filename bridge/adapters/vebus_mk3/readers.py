"""Reading several RAM variables at once, and one after the other where old firmware gives the first only."""

from collections.abc import Callable, Mapping, Sequence

from bridge.adapters.vebus_mk3.messages import Message, SlotReply, Winmon, WinmonReply
from bridge.adapters.vebus_mk3.requests import Request, winmon

#: Refusals in a row that are believed: a damaged reply may look like one.
_REFUSALS = 3


class RamReader:
    """Reads a set of variables of one unit. `taken` hears of all of them together, raw.

    `refused` is called when the unit has none of that set. A reply has all the words or the first alone.
    """

    def __init__(
        self,
        variables: Callable[[], Sequence[int]],
        taken: Callable[[Mapping[int, bytes]], bool],
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._variables = variables
        self._taken = taken
        self._refused = refused
        self._one_by_one = False
        self._refusals = 0
        self._asked: tuple[int, ...] = ()
        self._read: dict[int, bytes] = {}

    def request(self) -> Request | None:
        """Return the next request, None while there is nothing to read."""
        wanted = tuple(self._variables())
        if not wanted:
            return None
        if self._one_by_one:
            wanted = (next((v for v in wanted if v not in self._read), wanted[0]),)
        self._asked = wanted
        return winmon(Winmon.READ_RAM, wanted)

    def take(self, message: Message) -> bool:
        """Take a reply; False asks again."""
        if not isinstance(message, SlotReply):
            return False
        if message.code in (WinmonReply.NO_RAM, WinmonReply.UNKNOWN_COMMAND):
            self._refusals += 1
            if self._refusals >= _REFUSALS:
                self._refused()
            return True
        self._refusals = 0
        words, asked = message.words(), self._asked
        if message.code != WinmonReply.RAM or len(message.data) not in (2, 2 * len(asked)):
            return False
        if len(words) < len(asked):
            self._one_by_one = True
        self._read |= dict(zip(asked, words, strict=False))
        if any(variable not in self._read for variable in self._variables()):
            return False  # the others are read at once
        read, self._read = self._read, {}
        return self._taken(read)
