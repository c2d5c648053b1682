"""The role in a client's certificate (Modbus/TCP Security 2.1, section 8.4).

The standard library reads names and dates of a certificate, but no extension of ours; the few lines of DER
(ITU-T X.690) that lead to it stand here.
"""

from collections.abc import Iterator

#: 1.3.6.1.4.1.50316.802.1, as DER has it.
ROLE_OID = bytes.fromhex("2b0601040183890c862201")

_SEQUENCE, _OID, _OCTETS, _UTF8, _EXTENSIONS = 0x30, 0x06, 0x04, 0x0C, 0xA3
#: Longer than any role, so that a log line stays one.
_ROLE_MAX = 100


def role_of(certificate: bytes) -> str | None:
    """Return the role of a certificate in DER; None where it has none that can be read."""
    try:
        return _role(certificate)
    except (IndexError, UnicodeDecodeError):
        return None


def _role(certificate: bytes) -> str | None:
    for tag, part in _parts(_first(_first(certificate, _SEQUENCE), _SEQUENCE)):
        if tag != _EXTENSIONS:
            continue
        for _, extension in _parts(_first(part, _SEQUENCE)):
            fields = dict(_parts(extension))
            if fields.get(_OID) == ROLE_OID and _OCTETS in fields:
                role = _first(fields[_OCTETS], _UTF8).decode()
                return role if role and len(role) <= _ROLE_MAX and role.isprintable() else None
    return None


def _first(data: bytes, wanted: int) -> bytes:
    """Return the content of the first element; IndexError where it is another one."""
    tag, content = next(_parts(data), (0, b""))
    if tag != wanted:
        raise IndexError
    return content


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element; IndexError where they are cut short."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            octets = length & 0x7F
            length = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + length > len(data):
            raise IndexError
        yield tag, data[at : at + length]
        at += length
