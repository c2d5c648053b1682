"""USB adapters that the kernel sees and has no driver for, and programs that take adapters away.

Sources: Linux, Documentation/ABI/testing/sysfs-bus-usb; the device tables of the kernel's drivers ftdi_sio,
cp210x, ch341, pl2303 and cdc_acm; ser2net.yaml(5) of ser2net 4.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.doctor.finding import Case, Finding
from bridge.doctor.machine import Machine, content, entries
from bridge.service.files import UDEV_RULES

_USB = "bus/usb/devices"
_BRAILLE_PROGRAM = "brltty"
_SER2NET_PORT = 4001

#: Vendor and product -> the driver that makes a serial port of it.
_DRIVERS: Mapping[tuple[str, str], str] = {
    ("0403", "6001"): "ftdi_sio",
    ("0403", "6011"): "ftdi_sio",
    ("0403", "6015"): "ftdi_sio",
    ("10c4", "ea60"): "cp210x",
    ("1a86", "5523"): "ch341",
    ("1a86", "7523"): "ch341",
    ("1a86", "55d4"): "cdc_acm",
    ("067b", "2303"): "pl2303",
    ("067b", "23a3"): "pl2303",
    ("0451", "16a8"): "cdc_acm",
    ("16d0", "117e"): "cdc_acm",
    ("ad50", "60c4"): "cdc_acm",
}
#: Adapters that braille displays are also made with, whose program takes them for its own.
_BRAILLE = frozenset({("1a86", "7523"), ("10c4", "ea60"), ("0403", "6001")})
#: What an adapter calls itself -> its baud rate.
_RATES: Mapping[str, int] = {"VE Direct": 19200, "MK3": 2400}


@dataclass(frozen=True, slots=True)
class _Stick:
    folder: Path
    ids: tuple[str, str]
    words: str

    @property
    def rate(self) -> int | None:
        return next((rate for word, rate in _RATES.items() if word in self.words), None)


def undriven(case: Case) -> Iterator[Finding]:
    """Find serial adapters on USB that have become no serial port."""
    machine = case.machine
    driven = [os.path.realpath(tty / "device") for tty in entries(machine.roots.sys / "class/tty")]
    for stick in _sticks(machine):
        if any(place.startswith(f"{stick.folder}/") for place in driven):
            continue
        name = f"{stick.words or 'an adapter'} ({':'.join(stick.ids)})"
        if _holds_by_usbfs(stick):
            yield Finding(
                "USB driver",
                f"{name} is on USB, but a program has taken it before its driver could",
                "end that program; where nobody reads braille: sudo apt remove brltty; then plug it in again",
            )
            continue
        yield Finding(
            "USB driver",
            f"{name} is on USB and no serial port has come of it: no driver {_DRIVERS[stick.ids]}",
            _driver_cure(machine, stick),
        )


def competing(case: Case) -> Iterator[Finding]:
    """Find programs that open serial ports, or take adapters, by themselves."""
    machine = case.machine
    ids = {stick.ids for stick in _sticks(machine)}
    names = {name: pid for pid, name, _ in machine.programs()}
    if "ModemManager" in names and ids and not machine.file(UDEV_RULES).exists():
        yield Finding(
            "competing program",
            f"ModemManager (pid {names['ModemManager']}) tries every new serial port for a modem",
            "`inverter-bridge service install` brings udev rules that keep it away from these adapters; or, "
            "without a modem here: sudo systemctl disable --now ModemManager",
        )
    if _BRAILLE_PROGRAM in names and ids & _BRAILLE:
        yield Finding(
            "competing program",
            f"brltty (pid {names[_BRAILLE_PROGRAM]}) takes such adapters for braille displays",
            "where nobody reads braille: sudo apt remove brltty; then plug the adapter in again",
        )
    for pid, name, line in machine.programs():
        if "serial-starter" in name or "/serial-starter" in line:
            yield Finding(
                "competing program",
                f"serial-starter (pid {pid}) gives every serial port of this GX to a program of its own",
                "take the bridge's ports from it: /opt/victronenergy/serial-starter/stop-tty.sh ttyUSB0, and "
                'for good ENV{VE_SERVICE}="ignore" for the adapter in /etc/udev/rules.d/serial-starter.rules',
            )
            return


def _driver_cure(machine: Machine, stick: _Stick) -> str:
    driver = _DRIVERS[stick.ids]
    listed = machine.text(f"/lib/modules/{machine.release}/modules.dep")
    if f"/{driver}.ko" in listed:
        return f"sudo modprobe {driver}, and write {driver} into /etc/modules-load.d/inverter-bridge.conf"
    rate = stick.rate or 19200
    beware = "" if stick.rate else f" ({rate} is a guess: the speed of your equipment)"
    share = (
        "plug it into a Raspberry Pi with ser2net and write into its /etc/ser2net.yaml the line "
        f'`connection: &cable {{accepter: "tcp,{_SER2NET_PORT}", connector: "serialdev,/dev/ttyUSB0,'
        f'{rate}n81,local"}}`{beware}; in the site file: port: "socket://ADDRESS-OF-THE-PI:{_SER2NET_PORT}"'
    )
    if machine.in_container or not listed:
        return (
            f"on the machine itself: sudo modprobe {driver}; where its kernel has none, as on a NAS: {share}"
        )
    return f"this kernel has no {driver}: {share}"


def _sticks(machine: Machine) -> list[_Stick]:
    """Return the serial adapters on USB that are known by their numbers."""
    found = []
    for entry in entries(machine.roots.sys / _USB):
        ids = content(entry / "idVendor").lower(), content(entry / "idProduct").lower()
        if ids in _DRIVERS:
            words = f"{content(entry / 'manufacturer')} {content(entry / 'product')}".strip()
            found.append(_Stick(Path(os.path.realpath(entry)), ids, words))
    return found


def _holds_by_usbfs(stick: _Stick) -> bool:
    """True where a program has an interface of the adapter, instead of a driver."""
    interfaces = stick.folder.glob(f"{stick.folder.name}:*")
    return any(Path(os.path.realpath(one / "driver")).name == "usbfs" for one in interfaces)
