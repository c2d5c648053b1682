"""The machine as the checks see it. Tests make machines of files.

Sources: proc(5), sysfs(5), systemd.exec(5), capabilities(7), adjtimex(2).
"""

import contextlib
import ctypes
import grp
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.discovery.ports import Roots
from bridge.service.files import UNIT

#: Bit of CAP_NET_BIND_SERVICE (linux/capability.h).
_BIND_LOW = 1 << 10
#: What adjtimex returns while nobody keeps the clock right; its argument is no longer than this.
_TIME_ERROR, _TIMEX_SIZE = 5, 512
_IP_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Account:
    """The user that the bridge runs as. binds_low: it may listen on ports below 1024."""

    name: str
    uid: int
    gids: frozenset[int]
    binds_low: bool = False

    def may(self, node: os.stat_result, bits: int) -> bool:
        """True where all of `bits` (4 read, 2 write, 1 search) of a file's mode are this user's."""
        if self.uid == 0:
            return True
        shift = 6 if node.st_uid == self.uid else 3 if node.st_gid in self.gids else 0
        return (node.st_mode >> shift) & bits == bits


def own_account(proc: Path = Path("/proc")) -> Account:
    """Return the account of this process."""
    uid = os.geteuid()
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", content(proc / "self/status"), re.MULTILINE)
    binds = uid == 0 or (effective is not None and bool(int(effective[1], 16) & _BIND_LOW))
    return Account(_user_name(uid), uid, frozenset((*os.getgroups(), os.getegid())), binds)


def service_account(unit: str) -> Account | None:
    """Return the account that a systemd unit names, None where it names none that this system has."""
    said = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    try:
        user = pwd.getpwnam(said.get("User", "root").strip())
    except KeyError:
        return None
    wanted = said.get("SupplementaryGroups", "").split()
    gids = {user.pw_gid, *(entry.gr_gid for entry in grp.getgrall() if user.pw_name in entry.gr_mem)}
    for name in wanted:
        with contextlib.suppress(KeyError):
            gids.add(grp.getgrnam(name).gr_gid)
    binds = user.pw_uid == 0 or "CAP_NET_BIND_SERVICE" in said.get("AmbientCapabilities", "")
    return Account(user.pw_name, user.pw_uid, frozenset(gids), binds)


def kernel_clock_wrong() -> bool | None:
    """Return whether the kernel holds its clock for unsynchronised, None where it does not say."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state == _TIME_ERROR


def ip_details(interface: str) -> str:
    """Return what `ip` tells of an interface as JSON, empty where it cannot be asked."""
    program = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return ""
    command = (program, "-details", "-json", "link", "show", "dev", interface)
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the name is a checked one
            command, capture_output=True, text=True, check=False, timeout=_IP_WITHIN_S
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where things stand: `root` for files, `roots` for what the kernel shows, and whom to ask."""

    root: Path = Path("/")
    roots: Roots = field(default_factory=Roots)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    account: Account = field(default_factory=own_account)
    release: str = field(default_factory=lambda: os.uname().release)
    clock_wrong: Callable[[], bool | None] = kernel_clock_wrong
    ip: Callable[[str], str] = ip_details
    statvfs: Callable[[Path], os.statvfs_result] = os.statvfs

    def file(self, absolute: str | Path) -> Path:
        """Return where a file of the system lies."""
        return self.root / str(absolute).lstrip("/")

    def text(self, absolute: str | Path) -> str:
        """Return a file of the system, empty where there is none."""
        return content(self.file(absolute))

    @property
    def unit(self) -> str:
        """The text of the installed service, empty where there is none."""
        return self.text(UNIT)

    @property
    def runs_as(self) -> Account:
        """The user that the bridge runs as: the service's where it is installed, else this one."""
        return (service_account(self.unit) if self.unit else None) or self.account

    @property
    def in_container(self) -> bool:
        """True inside a container."""
        marks = (self.file("/.dockerenv"), self.file("/run/.containerenv"))
        init = (self.roots.proc / "1/environ", self.roots.proc / "1/cgroup")
        return (
            any(mark.exists() for mark in marks)
            or "container" in self.environment
            or "container=" in content(init[0])
            or any(word in content(init[1]) for word in ("docker", "kubepods", "containerd", "libpod"))
        )

    def programs(self) -> Iterator[tuple[int, str, str]]:
        """Yield pid, name and command line of what runs here, as far as this user may see."""
        for folder in self.roots.proc.glob("[0-9]*"):
            name = content(folder / "comm")
            if name:
                yield int(folder.name), name, content(folder / "cmdline").replace("\0", " ")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def content(file: Path) -> str:
    """Return a small text file without the blanks around it, empty where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder in order of names, nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
