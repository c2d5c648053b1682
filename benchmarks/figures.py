"""The figures to reach, as ratios against stock pymodbus in the same run."""

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


SMALL, LARGE = Cell(10, 10), Cell(125, 10)
CELLS = (SMALL, LARGE)
#: With several in flight stock pymodbus loses replies, so these rows have no ratio, only a count of errors.
PIPELINED = (Cell(10, 10, 8), Cell(125, 10, 8))

STOCK, BRIDGE, BRIDGE_UVLOOP = "stock pymodbus", "bridge", "bridge + uvloop"

#: Server and cell -> requests a second against stock pymodbus.
WANTED = {
    (BRIDGE, SMALL): 3.5,
    (BRIDGE, LARGE): 6.0,
    (BRIDGE_UVLOOP, SMALL): 4.0,
    (BRIDGE_UVLOOP, LARGE): 7.0,
}
