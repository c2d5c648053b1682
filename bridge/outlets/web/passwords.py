"""The passwords of the page: one for each role, in a file that the bridge's own user alone may read.

{"operator": {"salt": hex, "hash": hex, "n": 16384, "r": 8, "p": 5}, ..}

There is none until somebody sets it on the host. The cost is that which OWASP's Password Storage Cheat Sheet
names for 16 MiB of memory, which a small board can spare.
"""

import contextlib
import enum
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bridge.datastore.durable import make_folder, put_in_place

#: Name of the file in the state directory.
FILE_NAME = "passwords.json"
#: The shortest password that is taken, and the longest.
LENGTH_MIN, LENGTH_MAX = 8, 256
_N, _R, _P = 1 << 14, 8, 5
#: OpenSSL wants a little more than the 128 x n x r bytes of the algorithm itself.
_MEMORY_MAX = 64 << 20
_SALT_BYTES, _HASH_BYTES = 16, 32


class Role(enum.Enum):
    """Who somebody is: a viewer sees everything but the site file, an operator changes things."""

    VIEWER = "viewer"
    OPERATOR = "operator"

    def may(self, needed: "Role") -> bool:
        """True where this role includes another."""
        return self is Role.OPERATOR or needed is Role.VIEWER


class PasswordFault(Exception):
    """A password that is not taken, or a file that cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """One password as it is kept."""

    salt: bytes
    hash: bytes
    n: int = _N
    r: int = _R
    p: int = _P


class PasswordBook:
    """The file of one state directory. Every method blocks: call them in a thread."""

    def __init__(self, state: Path, n: int = _N) -> None:
        self.path = state / FILE_NAME
        self._n = n

    def read(self) -> dict[Role, Hashed]:
        """Return what is set. Raises PasswordFault for a file that cannot be read."""
        try:
            found = json.loads(self.path.read_text(encoding="ascii"))
            return {Role(role): _hashed(entry) for role, entry in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
            raise PasswordFault(
                f"{self.path}: cannot be used ({fault}), expected what `inverter-bridge password` writes: "
                "remove the file and set the passwords anew"
            ) from fault

    def set(self, role: Role, password: str) -> None:
        """Set a role's password, which ends that role's sessions. Raises PasswordFault."""
        if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
            raise PasswordFault(
                f"found {len(password)} characters, expected a password of {LENGTH_MIN} to {LENGTH_MAX}"
            )
        found = self.read()
        salt = secrets.token_bytes(_SALT_BYTES)
        found[role] = Hashed(salt, _derived(password, Hashed(salt, b"", self._n)), self._n)
        self._write(found)

    def matches(self, role: Role, password: str) -> Hashed | None:
        """Return what is kept of a role where the password is right, else None. Takes as long for neither.

        Raises PasswordFault for a file that cannot be read.
        """
        kept = self.read().get(role)
        against = kept or Hashed(bytes(_SALT_BYTES), bytes(_HASH_BYTES), self._n)
        right = hmac.compare_digest(_derived(password[:LENGTH_MAX], against), against.hash)
        return kept if right and len(password) <= LENGTH_MAX else None

    def _write(self, found: dict[Role, Hashed]) -> None:
        shown = {
            role.value: {
                "salt": entry.salt.hex(), "hash": entry.hash.hex(), "n": entry.n, "r": entry.r, "p": entry.p,
            }
            for role, entry in found.items()
        }  # fmt: skip
        fresh = ""
        try:
            folder = self.path.parent
            make_folder(folder)
            descriptor, fresh = tempfile.mkstemp(prefix=".passwords.", dir=folder)  # mode 0600
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                json.dump(shown, stream)
                stream.flush()
                os.fsync(stream.fileno())
            owner = folder.stat()  # root sets it for the bridge, whose directory it is
            if os.geteuid() == 0:
                os.chown(fresh, owner.st_uid, owner.st_gid)
            put_in_place(Path(fresh), self.path)
        except OSError as fault:
            if fresh:
                with contextlib.suppress(OSError):
                    Path(fresh).unlink()
            raise PasswordFault(
                f"{self.path}: cannot be written ({fault.strerror}): run this as the bridge's own user or as "
                "root"
            ) from fault


def _hashed(entry: dict[str, str | int]) -> Hashed:
    numbers = [int(entry[key]) for key in ("n", "r", "p")]
    n, r, p = numbers
    in_range = 2 <= n <= 1 << 17 and 1 <= r <= 16 and 1 <= p <= 32
    # RFC 7914, section 2: a power of two below 2^16r; and the memory that OpenSSL then wants
    if not in_range or n & (n - 1) or n >> 16 * r or 128 * r * (n + p + 2) > _MEMORY_MAX:
        raise ValueError("found a cost out of range")
    return Hashed(bytes.fromhex(str(entry["salt"])), bytes.fromhex(str(entry["hash"])), *numbers)


def _derived(password: str, how: Hashed) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=how.salt, n=how.n, r=how.r, p=how.p, maxmem=_MEMORY_MAX, dklen=_HASH_BYTES,
    )  # fmt: skip
