"""Who a unit is, as function 43/14 tells it (Modbus Application Protocol 1.1b3, section 6.21)."""

from collections.abc import Sequence

from bridge import __version__
from bridge.datastore.device import Device
from bridge.register_maps.format import Kind, RegisterMap
from bridge.server.codes import Code

#: Function code, and the MEI type of reading a device's identification.
FUNCTION, MEI_TYPE = 43, 14
#: Regular identification, as a stream and one by one (the conformity level of table 6.21).
_CONFORMITY = 0x82
#: ReadDevId code -> how many objects its stream has; extended falls back to what is there.
_STREAMS = {1: 3, 2: 7, 3: 7}
_INDIVIDUAL = 4
#: A PDU is 253 bytes long, its head 7, an object's id and length 2.
_OBJECTS_MAX, _OBJECT_HEAD = 253 - 7, 2
_LENGTH = 4


def objects(loaded: RegisterMap, device: Device) -> tuple[bytes, ...]:
    """Return the objects 0 to 6 of a unit.

    Vendor name, product code, revision, vendor URL (nobody tells ours, so it is empty), product name, model
    name, and the device's name at this site. A persona tells the product that it imitates.
    """
    info, known = loaded.device, device.identity
    persona = loaded.kind is Kind.PERSONA
    product_id, product_name, revision = info.product_id, info.product_name, ""
    if loaded.kind is Kind.BRIDGE:
        revision = __version__
    if known is not None:
        revision = known.firmware
        if not persona or product_id is None:
            product_id = product_id if known.product_id is None else known.product_id
        if not persona or not product_name:
            product_name = known.product_name or product_name
    code = "" if product_id is None else f"{product_id:04X}"
    texts = (info.vendor_name, code, revision, "", product_name, loaded.title, device.name)
    return tuple(_ascii(text) for text in texts)


def answer(pdu: bytes, found: Sequence[bytes]) -> bytes | int:
    """Return the reply to a well-formed request, or its exception code."""
    wanted, first = pdu[2], pdu[3]
    if wanted == _INDIVIDUAL:
        if first >= len(found):
            return Code.ILLEGAL_ADDRESS
        return _reply(wanted, first, found[: first + 1])
    # "If the object id does not match any known object, the server responds as if object 0 were asked for."
    within = found[: _STREAMS[wanted]]
    return _reply(wanted, first if first < len(within) else 0, within)


def format_code(pdu: bytes) -> int:
    """Return 01 for another MEI type, 03 for a malformed request, 0 for a good one."""
    if len(pdu) >= 2 and pdu[1] != MEI_TYPE:
        return Code.ILLEGAL_FUNCTION
    good = len(pdu) == _LENGTH and (pdu[2] in _STREAMS or pdu[2] == _INDIVIDUAL)
    return 0 if good else Code.ILLEGAL_VALUE


def _reply(wanted: int, first: int, found: Sequence[bytes]) -> bytes:
    """Tell objects from `first` on, as many as fit, and where to ask on."""
    packed = bytearray()
    number = first
    while number < len(found) and len(packed) + _OBJECT_HEAD + len(found[number]) <= _OBJECTS_MAX:
        packed += bytes((number, len(found[number]))) + found[number]
        number += 1
    more = number < len(found)
    head = (FUNCTION, MEI_TYPE, wanted, _CONFORMITY, 0xFF if more else 0, number if more else 0)
    return bytes((*head, number - first)) + packed


def _ascii(text: str) -> bytes:
    """Return a text as one object holds it."""
    return text.encode("ascii", "replace")[: _OBJECTS_MAX - _OBJECT_HEAD]
