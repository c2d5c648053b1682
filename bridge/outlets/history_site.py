"""The history that a site asks for, made of what its file says."""

from bridge.datastore.store import Datastore
from bridge.outlets.history import History, HistoryPlan
from bridge.outlets.history_calendar import Calendar
from bridge.outlets.history_file import HistoryFile, Retention
from bridge.outlets.history_reader import HistoryReader
from bridge.site.history import HistoryOutlet
from bridge.site.models import Site


def history_of(site: Site, wanted: HistoryOutlet, datastore: Datastore) -> History:
    """Make the history of a site."""
    path = wanted.path(site.state)
    calendar = Calendar(site.timezone)
    kept = Retention(wanted.raw, wanted.minutes, wanted.quarters)
    plan = HistoryPlan(int(wanted.sample), wanted.write, wanted.include, wanted.exclude, wanted.power)
    return History(datastore, plan, calendar, lambda: HistoryFile(path, calendar, kept), str(path))


def reader_of(site: Site, wanted: HistoryOutlet) -> HistoryReader:
    """Make a reader of a site's history."""
    return HistoryReader(wanted.path(site.state), Calendar(site.timezone), int(wanted.sample))
