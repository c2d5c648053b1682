"""Time zone and clock: stamps, days of wear budgets, and the sun depend on them."""

import os
import zoneinfo
from collections.abc import Iterator

from bridge.doctor.finding import Case, Finding

_LOCALTIME = "/etc/localtime"
_UTC = frozenset({"UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "GMT", "Etc/GMT"})
_SAY = "say `timezone: Europe/Stockholm` (yours) in the site file"


def zone(case: Case) -> Iterator[Finding]:
    """Find a machine that does not know where it is, where the site does not say so either."""
    machine = case.machine
    named = machine.environment.get("TZ", "").removeprefix(":")
    if "/" in named and not named.startswith("/"):
        try:
            zoneinfo.ZoneInfo(named)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            yield Finding(
                "time zone",
                f"TZ is {named}, which names no time zone here, so that the log is in UTC",
                "mend it, as TZ=Europe/Stockholm, or install tzdata",
            )
        return
    if named or case.site is None or case.site.timezone is not None:
        return
    if not (machine.file(_LOCALTIME).exists() or machine.file(_LOCALTIME).is_symlink()):
        yield Finding(
            "time zone",
            f"this machine has no time zone ({_LOCALTIME} is missing), so that the bridge takes UTC",
            f"{_SAY}, or sudo timedatectl set-timezone Europe/Stockholm",
        )
    elif machine.in_container and _zone_of_link(os.path.realpath(machine.file(_LOCALTIME))) in _UTC:
        yield Finding(
            "time zone",
            "this container is on UTC, and the site file names no time zone",
            f"{_SAY}; for the stamps of the log give the container TZ=Europe/Stockholm",
        )


def synchronised(case: Case) -> Iterator[Finding]:
    """Find a clock that nobody keeps right."""
    if case.machine.clock_wrong():
        yield Finding(
            "clock",
            "nothing keeps the clock of this machine right: the kernel holds it for unsynchronised",
            "on the machine itself: sudo timedatectl set-ntp true, then see `timedatectl`; without internet "
            "name a time server of your network, which a GX or a router often is",
        )


def _zone_of_link(file: str) -> str:
    return file.partition("/zoneinfo/")[2]
