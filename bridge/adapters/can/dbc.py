"""Our own DBC of the tables, for SavvyCAN, cantools and their like.

Two files, because 305, 306 and 307 have two meanings. The bridge itself reads by the tables, not by these:
a DBC knows no invalid markers, no frames cut short and no alarms that stay until they are cleared.
`python -m bridge.adapters.can.dbc docs/can` writes them.
"""

import sys
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

from bridge.adapters.can.alarms import ALARMS
from bridge.adapters.can.battery_frames import BATTERY_FRAMES, PAIRS
from bridge.adapters.can.fields import AnyField, Bit, Field, FrameSpec, Text
from bridge.adapters.can.island_frames import ISLAND_FRAMES

_HEADER = """VERSION ""

NS_ :

BS_:

BU_: {senders}
"""
_PAIR_WORDS = '0 "no change" 1 "raised" 2 "cleared" 3 "no change"'


def battery_dbc() -> str:
    """Return the DBC of what batteries send."""
    return _document(
        "Battery", "Inverter", BATTERY_FRAMES.values(), "A battery's frames: Pylontech, SMA, Victron"
    )


def island_dbc() -> str:
    """Return the DBC of what a Sunny Island sends."""
    return _document("SunnyIsland", "Battery", ISLAND_FRAMES.values(), "An SMA Sunny Island's telemetry")


def _document(sender: str, receiver: str, specs: Iterable[FrameSpec], about: str) -> str:
    frames = sorted(specs, key=lambda spec: spec.id)
    parts = [_HEADER.format(senders=f"{sender} {receiver}")]
    for spec in frames:
        signals = _pairs() if spec is PAIRS else [_signal(field) for field in spec.fields]
        lines = [f"BO_ {spec.id} {spec.name}: {spec.length} {sender}"]
        lines += [f" SG_ {signal} {receiver}" for signal in signals]
        parts.append("\n".join(lines) + "\n")
    parts.append(f'CM_ "{about}. Made by the bridge from its own tables.";\n')
    words = [
        f"VAL_ {PAIRS.id} {name} {_PAIR_WORDS} ;"
        for spec in frames
        if spec is PAIRS
        for name in _pair_names()
    ]
    if words:
        parts.append("\n".join(words) + "\n")
    return "\n".join(parts)


def _signal(field: AnyField) -> str:
    match field:
        case Field():
            sign = "-" if field.code.islower() else "+"
            return (
                f"{field.name} : {8 * field.offset}|{8 * field.size}@1{sign} "
                f'({_decimal(field.scale)},{field.base}) [0|0] "{_ascii(field.unit)}"'
            )
        case Bit():
            return f'{field.name} : {8 * field.byte + field.bit}|1@1+ (1,0) [0|0] ""'
        case Text():
            return f'{field.name} : {8 * field.offset}|{8 * field.size}@1+ (1,0) [0|0] "ASCII"'


def _pair_names() -> list[str]:
    return [f"{kind}_{name}" for kind in ("alarm", "warning") for name in ALARMS]


def _pairs() -> list[str]:
    """Return the signals of 0x35A, whose table has two words only."""
    places = [2 * n for n in range(len(ALARMS))] + [32 + 2 * n for n in range(len(ALARMS))]
    return [
        f'{name} : {place}|2@1+ (1,0) [0|0] ""' for name, place in zip(_pair_names(), places, strict=True)
    ]


def _ascii(unit: str) -> str:
    """Return a unit of measure without the one sign that readers of a DBC take in different ways."""
    return unit.replace("°", "deg")


def _decimal(scale: Fraction) -> str:
    return str(scale.numerator) if scale.denominator == 1 else f"{float(scale):g}"


#: The files by name.
FILES: Mapping[str, str] = {"battery.dbc": battery_dbc(), "sunny_island.dbc": island_dbc()}


def main(folder: Path) -> None:
    """Write the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
