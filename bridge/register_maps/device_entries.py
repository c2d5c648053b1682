"""The `device:` and `detect:` of a map: how clients see and find the device."""

from types import MappingProxyType

from bridge.register_maps.fields import Faults, Fields, integer, need_integer, path
from bridge.register_maps.format import ADDRESS_MAX, READ_MAX, Detect, DeviceInfo, Table
from bridge.register_maps.positions import Node, nearest
from bridge.register_maps.type_entries import TypeReader
from bridge.register_maps.types import HexType, TextType

_DEVICE_TEXTS = ("vendor_id", "vendor_name", "product_name", "role")
DEVICE_KEYS = frozenset(
    {*_DEVICE_TEXTS, *("product_id", "instance", "min_timeout", "access", "hole_max", "fast")}
)
DETECT_KEYS = frozenset(
    {*("address", "type", "length", "little", "encoding", "values"), *("methods", "units", "rates")}
)
_METHODS = ("tcp", "rtu", "udp")
_TIMEOUT_MAX_S = 60.0


def read_device(node: Node | None, faults: Faults, base: DeviceInfo) -> DeviceInfo:
    """Return `base` with what a `device:` says."""
    if node is None:
        return base
    fields = Fields(node, faults, "device", DEVICE_KEYS)
    texts = {key: fields.text(key) for key in _DEVICE_TEXTS}
    product_id = fields.integer("product_id", 0, 0xFFFF)
    instance = fields.integer("instance", 0, 0xFFFF)
    hole_max = fields.integer("hole_max", 0, READ_MAX - 1)
    access = fields.choice("access", (Table.HOLDING, Table.INPUT))
    timeout = _min_timeout(fields, faults)
    fast = tuple(p for item in fields.items("fast") if (p := path(item, faults, "fast")) is not None)
    return DeviceInfo(
        vendor_id=texts["vendor_id"] or base.vendor_id,
        vendor_name=texts["vendor_name"] or base.vendor_name,
        product_id=base.product_id if product_id is None else product_id,
        product_name=texts["product_name"] or base.product_name,
        role=texts["role"] or base.role,
        instance=base.instance if instance is None else instance,
        min_timeout_s=base.min_timeout_s if timeout is None else timeout,
        access=Table(access) if access else base.access,
        hole_max=base.hole_max if hole_max is None else hole_max,
        fast=fast or base.fast,
        line=node.line,
        column=node.column,
    )


def _min_timeout(fields: Fields, faults: Faults) -> float | None:
    node = fields.get("min_timeout")
    if node is None:
        return None
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _TIMEOUT_MAX_S:
        faults.at(
            node, f"min_timeout: found {node.kind}, expected seconds above 0, at most {_TIMEOUT_MAX_S:g}"
        )
        return None
    return float(value)


def read_detect(node: Node | None, faults: Faults) -> Detect | None:
    """Return the model register; None without one or after a fault."""
    if node is None:
        return None
    fields = Fields(node, faults, "detect", DETECT_KEYS)
    address = need_integer(fields, "address", 0, ADDRESS_MAX)
    kind = TypeReader(faults).read(fields, elsewhere=("values",))
    text = isinstance(kind, TextType | HexType)
    values: dict[int | str, str] = {}
    for key, value in fields.mapping("values"):
        number = key.text if text else integer(key, faults, "detect: values", -(1 << 63), (1 << 64) - 1)
        if isinstance(value.value, dict | list) or value.value is None:
            faults.at(value, f"detect: values: found {value.kind}, expected a model's name")
        elif number is not None:
            values[number] = value.text
    if not values:
        faults.at(
            fields.key("values"), "detect: found no values, expected a table such as {0x4201: Blue Smart}"
        )
    methods = tuple(item.text for item in fields.items("methods") if _is_method(item, faults))
    units = _integers(fields, "units", 1, 247)
    rates = _integers(fields, "rates", 300, 4_000_000)
    if address is None or kind is None:
        return None
    return Detect(
        address, kind, MappingProxyType(values), methods, units, rates, line=node.line, column=node.column
    )


def _is_method(node: Node, faults: Faults) -> bool:
    if node.value in _METHODS:
        return True
    near = nearest(node.text, _METHODS) if node.text else None
    faults.at(
        node,
        f"methods: found {node.kind}, expected one of {', '.join(_METHODS)}",
        f"did you mean '{near}'?" if near else "",
    )
    return False


def _integers(fields: Fields, key: str, low: int, high: int) -> tuple[int, ...]:
    found = (integer(item, fields.faults, key, low, high) for item in fields.items(key))
    return tuple(number for number in found if number is not None)
