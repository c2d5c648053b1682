"""Which device and which product a session may believe it talks to."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from bridge.adapters.vedirect.ac_charger import AC_CHARGER
from bridge.adapters.vedirect.identity import (
    IdentityLock,
    Sender,
    Verdict,
    product_class,
    product_name,
    sender_of,
)
from bridge.adapters.vedirect.options import FAMILY, VeDirectOptions
from bridge.adapters.vedirect.product import IDENTITY, Control, Product, firmware
from bridge.datastore.clock import Clock
from bridge.datastore.device import Device
from bridge.datastore.values import Identity, LinkState

_log = logging.getLogger(__name__)

PRODUCTS: Mapping[str, Product] = {product.name: product for product in (AC_CHARGER,)}


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
        self._lock = IdentityLock(options.serial, remembered.serial if remembered else None)
        self._told: object = None
        self._firmware: str | None = None
        self._take(self._class)

    @property
    def admitted(self) -> bool:
        """True while the device on this line has shown that it is the one meant."""
        return self._lock.accepted is not None and self._told is None

    def reopened(self) -> None:
        """Forget who was on the line: it has been opened anew."""
        self._lock.reopened()
        self._told = None

    def admit(self, fields: Mapping[str, str]) -> bool:
        """Judge a text block by its sender; True when its values may be published."""
        sender = sender_of(fields)
        if sender is None:
            return False
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
        found = product_class(sender.product_id, frozenset(fields)) or "unknown"
        if self._class and found != self._class:
            self._wrong(
                sender,
                f"of product class {found}, expected {self._class}: connect the right device, or set "
                f"`product: {found}` in the site file",
            )
            return False
        if found not in PRODUCTS:
            what = "not available in this version" if found in FAMILY.later else "not known to this version"
            self._wrong(sender, f"product class {found} is {what}")
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
                    "/ProductId": identity.product_id,
                    "/ProductName": identity.product_name,
                    "/FirmwareVersion": identity.firmware or None,
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
