"""Typed reads and writes of a device's registers over its HEX link."""

from collections.abc import Callable
from dataclasses import dataclass

from bridge.adapters.vedirect.hex import Command, Flags, encode_get, encode_set
from bridge.adapters.vedirect.hexlink import TRIES, HexLink, Priority
from bridge.adapters.vedirect.register import Register
from bridge.adapters.vedirect.registers import pack, unpack


@dataclass(frozen=True, slots=True)
class Answer:
    """What a register access brought: the reply's flags (0 is success) and the raw value, None if none.

    With the parameter flag (4) the value is the nearest valid one, not the one in force.
    """

    flags: int
    raw: int | str | None

    @property
    def ok(self) -> bool:
        """True where the value is the register's own."""
        return self.flags == 0

    @property
    def is_parameter_error(self) -> bool:
        """True where the device knows the register and refuses the value."""
        return bool(self.flags & Flags.PARAMETER)


@dataclass(frozen=True, slots=True)
class Errand:
    """On whose behalf a frame goes out: how urgent, until when, whether still wanted, how often tried."""

    priority: Priority = Priority.READ
    until: float | None = None
    unwanted: Callable[[], bool] = lambda: False
    tries: int = TRIES


class RegisterAccess:
    """GET and SET of one device. Raises what `HexLink.request` raises."""

    def __init__(self, link: HexLink) -> None:
        self._link = link

    async def get(self, register: Register, errand: Errand) -> Answer:
        """Read a register."""
        return await self._ask(encode_get(register.id), Command.GET, register, errand)

    async def set(self, register: Register, raw: int, errand: Errand) -> Answer:
        """Write a register and return what the device says is now in force. Settings may be sent again."""
        return await self._ask(
            encode_set(register.id, pack(register.type, raw)), Command.SET, register, errand
        )

    async def act(self, register: Register, errand: Errand) -> Answer:
        """Write to a command register, which takes no data. It acts each time: `errand.tries` should be 1."""
        return await self._ask(encode_set(register.id, b""), Command.SET, register, errand)

    async def _ask(self, frame: bytes, command: int, register: Register, errand: Errand) -> Answer:
        reply = await self._link.request(
            frame,
            (command, register.id),
            errand.priority,
            tries=errand.tries,
            until=errand.until,
            unwanted=errand.unwanted,
        )
        return Answer(reply.flags or 0, unpack(register.type, reply.value))
