"""What a person asks of a device beside its points: pairing, the radio's console, a poll now."""

from urllib.parse import quote

from bridge.datastore.device import Device
from bridge.outlets.web.html import Child, Markup, tag

#: Operation -> title, what it does, fields as (name, label, kind); those not named here get a button alone.
_FORMS: dict[str, tuple[str, str, tuple[tuple[str, str, str], ...]]] = {
    "pair": (
        "Pair",
        "Calls inverters that have no address yet, or those named. It needs daylight on their panels.",
        (("serials", "Serial numbers; none for all", "list"), ("anyway", "Also at night", "checkbox")),
    ),
    "pair_list": ("List inverters", "Inverters with their addresses and when they were last heard.", ()),
    "forget": (
        "Forget",
        "Forgets the address of an inverter, to pair it anew.",
        (("serial", "Serial number", "text"),),
    ),
    "poll_now": ("Poll now", "Asks without waiting for the next round.", ()),
    "radio_health": ("Radio: how is it?", "Asks the coordinator.", ()),
    "radio_start": ("Radio: start anew", "Resets the coordinator and starts it.", ()),
    "radio_raw": (
        "Radio console",
        "Sends one frame as it is and shows what comes in the next two seconds.",
        (("hex", "Frame in hexadecimal, as FE00270027", "text"),),
    ),
}


def operations_section(device: Device, names: tuple[str, ...]) -> Child:
    """Return a form for each operation of a device; their steps are shown while they happen."""
    if not names:
        return None
    return tag("section", tag("h2", "Pairing and tools"), (_operation(device, name) for name in names))


def _operation(device: Device, name: str) -> Markup:
    title, text, fields = _FORMS.get(name, (name.replace("_", " ").capitalize(), "", ()))
    output = f"told-{name}"
    return tag(
        "section",
        tag("h3", title),
        tag("p", text, class_="faint"),
        tag(
            "form",
            (_field(name, *one) for one in fields),
            tag("p", tag("button", title)),
            data_operate=f"/api/v1/devices/{quote(device.name)}/operations/{quote(name)}",
            data_output=output,
        ),
        tag("pre", id=output, role="status", tabindex="0", aria_label=f"What {title} tells"),
        class_="card",
    )


def _field(operation: str, name: str, label: str, kind: str) -> Markup:
    own = f"{operation}-{name}"
    if kind == "checkbox":
        box = tag("input", type="checkbox", name=name, id=own)
        return tag("p", box, " ", tag("label", label, for_=own, class_="line"), class_="field")
    made = tag("input", type="text", name=name, id=own, data_list=True if kind == "list" else None)
    return tag("p", tag("label", label, for_=own), made, class_="field")
