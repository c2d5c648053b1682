"""The bytes of one table of one unit, in islands, and which of them may not be served now."""

from bisect import bisect_right

from bridge.register_maps.layout import TableLayout


class TableImage:
    """Two bytes a register, or one ASCII digit a bit.

    `marks` counts for each register or bit the entries whose staleness makes a read of it fail; there are
    none until one is needed. `status` is true where the status block is a part of the table.
    """

    __slots__ = ("data", "marked", "marks", "sizes", "starts", "status", "width")

    def __init__(self, layout: TableLayout, width: int, *, status: bool = False) -> None:
        self.starts = layout.starts
        self.sizes = layout.sizes
        self.width = width
        self.data = [bytearray(template) for template in layout.templates]
        self.marks: list[bytearray] | None = None
        self.marked = 0
        self.status = status

    def replace(self, address: int, data: bytes) -> None:
        """Put bytes in place, in one step; the addresses are mapped ones."""
        island = bisect_right(self.starts, address) - 1
        first = self.width * (address - self.starts[island])
        self.data[island][first : first + len(data)] = data

    def word(self, address: int) -> int:
        """Return one register's number."""
        island = bisect_right(self.starts, address) - 1
        first = 2 * (address - self.starts[island])
        return int.from_bytes(self.data[island][first : first + 2], "big")

    def mark(self, first: int, end: int, step: int) -> None:
        """Add (1) or take (-1) a mark on each address of a span."""
        if self.marks is None:
            self.marks = [bytearray(size // self.width) for size in self.sizes]
        island = bisect_right(self.starts, first) - 1
        marks = self.marks[island]
        for offset in range(first - self.starts[island], end - self.starts[island]):
            marks[offset] += step
        self.marked += step

    def is_marked(self, island: int, first: int, count: int) -> bool:
        """True when any of `count` addresses, `first` from the island's start on, is marked."""
        return self.marks is not None and self.marks[island].count(0, first, first + count) != count
