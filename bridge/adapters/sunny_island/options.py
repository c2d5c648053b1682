"""Options of a Sunny Island and the family's entry. Light: imports nothing of its family."""

import re
from typing import Literal

from pydantic import Field, field_validator

from bridge.adapters.base import DeviceOptions, Family
from bridge.adapters.can.options import CanOptions

_SERIAL = re.compile(r"[A-Za-z0-9_]{1,40}")


class SunnyIslandOptions(CanOptions):
    """A Sunny Island, or a cluster of two or three, heard on its CAN bus."""

    adapter: Literal["sunny_island"] = Field(description="equipment family")
    phases: Literal["auto", 1, 2, 3] = Field(
        default="auto",
        description="lines of the cluster; `auto` begins with one, adds a line once it shows voltage, and "
        "remembers it. The third line is untried",
    )
    external: Literal["grid", "generator", "shore"] = Field(
        default="grid",
        description="what is wired to AC2: a generator without voltage raises no alarm",
    )
    allow_commands: bool = Field(
        default=False,
        description="allow starting and stopping by /Mode, which is untried: the frame is known from two "
        "drivers only and stands in no document of SMA's",
    )

    @field_validator("serial")
    @classmethod
    def _plain(cls, serial: str | None) -> str | None:
        if serial is not None and not _SERIAL.fullmatch(serial):
            raise ValueError("expected letters, digits and _, at most 40: it becomes a name on the GX")
        return serial


class SunnyIslandFamily(Family):
    """A CAN bus is shared by any number of devices."""

    def ports(self, options: DeviceOptions) -> tuple[str, ...]:  # noqa: ARG002 - as overridden
        """Return nothing: no device has the bus to itself."""
        return ()


FAMILY = SunnyIslandFamily(
    name="sunny_island",
    title="SMA Sunny Island on its CAN bus",
    options=SunnyIslandOptions,
    adapter="bridge.adapters.sunny_island.adapter:SunnyIslandAdapter",
    simulator="bridge.adapters.sunny_island.simulator:SunnyIslandSimulator",
    probe="bridge.adapters.can.probe:probe",
    native_maps={"": "sunny_island"},
)
