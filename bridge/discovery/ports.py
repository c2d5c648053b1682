"""The serial ports of this machine: what they are called for good, and who has them open.

Sources: Linux, Documentation/ABI (sysfs-class-tty, sysfs-bus-usb), proc(5); the links of udev's
60-serial.rules, which have one name for all adapters that tell the same vendor, product and serial number.
"""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BY_ID, _BY_PATH = "serial/by-id", "serial/by-path"
#: UART type of the ports that the kernel provides for and the machine does not have.
_NO_UART = "0"
_NUMBERED = re.compile(r"(?P<kind>\D+)(?P<number>\d*)")


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the kernel shows what there is; tests make their own."""

    dev: Path = Path("/dev")
    sys: Path = Path("/sys")
    proc: Path = Path("/proc")


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One port.

    device: its node. name: the name to write into a site file, which stays when other ports come and go.
    why: why that is not its name by id; empty where it is. described: what the adapter calls itself. used_by:
    programs that have it open, as far as this user may see.
    """

    device: str
    name: str
    why: str = ""
    described: str = ""
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Adapter:
    """What a USB adapter tells of itself."""

    vendor: str
    product: str
    serial: str
    interface: str
    words: str


def serial_ports(roots: Roots = Roots()) -> tuple[SerialPort, ...]:
    """Return all serial ports in order of their names. Blocks for some milliseconds."""
    found = {name: _adapter(roots, name) for name in sorted(_names(roots), key=_in_order)}
    alike = Counter(_called(adapter) for adapter in found.values() if adapter is not None)
    by_id, by_path = _links(roots.dev / _BY_ID), _links(roots.dev / _BY_PATH)
    consoles = _consoles(roots)
    ports = []
    for name, adapter in found.items():
        node = str(roots.dev / name)
        shared = alike[_called(adapter)] if adapter is not None else 1
        real = os.path.realpath(node)
        own, why = _name(node, by_id.get(real), by_path.get(real), shared, usb=adapter is not None)
        used_by = holders(node, roots)
        if name in consoles:
            used_by = ("the console of the system", *used_by)
        ports.append(SerialPort(node, own, why, "" if adapter is None else adapter.words, used_by))
    return tuple(ports)


def holders(port: str, roots: Roots = Roots()) -> tuple[str, ...]:
    """Return the other programs that have a port open, as `name (pid 123)`, as far as this user may see."""
    found: dict[str, None] = {}
    with contextlib.suppress(OSError, ValueError):
        device = Path(port).stat().st_rdev
        if not device:
            return ()
        for entry in roots.proc.glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                process = entry.parent.parent
                if entry.stat().st_rdev == device and process.name != str(os.getpid()):
                    name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                    found[f"{name} (pid {process.name})"] = None
    return tuple(found)


def described(port: str, roots: Roots = Roots()) -> str:
    """Return all that is known of an adapter by the name of its port and by what it calls itself."""
    real = os.path.realpath(port)
    names = [Path(port).name]
    names += [link.name for link in _entries(roots.dev / _BY_ID) if os.path.realpath(link) == real]
    adapter = _adapter(roots, Path(real).name) or _adapter(roots, names[0])
    return " ".join(dict.fromkeys((*names, adapter.words if adapter is not None else "")))


def _names(roots: Roots) -> Iterator[str]:
    """Yield the ports with hardware behind them."""
    for entry in _entries(roots.sys / "class/tty"):
        is_real = (entry / "device").exists() and _read(entry / "type") != _NO_UART
        if is_real and (roots.dev / entry.name).exists():
            yield entry.name


def _name(node: str, by_id: str | None, by_path: str | None, shared: int, *, usb: bool) -> tuple[str, str]:
    """Return the name to use and, where it is not the one by id, why."""
    if by_id is not None and shared == 1:
        return by_id, ""
    if shared > 1:
        why = f"{shared} adapters here call themselves the same, and have one name by id between them"
        if by_path is not None:
            return by_path, f"{why}: this name belongs to the socket, so leave each in its own"
        return node, f"{why}: this name changes when they are plugged in in another order"
    if by_path is not None:
        return by_path, "" if not usb else "it has no name by id"
    return (
        node,
        "" if not usb else "there are no names by id here (no udev, or a container without /dev/serial)",
    )


def _adapter(roots: Roots, name: str) -> _Adapter | None:
    """Return what USB tells of a port's adapter, None for a port that is not on USB."""
    place = Path(os.path.realpath(roots.sys / "class/tty" / name / "device"))
    interface = ""
    for folder in (place, *place.parents):
        interface = interface or _read(folder / "bInterfaceNumber")
        vendor = _read(folder / "idVendor")
        if vendor:
            words = f"{_read(folder / 'manufacturer')} {_read(folder / 'product')}".strip()
            return _Adapter(vendor, _read(folder / "idProduct"), _read(folder / "serial"), interface, words)
        if folder == roots.sys:
            break
    return None


def _called(adapter: _Adapter) -> tuple[str, str, str, str]:
    """Return what udev makes an adapter's name by id of."""
    return adapter.vendor, adapter.product, adapter.serial, adapter.interface


def _links(folder: Path) -> dict[str, str]:
    """Return the links of a folder by what they lead to."""
    return {os.path.realpath(link): str(link) for link in _entries(folder)}


def _entries(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(sorted(folder.iterdir()))
    except OSError:
        return ()


def _consoles(roots: Roots) -> set[str]:
    return {line.split()[0] for line in _read(roots.proc / "consoles").splitlines() if line.split()}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _in_order(name: str) -> tuple[str, int]:
    found = _NUMBERED.match(name)
    return (name, 0) if found is None else (found["kind"], int(found["number"] or 0))
