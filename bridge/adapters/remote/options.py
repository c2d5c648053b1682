"""Options of a device of another bridge, and the family's entry. Light: imports nothing of its family."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from bridge.adapters.base import DeviceOptions, Family
from bridge.adapters.durations import Duration
from bridge.datastore.values import Identity
from bridge.exchange.broker_options import BrokerOptions, Topic


class RemoteOptions(DeviceOptions, BrokerOptions):
    """A device that another bridge has, reached through an MQTT broker."""

    adapter: Literal["remote"] = Field(description="equipment family")
    topic: Topic = Field(description="the far bridge's topic, as its outlet `mqtt` has it")
    device: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$", description="the device's name at the far bridge"
    )
    product: Literal["auto"] = Field(
        default="auto", description="`auto` serves it with the far bridge's map, unless `map` names another"
    )
    stale_after: Duration = Field(
        default=5.0, ge=1, le=300, description="how old what the far bridge said may become"
    )

    @model_validator(mode="after")
    def _whole_paths(self) -> Self:
        for name in (self.ca, self.certificate, self.key):
            if name is not None and not Path(name).expanduser().is_absolute():
                raise ValueError(f"expected the whole path of {name}, from / on")
        return self


class RemoteFamily(Family):
    """The far bridge tells the map that serves a device; it is the device's product class here."""

    def native_map(self, options: DeviceOptions, identity: Identity | None) -> str | None:
        """Return the far bridge's map, None while it is not known."""
        learnt = "auto" if identity is None else identity.product
        product = str(getattr(options, "product", "auto"))
        name = learnt if product == "auto" else product
        return options.map or (None if name in ("", "auto") else name)


FAMILY = RemoteFamily(
    name="remote",
    title="Devices of other bridges",
    options=RemoteOptions,
    adapter="bridge.adapters.remote.adapter:RemoteAdapter",
    simulator="",
)
