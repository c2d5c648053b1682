"""Who goes on next, of all connections of a listener that sent more than one turn's share.

If each of them went on in every turn of the loop, two hundred that never stop asking would make everybody
else wait for two hundred shares. So one goes on in each turn, first come, first served.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """The line of those who wait to go on."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._due = False

    def ask(self, go_on: Callable[[], None]) -> None:
        """Call `go_on` when it is its turn, never before the next turn of the loop."""
        self._waiting.append(go_on)
        self._expect()

    async def come(self) -> None:
        """Wait for a turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ask(lambda: None if turn.done() else turn.set_result(None))
        await turn

    def _expect(self) -> None:
        if self._waiting and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._due = False
        go_on = self._waiting.popleft()
        self._expect()
        go_on()
