"""Asking for the registers that do not come by themselves, each at its own pace, one after another.

Older firmware stops its text when it hears a HEX message and resumes it several seconds after the last one
(MPPT up to 1.52, BMV, Phoenix; VE.Direct Protocol 3.33). So each product's table holds, beside the
registers that text never tells, those that stand in for text: they are read only while text is silent. On
new firmware they cost nothing. On old firmware the first polls silence the text, the stand-ins take over
for as long as the bridge polls, and no value comes by two ways at once.
"""

import asyncio
import math
from collections.abc import Callable, Iterable

from bridge.adapters.vedirect.access import Answer, Errand, RegisterAccess
from bridge.adapters.vedirect.hex import Flags
from bridge.adapters.vedirect.hexlink import NoReply, Rejected
from bridge.adapters.vedirect.register import Register
from bridge.datastore.clock import Clock

#: Requests in a row without a reply after which the device is taken for one without HEX.
_DEAF_AFTER = 3
#: How often such a device is asked again.
_DEAF_POLL_S = 30.0
#: How soon a register that was not answered once is asked again.
_RETRY_S = 2.0
#: How often it is looked whether text has fallen silent.
_LOOK_S = 0.5
#: Flags after which a register is never asked for again.
_NEVER = Flags.UNKNOWN_ID | Flags.NOT_SUPPORTED
#: How soon a register is asked again whose answer is doubted.
_DOUBT_S = 0.2


class Poller:
    """Reads registers when they are due; an answer goes to `answered`. Permanent refusals are final.

    A register reported meanwhile by the device itself (`heard`) is not asked for. `quiet` tells whether
    text is silent, so that the registers that stand in for it are due too.
    """

    def __init__(
        self,
        clock: Clock,
        access: RegisterAccess,
        registers: Iterable[Register],
        answered: Callable[[Register, Answer], None],
        quiet: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._access = access
        self._answered = answered
        self._quiet = quiet
        self._due = {
            register: -math.inf for register in registers if register.poll_s is not None or register.once
        }
        self._unanswered = 0
        self._disowned: set[Register] = set()
        self._sooner = asyncio.Event()

    @property
    def deaf(self) -> bool:
        """True while the device answers nothing."""
        return self._unanswered >= _DEAF_AFTER

    def answering(self) -> None:
        """Take note that the device has answered a request: one taken for deaf is asked again at once."""
        if self.deaf:
            self._due = dict.fromkeys(self._due, -math.inf)
            self._sooner.set()
        self._unanswered = 0

    def heard(self, register: Register) -> None:
        """Put the next reading off: the device has just told the value."""
        if register in self._due and register.poll_s is not None:
            self._due[register] = self._clock.monotonic() + register.poll_s

    def ask_now(self, *registers: Register) -> None:
        """Read these next, in this order."""
        for position, register in enumerate(reversed(registers)):
            if register in self._due:
                self._due[register] = -math.inf if position else -1e300
        self._sooner.set()

    def ask_again(self, register: Register) -> None:
        """Read a register soon whose answer is doubted: two answers that agree are believed."""
        if register in self._due:
            self._due[register] = min(self._due[register], self._clock.monotonic() + _DOUBT_S)
            self._sooner.set()

    def knows(self, register: Register) -> bool:
        """False once the device has said that it has no such register."""
        return register in self._due

    def has_other(self, register: Register) -> bool:
        """True while another register that the device has not disowned feeds the same point."""
        return any(r.path == register.path and r is not register and self.serves(r) for r in self._due)

    async def run(self) -> None:
        """Poll until cancelled; raises LineLost."""
        while True:
            due, register = min(
                ((due, register) for register, due in self._turns().items()),
                key=lambda turn: turn[0],
                default=(math.inf, None),
            )
            pause = due - self._clock.monotonic()
            if register is None or pause > 0:
                await self._wait(min(pause, _LOOK_S))
            else:
                await self._read(register)

    def serves(self, register: Register) -> bool:
        """False for a fallback whose better register the device knows, as far as one can tell."""
        return register.fallback_for is None or all(r.id != register.fallback_for for r in self._due)

    def _turns(self) -> dict[Register, float]:
        """Return when each register that is wanted now is due."""
        quiet = self._quiet()
        return {r: due for r, due in self._due.items() if (quiet or not r.stand_in) and self.serves(r)}

    async def _wait(self, pause: float) -> None:
        self._sooner.clear()
        try:
            async with self._clock.timeout(pause):
                await self._sooner.wait()
        except TimeoutError:
            return

    async def _read(self, register: Register) -> None:
        try:
            answer = await self._access.get(register, Errand())
        except NoReply:
            self._unanswered += 1
            later = self._clock.monotonic() + (_DEAF_POLL_S if self.deaf else _RETRY_S)
            if self.deaf:
                self._due = dict.fromkeys(self._due, later)
                self._due[register] = later + _RETRY_S
            else:
                self._due[register] = later
            return
        except Rejected:
            del self._due[register]
            self._answered(register, Answer(flags=Flags.UNKNOWN_ID, raw=None))
            return
        self._unanswered = 0
        if answer.flags & _NEVER and register not in self._disowned:
            # A refusal is final, and a damaged reply can look like one: it must be said twice.
            self._disowned.add(register)
            self._due[register] = self._clock.monotonic() + _DOUBT_S
            return
        self._disowned.discard(register)
        if answer.flags & _NEVER or register.once or register.poll_s is None:
            del self._due[register]
        else:
            self._due[register] = self._clock.monotonic() + register.poll_s
        self._answered(register, answer)
