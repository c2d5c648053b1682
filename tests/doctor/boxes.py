"""Machines made of files, for a doctor to look at."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridge.doctor.finding import Case, Check, Running
from bridge.doctor.machine import Account, Machine
from bridge.house.learnt import learnt_product
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from tests.discovery.far_ends import Machine as Tree

PI = Account("pi", 1000, frozenset({1000}))
ROOMY = os.statvfs_result((4096, 4096, 10**6, 10**6, 10**6, 10**5, 10**5, 10**5, 0, 255))
CABLE = ("0403", "6015", "VE1ABC")
CABLE_WORDS = ("VictronEnergy BV", "VE Direct cable")


class Box(Tree):
    """A machine in a folder: as `Tree`, with a USB bus, programs, network interfaces and files of the system."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.machine = Machine(
            root=folder / "root",
            roots=self.roots,
            environment={},
            account=PI,
            release="6.1.0",
            clock_wrong=lambda: False,
            ip=lambda _: "",
            statvfs=lambda _: ROOMY,
        )
        self.write("etc/localtime", "TZif2")

    def having(self, **fields: Any) -> None:
        """Change what the machine is beside its files."""
        self.machine = replace(self.machine, **fields)

    def write(self, name: str, text: str = "") -> None:
        """Write a file of the system."""
        file = self.folder / "root" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def on_usb(
        self, socket: str, ids: tuple[str, str, str], words: tuple[str, str] = ("", ""), driver: str = ""
    ) -> None:
        """Show an adapter on the bus, where nothing need have come of it."""
        device = self.roots.sys / "devices" / socket
        interface = device / f"{socket}:1.0"
        interface.mkdir(parents=True, exist_ok=True)
        named = zip(
            ("idVendor", "idProduct", "serial", "manufacturer", "product"), (*ids, *words), strict=True
        )
        for file, text in named:
            (device / file).write_text(f"{text}\n")
        if driver:
            (self.roots.sys / "bus/usb/drivers" / driver).mkdir(parents=True, exist_ok=True)
            (interface / "driver").symlink_to(self.roots.sys / "bus/usb/drivers" / driver)
        bus = self.roots.sys / "bus/usb/devices"
        bus.mkdir(parents=True, exist_ok=True)
        (bus / socket).symlink_to(device)

    def program(self, pid: int, name: str, line: str = "") -> Path:
        """Show a running program; returns the folder of its open files."""
        folder = self.roots.proc / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        (folder / "cmdline").write_text((line or name).replace(" ", "\0"))
        return folder / "fd"

    def link(self, name: str, **files: str) -> None:
        """Show a network interface."""
        folder = self.roots.sys / "class/net" / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(f"{text}\n")

    def kernel(self, name: str, text: str) -> None:
        """Show a file of /proc."""
        file = self.roots.proc / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def contain(self) -> None:
        """Make it a container."""
        self.write(".dockerenv")

    def case(self, site: str | None = None, running: Running | None = None) -> Case:
        """Return what a check looks at; the site's state lies in the machine's folder unless it says so."""
        if site is None:
            return Case(self.machine, None, running or Running("unasked"))
        file = self.folder / "site.yaml"
        state = "" if "state:" in site else f"state: {self.folder / 'state'}\n"
        file.write_text(f"{state}{site}")
        load = load_site(file, {}, InstalledFamilies(), learnt_product)
        return Case(self.machine, load, running or Running("no"), str(file))

    def told(self, check: Check, site: str | None = None, running: Running | None = None) -> list[str]:
        """Return what a check finds, each as one line."""
        return [f"{one.found} -> {one.cure}" for one in check(self.case(site, running))]


def up(*devices: dict[str, object], listeners: Iterable[dict[str, object]] = (), **fields: Any) -> Running:
    """A bridge that runs."""
    return Running("yes", devices, tuple(listeners), **fields)
