"""The files that make the bridge a service: its systemd unit, and udev's rules for its adapters."""

from dataclasses import dataclass
from pathlib import Path

#: Name of the unit and of the user it runs as.
NAME = "inverter-bridge"
UNIT = Path("/etc/systemd/system/inverter-bridge.service")
UDEV_RULES = Path("/etc/udev/rules.d/60-inverter-bridge.rules")

# No more rights than a reader of serial ports with a network needs: systemd-analyze security says the rest.
_UNIT = """\
[Unit]
Description=Inverter Bridge: power equipment as Modbus devices
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run {site}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
# A bad site file does not mend itself.
RestartPreventExitStatus=2
WatchdogSec=30
TimeoutStopSec=20
User={user}
SupplementaryGroups={groups}
StateDirectory={name}
StateDirectoryMode=0700
UMask=0077
# Modbus has port 502.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
# The page's editor writes the site file, where its folder is the service's own.
ReadWritePaths=-/etc/inverter-bridge
ProtectHome=read-only
PrivateTmp=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_CAN AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# Serial adapters, serial ports on the board, a reset line, USB CAN adapters without a driver; terminals of
# programs such as socat.
DevicePolicy=closed
DeviceAllow=char-ttyUSB rw
DeviceAllow=char-ttyACM rw
DeviceAllow=char-ttyAMA rw
DeviceAllow=char-ttyS rw
DeviceAllow=char-gpiochip rw
DeviceAllow=char-usb_device rw
DeviceAllow=char-pts rw

[Install]
WantedBy=multi-user.target
"""

_UDEV_RULES = """\
# Adapters of Inverter Bridge: for the group dialout, and none of ModemManager's business.
# VE.Direct and MK3-USB cables and other FTDI, CP210x and CH340 adapters
SUBSYSTEM=="tty", ATTRS{idVendor}=="0403", GROUP="dialout", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"
SUBSYSTEM=="tty", ATTRS{idVendor}=="10c4", GROUP="dialout", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"
SUBSYSTEM=="tty", ATTRS{idVendor}=="1a86", GROUP="dialout", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"
# CC2531 coordinators
SUBSYSTEM=="tty", ATTRS{idVendor}=="0451", ATTRS{idProduct}=="16a8", GROUP="dialout", MODE="0660", \
ENV{ID_MM_DEVICE_IGNORE}="1"
# CANable, with slcan firmware (a serial port) and with candlelight (gs_usb)
SUBSYSTEM=="tty", ATTRS{idVendor}=="ad50", GROUP="dialout", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"
SUBSYSTEM=="tty", ATTRS{idVendor}=="16d0", ATTRS{idProduct}=="117e", GROUP="dialout", MODE="0660", \
ENV{ID_MM_DEVICE_IGNORE}="1"
SUBSYSTEM=="usb", ATTRS{idVendor}=="1d50", ATTRS{idProduct}=="606f", GROUP="dialout", MODE="0660"
"""


@dataclass(frozen=True, slots=True)
class Service:
    """What the unit names: program and site file by absolute path, user, further groups."""

    program: Path
    site: Path
    user: str = NAME
    groups: tuple[str, ...] = ("dialout",)

    def unit(self) -> str:
        """Return the text of the systemd unit."""
        return _UNIT.format(
            program=_quoted(self.program),
            site=_quoted(self.site),
            user=self.user,
            groups=" ".join(self.groups),
            name=NAME,
        )


def udev_rules() -> str:
    """Return the text of udev's rules."""
    return _UDEV_RULES


def _quoted(path: Path) -> str:
    """Return a path as systemd takes it: its own specifiers and escapes written out."""
    text = str(path).replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')
    return f'"{text}"' if any(letter.isspace() for letter in text) or '"' in text else text
