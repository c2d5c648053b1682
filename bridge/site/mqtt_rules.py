"""What the outlet `mqtt` and the devices of other bridges mean beside the rest of the site."""

from pathlib import Path

from bridge.register_maps.positions import Problem
from bridge.site.checked import at, did_you_mean
from bridge.site.sections import Draft

#: The family whose devices have inverters that RPI-ECU told of.
_ROOFS = "apsystems"


def judge_mqtt(draft: Draft, directory: Path, problems: list[Problem]) -> None:
    """Check names of devices and files; `directory` is that of the site file."""
    outlet = draft.outlets.mqtt
    if outlet is None:
        return
    place = at(draft.root, ["outlets", "mqtt"])
    for key in ("ca", "certificate", "key"):
        written = getattr(outlet, key)
        if written is not None and not _is_file(directory, written):
            hint = "a relative path begins at the site file"
            problems.append(at(place, [key]).problem(f"found no file {written}, expected one in PEM", hint))
    roofs = {placed.name for placed in draft.devices if placed.family.name == _ROOFS}
    for number, form in enumerate(outlet.rpi_ecu):
        if form.device not in roofs:
            entry = at(place, ["rpi_ecu", number])
            there = ", ".join(sorted(roofs)) or "none here"
            message = f"found '{form.device}', expected a device of the family {_ROOFS}: {there}"
            problems.append(at(entry, ["device"]).problem(message, did_you_mean(form.device, roofs)))


def _is_file(directory: Path, written: str) -> bool:
    try:
        return (directory / Path(written).expanduser()).is_file()
    except (OSError, ValueError, RuntimeError):
        return False
