"""What a person may ask of a device, or of the whole bridge, beside reading and writing points.

Pairing, a radio's console, the level of the log: things that take a while, tell of their progress and have no
value that could stand in a register.
"""

from collections.abc import AsyncIterator, Callable, Mapping

#: Arguments by name in, steps of progress out; the last one is the result. Leaving it early ends it.
Operation = Callable[[Mapping[str, object]], AsyncIterator[Mapping[str, object]]]


class OperationFault(Exception):
    """An operation cannot be done or has failed; the text says what was found and what to do."""
