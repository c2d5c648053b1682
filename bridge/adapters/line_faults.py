"""What can go wrong with a port or a line, each said so that its reader knows what to do.

LineFault
    PortMissing    there is no such port now: unplugged, hung, server not listening
    PortBusy       another program (or another device of the site) has it open
    PortDenied     the node is there, but not for this user
    PortUnusable   it is there and can never be a line like this: not a tty, no such baud rate
    LineLost       it was open and its far end is gone
"""

import contextlib
import errno
import getpass
import grp
import os
import pwd
import stat
from pathlib import Path

_BY_ID = Path("/dev/serial/by-id")


class LineFault(Exception):
    """A port that cannot be opened or a line that broke; the text says what to do.

    `word` names the kind in logs, `reason` is the text without the port's name.
    """

    word = "line_fault"

    def __init__(self, port: str, reason: str) -> None:
        super().__init__(f"port {port}: {reason}")
        self.port = port
        self.reason = reason


class PortMissing(LineFault):
    """There is no such port now."""

    word = "port_missing"


class PortBusy(LineFault):
    """Somebody else has the port open."""

    word = "port_busy"


class PortDenied(LineFault):
    """This user may not open the port."""

    word = "port_denied"


class PortUnusable(LineFault):
    """The name leads to something that cannot serve as this line."""

    word = "port_unusable"


class LineLost(LineFault):
    """The far end of an open line is gone."""

    word = "line_lost"


def explained(port: str, fault: OSError | ValueError) -> LineFault:
    """Turn the system's refusal into one that tells its reader what to do."""
    code = fault.errno if isinstance(fault, OSError) else None
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO, errno.ENOTDIR):
        return PortMissing(port, f"{_absent(port)}; {_present()}")
    if code in (errno.EBUSY, errno.EAGAIN):
        return PortBusy(
            port,
            f"{_holders(port)}: expected to have it alone; stop that program (on a GX the serial starter, "
            "on a desktop ModemManager, or a second bridge), or give each device a port of its own",
        )
    if code in (errno.EACCES, errno.EPERM):
        return PortDenied(port, _denied(port))
    return PortUnusable(port, f"{said(fault)}: expected a tty device, a PTY or socket://HOST:PORT")


def _absent(port: str) -> str:
    if Path(port).is_symlink():
        return f"is a link to {Path(port).readlink()}, which is gone"
    if Path(port).exists():
        return "the node is there, but no hardware answers behind it"
    return "no such port"


def _present() -> str:
    try:
        names = sorted(str(name) for name in _BY_ID.iterdir())
    except OSError:
        names = []
    if not names:
        return f"no USB serial adapter is plugged in now ({_BY_ID} is empty): plug it in, or mend the name"
    return "plug it in, or choose one of those there now: " + ", ".join(names)


def _holders(port: str) -> str:
    """Name who has the device open, as far as this user may see it."""
    found = []
    with contextlib.suppress(OSError):
        device = Path(port).stat().st_rdev
        for entry in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if entry.stat().st_rdev == device:
                    pid = entry.parts[2]
                    name = Path("/proc", pid, "comm").read_text(encoding="utf-8", errors="replace").strip()
                    found.append("this process itself" if int(pid) == os.getpid() else f"{name} (pid {pid})")
    return "in use by " + (", ".join(dict.fromkeys(found)) or "another program")


def _denied(port: str) -> str:
    try:
        user = getpass.getuser() if os.geteuid() == os.getuid() else pwd.getpwuid(os.geteuid()).pw_name
    except (KeyError, OSError):
        user = str(os.geteuid())
    try:
        node = Path(port).stat()
    except OSError:
        return (
            f"permission denied to user {user}: expected directories this user may search; mend their modes"
        )
    try:
        group = grp.getgrgid(node.st_gid).gr_name
    except KeyError:
        group = str(node.st_gid)
    return (
        f"permission denied to user {user}, the node belongs to group {group} with mode "
        f"{stat.S_IMODE(node.st_mode):04o}: expected to read and write it; join its group "
        f"(sudo usermod -aG {group} {user}) and log in again"
    )


def said(fault: Exception) -> str:
    """Return the system's own words for a fault."""
    strerror = getattr(fault, "strerror", None)
    return str(strerror or fault or type(fault).__name__).lower()
