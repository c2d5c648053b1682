"""Units of measure by point name, as the Victron D-Bus API defines them for its paths."""

import re

#: The first rule whose pattern is found at the end of a path wins.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(f"(?:{pattern})$"), unit)
    for pattern, unit in (
        (r"/Alarms/\w+", ""),
        (r"/Actions/\w+", ""),
        (r"/(Link|Inverter)/(Age|Uptime)", "s"),
        (r"/Uptime", "s"),
        (r"/TimeToGo|/SourceAge", "s"),
        (r"Temperature", "°C"),
        (r"/(Soc|Soh|SOC|SOH|MinimumSoc)", "%"),
        (r"/PowerLimit|/MaxPower|/AcPowerSetpoint", "W"),
        (r"/Energy(/\w+)?|/(Charged|Discharged)Energy", "kWh"),
        (r"/Yield/(User|System)|/History/Daily/\d+/Yield", "kWh"),
        (r"/Yield/Power|Power|/P", "W"),
        (r"/S", "VA"),
        (r"/Q", "var"),
        (r"/F|Frequency", "Hz"),
        (r"/ConsumedAmphours|Capacity", "Ah"),
        (r"Voltage(Min|Max)?|/V|/BatteryLowVoltage", "V"),
        (r"Current(Limit)?(Min|Max)?|/I", "A"),
    )
)


def unit_of_measure(path: str) -> str:
    """Return the unit of a point, empty for states, counts and texts."""
    return next((unit for pattern, unit in _RULES if pattern.search(path)), "")
