"""Which device and which product a session may believe it talks to."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from bridge.adapters.vedirect.ac_charger import AC_CHARGER
from bridge.adapters.vedirect.battery_monitor import BATTERY_MONITOR
from bridge.adapters.vedirect.dcdc import DCDC
from bridge.adapters.vedirect.identity import (
    PROOF_BLOCKS,
    IdentityLock,
    Sender,
    Verdict,
    product_class,
    product_id_of,
    product_name,
    sender_of,
    serial_of,
)
from bridge.adapters.vedirect.inverter import INVERTER
from bridge.adapters.vedirect.options import VeDirectOptions
from bridge.adapters.vedirect.product import IDENTITY, Control, Product, firmware
from bridge.adapters.vedirect.solar_charger import SOLAR_CHARGER
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Identity, LinkState, Path

_log = logging.getLogger(__name__)

PRODUCTS: Mapping[str, Product] = {
    product.name: product for product in (AC_CHARGER, INVERTER, SOLAR_CHARGER, BATTERY_MONITOR, DCDC)
}


def points_of(product: str) -> frozenset[Path] | None:
    """Return the paths that devices of a product class declare, None for an unknown class."""
    known = PRODUCTS.get(product)
    return None if known is None else frozenset(spec.path for spec in known.points)


class KnownDevice:
    """Admits the device the site means, by serial number and product class, and nobody else.

    `product` and `control` are None until the class is known: from the site file, the saved state, or
    the device itself. A class once learnt never changes by itself, since the register map hangs on it.
    """

    def __init__(self, device: Device, options: VeDirectOptions, clock: Clock) -> None:
        self.product: Product | None = None
        self.control: Control | None = None
        self._device = device
        self._clock = clock
        remembered = device.identity
        self._class = (
            options.product if options.product != "auto" else (remembered.product if remembered else "")
        )
        self._pinned = options.serial
        self._lock = IdentityLock(self._pinned, remembered.serial if remembered else None)
        self._told: object = None
        self._fields: Mapping[str, str] = {}
        self._contradicted = False
        #: Main text blocks in a row that named no serial number and fitted nobody known.
        self.unnamed = 0
        self._take(self._class)

    @property
    def admitted(self) -> bool:
        """True while the device on this line has shown that it is the one meant."""
        return self._lock.accepted is not None and self._told is None

    def reopened(self) -> None:
        """Forget who was on the line: it has been opened anew."""
        self._lock.reopened()
        self._told = None
        self._fields = {}
        self._contradicted = False
        self.unnamed = 0

    @property
    def accepted(self) -> Sender | None:
        """Who was accepted since the line was opened, whatever was thought of its product class."""
        return self._lock.accepted

    def admit(self, fields: Mapping[str, str]) -> bool:
        """Judge a main text block by its sender; True when its values may be published.

        A block that names no serial number (BMV) counts for the device that HEX has told about.
        """
        product_id = product_id_of(fields)
        if product_id is None:
            return False
        self._fields = fields
        sender = sender_of(fields)
        if sender is None:
            accepted = self._lock.accepted
            doubted = self._told is not None or self._contradicted
            if accepted is None or accepted.product_id != product_id or doubted:
                self.unnamed += 1
                return False
            sender = accepted
        self.unnamed = 0
        return self._judge(sender, fields)

    def introduced(self, product_id: int | None, serial: str | None, version: str) -> bool:
        """Judge what a device tells of itself by HEX; True when its values may be published.

        What it does not tell is taken from its text, from what is remembered, or made of its product id.
        """
        if product_id is None:
            product_id = product_id_of(self._fields)
        if product_id is None:
            return False
        accepted = self._lock.accepted
        sender = Sender(product_id, serial or self._serial_of(product_id))
        if accepted is not None and accepted.serial == sender.serial:
            sender = accepted  # who the device is hangs on its serial number, however its model is told
        self._contradicted = accepted not in (None, sender)
        return self._judge(sender, {"FW": version, **self._fields} if version else self._fields)

    def presume(self) -> None:
        """Take a device that names no serial number in text, and answers no HEX, for what its text says."""
        for _ in range(PROOF_BLOCKS):
            self.introduced(None, None, "")

    def _serial_of(self, product_id: int) -> str:
        """Return the serial number of a device that tells none: the one known of it, or one made up."""
        accepted, remembered = self._lock.accepted, self._device.identity
        if accepted is not None and accepted.product_id == product_id:
            return accepted.serial
        if remembered is not None and remembered.product_id == product_id and remembered.serial:
            return remembered.serial
        return self._made_up(product_id)

    def _made_up(self, product_id: int) -> str:
        return f"{product_id:04X}_{serial_of(self._device.name)}"

    def _judge(self, sender: Sender, fields: Mapping[str, str]) -> bool:
        if self._pinned is None and sender.serial != self._lock.expected == self._made_up(sender.product_id):
            self._lock = IdentityLock(None, None)  # it tells its true serial number at last
        before = self._lock.accepted
        verdict = self._lock.judge(sender)
        if verdict is Verdict.WRONG:
            self._wrong(
                sender,
                f"expected serial {self._lock.expected}: connect the right device, or name "
                f"`serial: {sender.serial}` in the site file if this one replaces it",
            )
        if verdict is not Verdict.ACCEPTED:
            return False
        if sender != before or self._told is not None:
            return self._welcome(sender, fields)
        self._note_firmware(fields)
        return True

    def named(self, name: str) -> None:
        """Take the name the device gives itself."""
        identity = self._device.identity
        if name and identity is not None and identity.product_name != name:
            self._device.learn(replace(identity, product_name=name))

    def _welcome(self, sender: Sender, fields: Mapping[str, str]) -> bool:
        """Take a device just accepted, unless its product class is another or not available."""
        found = product_class(sender.product_id, frozenset(fields)) or self._class or "unknown"
        if self._class and found != self._class:
            self._wrong(
                sender,
                f"of product class {found}, expected {self._class}: connect the right device, or set "
                f"`product: {found}` in the site file",
            )
            return False
        if found not in PRODUCTS:
            self._wrong(
                sender,
                f"of a product class that cannot be told, expected one of {', '.join(PRODUCTS)}: name it "
                "by `product:` in the site file",
            )
            return False
        self._told = None
        self._class = found
        self._take(found)
        known = self._device.identity
        same = known is not None and known.serial == sender.serial and known.product_id == sender.product_id
        self._device.learn(
            Identity(
                serial=sender.serial,
                product=found,
                product_id=sender.product_id,
                product_name=known.product_name if known and same else product_name(sender.product_id, found),
                firmware=_firmware(fields) or (known.firmware if known and same else ""),
            )
        )
        self._publish()
        return True

    def _note_firmware(self, fields: Mapping[str, str]) -> None:
        version, identity = _firmware(fields), self._device.identity
        if version and identity is not None and version != identity.firmware:
            self._device.learn(replace(identity, firmware=version))
            self._publish()

    def _publish(self) -> None:
        identity = self._device.identity
        if identity is not None:
            self._device.publish(
                IDENTITY,
                {
                    "/Serial": identity.serial,
                    "/ProductId": identity.product_id or None,
                    "/ProductName": identity.product_name,
                    "/FirmwareVersion": identity.firmware or None,
                    **{path: 0 for path in self._device.paths if self._device.spec(path).self_clearing},
                },
            )

    def _take(self, product_class: str) -> None:
        product = PRODUCTS.get(product_class)
        if product is not None and product is not self.product:
            self.product = product
            self._device.declare(product.points, product.groups, product.alive_when)
            self.control = product.control(self._device, self._clock)

    def _wrong(self, sender: Sender, why: str) -> None:
        self._device.forget()
        self._device.set_link(LinkState.WRONG_DEVICE)
        if self._told != sender:
            self._told = sender
            _log.error(
                "device=%s wrong device: found %s 0x%04X, %s",
                self._device.name,
                sender.serial,
                sender.product_id,
                why,
            )


def _firmware(fields: Mapping[str, str]) -> str:
    text = fields.get("FWE") or fields.get("FW")
    return firmware(text) if text else ""
