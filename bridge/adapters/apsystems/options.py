"""Options of a roof of APsystems inverters and the family's entry. Light: imports nothing of its family."""

import re
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bridge.adapters.base import DeviceOptions, Family
from bridge.adapters.durations import EXPECTED, Duration, seconds
from bridge.datastore.values import Identity

#: Inverters of one roof that the maps have room for.
INVERTERS_MAX = 9
#: The identity that known programs ship with; two of them in radio range collide.
DEFAULT_ECU_ID = "D8A3011B9780"
#: What a panel can give unless the site says otherwise: the most that known programs offer as a limit.
PANEL_POWER_W = 700.0

_SERIAL = re.compile(r"[0-9]{12}")
_ECU_ID = re.compile(r"[0-9A-Fa-f]{12}")
#: A short address as other programs print it: four characters in the order of the wire.
_WIRE_ORDER = re.compile(r"[0-9A-Fa-f]{4}")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]{1,4}")
_GPIO = re.compile(r"(?:/dev/)?gpiochip[0-9]+:[0-9]+")
_GPIO_LINES = 1024
_OFFSET_MAX_S = 4 * 3600.0


def _signed_seconds(written: object) -> float:
    """Return a duration that may be below zero, as -5 min. Raises ValueError."""
    text = written.strip() if isinstance(written, str) else written
    found: float
    try:
        if isinstance(text, str) and text.startswith("-"):
            found = -seconds(text[1:].strip())
        elif isinstance(text, int | float) and not isinstance(text, bool):
            found = -seconds(-text) if text < 0 else seconds(text)
        else:
            found = seconds(text)
    except ValueError:
        raise ValueError(f"expected {EXPECTED}, with - before it for earlier") from None
    if abs(found) > _OFFSET_MAX_S:
        raise ValueError("expected at most 4 h")
    return found


def _short_address(written: object) -> int:
    """Return a short address: a number, or four characters in wire order. Raises ValueError."""
    found = -1
    if isinstance(written, int) and not isinstance(written, bool):
        found = written
    elif isinstance(written, str) and _NUMBER.fullmatch(written):
        found = int(written, 16)
    elif isinstance(written, str) and _WIRE_ORDER.fullmatch(written):
        found = int.from_bytes(bytes.fromhex(written), "little")
    if not 0 < found < 0xFFFF:
        raise ValueError("expected 0x0001 to 0xFFFE, or four characters in wire order in quotes, as '3A10'")
    return found


def _reset_wire(written: object) -> int | str:
    """Return a GPIO line or a pin of the serial adapter as written. Raises ValueError."""
    if isinstance(written, int) and not isinstance(written, bool) and 0 <= written < _GPIO_LINES:
        return written
    if isinstance(written, str) and (written in ("dtr", "rts") or _GPIO.fullmatch(written)):
        return written
    raise ValueError("expected a GPIO line such as 18, a chip and line such as gpiochip4:18, or dtr or rts")


Offset = Annotated[float, BeforeValidator(_signed_seconds)]
ShortAddress = Annotated[int, BeforeValidator(_short_address)]
ResetWire = Annotated[int | str, BeforeValidator(_reset_wire)]


class InverterOptions(BaseModel):
    """One inverter of a roof."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    serial: str = Field(description="the 12 digits of the inverter's label")
    model: Literal["yc600", "qs1", "ds3"] = Field(description="yc600, qs1 or ds3")
    address: ShortAddress | None = Field(
        default=None, description="its short address where it is known, 0x3D2A or 2A3D; left out: by pairing"
    )
    swap_panels: bool = Field(default=False, description="number its panels the other way round")
    energy_scale: float | None = Field(
        default=None, gt=0, le=1, description="Wh of one count of its energy counters, instead of its model's"
    )
    initial_energy: float = Field(
        default=0.0, ge=0, le=10_000_000, description="kWh that a former program had counted up to last night"
    )
    panel_power: float = Field(
        default=PANEL_POWER_W, ge=20, le=2000, description="W that one of its panels can give"
    )
    allow_limit: bool | None = Field(
        default=None, description="let its power be limited; left out: only a ds3"
    )

    @property
    def can_limit(self) -> bool:
        """True where its power may be limited."""
        return self.model == "ds3" if self.allow_limit is None else self.allow_limit

    @field_validator("serial")
    @classmethod
    def _digits(cls, serial: str) -> str:
        if not _SERIAL.fullmatch(serial):
            raise ValueError("expected the 12 digits of the inverter's label, such as 408000158215")
        return serial


class ApsystemsOptions(DeviceOptions):
    """A roof of APsystems micro-inverters behind a zigbee coordinator."""

    adapter: Literal["apsystems"] = Field(description="equipment family")
    port: str = Field(min_length=1, description="a device path, a PTY or socket://host:port")
    ecu_id: str = Field(
        default=DEFAULT_ECU_ID,
        description="12 hexadecimal characters: whom the inverters are paired to; choose your own",
    )
    reset_gpio: ResetWire | None = Field(
        default=None,
        description="what the coordinator's RST hangs on: a GPIO line as 18 or gpiochip4:18, or dtr or rts",
    )
    location: tuple[float, float] | None = Field(
        default=None, description="latitude and longitude in degrees, as [52.1, 5.2]; polls by day alone"
    )
    timezone: str | None = Field(default=None, description="time zone of the roof; left out: the site's")
    sunrise_offset: Offset = Field(
        default=0.0, description="polling begins this long after sunrise, as 10 min; -10 min: before"
    )
    sunset_offset: Offset = Field(
        default=0.0, description="polling ends this long after sunset, as 10 min; -10 min: before"
    )
    always_day: bool = Field(default=False, description="poll around the clock, wherever the sun stands")
    poll: Duration = Field(default=300.0, ge=5, le=3600, description="how often each inverter is polled")
    inverters: tuple[InverterOptions, ...] = Field(
        min_length=1,
        max_length=INVERTERS_MAX,
        description="the inverters, 1 to 9, as {serial: .., model: ..}",
    )
    layout: Literal["roof", "per_inverter"] = Field(
        default="roof",
        description="`roof`: one unit for all; `per_inverter`: `unit` for the first, and so on",
    )

    @field_validator("ecu_id")
    @classmethod
    def _twelve(cls, ecu_id: str) -> str:
        if not _ECU_ID.fullmatch(ecu_id):
            raise ValueError("expected 12 hexadecimal characters such as D8A3011B9780")
        return ecu_id.upper()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        try:
            if name is not None:
                zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("expected a time zone such as Europe/Stockholm") from None
        return name

    @field_validator("location")
    @classmethod
    def _on_earth(cls, location: tuple[float, float] | None) -> tuple[float, float] | None:
        if location is not None and not (abs(location[0]) <= 90 and abs(location[1]) <= 180):
            raise ValueError("expected latitude -90 to 90 and longitude -180 to 180, as [52.1, 5.2]")
        return location

    @model_validator(mode="after")
    def _different(self) -> Self:
        serials = [inverter.serial for inverter in self.inverters]
        addresses = [f"0x{inverter.address:04X}" for inverter in self.inverters if inverter.address]
        for what, values in (("a serial", serials), ("an address", addresses)):
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise ValueError(f"expected {what} of its own for each inverter, {twice} stands twice")
        return self


class ApsystemsFamily(Family):
    """The native map follows from the layout: there are no product classes."""

    def native_map(self, options: DeviceOptions, identity: Identity | None) -> str | None:  # noqa: ARG002
        """Return the map of the roof, or that of its first inverter."""
        return self.native_maps.get(getattr(options, "layout", "roof"))

    def further_units(self, options: DeviceOptions) -> Mapping[int, str]:
        """Return the maps of the units after the device's own, by how far they lie behind it."""
        if not isinstance(options, ApsystemsOptions) or options.layout == "roof":
            return {}
        return {behind: inverter_map(behind + 1) for behind in range(1, len(options.inverters))}

    def declared(self, product: str | None) -> frozenset[str] | None:  # noqa: ARG002 - as overridden
        """Return None: the points follow from the inverters that a site names."""
        return None


def inverter_map(number: int) -> str:
    """Return the name of the map that shows the inverter of a number, 1 to 9, alone."""
    return "apsystems_inverter" if number == 1 else f"apsystems_inverter_{number}"


FAMILY = ApsystemsFamily(
    name="apsystems",
    title="APsystems micro-inverters over zigbee",
    options=ApsystemsOptions,
    adapter="bridge.adapters.apsystems.adapter:ApsystemsAdapter",
    simulator="bridge.adapters.apsystems.simulator:ApsystemsSimulator",
    probe="bridge.adapters.apsystems.probe:probe",
    native_maps={"roof": "apsystems_roof", "per_inverter": inverter_map(1)},
)
