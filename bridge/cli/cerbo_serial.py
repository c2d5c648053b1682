"""What a GX's serial scan would make of an RTU listener: judged by its rules, as the line is the bridge's.

Source: dbus-modbus-client 1.83 `scan.py`, `client.py`, `-x -s <tty>` as the serial starter runs it.
"""

from collections.abc import Sequence

from bridge.cli.cerbo_play import Finding
from bridge.cli.cerbo_types import SERIAL_RATES, DeviceType, stock_types
from bridge.register_maps.class_file import why_none
from bridge.register_maps.format import Kind, RegisterMap
from bridge.site.models import RtuListener


def judge_serial(
    finding: Finding, listener: RtuListener, loaded: RegisterMap, classes: Sequence[DeviceType]
) -> None:
    """Fill in a finding of a unit on a serial line; `classes` are the class files said to be installed."""
    types = [kind for kind in (*stock_types(), *classes) if "rtu" in kind.methods]
    rates = sorted({*SERIAL_RATES, *(rate for kind in types for rate in kind.rates)})
    units = sorted({unit for kind in types for unit in kind.units})
    _line(finding, listener, rates)
    if loaded.kind is Kind.PERSONA or any(kind.map == loaded.name for kind in classes):
        _shown(finding, "shown", loaded, units)
    elif loaded.detect is not None and why_none(loaded) is None:
        _shown(finding, "class_file", loaded, sorted({*units, *loaded.detect.units}))
    finding.notes.append("it was judged by the rules of the serial scan: the line itself is not asked")


def _line(finding: Finding, listener: RtuListener, rates: Sequence[int]) -> None:
    if listener.baudrate not in rates:
        finding.wrong(
            f"found {listener.baudrate} bits a second, expected one of {', '.join(map(str, rates))}, "
            "which a GX tries: set `baudrate:`"
        )
    if listener.parity != "N" or listener.stop_bits != 1:
        finding.wrong(
            f"found 8{listener.parity}{listener.stop_bits}, expected 8N1, which is all that a GX speaks: "
            "set `parity: N, stop_bits: 1`"
        )


def _shown(finding: Finding, verdict: str, loaded: RegisterMap, units: Sequence[int]) -> None:
    if finding.verdict != "wrong":
        finding.verdict = verdict
    finding.shown_as = loaded.device.product_name or loaded.title
    if finding.unit not in units:
        finding.notes.append(
            f"the scan tries units {', '.join(map(str, units))}: serve it as one of them, or enter unit "
            f"{finding.unit} in the devices of that port on the GX"
        )
