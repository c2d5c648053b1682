"""What one far bridge has said, put together from its reports, and until when that may be believed.

Reports are numbered: after a gap nothing new is believed until a whole report has come. The age of every
report is bounded by a question to the far bridge's own clock; see `exchange/far_clock.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bridge.datastore.values import LinkState, Path, Value
from bridge.exchange.about import About
from bridge.exchange.far_clock import FarClock
from bridge.exchange.report import DeviceReport, Report


@dataclass(slots=True)
class FarDevice:
    """One device as last told. Points go by their place in the `about` of `digest`."""

    digest: str = ""
    link: LinkState = LinkState.STARTING
    words: str = ""
    alive: bool = False
    values: dict[int, Value | None] = field(default_factory=dict)

    def take(self, told: DeviceReport, *, whole: bool) -> None:
        """Take a report of the device."""
        if whole or told.about != self.digest:
            self.values = {}
        self.digest, self.link, self.words, self.alive = told.about, told.link, told.words, told.alive
        self.values.update(told.values)
        for place in told.stale:
            self.values.pop(place, None)


class FarBridge:
    """Everything that one far bridge has said. Nothing here waits or sends."""

    def __init__(self) -> None:
        self.devices: dict[str, FarDevice] = {}
        self.clock = FarClock()
        #: The far bridge's present run, and whether all its reports have come without a gap.
        self.session: str | None = None
        self.as_of: float | None = None
        self._abouts: dict[str, tuple[str, About]] = {}
        self._number: int | None = None

    @property
    def whole(self) -> bool:
        """True while nothing is missing between the newest whole report and now."""
        return self._number is not None

    def about(self, name: str) -> About | None:
        """Return what a device is, None where that does not fit what is reported of it."""
        digest, about = self._abouts.get(name, ("", None))
        told = self.devices.get(name)
        return about if told is not None and told.digest == digest else None

    def take_about(self, name: str, about: About | None) -> None:
        """Take what a device is; None where the far bridge has none of that name any more."""
        if about is None:
            self._abouts.pop(name, None)
        elif name not in self._abouts or self._abouts[name][0] != about.digest:
            self._abouts[name] = about.digest, about

    def answered(self, report: Report, asked_at: float) -> Mapping[str, Collection[int]]:
        """Take the answer to a question of local time `asked_at`; see `reported`.

        One that is not whole only tells the clock: what has changed since the last report is not in it.
        """
        self._run(report)
        self.clock.answered(asked_at, report.at)
        return self._take_whole(report) if report.whole else {}

    def reported(self, report: Report, now: float) -> Mapping[str, Collection[int]] | None:
        """Take a report of changes; returns the places told of each device, None where reports are missing.

        An empty answer without a change in `as_of` is a report that had come before.
        """
        self._run(report)
        if self.clock.contradicted(report.at, now):
            self.clock.forget()
            self._number = None
        if self._number is None:
            return None
        if report.number <= self._number:
            return {}
        if report.number > self._number + 1:
            self._number = None
            return None
        return self._take(report.devices, report)

    def believed_until(self, stale_after_s: float) -> float:
        """Return the local time until which what was said may be believed; -inf for not at all."""
        if self.as_of is None:
            return float("-inf")
        return self.clock.earliest(self.as_of) + stale_after_s

    def lost(self) -> None:
        """Know of no report that may come: what was said may be believed to its end, and no longer."""
        self._number = None

    def _run(self, report: Report) -> None:
        """Begin anew with a new run of the far bridge."""
        if report.session != self.session:
            self.session, self._number, self.as_of = report.session, None, None
            self.devices.clear()
            self.clock.forget()

    def _take_whole(self, report: Report) -> Mapping[str, Collection[int]]:
        self._number = report.number
        for gone in self.devices.keys() - report.devices.keys():
            del self.devices[gone]
        return self._take(report.devices, report)

    def _take(self, devices: Mapping[str, DeviceReport], report: Report) -> Mapping[str, Collection[int]]:
        self._number, self.as_of = report.number, report.at
        for name, told in devices.items():
            self.devices.setdefault(name, FarDevice()).take(told, whole=report.whole)
        return {name: {*told.values, *told.stale} for name, told in devices.items()}


def named(about: About, values: Mapping[int, Value | None]) -> dict[Path, Value | None]:
    """Return values by path; places that the device does not have are left out."""
    most = len(about.points)
    return {about.points[place].path: one for place, one in values.items() if 0 <= place < most}
