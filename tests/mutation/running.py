"""How pytest is run for the mutation check: in one order, with nothing printed and nothing left behind."""

import ctypes
import os
import resource
import signal

from hypothesis import HealthCheck, Phase, settings

#: Hypothesis is imported before pytest here, which pytest would call a fault.
_QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
PYTEST = ("-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "--capture=sys", *_QUIET)
#: What one trial may take of memory; a fault that appends for ever ends there.
_MEMORY_BYTES = 3 << 30


def deterministic_hypothesis() -> None:
    """Let every run draw the same examples, and spend nothing on making a found one smaller."""
    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")


def end_with_parent() -> None:
    """Let the kernel end this process when the one that began it has gone (Linux)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def settle_in_child() -> None:
    """Make a forked trial one that can be ended whole, cannot fill the memory, and says nothing."""
    os.setsid()
    end_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
