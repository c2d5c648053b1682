"""The figures to reach, as ratios against other servers in the same run."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One load: registers a request, clients, requests each keeps in flight."""

    registers: int
    clients: int
    pipeline: int = 1

    def __str__(self) -> str:
        flight = f" x {self.pipeline} in flight" if self.pipeline > 1 else ""
        return f"FC3 {self.registers} registers x {self.clients} clients{flight}"


SMALL, LARGE, MANY = Cell(10, 10), Cell(125, 10), Cell(125, 50)
#: With several in flight stock pymodbus loses replies, so these rows have no ratio, only a count of errors.
PIPELINED = (Cell(10, 10, 8), Cell(125, 10, 8))

STOCK, LIBMODBUS, BRIDGE, BRIDGE_UVLOOP = "stock pymodbus", "libmodbus", "bridge", "bridge + uvloop"
#: Cell -> the server that the others are compared with.
AGAINST: Mapping[Cell, str] = {SMALL: STOCK, LARGE: STOCK, MANY: LIBMODBUS}
#: Server -> the loads it is measured under.
CELLS: Mapping[str, tuple[Cell, ...]] = {
    STOCK: (SMALL, LARGE),
    LIBMODBUS: (MANY,),
    BRIDGE: (SMALL, LARGE, MANY, *PIPELINED),
    BRIDGE_UVLOOP: (SMALL, LARGE, MANY, *PIPELINED),
}

#: Server and cell -> requests a second against the cell's other server.
WANTED = {
    (BRIDGE, SMALL): 3.5,
    (BRIDGE, LARGE): 6.0,
    (BRIDGE_UVLOOP, SMALL): 4.0,
    (BRIDGE_UVLOOP, LARGE): 7.0,
    (BRIDGE_UVLOOP, MANY): 0.85,
}

#: p99 of reads while commands wait elsewhere, against a quiet run.
WAITING_P99 = 1.5
#: p99 of reads with all outlets on, against none.
OUTLETS_P99 = 1.3
#: Memory: a whole site without outlets (MiB), a further unit of a thousand points and a further view (KiB).
SITE_MIB, UNIT_KIB, VIEW_KIB = 65.0, 250.0, 16.0
