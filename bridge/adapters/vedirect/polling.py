"""Asking for the registers that do not come by themselves, each at its own pace, one after another."""

import asyncio
import math
from collections.abc import Callable, Iterable

from bridge.adapters.vedirect.access import Answer, Errand, RegisterAccess
from bridge.adapters.vedirect.hexlink import NoReply, Rejected
from bridge.adapters.vedirect.register import Register
from bridge.datastore.clock import Clock

#: Requests in a row without a reply after which the device is taken for one without HEX.
_DEAF_AFTER = 3
#: How often such a device is asked again.
_DEAF_POLL_S = 30.0
#: How soon a register that was not answered once is asked again.
_RETRY_S = 2.0


class Poller:
    """Reads registers when they are due; an answer goes to `answered`. Permanent refusals are final.

    A register reported meanwhile by the device itself (`heard`) is not asked for.
    """

    def __init__(
        self,
        clock: Clock,
        access: RegisterAccess,
        registers: Iterable[Register],
        answered: Callable[[Register, Answer], None],
    ) -> None:
        self._clock = clock
        self._access = access
        self._answered = answered
        self._due = {
            register: -math.inf for register in registers if register.poll_s is not None or register.once
        }
        self._unanswered = 0
        self._sooner = asyncio.Event()

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

    def knows(self, register: Register) -> bool:
        """False once the device has said that it has no such register."""
        return register in self._due

    async def run(self) -> None:
        """Poll until cancelled; raises LineLost."""
        while self._due:
            register = min(self._due, key=self._due.__getitem__)
            pause = self._due[register] - self._clock.monotonic()
            if pause > 0:
                await self._wait(pause)
                continue
            await self._read(register)
        await asyncio.Event().wait()

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
            deaf = self._unanswered >= _DEAF_AFTER
            later = self._clock.monotonic() + (_DEAF_POLL_S if deaf else _RETRY_S)
            if deaf:
                self._due = dict.fromkeys(self._due, later)
                self._due[register] = later + _RETRY_S
            else:
                self._due[register] = later
            return
        except Rejected:
            del self._due[register]
            self._answered(register, Answer(flags=1, raw=None))
            return
        self._unanswered = 0
        if not answer.ok or register.once or register.poll_s is None:
            del self._due[register]
        else:
            self._due[register] = self._clock.monotonic() + register.poll_s
        self._answered(register, answer)
