"""One entry of the access lists: who, in which role, may reach which units and which points."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Before the role of a client certificate, where an entry is one word.
ROLE = "role:"

#: RFC 1123 host names; an underscore is tolerated because home routers hand them out.
_NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?\Z")
#: Something of digits and dots is a mistyped address, never a name.
_DIGITS = re.compile(r"[0-9.]+\Z")
#: What YAML reads as text inside a list as it stands.
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*\Z")


class AccessError(ValueError):
    """An entry that is neither network, address, host name nor role; the text says what was expected."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whoever asks: an address and, over TLS, the role its certificate gives it."""

    address: Address
    role: str | None = None

    def __str__(self) -> str:
        return str(self.address) if self.role is None else f"{self.address} ({self.role})"


@dataclass(frozen=True, slots=True)
class Rule:
    """An entry; every part that is there must fit.

    who: a network, an address or a host name. role: of a client certificate. units, paths: what may be
    reached, everything where left out; a path ending in `*` stands for all that begin so. Raises
    AccessError for a `who` that is none, and for an entry that names nobody.
    """

    who: str | None = None
    role: str | None = None
    units: tuple[int, ...] | None = None
    paths: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.who is None and not self.role:
            raise AccessError("access: found an entry for nobody, expected an address or a role in it")
        if self.who is not None:
            network(self.who)

    def reaches(self, unit: int | None) -> bool:
        """True where the entry holds for a unit; None asks for any."""
        return self.units is None or unit is None or unit in self.units

    def covers(self, path: str) -> bool:
        """True where the entry holds for a point."""
        return self.paths is None or any(
            path.startswith(wanted[:-1]) if wanted.endswith("*") else path == wanted for wanted in self.paths
        )

    def __str__(self) -> str:
        """The entry as a site file has it, in one line."""
        if self.units is None and self.paths is None and (self.who is None or self.role is None):
            return scalar(self.who if self.who is not None else f"{ROLE}{self.role}")
        parts = []
        if self.who is not None:
            parts.append(f"from: {scalar(self.who)}")
        if self.role is not None:
            parts.append(f"role: {scalar(self.role)}")
        if self.units is not None:
            parts.append(f"units: [{', '.join(map(str, self.units))}]")
        if self.paths is not None:
            parts.append(f"paths: [{', '.join(map(scalar, self.paths))}]")
        return f"{{{', '.join(parts)}}}"


def rule(entry: "str | Rule") -> Rule:
    """Return an entry written as one word as a rule. Raises AccessError."""
    if isinstance(entry, Rule):
        return entry
    if entry.startswith(ROLE):
        return Rule(role=entry.removeprefix(ROLE))
    return Rule(entry)


def rules(entries: "Iterable[str | Rule]") -> tuple[Rule, ...]:
    """Return a whole list as rules. Raises AccessError."""
    return tuple(map(rule, entries))


def network(entry: str) -> Network | None:
    """Return an entry's network, None for a host name. Raises AccessError."""
    try:
        return ipaddress.ip_network(entry)
    except ValueError as fault:
        if "/" not in entry and not _DIGITS.match(entry) and _NAME.match(entry):
            return None
        hint = ""
        if "host bits" in str(fault):
            hint = f" (did you mean {ipaddress.ip_network(entry, strict=False)}?)"
        raise AccessError(
            f"access: found {entry!r}, expected a network such as 192.168.1.0/24, an address, "
            f"a host name or role:NAME{hint}"
        ) from fault


def scalar(text: str) -> str:
    """Write a text so that YAML reads it back as text inside a list."""
    return text if _PLAIN.match(text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
