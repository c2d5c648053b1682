"""A far end that plays a running bridge, and the site file that leads to it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from tests.cli.far_end import FarEnd

CHARGER_MAP = "bluesmart_charger"
UNIT = 20
#: Values the far end serves, by path; the others serve their invalid patterns.
SERVED = {
    "/Dc/0/Voltage": 13.42,
    "/Mode": 1,
    "/Settings/ChargeCurrentLimit": 12.5,
    "/Serial": "HQ2133FWXYZ",
    "/ProductName": "Blue Smart IP22 Charger 24|12",
}


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Ended]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line in this process."""

    def run(*arguments: str) -> Ended:
        status = main(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ended(status, captured.out, captured.err)

    return run


@pytest.fixture
def far() -> Iterator[FarEnd]:
    """A foreign server with the rows of the charger's map at unit 20."""
    with FarEnd() as end:
        fill(end)
        yield end


def fill(end: FarEnd) -> None:
    """Serve the charger's map as unit 20, and the bridge's own unit."""
    from bridge.register_maps.catalogue import Catalogue
    from bridge.register_maps.format import Table
    from bridge.register_maps.packing import encode

    loaded = Catalogue().load(CHARGER_MAP).map
    assert loaded is not None
    for register in loaded.registers:
        if register.alias:
            continue
        value = register.value if register.value is not None else SERVED.get(register.path or "")
        data = encode(register.type, value, register.scale, register.invalid)
        words = [int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)]
        end.put(UNIT, register.address, words, register.table.value)
    for coil in loaded.coils:
        end.put(UNIT, coil.address, [1 if coil.table is Table.COILS else 0], coil.table.value)
    end.status(UNIT)
    end.status(247, 0)
    end.status(247, 1000 + 16 * UNIT)


@pytest.fixture
def site(far: FarEnd, tmp_path: Path) -> str:
    """The site file of a bridge at the far end's address."""
    return write_site(tmp_path, far.port)


def write_site(folder: Path, port: int) -> str:
    file = folder / "boat.yaml"
    file.write_text(
        f"""\
site: Boathouse
state: {folder / "state"}
listeners:
  - {{tcp: "127.0.0.1:{port}", name: lan}}
devices:
  charger: {{adapter: vedirect, product: ac_charger, port: /dev/ttyUSB7, unit: {UNIT}}}
"""
    )
    return str(file)
