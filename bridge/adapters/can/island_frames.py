"""What an SMA Sunny Island sends about itself once a second.

305, 306 and the relay word of 307 stand in SMA's document of 2013; the rest was found out by the authors of
SMAVenusDriver on a split-phase pair. The third line of a cluster (bytes 4 and 5) is inferred, UNVERIFIED.
The ids 305, 306 and 307 mean other things on other buses: read these only where the site says so.
"""

from fractions import Fraction

from bridge.adapters.can.battery_frames import HUNDREDTH, TENTH
from bridge.adapters.can.fields import AnyField, Bit, Field, FrameSpec

_HUNDRED = Fraction(100)


def _lines(name: str, scale: Fraction, unit: str) -> tuple[AnyField, ...]:
    return tuple(Field(name.format(line), 2 * (line - 1), "h", scale, unit) for line in (1, 2, 3))


#: Power at AC2 (grid or generator), positive while importing.
EXTERNAL_POWER = FrameSpec(0x300, "external_power", _lines("ext_power_l{}_w", _HUNDRED, "W"))
#: Power of the inverter, positive while inverting.
INVERTER_POWER = FrameSpec(0x301, "inverter_power", _lines("inv_power_l{}_w", _HUNDRED, "W"))
EXTERNAL_REACTIVE = FrameSpec(0x302, "external_reactive", _lines("ext_reactive_l{}_var", _HUNDRED, "var"))
INVERTER_REACTIVE = FrameSpec(0x303, "inverter_reactive", _lines("inv_reactive_l{}_var", _HUNDRED, "var"))
OUTPUT = FrameSpec(
    0x304,
    "output",
    (*_lines("out_voltage_l{}_v", TENTH, "V"), Field("out_frequency_hz", 6, "H", HUNDREDTH, "Hz")),
)
#: The current is negative while charging, opposite to a battery's and Victron's sign.
ISLAND_BATTERY = FrameSpec(
    0x305,
    "island_battery",
    (
        Field("batt_voltage_v", 0, "H", TENTH, "V"),
        Field("batt_current_raw_a", 2, "h", TENTH, "A"),
        Field("batt_temperature_c", 4, "h", TENTH, "°C"),
        Field("soc_pct", 6, "h", TENTH, "%"),
    ),
)
ISLAND_STATUS = FrameSpec(
    0x306,
    "island_status",
    (
        Field("soh_pct", 0, "H", unit="%"),
        Field("charge_procedure", 2, "B"),
        Field("operating_state", 3, "B"),
        Field("error_number", 4, "H"),
        Field("charge_voltage_setpoint_v", 6, "H", TENTH, "V"),
    ),
)
RELAYS = FrameSpec(
    0x307,
    "relays",
    (
        Field("relay_word", 0, "H", marker=False),
        Bit("ac2_relay_closed", 2, 7),
        Bit("ac2_voltage_valid", 2, 6),
    ),
    length=4,
)
LOAD = FrameSpec(0x308, "load", (Field("load_power_w", 0, "h", _HUNDRED, "W"),))
EXTERNAL = FrameSpec(
    0x309,
    "external",
    (*_lines("ext_voltage_l{}_v", TENTH, "V"), Field("ext_frequency_hz", 6, "H", HUNDREDTH, "Hz")),
)

#: All of them by id.
ISLAND_FRAMES = {
    spec.id: spec
    for spec in (
        *(EXTERNAL_POWER, INVERTER_POWER, EXTERNAL_REACTIVE, INVERTER_REACTIVE, OUTPUT),
        *(ISLAND_BATTERY, ISLAND_STATUS, RELAYS, LOAD, EXTERNAL),
    )
}
