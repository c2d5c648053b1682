"""JavaScript for the function nodes of a flow: words to named values, and a value to words."""

import json
from collections.abc import Iterable

from bridge.register_maps.rows import Json
from bridge.register_maps.snippets_values import LICENCE, Readable, decimal, samples_of
from bridge.register_maps.types import (
    BitType,
    EnumType,
    FloatType,
    HexType,
    IntegerType,
    MappedType,
    TextType,
    VersionType,
)

#: Turns the words of one read into named values; a value that the device does not have becomes null.
_DECODE = """\
// SPDX-License-Identifier: 0BSD
const fields = %s;
const words = msg.payload;
const out = {};
for (const f of fields) {
    const own = words.slice(f.at, f.at + f.words);
    if (f.low) own.reverse();
    const data = Buffer.alloc(2 * own.length);
    own.forEach((word, n) => data.writeUInt16BE(word, 2 * n));
    if (f.swap) data.swap16();
    let raw;
    if (f.kind === 'text') raw = data.toString(f.encoding).replace(/\\0+$/, '');
    else if (f.kind === 'hex') raw = data.toString('hex').toUpperCase();
    else if (f.kind === 'float') raw = data.readFloatBE(0);
    else if (f.kind === 'bit') raw = (own[own.length - 1] & f.mask) ? f.set : f.unset;
    else if (f.kind === 'version') raw = [own[0] >> 12, (own[0] >> 8) & 15, own[0] & 255].join('.');
    else raw = BigInt('0x' + data.toString('hex'));
    if (f.kind === 'signed') raw = BigInt.asIntN(16 * f.words, raw);
    if (typeof raw === 'bigint') raw = Number(raw);
    const none = f.none.includes(f.kind === 'version' ? own[0] : raw) || Number.isNaN(raw) || raw === '';
    if (f.table) raw = String(raw) in f.table ? f.table[String(raw)] : null;
    out[f.name] = none ? null : f.scale === 1 ? raw : raw / f.scale;
}
msg.payload = out;
return msg;
"""

#: Turns a value into the words to write, and refuses what the bridge would refuse.
_ENCODE = """\
// SPDX-License-Identifier: 0BSD
const f = %s;
const value = Number(msg.payload);
if (!Number.isFinite(value) || (f.choices && !f.choices.includes(value)) || value < f.min || value > f.max) {
    node.error(f.name + ': found ' + msg.payload + ', expected ' + f.expected, msg);
    return null;
}
let raw = BigInt.asUintN(16 * f.words, BigInt(Math.round(value * f.scale)));
const words = [];
for (let n = 0; n < f.words; n++) {
    words.unshift(Number(raw & 0xFFFFn));
    raw >>= 16n;
}
if (f.low) words.reverse();
msg.payload = f.words === 1 ? words[0] : words;
return msg;
"""

#: JavaScript's names of the encodings of texts; ASCII would lose what a device says beyond it.
_ENCODINGS = {"ascii": "latin1", "latin-1": "latin1", "utf-8": "utf8"}


def decoder(items: Iterable[Readable], start: int) -> str:
    """Return the code that names the values of a read from `start` on."""
    lines = ",\n".join(f"    {json.dumps(_field(item, start), ensure_ascii=False)}" for item in items)
    return _DECODE.replace("%s", f"[\n{lines}\n]")


def bit_decoder(places: dict[str, int]) -> str:
    """Return the code that names the bits of a read by their places in it."""
    return (
        f"// {LICENCE}\nconst places = {json.dumps(places)};\n"
        "const bits = msg.payload;\nmsg.payload = {};\n"
        "for (const name in places) msg.payload[name] = Boolean(bits[places[name]]);\nreturn msg;\n"
    )


def bit_encoder() -> str:
    """Return the code that turns a number into a bit."""
    return f"// {LICENCE}\nmsg.payload = Boolean(Number(msg.payload));\nreturn msg;\n"


def encoder(item: Readable) -> tuple[str, int | float] | None:
    """Return the code that turns a value into the words of a register, and a value to try it with.

    None for what is no number and for what is not written.
    """
    kind, rule = item.register.type, item.register.write
    if rule is None or not isinstance(kind, IntegerType | EnumType):
        return None
    lowest, highest = (kind.minimum, kind.maximum - 1) if isinstance(kind, IntegerType) else (0, 0xFFFE)
    low, high = float(lowest * item.factor), float(highest * item.factor)
    if rule.minimum is not None and rule.maximum is not None:
        low, high = rule.minimum, rule.maximum
    choices: list[Json] = [choice for choice in rule.choices or () if not isinstance(choice, str)]
    names = ", ".join(f"{number} {name}" for number, name in item.labels)
    expected = names or (f"one of {choices}" if choices else f"{low:g} to {high:g} {item.unit_of_measure}")
    field: dict[str, Json] = {
        "name": item.slug,
        "words": kind.length,
        "low": isinstance(kind, IntegerType) and kind.low_word_first,
        "scale": _scale(item),
        "min": low,
        "max": high,
        "choices": [*choices, *item.register.accept] if choices else None,
        "expected": expected.rstrip(),
    }
    sample = next((value for value in samples_of(rule) if not isinstance(value, str)), high)
    return _ENCODE.replace("%s", json.dumps(field, ensure_ascii=False)), sample


def _scale(item: Readable) -> int | float:
    scale = item.register.scale
    return scale.numerator if scale.denominator == 1 else float(decimal(scale))


def _field(item: Readable, start: int) -> Json:
    """Return what the function node needs to know of a value."""
    kind = item.register.type
    field: dict[str, Json] = {
        "name": item.slug,
        "at": item.register.address - start,
        "words": kind.length,
        "kind": "number",
        "low": isinstance(kind, IntegerType | FloatType) and kind.low_word_first,
        "scale": _scale(item),
        "none": list(item.invalid),
    }
    match kind:
        case IntegerType(signed=True):
            field["kind"] = "signed"
        case FloatType():
            field["kind"] = "float"
        case TextType():
            encoding = _ENCODINGS.get(kind.encoding, "utf8")
            field |= {"kind": "text", "encoding": encoding, "swap": kind.little}
        case HexType():
            field |= {"kind": "hex", "swap": kind.little, "none": [kind.invalid]}
        case BitType():
            field |= {"kind": "bit", "mask": kind.mask, "set": kind.set, "unset": kind.unset}
        case MappedType():
            field["table"] = {str(raw): value for raw, value in kind.values.items()}
        case VersionType():
            field["kind"] = "version"
    return field
