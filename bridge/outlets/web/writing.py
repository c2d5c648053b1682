"""A write that a person or a program asks for over the page, from its text to its outcome in words."""

from collections.abc import Mapping

from bridge.datastore.device import Device
from bridge.datastore.refusals import WriteRefusal
from bridge.datastore.spec import PointSpec
from bridge.datastore.values import Origin, Outcome, Path, Value, WriteRequest
from bridge.outlets.web.gate import Refusal
from bridge.outlets.web.visitors import Visitor

#: The longest a person waits for an outcome here; later ones stand in the events.
WAIT_S = 10.0
#: Changes of one request.
CHANGES_MAX = 100


def value_of(text: str, spec: PointSpec) -> Value:
    """Read a value as a person writes it: a number, or the name of a choice. Raises Refusal."""
    written = text.strip()
    if spec.text:
        return text
    for number, name in (spec.choices or {}).items():
        if written.casefold() == name.casefold():
            return number
    try:
        number_ = float(
            written.replace(",", ".") if written.count(",") == 1 and "." not in written else written
        )
    except ValueError:
        raise Refusal(400, f"{spec.path}: found {written[:40]!r}, expected a number") from None
    return int(number_) if number_.is_integer() and abs(number_) < 2**53 else number_


async def write(device: Device, changes: Mapping[Path, Value], visitor: Visitor) -> Mapping[Path, Outcome]:
    """Write a batch, with the person's role and address as its origin. Raises Refusal."""
    if not 0 < len(changes) <= CHANGES_MAX:
        raise Refusal(400, f"found {len(changes)} changes, expected 1 to {CHANGES_MAX}")
    request = WriteRequest(dict(changes), Origin("web", visitor.name))
    try:
        return await device.write(request, WAIT_S)
    except WriteRefusal as refusal:
        raise Refusal(422, str(refusal)) from None
