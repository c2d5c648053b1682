"""Energy by day, month and year: any stretch of time, its total, best and worst, and years side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from bridge.outlets.history_file import HistoryFault
from bridge.outlets.history_reader import TOTAL, HistoryReader, PeriodEnergy, PeriodFlow, summary
from bridge.outlets.web.doors import Doors
from bridge.outlets.web.gate import Gate, Refusal
from bridge.outlets.web.html import Child, Markup, table, tag
from bridge.outlets.web.layout import fault, field, page
from bridge.outlets.web.passwords import Role
from bridge.outlets.web.wording import number_said

#: The bridge itself has no energy.
_OWN = "bridge"
_SPANS: Mapping[str, str] = {"day": "Days", "month": "Months", "year": "Years"}
#: The longest stretch, in days: as long as anything is kept.
_DAYS_MAX = 366 * 100
#: Bars that a chart can show apart.
_BARS_MAX = 400
_HEIGHT, _WIDTH = 120, 600


@dataclass(frozen=True, slots=True)
class Asked:
    """What a visitor wants to see: a device, by what, from one day to another, both included."""

    device: str
    by: str
    first: date
    last: date
    compare: bool = False
    reverse: bool = False

    def query(self, **other: object) -> str:
        """Return it as the end of an address, with something else in places."""
        own = {"device": self.device, "by": self.by, "first": self.first, "last": self.last}
        own |= {"reverse": "yes"} if self.reverse else {}
        return urlencode({**own, **other})


class EnergyPages:
    """The handlers."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def add_to(self, application: web.Application, gate: Gate) -> None:
        """Add the page."""
        gate.add(application, "GET", "/energy", self._page, Role.VIEWER)

    async def _page(self, request: web.Request) -> web.Response:
        reader = self._doors.history
        if reader is None:
            text = "Nothing is taken down: name the outlet `history` in the site file, under `outlets`."
            return self._shown(request, tag("p", text, class_="note wait"))
        names = [device.name for device in self._doors.datastore if device.name != _OWN]
        if not names:
            return self._shown(request, tag("p", "There is no device yet.", class_="faint"))
        today = (
            datetime.fromtimestamp(self._doors.datastore.clock.now(), UTC).astimezone(self._doors.zone).date()
        )
        asked = _asked(request, names, today)
        try:
            found = await self._found(reader, asked)
        except HistoryFault as broken:
            return self._shown(request, self._choice(asked, names, today), fault(str(broken)))
        return self._shown(request, self._choice(asked, names, today), *found)

    async def _found(self, reader: HistoryReader, asked: Asked) -> Sequence[Child]:
        start, end = self._midnight(asked.first), self._midnight(asked.last + timedelta(days=1))
        flows = await reader.flows(asked.device, TOTAL, asked.by, start, end)
        if not flows or not any(flow.forward_kwh or flow.reverse_kwh for flow in flows):
            return [tag("p", f"No energy of {asked.device} was taken down in that time.", class_="faint")]
        if asked.compare:
            return [_years(flows, asked.reverse)]
        return [self._figures(flows, asked), _bars(flows, asked), self._table(flows, asked)]

    def _figures(self, flows: Sequence[PeriodFlow], asked: Asked) -> Markup:
        periods = [PeriodEnergy(flow.period, _kwh(flow, asked.reverse)) for flow in flows]
        told = summary(periods)
        heard = [flow.average_w for flow in flows if flow.average_w]
        pairs: list[tuple[str, str]] = [("Total", f"{told.total:.2f} kWh")]
        if self._doors.price is not None:
            pairs.append(("Worth", self._worth(told.total)))
        pairs.append((f"Average {asked.by}", f"{told.average:.2f} kWh"))
        if told.best is not None and told.worst is not None:
            pairs.append((f"Best {asked.by}", f"{told.best.kwh:.2f} kWh, {told.best.period}"))
            pairs.append((f"Worst {asked.by}", f"{told.worst.kwh:.2f} kWh, {told.worst.period}"))
        if heard:
            pairs.append(("Average power", f"{sum(heard) / len(heard):.0f} W"))
        peaks = [flow.peak_reverse_w if asked.reverse else flow.peak_w for flow in flows]
        if any(peaks):
            pairs.append(("Highest power", f"{max(peaks):.0f} W"))
        return tag(
            "dl", (tag("div", tag("dt", name), tag("dd", text)) for name, text in pairs), class_="figures"
        )

    def _table(self, flows: Sequence[PeriodFlow], asked: Asked) -> Markup:
        worth = self._doors.price is not None
        rows = [
            (
                flow.period,
                f"{_kwh(flow, asked.reverse):.3f}",
                *((self._worth(_kwh(flow, asked.reverse)),) if worth else ()),
                f"{flow.average_w:.0f}" if flow.average_w else "\N{EN DASH}",
                f"{flow.peak_reverse_w if asked.reverse else flow.peak_w:.0f}",
            )
            for flow in reversed(flows)
        ]
        headings = ("Time", "kWh", *(("Worth",) if worth else ()), "Average W", "Highest W")
        return table(f"Energy of {asked.device}", headings, rows)

    def _worth(self, kwh: float) -> str:
        return f"{kwh * (self._doors.price or 0):.2f} {self._doors.currency}".strip()

    def _midnight(self, day: date) -> float:
        return datetime(day.year, day.month, day.day, tzinfo=self._doors.zone).timestamp()

    def _choice(self, asked: Asked, names: Sequence[str], today: date) -> Markup:
        devices = (tag("option", name, value=name, selected=name == asked.device) for name in names)
        spans = (tag("option", words, value=by, selected=by == asked.by) for by, words in _SPANS.items())
        begin, new_year = today.replace(day=1), today.replace(month=1, day=1)
        before = begin - timedelta(days=1)
        links = (
            ("Today", asked.query(by="day", first=today, last=today)),
            ("This month", asked.query(by="day", first=begin, last=today)),
            ("Last month", asked.query(by="day", first=before.replace(day=1), last=before)),
            ("This year", asked.query(by="month", first=new_year, last=today)),
            ("All years", asked.query(by="year", first=date(2000, 1, 1), last=today)),
            ("Compare years", asked.query(by="month", first=date(2000, 1, 1), last=today, compare="yes")),
        )
        directions = (
            tag("option", words, value=value, selected=(value == "yes") == asked.reverse)
            for value, words in (("", "Produced or drawn"), ("yes", "The other way"))
        )
        return tag(
            "section",
            tag(
                "form",
                field("Device", tag("select", devices, name="device", id="device"), name="device"),
                field("By", tag("select", spans, name="by", id="by"), name="by"),
                field(
                    "From",
                    tag("input", type="date", name="first", id="first", value=asked.first),
                    name="first",
                ),
                field("To", tag("input", type="date", name="last", id="last", value=asked.last), name="last"),
                field("Direction", tag("select", directions, name="reverse", id="reverse"), name="reverse"),
                tag("button", "Show"),
                class_="inline",
            ),
            tag(
                "p",
                [(tag("a", words, href=f"/energy?{query}"), " ") for words, query in links],
            ),
        )

    def _shown(self, request: web.Request, *children: Child) -> web.Response:
        return page(request, "Energy", *children, site=self._doors.site_name)


def _asked(request: web.Request, names: Sequence[str], today: date) -> Asked:
    """Read a query. Raises Refusal."""
    query = request.query
    device = query.get("device", names[0])
    if device not in names:
        raise Refusal(404, "found no such device: choose one of the list")
    by = query.get("by", "day")
    if by not in _SPANS:
        raise Refusal(400, "found an unknown span, expected day, month or year")
    first = _date(query.get("first", ""), today.replace(day=1))
    last = _date(query.get("last", ""), today)
    if last < first:
        first, last = last, first
    if (last - first).days > _DAYS_MAX:
        raise Refusal(400, "found more than a hundred years, expected fewer")
    return Asked(device, by, first, last, query.get("compare") == "yes", query.get("reverse") == "yes")


def _date(written: str, otherwise: date) -> date:
    if not written:
        return otherwise
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Refusal(400, f"found the date '{written[:20]}', expected one such as 2026-03-29") from None


def _kwh(flow: PeriodFlow, reverse: bool) -> float:
    return flow.reverse_kwh if reverse else flow.forward_kwh


def _bars(flows: Sequence[PeriodFlow], asked: Asked) -> Child:
    """Return a bar for each period; what they say stands in the table."""
    values = [max(0.0, _kwh(flow, asked.reverse)) for flow in flows][-_BARS_MAX:]
    highest = max(values, default=0.0)
    if highest <= 0:
        return None
    width = _WIDTH / len(values)
    bars = (
        tag(
            "rect",
            tag("title", f"{flow.period}: {number_said(value)} kWh"),
            x=f"{number * width:.2f}",
            y=f"{_HEIGHT * (1 - value / highest):.2f}",
            width=f"{max(0.5, width * 0.85):.2f}",
            height=f"{_HEIGHT * value / highest:.2f}",
        )
        for number, (flow, value) in enumerate(zip(flows[-_BARS_MAX:], values, strict=True))
    )
    return tag(
        "svg", bars, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="bars", role="img",
        aria_label=f"Energy of {asked.device} by {asked.by}, at most {highest:.2f} kWh; figures in the table",
    )  # fmt: skip


def _years(flows: Sequence[PeriodFlow], reverse: bool) -> Markup:
    """Return months as rows and years as columns."""
    years = sorted({flow.period[:4] for flow in flows})
    known = {flow.period: _kwh(flow, reverse) for flow in flows}
    rows: list[list[Child]] = []
    for month in range(1, 13):
        cells = [known.get(f"{year}-{month:02d}") for year in years]
        told = ("\N{EN DASH}" if kwh is None else f"{kwh:.1f}" for kwh in cells)
        rows.append([date(2000, month, 1).strftime("%B"), *told])
    sums = [sum(kwh for period, kwh in known.items() if period.startswith(year)) for year in years]
    rows.append(["Year", *(tag("strong", f"{kwh:.1f}") for kwh in sums)])
    return table("Years side by side, in kWh", ("Month", *years), rows)
