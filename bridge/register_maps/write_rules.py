"""The `write:` of a register: `true`, `[lowest, highest]` or `{values: [..]}`."""

from fractions import Fraction

from bridge.register_maps.fields import Faults, Fields, number
from bridge.register_maps.format import WriteRule
from bridge.register_maps.packing import is_invalid, raw_of
from bridge.register_maps.positions import Node
from bridge.register_maps.types import BitType, EnumType, HexType, Raw, RegisterType, TextType, Value


def read_rule(node: Node, faults: Faults, kind: RegisterType) -> WriteRule | None:
    """Read a rule; None after a fault."""
    if node.value is True:
        if isinstance(kind, EnumType) and kind.values:
            return WriteRule(choices=tuple(kind.values.values()))
        return WriteRule(choices=(kind.unset, kind.set)) if isinstance(kind, BitType) else WriteRule()
    if isinstance(node.value, list):
        return _range(node, node.value, faults, kind)
    if isinstance(node.value, dict):
        return _choices(node, faults, kind)
    faults.at(node, f"write: found {node.kind}, expected true, [lowest, highest] or {{values: [..]}}")
    return None


def check_fit(
    rule: WriteRule,
    node: Node,
    faults: Faults,
    kind: RegisterType,
    scale: Fraction,
    invalid: tuple[Raw, ...] | None,
) -> None:
    """Note the values of a rule that the type cannot carry, or that mean no value in it."""
    limits = (rule.minimum, rule.maximum) if rule.choices is None else rule.choices
    for limit in limits:
        if limit is None or _fits(kind, scale, invalid, limit):
            continue
        found = f"'{limit}'" if isinstance(limit, str) else f"{limit:g}"
        at = "" if scale == 1 else f" at scale {scale}"
        faults.at(
            node,
            f"write: found {found}, which {kind.name}{at} cannot hold beside its invalid pattern",
            "take a wider type or another scale",
        )


def _fits(kind: RegisterType, scale: Fraction, invalid: tuple[Raw, ...] | None, value: Value) -> bool:
    raw = raw_of(kind, scale, value)
    if isinstance(kind, BitType):
        return value in (kind.set, kind.unset)
    return raw is not None and not is_invalid(raw, kind, invalid) and kind.pack(raw) is not None


def _range(node: Node, items: list[Node], faults: Faults, kind: RegisterType) -> WriteRule | None:
    bounds = [number(item, faults, "write") for item in items]
    if len(bounds) != 2:
        faults.at(node, f"write: found a list of {len(bounds)}, expected [lowest, highest]")
        return None
    low, high = bounds
    if low is None or high is None:
        return None
    if low > high:
        faults.at(node, f"write: found [{low:g}, {high:g}], expected the lower one first")
        return None
    if isinstance(kind, TextType | HexType):
        faults.at(node, f"write: found a range with {kind.name}, expected true or {{values: [..]}}")
        return None
    return WriteRule(float(low), float(high))


def _choices(node: Node, faults: Faults, kind: RegisterType) -> WriteRule | None:
    fields = Fields(node, faults, "write", ("values",))
    text = isinstance(kind, TextType | HexType)
    choices: list[Value] = []
    for item in fields.items("values"):
        if text and not isinstance(item.value, dict | list) and item.value is not None:
            choices.append(item.text)
        elif not text and (found := number(item, faults, "write")) is not None:
            choices.append(found)
    if not choices:
        faults.at(node, "write: found no values, expected {values: [..]} with at least one")
        return None
    return WriteRule(choices=tuple(choices))
