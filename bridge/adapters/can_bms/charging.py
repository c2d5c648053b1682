"""The charge controller's points: settings that are held, force charge, restart."""

from collections.abc import Mapping
from dataclasses import replace

from bridge.adapters.can_bms.charge import Charger
from bridge.adapters.can_bms.names import FORCE, RESTART, SETTINGS, STATE
from bridge.datastore.device import Device
from bridge.datastore.refusals import ValueRefused
from bridge.datastore.values import Path, Value


class Charging:
    """What is written to a charge controller and shown of it; without one it takes and shows nothing."""

    def __init__(self, charger: Charger | None) -> None:
        self._charger = charger

    @property
    def there(self) -> bool:
        """True where there is a controller."""
        return self._charger is not None

    def check(self, changes: Mapping[Path, Value]) -> None:
        """Raise ValueRefused for voltages that contradict each other or those in force."""
        wanted = _settings(changes)
        if self._charger is None or not wanted:
            return
        fault = replace(self._charger.settings, **wanted).fault()
        if fault is not None:
            path = next(path for path in changes if path in SETTINGS)
            raise ValueRefused(path, f"{path}: {fault}")

    def take(self, changes: Mapping[Path, Value]) -> frozenset[Path]:
        """Put settings in force and obey commands; returns the controller's points of the batch."""
        charger = self._charger
        if charger is None:
            return frozenset()
        wanted = _settings(changes)
        if wanted:
            charger.change(**wanted)
        if FORCE in changes:
            charger.force(on=changes[FORCE] == 1)
        if changes.get(RESTART) == 1:
            charger.restart()
        return frozenset(path for path in changes if path in SETTINGS or path in (FORCE, RESTART))

    def resume(self, device: Device) -> None:
        """Take up the settings that were held before a restart, where they still agree with the site."""
        held = {path: value for path in SETTINGS if (value := device.held(path)) is not None}
        if self._charger is None or not held:
            return
        try:
            if any(device.spec(path).fault(value, None, None) for path, value in held.items()):
                raise ValueError("beyond what the site allows now")
            self._charger.change(**_settings(held))
        except ValueError:  # the site has changed: what it says now counts
            for path in held:
                device.release(path)

    def values(self) -> dict[Path, Value | None]:
        """Return the controller's points."""
        charger = self._charger
        if charger is None:
            return {}
        settings = charger.settings
        return {
            STATE: int(charger.stage),
            FORCE: int(charger.forced),
            RESTART: 0,
            **{path: getattr(settings, name) for path, name in SETTINGS.items()},
        }


def _settings(changes: Mapping[Path, Value]) -> dict[str, float]:
    return {
        SETTINGS[path]: float(value)
        for path, value in changes.items()
        if path in SETTINGS and isinstance(value, int | float)
    }
