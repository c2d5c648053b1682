"""The running bridge and its devices, and the program itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge import __version__
from bridge.doctor.finding import Case, Finding
from bridge.doctor.ports import site_ports

_CHECK = "bridge"
#: How long after its start a device may well not have been heard, in seconds.
_STARTING_S = 60.0
#: State of a link that is not as it should be -> what helps. Sleep and night are no faults.
_CURES: Mapping[str, str] = {
    "starting": "see that the equipment is on, and its cable in the right socket; what does the log say?",
    "silent": "see that the equipment is on and wired to this port, with the right baud rate; once the "
    "bridge is stopped `inverter-bridge probe PORT` says who is there",
    "port_missing": "plug the cable in, or mend the name of its port; the log says what hinders it",
    "wrong_device": "plug the cable into its own equipment; or, where that was replaced, put the new serial "
    "number into the site file: the log says both",
}


def seams(case: Case) -> Iterator[Finding]:  # noqa: ARG001 - as all checks
    """Find a pymodbus that this bridge cannot stand on."""
    try:
        from bridge.server.seams import SeamError, check_seams
    except ImportError as fault:
        yield Finding("pymodbus", f"pymodbus does not fit: {fault}", "install the bridge anew, as by pipx")
        return
    try:
        check_seams()
    except SeamError as fault:
        found, _, cure = str(fault).partition(": ")
        yield Finding("pymodbus", found, cure)


def running(case: Case) -> Iterator[Finding]:
    """Find that no bridge of the site runs, or that it could not be asked."""
    if case.running.state == "no":
        cure = f"start it with `inverter-bridge run {case.file}`"
        if case.machine.unit:
            cure = "sudo systemctl start inverter-bridge; `inverter-bridge service logs` says why it ended"
        yield Finding(_CHECK, f"no bridge of {case.file} runs on this machine", cure)
    elif case.running.state == "closed":
        yield Finding(
            _CHECK,
            f"the bridge of {case.file} could not be asked: its state directory is closed to this user",
            "run doctor as the bridge's user, or by sudo",
        )


def version(case: Case) -> Iterator[Finding]:
    """Find that another version runs than is installed."""
    if case.running.version and case.running.version != __version__:
        cure = "`inverter-bridge service restart`" if case.machine.unit else "stop it and start it again"
        yield Finding(
            _CHECK,
            f"version {case.running.version} runs, and {__version__} is installed",
            f"{cure} (docs/updating.md)",
        )


def listeners(case: Case) -> Iterator[Finding]:
    """Find listeners that do not serve."""
    for told in case.running.listeners:
        if told.get("serving") is False:
            yield Finding(
                "listener",
                f"listener {told.get('listener')} does not serve",
                "the log says why; see docs/serving.md",
            )


def messages(case: Case) -> Iterator[Finding]:
    """Find that a test message to the owner did not arrive."""
    if case.running.unsent:
        yield Finding(
            "notify",
            f"a test message did not arrive: {case.running.unsent}",
            "mend `url` in the section `notify` of the site file; see docs/notify.md",
        )


def devices(case: Case) -> Iterator[Finding]:
    """Find devices that are neither online nor asleep. What the port itself tells is not told again."""
    up = next(
        (_number(told.get("uptime_s")) for told in case.running.devices if told.get("device") == "bridge"),
        0.0,
    )
    ports = () if case.site is None else site_ports(case.site)
    told_by_ports = {owner.removeprefix("device ") for owner, port in ports if not Path(port).exists()}
    for told in case.running.devices:
        name, link, words = (str(told.get(key) or "") for key in ("device", "link", "words"))
        if link not in _CURES or (link == "starting" and up < _STARTING_S):
            continue
        if link == "port_missing" and name in told_by_ports:
            continue
        said = f"{link.replace('_', ' ')}{f': {words}' if words else ''}"
        yield Finding("device", f"device {name} is {said}", _CURES[link])


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
