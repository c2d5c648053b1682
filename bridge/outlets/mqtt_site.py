"""The MQTT outlet that a site asks for, made of what its file says."""

from bridge.datastore.store import Datastore
from bridge.outlets.mqtt import Mqtt, MqttPlan
from bridge.outlets.mqtt_rpi_ecu import Form
from bridge.outlets.mqtt_stream import MapOf
from bridge.site.models import Site
from bridge.site.mqtt import MqttOutlet


def mqtt_of(site: Site, wanted: MqttOutlet, datastore: Datastore, map_of: MapOf) -> Mqtt:
    """Make the outlet."""
    forms = tuple(Form(one.device, one.form, one.topic, one.each, one.idx) for one in wanted.rpi_ecu)
    plan = MqttPlan(
        broker=wanted,
        directory=site.directory.absolute(),
        topic=wanted.topic,
        write=wanted.write,
        interval_s=wanted.interval,
        points=wanted.points,
        bridges=wanted.bridges,
        home_assistant=wanted.home_assistant,
        forms=forms,
    )
    return Mqtt(plan, datastore, datastore.clock, map_of)
