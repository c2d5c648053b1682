"""`mqtt` of the section `outlets:`: what is told to an MQTT broker, and who may command through it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.adapters.durations import Duration
from bridge.exchange.broker_options import BrokerOptions, Topic


def _without_end(written: object) -> object:
    return written.removesuffix("/") if isinstance(written, str) else written


class RpiEcuForm(BaseModel):
    """A roof told in the JSON of the RPI-ECU programs, or to Domoticz, for those who come from there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field(description="name of a device of the family apsystems")
    form: Literal[1, 2, 3, 4] = Field(description="1 is Domoticz; 2, 3 and 4 are that program's own")
    topic: Annotated[Topic, BeforeValidator(_without_end)] = Field(
        default="domoticz/in", description="where it is told"
    )
    each: bool = Field(default=False, description="true adds /0, /1 .. to the topic, one for each inverter")
    idx: tuple[Annotated[int, Field(ge=1, le=10**9)], ...] = Field(
        default=(), description="Domoticz's idx of each inverter, in their order"
    )

    @model_validator(mode="after")
    def _with_idx(self) -> Self:
        if self.form == 1 and not self.idx:
            raise ValueError("expected 'idx' beside form 1: a list with the idx of each inverter")
        return self


class MqttOutlet(BrokerOptions):
    """Points, commands and reports over an MQTT 5 broker. Who may publish there may write."""

    topic: Topic = Field(
        default="inverter-bridge",
        description="what all topics of this bridge begin with; its own at a broker",
    )
    write: bool = Field(default=True, description="false takes no commands")
    interval: Duration = Field(default=0.5, ge=0.05, le=3600, description="least time between two reports")
    points: bool = Field(default=True, description="false leaves out the topics of the single points")
    bridges: bool = Field(default=True, description="false leaves out the reports for other bridges")
    home_assistant: Topic | None = Field(
        default=None, description="topic below which Home Assistant looks for devices: homeassistant"
    )
    rpi_ecu: tuple[RpiEcuForm, ...] = Field(default=(), description="list of roofs told as RPI-ECU did")

    @model_validator(mode="after")
    def _has_points(self) -> Self:
        if self.home_assistant is not None and not self.points:
            raise ValueError("expected 'points: true' beside 'home_assistant', which reads their topics")
        return self
