"""A history of one pump on a manual clock: what was taken down is read after it has stopped."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.datastore.clock import ManualClock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.state import StateStore
from bridge.datastore.store import Datastore
from bridge.outlets.energy_book import Leap
from bridge.outlets.history import History, HistoryPlan
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import HistoryFile, Retention
from bridge.outlets.history_reader import HistoryReader

#: 2023-11-14 22:00:00 UTC, a whole quarter of an hour.
NOON = 1_699_999_200.0
KEPT = Retention(86_400.0, 14 * 86_400.0, 366 * 86_400.0)
POINTS = (
    PointSpec("/Ac/Power", "W"),
    PointSpec("/Ac/Energy/Forward", "kWh"),
    PointSpec("/Dc/0/Voltage", "V"),
    PointSpec("/Dc/0/Current", "A"),
    PointSpec("/Name", text=True),
)


class Rig:
    """A pump, its history, and the file it goes to."""

    def __init__(
        self,
        path: Path,
        now: float = NOON,
        zone: str = "UTC",
        plan: HistoryPlan | None = None,
        kept: Retention = KEPT,
        open_file: Callable[[], HistoryFile] | None = None,
    ) -> None:
        self.path = path
        self.clock = ManualClock(now)
        self.calendar = Calendar(zone)
        self.datastore = Datastore(self.clock, StateStore(None))
        self.pump: Device = self.datastore.add("pump")
        self.pump.declare(POINTS, [GroupSpec("live", 5.0), GroupSpec("slow", None)], [["live"]])
        self.leaps: list[Leap] = []
        self.history = History(
            self.datastore,
            plan or HistoryPlan(),
            self.calendar,
            open_file or (lambda: HistoryFile(path, self.calendar, kept)),
            str(path),
        )
        self.history.leapt.connect(self.leaps.append)

    @property
    def reader(self) -> HistoryReader:
        return HistoryReader(self.path, self.calendar)

    async def opened(self) -> None:
        """Return once the file is open: only then are counters read."""
        async with asyncio.timeout(20):
            while self.history._positions is None:
                await asyncio.sleep(0.005)

    async def flow(self, watts: float, seconds: float) -> None:
        """Let power flow, published every second."""
        for _ in range(int(seconds)):
            self.pump.publish("live", {"/Ac/Power": watts})
            await self.clock.advance(1)


@asynccontextmanager
async def running(rig: Rig, *, freshness: bool = True) -> AsyncIterator[Rig]:
    """Run the history and the watch over freshness; what was taken down is on the disk afterwards.

    freshness: False spares the watch, which looks every second, where nothing can become stale.
    """
    rig.history.start()
    tasks = [asyncio.create_task(rig.history.run())]
    if freshness:
        tasks.append(asyncio.create_task(rig.datastore.run()))
    await rig.opened()
    await rig.clock.advance(0)
    try:
        yield rig
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await rig.history.stop()
