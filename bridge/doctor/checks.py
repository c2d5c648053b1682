"""All checks, in the order in which a person would mend things."""

import itertools
from collections.abc import Iterator

from bridge.doctor import can, clock, container, network, ports, running, state, usb
from bridge.doctor.finding import Case, Check, Finding


def site_file(case: Case) -> Iterator[Finding]:
    """Tell what is wrong with the site file, and what it warns of."""
    if case.load is None:
        return
    for word, problems in (("", case.load.problems), ("warning: ", case.load.warnings)):
        for problem in problems:
            place = f"{problem.file}:{problem.line}:{problem.column}"
            cure = problem.hint or "mend it there; `inverter-bridge check` shows the line"
            yield Finding("site file", f"{place}: {word}{problem.message}", cure)


CHECKS: tuple[Check, ...] = (
    site_file,
    running.seams,
    running.running,
    running.version,
    container.devices,
    container.network,
    usb.undriven,
    usb.competing,
    ports.ports,
    can.interfaces,
    network.low_ports,
    network.taken_ports,
    network.gx,
    state.directory,
    state.room,
    state.schema,
    clock.zone,
    clock.synchronised,
    running.listeners,
    running.messages,
    running.devices,
    container.peers,
)


def findings(case: Case) -> list[Finding]:
    """Return all that is to be done, each once. Blocks for some seconds at most."""
    return list(dict.fromkeys(itertools.chain.from_iterable(check(case) for check in CHECKS)))
