"""The links and automations that a site asks for, made of the devices of its house."""

import math
from collections.abc import Mapping

from bridge.control.automation import SurplusCharging, SurplusPlan
from bridge.control.charger import ChargerPlan
from bridge.control.links import Link, Links
from bridge.control.surplus import Rule
from bridge.datastore.store import Datastore
from bridge.site import automations
from bridge.site.models import Site
from bridge.site.points import point_name


def links_of(site: Site, datastore: Datastore) -> Links:
    """Make the links between devices that are there; from now on their targets refuse other writers."""
    written = (
        Link(*link.source, *link.target, factor=link.factor, offset=link.offset) for link in site.links
    )
    return Links(datastore, written, datastore.clock)


def automations_of(site: Site, datastore: Datastore) -> Mapping[str, SurplusCharging]:
    """Make the automations, each with a device of its own name that shows it."""
    found: dict[str, SurplusCharging] = {}
    for written in site.automations:
        device = datastore.add(written.name)
        plan = _surplus_plan(written)
        found[device.name] = SurplusCharging(device, plan, datastore.devices, datastore.clock)
    return found


def _surplus_plan(written: automations.SurplusCharging) -> SurplusPlan:
    rule = Rule(
        reserve_w=written.reserve,
        hysteresis_w=written.hysteresis,
        ramp_a=math.inf if written.ramp is None else written.ramp,
        minimum_on_s=written.minimum_on,
        minimum_off_s=written.minimum_off,
        hold_s=written.hold,
        safe_a=written.safe,
    )
    chargers = tuple(
        ChargerPlan(
            device=use.device,
            minimum=written.minimum_current if use.minimum_current is None else use.minimum_current,
            maximum=written.maximum_current if use.maximum_current is None else use.maximum_current,
            current=use.current,
            efficiency=written.efficiency if use.efficiency is None else use.efficiency,
        )
        for use in written.charger
    )
    meters = tuple((point.device, point.path) for point in map(point_name, written.grid_power))
    return SurplusPlan(written.name, meters, chargers, rule, written.interval, written.leave_alone)
