"""What points have been, for charts: series from the history, with gaps where nothing was heard."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from aiohttp import web

from bridge.outlets.history_file import HistoryFault
from bridge.outlets.history_reader import SeriesPoint
from bridge.outlets.web.doors import Doors
from bridge.outlets.web.gate import Gate, Refusal
from bridge.outlets.web.passwords import Role

_DAY_S = 86_400.0
SPANS_S: Mapping[str, float] = {
    "hour": 3600.0, "day": _DAY_S, "week": 7 * _DAY_S, "month": 31 * _DAY_S, "year": 366 * _DAY_S,
}  # fmt: skip
_POINTS = 400
#: A pause of so many usual steps is a gap.
_GAP_STEPS = 2.5


class HistoryApi:
    """The handler."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def add_to(self, application: web.Application, gate: Gate) -> None:
        """Add the path."""
        gate.add(application, "GET", "/api/v1/devices/{device}/history", self._series, Role.VIEWER)

    async def _series(self, request: web.Request) -> web.Response:
        reader = self._doors.history
        if reader is None:
            raise Refusal(404, "nothing is taken down: name the outlet `history` in the site file")
        device, path = request.match_info["device"], request.query.get("path", "")
        known = self._doors.datastore.devices.get(device)
        if known is None or not known.has(path):
            raise Refusal(404, "found no such point")
        span_s = SPANS_S.get(request.query.get("span", "day"))
        if span_s is None:
            raise Refusal(400, f"found an unknown span, expected one of {', '.join(SPANS_S)}")
        now = self._doors.datastore.clock.now()
        try:
            found = await reader.series(device, path, now - span_s, now, _POINTS)
        except HistoryFault as fault:
            raise Refusal(503, str(fault)) from None
        unit = known.spec(path).unit_of_measure
        label = f"{path} ({unit})" if unit else path
        return web.json_response({"label": label, "start": now - span_s, "end": now, **columns(found)})


def columns(found: Sequence[SeriesPoint]) -> dict[str, list[float | None]]:
    """Return a series as columns; a gap is a moment without values."""
    times = [one.time for one in found]
    steps = sorted(later - sooner for sooner, later in pairwise(times))
    usual = steps[len(steps) // 2] if steps else 0.0
    told: dict[str, list[float | None]] = {"time": [], "average": [], "minimum": [], "maximum": []}
    former: float | None = None
    for one in found:
        if former is not None and one.time - former > _GAP_STEPS * usual:
            _add(told, (former + usual, None, None, None))
        _add(told, (one.time, one.average, one.low, one.high))
        former = one.time
    return told


def _add(told: dict[str, list[float | None]], row: Sequence[float | None]) -> None:
    for column, value in zip(told.values(), row, strict=True):
        column.append(value)
