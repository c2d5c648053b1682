"""The bridge itself as a device: its uptime and the server's counters as points."""

from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.points import GroupSpec
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import LinkState
from bridge.server.counters import GROUP, SPECS, Counters

#: Name of the bridge's own device.
BRIDGE = "bridge"
_UPTIME = PointSpec("/Uptime", "s")
_OWN_GROUP = GroupSpec("bridge", stale_after_s=None)
#: How often the server's counters become points.
_COUNT_EVERY_S = 1.0


def declare(own: Device) -> None:
    """Say which points the bridge has; it is online for as long as it runs."""
    own.declare((*SPECS, _UPTIME), (GROUP, _OWN_GROUP), ())
    own.set_link(LinkState.ONLINE)


async def count(own: Device, counters: Counters, clock: Clock) -> None:
    """Publish them until cancelled."""
    began = clock.monotonic()
    while True:
        own.publish(GROUP.name, counters.snapshot())
        own.publish(_OWN_GROUP.name, {_UPTIME.path: int(clock.monotonic() - began)})
        await clock.sleep(_COUNT_EVERY_S)
