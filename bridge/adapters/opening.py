"""Opening what may hang: a failing USB stick can hold whoever opens it for long, but never the loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from bridge.adapters.line_faults import PortMissing
from bridge.datastore.clock import Clock

T = TypeVar("T")

#: Opening may take a slow USB stick a second or two, and socketcand three; beyond this it hangs.
OPEN_WITHIN_S = 10.0
_HUNG = f"opening hangs for more than {OPEN_WITHIN_S:g} s: unplug the adapter and plug it in again"

#: Openings that were given up while the system still hangs in them; each blocks its port's next one, so
#: that a dead USB stick costs one thread and not one a retry.
_hanging: dict[str, threading.Thread] = {}


async def open_apart(name: str, open_it: Callable[[], T], abandon: Callable[[T], None], clock: Clock) -> T:
    """Call `open_it` in a thread of its own, which uses up no shared one; returns what it returns.

    abandon: gives back at once what an opening nobody waits for any more has brought. Raises PortMissing
    for a port that hangs, and whatever `open_it` raises.
    """
    earlier = _hanging.pop(name, None)
    if earlier is not None and earlier.is_alive():
        _hanging[name] = earlier
        raise PortMissing(name, _HUNG)
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[T] = loop.create_future()

    def bring(opened: T) -> None:
        if waiting.done():
            abandon(opened)
        else:
            waiting.set_result(opened)

    def refuse(fault: Exception) -> None:
        if not waiting.done():
            waiting.set_exception(fault)

    def work() -> None:
        try:
            opened = open_it()
        except Exception as fault:  # noqa: BLE001 - handed to the waiting caller, whatever it is
            _tell(loop, refuse, fault)
        else:
            if not _tell(loop, bring, opened):
                abandon(opened)

    opening = threading.Thread(target=work, name=f"open {name}", daemon=True)
    opening.start()
    try:
        async with clock.timeout(OPEN_WITHIN_S):
            await asyncio.shield(waiting)
    except TimeoutError as fault:
        _give_up(waiting, abandon)
        _hanging[name] = opening
        raise PortMissing(name, _HUNG) from fault
    except asyncio.CancelledError:
        _give_up(waiting, abandon)
        raise
    return waiting.result()


def _tell(loop: asyncio.AbstractEventLoop, hear: Callable[[T], None], what: T) -> bool:
    """Have it heard on the loop; False where the loop has closed meanwhile."""
    try:
        loop.call_soon_threadsafe(hear, what)
    except RuntimeError:
        return False
    return True


def _give_up(waiting: "asyncio.Future[T]", abandon: Callable[[T], None]) -> None:
    if not waiting.cancel() and waiting.exception() is None:
        abandon(waiting.result())
