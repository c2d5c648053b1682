"""What a battery is called, and whether it is the one that the site means.

Only batteries of Victron's kind tell a serial number. Any other has the one of the site file, or one made
of the device's name, so that a GX can tell two of them apart.
"""

import logging

from bridge.adapters.can_battery.points import IDENTITY
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Identity, LinkState

_log = logging.getLogger(__name__)

#: A battery sends its whole set every second, some with a frame every 100 ms: this long after its first
#: frame a serial number that has not come does not come.
PATIENCE_S = 1.5
_NAME, _PRODUCT_1, _PRODUCT_2, _SERIAL_1, _SERIAL_2 = 0x35E, 0x370, 0x371, 0x380, 0x381
IDS = frozenset({_NAME, _PRODUCT_1, _PRODUCT_2, _SERIAL_1, _SERIAL_2})
#: How a simulated battery's name begins, so that nobody takes it for a real one.
_SIMULATED = "SIM"


class Nameplate:
    """A battery's identity. `pinned` is the serial that the site file names, if any."""

    def __init__(self, device: Device, clock: Clock, pinned: str | None) -> None:
        self._device = device
        self._clock = clock
        self._pinned = pinned
        self._texts: dict[int, str] = {}
        self._began: float | None = None
        self._half_at = 0.0
        self._firmware = ""
        self._shown: Identity | None = None

    def forget(self) -> None:
        """Begin anew, as with a bus that has just been opened."""
        self._texts.clear()
        self._began = self._shown = None

    def unheard(self) -> None:
        """Begin anew after a long silence, where a serial number will tell whether it is the same battery."""
        if _SERIAL_1 in self._texts:
            self.forget()

    def told(self, id: int, data: bytes) -> None:
        """Take one of the frames of `IDS`; blanks at the end of a first half may be part of the name."""
        text = "".join(chr(byte) for byte in data if 0x20 <= byte < 0x7F)
        if id == _SERIAL_1 and self._texts.get(id) != text:
            self._texts.pop(_SERIAL_2, None)  # the second half of another number
            self._half_at = self._clock.monotonic()
        self._texts[id] = text

    def told_firmware(self, version: str) -> None:
        """Take the battery's firmware version."""
        self._firmware = version

    def admitted(self) -> bool:
        """Judge who is there, with every frame heard; False while that is not known, or for another one."""
        now = self._clock.monotonic()
        self._began = now if self._began is None else self._began
        half_told = _SERIAL_1 in self._texts and _SERIAL_2 not in self._texts
        if half_told and now - self._half_at < PATIENCE_S:
            return self._shown is not None
        if _SERIAL_1 not in self._texts and now - self._began < PATIENCE_S:
            return False
        told = _plain(self._texts.get(_SERIAL_1, "") + self._texts.get(_SERIAL_2, ""))
        known = self._device.identity
        remembered = "" if known is None else known.serial
        made_up = f"BATTERY_{_plain(self._device.name)}"
        expected = self._pinned or ("" if remembered == made_up else remembered)
        serial = told or expected or made_up
        if expected and serial != expected:
            self._refuse(serial, expected)
            return False
        self._learn(Identity(serial=serial, product_name=self._product_name(), firmware=self._firmware))
        return True

    def _learn(self, identity: Identity) -> None:
        if identity == self._shown:
            return
        self._shown = identity
        self._device.learn(identity)
        names = {"/Serial": identity.serial, "/ProductName": identity.product_name}
        self._device.publish(IDENTITY, names)

    def _product_name(self) -> str:
        product = " ".join((self._texts.get(_PRODUCT_1, "") + self._texts.get(_PRODUCT_2, "")).split())
        if product:
            return product
        name = self._texts.get(_NAME, "").strip()
        if name.startswith(_SIMULATED):
            return f"SIMULATED {name.removeprefix(_SIMULATED)} battery"
        return f"{name} battery" if name else "Battery"

    def _refuse(self, serial: str, expected: str) -> None:
        self._shown = None
        if self._device.link is LinkState.WRONG_DEVICE:
            return
        _log.error(
            "device=%s wrong device: found battery %s, expected %s: connect the right one, or name "
            "`serial: %s` in the site file if this one replaces it",
            self._device.name, serial, expected, serial,
        )  # fmt: skip
        self._device.forget()
        self._device.set_link(LinkState.WRONG_DEVICE)


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c == "_"))
