"""Options of a VE.Bus system behind an MK3 and the family's entry. Light: imports nothing of its family."""

from typing import Literal

from pydantic import Field

from bridge.adapters.base import DeviceOptions, Family


class VeBusOptions(DeviceOptions):
    """A MultiPlus or Quattro system on an MK3-USB."""

    adapter: Literal["vebus_mk3"] = Field(description="equipment family")
    port: str = Field(min_length=1, description="a device path, a PTY or socket://host:port")
    phases: Literal["auto", 1, 2, 3] = Field(
        default="auto",
        description="phases of the system; a MultiPlus-II 2x120V says 1 and has 2",
    )
    panel_detect: Literal["auto", "leave", "release"] = Field(
        default="auto",
        description="what becomes of the interface's panel-detect line before the first command: `auto` "
        "releases it where the unit's remote mode is not off, `leave` never, `release` always",
    )
    standby: bool = Field(
        default=False,
        description="keep the unit awake while it is off, once it is commanded; costs battery energy",
    )
    allow_sleep: bool = Field(
        default=False,
        description="allow an off after which nothing but the mains or a hand can switch the unit on again",
    )


FAMILY = Family(
    name="vebus_mk3",
    title="Victron VE.Bus through an MK3-USB",
    options=VeBusOptions,
    adapter="bridge.adapters.vebus_mk3.adapter:VeBusAdapter",
    simulator="bridge.adapters.vebus_mk3.simulator:VeBusSimulator",
    probe="bridge.adapters.vebus_mk3.probe:probe",
    native_maps={"": "vebus"},
)
