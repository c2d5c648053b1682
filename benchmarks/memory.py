"""What a site, a further unit and a further view weigh: resident memory of whole bridges, side by side."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import BRIDGE, SITE_MIB, UNIT_KIB, VIEW_KIB
from benchmarks.throughput import Row, serving

COLUMNS = (
    ("what", "memory", "<60"),
    ("measured", "measured", ">9"),
    ("wanted", "at most", ">8"),
    ("unit", "", "<4"),
)
#: Enough of each that pages and pools of the allocator do not decide.
_UNITS, _VIEWS = 40, 100
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024
#: What a start may take, and what a bridge that serves is given to come to rest, in seconds.
_START_S, _REST_S = 30.0, 2.0
_SITE = """
state: state
listeners: [{tcp: "127.0.0.1:0", name: lan}]
devices:
  first: {adapter: vedirect, port: ./first, product: ac_charger, unit: 20}
  second: {adapter: vedirect, port: ./second, product: ac_charger, unit: 21}
  third: {adapter: vedirect, port: ./third, product: ac_charger, unit: 22}
serve:
"""
_VIEW = "  - {{unit: {unit}, map: bluesmart_charger, device: first}}\n"


def measure() -> list[Row]:
    """Return a row for each figure."""
    site_kib, viewed_kib = _site_kib(0), _site_kib(_VIEWS)
    with serving(BRIDGE) as (_, pid):
        one_kib = _resident_kib(pid)
    with serving(BRIDGE, "--units", str(_UNITS)) as (_, pid):
        many_kib = _resident_kib(pid)
    return [
        _row("a site of three chargers, outlets off, ports missing", site_kib / 1024, SITE_MIB, "MiB"),
        _row("a further unit of 1000 points", (many_kib - one_kib) / _UNITS, UNIT_KIB, "KiB"),
        _row("a further view", (viewed_kib - site_kib) / _VIEWS, VIEW_KIB, "KiB"),
    ]


def _row(what: str, measured: float, wanted: float, unit: str) -> Row:
    return {"what": what, "measured": round(measured, 1), "wanted": wanted, "unit": unit}


def _resident_kib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB


def _site_kib(views: int) -> float:
    with TemporaryDirectory() as directory, _running(Path(directory), views) as pid:
        time.sleep(_REST_S)
        return _resident_kib(pid)


@contextmanager
def _running(folder: Path, views: int) -> Iterator[int]:
    """Run `inverter-bridge run` on a site with so many views; gives its process id once it serves."""
    text = _SITE + "".join(_VIEW.format(unit=100 + number) for number in range(views))
    (folder / "site.yaml").write_text(text if views else text.replace("serve:\n", ""))
    command = [sys.executable, "-m", "bridge", "run", str(folder / "site.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        deadline = time.monotonic() + _START_S
        for line in process.stderr:
            if "serving=tcp" in line:
                break
            if time.monotonic() > deadline:
                break
        else:
            raise RuntimeError(f"the bridge did not start (exit {process.wait(10)})")
        yield process.pid
    finally:
        process.terminate()
        process.communicate(timeout=10)
