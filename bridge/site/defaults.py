"""What holds where a site file says nothing."""

from collections.abc import Mapping
from pathlib import Path

#: Served where `listeners:` is left out; who may connect is bounded by `access`.
LISTENER = "0.0.0.0:502"

#: How long a request may wait for a write's outcome, in seconds.
REPLY_WITHIN_S = 0.4
#: On a serial line, which nobody else can use meanwhile.
RTU_REPLY_WITHIN_S = 0.3

#: Loopback.
WRITE_ACCESS = ("127.0.0.0/8", "::1/128")
#: Loopback, private (RFC 1918, RFC 4193) and link-local (RFC 3927, RFC 4291) networks.
READ_ACCESS = (
    *WRITE_ACCESS,
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)


def state_directory(env: Mapping[str, str]) -> Path:
    """Return where state is kept when `state:` is left out: systemd's directory, else the user's own."""
    given = env.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd joins several with colons
    if given:
        return Path(given)
    home = env.get("HOME")
    return (Path(home) if home else Path("~").expanduser()) / ".local/state/inverter-bridge"
