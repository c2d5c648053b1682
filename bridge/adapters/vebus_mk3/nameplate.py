"""What a VE.Bus system is called, and whether it is the one that the site means.

A system is known by its master's own number. Its product is told by how many AC inputs it has.
"""

import logging
from dataclasses import replace

from bridge.adapters.vebus_mk3.points import IDENTITY
from bridge.datastore.device import Device
from bridge.datastore.values import Identity, LinkState

_log = logging.getLogger(__name__)

#: What a system is called whose AC inputs are not counted yet.
UNKNOWN_PRODUCT = "MultiPlus or Quattro"
_PRODUCTS = {1: "MultiPlus", 2: "Quattro"}
#: A simulated unit spells this in its number, so that nobody takes it for a real one.
_SIMULATED = "SIM"


class Nameplate:
    """A device's identity as its frames tell it. `pinned` is the serial that the site file names, if any."""

    def __init__(self, device: Device, pinned: str | None) -> None:
        self._device = device
        self._pinned = pinned
        self._untold = False

    @property
    def expected(self) -> str:
        """The serial that the unit must tell: the pinned one, or the one it has told before; else nothing."""
        known = self._device.identity
        remembered = "" if known is None else known.serial
        return self._pinned or ("" if remembered == _made_up(self._device.name) else remembered)

    def untold(self) -> None:
        """Take note that a unit tells no number where one is expected: it may be another one."""
        if not self._untold:
            self._untold = True
            _log.warning(
                "device=%s tells no unit number, expected %s: waiting for it",
                self._device.name,
                self.expected,
            )

    def admitted(self, number: bytes | None) -> str | None:
        """Return the serial of a unit's number (None: it tells none); None where another one is expected."""
        known, expected = self._device.identity, self.expected
        serial = _made_up(self._device.name) if number is None else serial_of(number)
        self._untold = False
        if expected and serial != expected:
            self._refuse(serial, expected)
            return None
        if known is None or known.serial != serial:
            known = Identity(serial=serial, product_name=product_name(serial, 0))
        self._device.learn(known)
        self._show()
        return serial

    def learn(self, *, firmware: str = "", inputs: int = 0) -> None:
        """Take the unit's firmware, or how many AC inputs it has."""
        known = self._device.identity
        if known is None:
            return
        name = product_name(known.serial, inputs) if inputs else known.product_name
        newer = replace(known, firmware=firmware or known.firmware, product_name=name)
        if newer != known:
            self._device.learn(newer)
            self._show()

    def told_interface(self, number: int) -> None:
        """Take the interface's version."""
        self._device.publish(IDENTITY, {"/Interface/Version": str(number)})

    def _refuse(self, serial: str, expected: str) -> None:
        if self._device.link is not LinkState.WRONG_DEVICE:
            _log.error(
                "device=%s wrong device: found unit %s, expected %s: connect the right one, or name "
                "`serial: %s` in the site file if this one replaces it",
                self._device.name, serial, expected, serial,
            )  # fmt: skip
        self._device.forget()
        self._device.set_link(LinkState.WRONG_DEVICE)

    def _show(self) -> None:
        known = self._device.identity
        if known is None:
            return
        cleared = {path: 0 for path in self._device.paths if self._device.spec(path).self_clearing}
        names = {
            "/Serial": known.serial,
            "/ProductName": known.product_name,
            "/FirmwareVersion": known.firmware or None,
        }
        self._device.publish(IDENTITY, {**names, **cleared})


def _made_up(device: str) -> str:
    return "VEBUS_" + "".join(c for c in device if c.isascii() and (c.isalnum() or c == "_"))


def serial_of(number: bytes) -> str:
    """Return the serial of a unit's number as the bridge serves it; a simulated one spells SIM in it."""
    if number.startswith(_SIMULATED.encode()) and number.isalnum():
        return number.decode("ascii")
    return number.hex().upper()


def product_name(serial: str, inputs: int) -> str:
    """Return what a system of so many AC inputs is called; 0 is not known."""
    name = _PRODUCTS.get(inputs, UNKNOWN_PRODUCT)
    return f"SIMULATED {name}" if serial.startswith(_SIMULATED) else name
