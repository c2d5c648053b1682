"""The messages that a site asks for, made of what its file says."""

from collections.abc import Callable

from bridge.datastore.clock import Clock
from bridge.datastore.store import Datastore
from bridge.outlets.notify import Message, Watch
from bridge.outlets.notify_post import Post, PostPlan
from bridge.site.models import Site
from bridge.site.notices import NotifyOutlet


def post_of(site: Site, wanted: NotifyOutlet, clock: Clock, serving: Callable[[], bool]) -> Post:
    """Make what sends a site's messages."""
    plan = PostPlan(
        site.name, wanted.url, wanted.format == "text", wanted.headers, wanted.heartbeat, wanted.every
    )
    return Post(plan, clock, serving)


def watch_of(
    site: Site, wanted: NotifyOutlet, datastore: Datastore, tell: Callable[[Message], None]
) -> Watch:
    """Make what finds something to tell."""
    per_day = {name: options.wear.per_day for name, options in site.devices.items()}
    return Watch(datastore, wanted.notices, per_day, tell)
