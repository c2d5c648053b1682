"""What the documents of the Modbus Organization ask of a server, clause by clause, as bytes.

AP: Modbus Application Protocol 1.1b3. TCP: Messaging on TCP/IP Implementation Guide 1.0b. SL: Modbus over
Serial Line 1.02. Requests and replies are PDUs; the transports put their headers or CRCs around them. None as
a reply is silence. The units are those of `bench.py`: 20 is only read, 23 written.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tests.conformance.bench import BITS, NEVER_SEEN, SETS, SLOW, UNIT, WRITTEN

MBAP, RTU = ("tcp", "udp", "tls"), ("rtu_tcp", "rtu")
ALL = (*MBAP, *RTU)
NOBODY, BRIDGE = 99, 247


@dataclass(frozen=True)
class Case:
    """One clause: requests in turn, each with its reply, on some transports."""

    number: str
    clause: str
    unit: int
    exchanges: tuple[tuple[bytes, bytes | None], ...]
    transports: tuple[str, ...] = ALL

    def __str__(self) -> str:
        return f"{self.number} {self.clause}"


def h(*parts: str | bytes) -> bytes:
    """Return bytes written in hex, and bytes as they are."""
    return b"".join(bytes.fromhex(part) if isinstance(part, str) else part for part in parts)


def words(*values: int) -> bytes:
    """Return registers as they go on the wire: high byte first (AP 4.2)."""
    return struct.pack(f">{len(values)}H", *values)


def thirds(first: int, count: int) -> bytes:
    """Return the bench's discrete inputs from `first` on, packed from the lowest bit (AP 6.2)."""
    number = sum(1 << place for place in range(count) if (first + place) % 3 == 0)
    return number.to_bytes((count + 7) // 8, "little")


def one(request: str | bytes, reply: str | bytes | None) -> tuple[tuple[bytes, bytes | None], ...]:
    return ((h(request), None if reply is None else h(reply)),)


def _reading() -> Iterator[Case]:
    yield Case("1.1", "AP 6.1 one coil", UNIT, one("01 0001 0001", "01 01 01"))
    yield Case("1.2", "AP 6.1 first coil in the lowest bit", UNIT, one("01 0000 000A", "01 02 FE 03"))
    yield Case("1.3", "AP 6.1 unused bits are zero", UNIT, one("01 07B0 0003", "01 01 07"))
    full = h("FE", b"\xff" * (BITS // 8 - 1))
    yield Case("1.4", "AP 6.1 2000 coils", UNIT, one("01 0000 07D0", h("01 FA", full)))
    yield Case("1.5", "AP 6.1 2001 coils", UNIT, one("01 0000 07D1", "81 03"))
    yield Case("1.6", "AP 6.1 no coils", UNIT, one("01 0000 0000", "81 03"))
    yield Case("1.7", "AP 6.1 no such address", UNIT, one("01 07D0 0001", "81 02"))
    yield Case("1.8", "AP 6.1 beyond the last", UNIT, one("01 07CF 0002", "81 02"))
    yield Case("2.1", "AP 6.2 one discrete input", UNIT, one("02 0003 0001", "02 01 01"))
    yield Case("2.2", "AP 6.2 22 inputs", UNIT, one("02 0001 0016", h("02 03", thirds(1, 22))))
    yield Case("2.3", "AP 6.2 2000 inputs", UNIT, one("02 0000 07D0", h("02 FA", thirds(0, BITS))))
    yield Case("2.4", "AP 6.2 2001 inputs", UNIT, one("02 0000 07D1", "82 03"))
    yield Case("2.5", "AP 6.2 no inputs", UNIT, one("02 0000 0000", "82 03"))
    yield Case("2.6", "AP 6.2 no such address", UNIT, one("02 07D0 0001", "82 02"))
    yield Case("3.1", "AP 4.2 high byte first", UNIT, one("03 6010 0001", "03 02 42 01"))
    yield Case("3.2", "AP 6.3 three registers", UNIT, one("03 406B 0003", h("03 06", words(107, 108, 109))))
    yield Case("3.3", "AP 6.3 125 registers", UNIT, one("03 4000 007D", h("03 FA", words(*range(125)))))
    yield Case("3.4", "AP 6.3 126 registers", UNIT, one("03 4000 007E", "83 03"))
    yield Case("3.5", "AP 6.3 no registers", UNIT, one("03 4000 0000", "83 03"))
    yield Case("3.6", "AP 6.3 no such address", UNIT, one("03 4800 0001", "83 02"))
    yield Case("3.7", "AP 6.3 beyond the last", UNIT, one("03 6014 0002", "83 02"))
    yield Case("3.8", "AP 4.4 beyond the last address", UNIT, one("03 FFFF 0002", "83 02"))
    yield Case("3.9", "AP 7 quantity before address", UNIT, one("03 4800 007E", "83 03"))
    yield Case("3.10", "AP 6.3 too short", UNIT, one("03 4000 00", "83 03"), MBAP)
    yield Case("3.11", "AP 6.3 too long", UNIT, one("03 4000 0001 00", "83 03"), MBAP)
    yield Case("3.12", "AP 4.1 a function code alone", UNIT, one("03", "83 03"), MBAP)
    yield Case("4.1", "AP 6.4 one input register", UNIT, one("04 4008 0001", h("04 02", words(1008))))
    yield Case(
        "4.2", "AP 6.4 125 registers", UNIT, one("04 4000 007D", h("04 FA", words(*range(1000, 1125))))
    )
    yield Case("4.3", "AP 6.4 126 registers", UNIT, one("04 4000 007E", "84 03"))
    yield Case("4.4", "AP 4.3 tables of their own", UNIT, one("04 4080 0001", "84 02"))


def _writing_one() -> Iterator[Case]:
    on = (h("05 00AC FF00"), h("05 00AC FF00"))
    off = (h("05 00AC 0000"), h("05 00AC 0000"))
    read = h("01 00AC 0001")
    yield Case("5.1", "AP 6.5 on", WRITTEN, (off, on, (read, h("01 01 01"))))
    yield Case("5.2", "AP 6.5 off", WRITTEN, (on, off, (read, h("01 01 00"))))
    yield Case(
        "5.3",
        "AP 6.5 another value than 0000 and FF00",
        WRITTEN,
        (off, (h("05 00AC 1234"), h("85 03")), (read, h("01 01 00"))),
    )
    yield Case(
        "5.4", "AP 6.5 0001 is no ON", WRITTEN, (off, (h("05 00AC 0001"), h("85 03")), (read, h("01 01 00")))
    )
    yield Case("5.5", "AP 6.5 no such coil", WRITTEN, one("05 07D0 FF00", "85 02"))
    yield Case("5.6", "AP 6.5 a coil that is only read", WRITTEN, one("05 07B0 FF00", "85 02"))
    yield Case(
        "6.1",
        "AP 6.6 the echo, and the value",
        WRITTEN,
        ((h("06 5001 0003"), h("06 5001 0003")), (h("03 5001 0001"), h("03 02 0003"))),
    )
    yield Case("6.2", "AP 6.6 no such register", WRITTEN, one("06 4800 0003", "86 02"))
    yield Case("6.3", "AP 6.6 a register that is only read", WRITTEN, one("06 6010 0003", "86 02"))
    yield Case(
        "6.4",
        "AP 7 a value out of range",
        WRITTEN,
        (
            (h("06 5002 0007"), h("06 5002 0007")),
            (h("06 5002 EA61"), h("86 03")),
            (h("03 5002 0001"), h("03 02 0007")),
        ),
    )
    yield Case("6.5", "AP 7 a number that stands for nothing", WRITTEN, one("06 6011 0002", "86 03"))
    yield Case("6.6", "AP 6.6 too short", WRITTEN, one("06 5001 00", "86 03"), MBAP)
    yield Case("6.7", "AP 6.6 too long", WRITTEN, one("06 5001 0003 00", "86 03"), MBAP)
    yield Case(
        "22.1",
        "AP 6.16 the mask of its example",
        WRITTEN,
        (
            (h("06 5004 0012"), h("06 5004 0012")),
            (h("16 5004 00F2 0025"), h("16 5004 00F2 0025")),
            (h("03 5004 0001"), h("03 02 0017")),
        ),
    )
    yield Case("22.2", "AP 6.16 no such register", WRITTEN, one("16 4800 00F2 0025", "96 02"))
    yield Case("22.3", "AP 6.16 half of a longer value", WRITTEN, one("16 6000 00F2 0025", "96 02"))
    yield Case("22.4", "AP 6.16 too short", WRITTEN, one("16 5004 00F2", "96 03"), MBAP)


def _writing_many() -> Iterator[Case]:
    yield Case(
        "15.1",
        "AP 6.11 its example",
        WRITTEN,
        (
            (h("0F 0013 000A 02 CD 01"), h("0F 0013 000A")),
            (h("01 0013 000A"), h("01 02 CD 01")),
        ),
    )
    bits = b"\xaa" * (SETS // 8)
    yield Case(
        "15.2",
        "AP 6.11 1968 coils",
        WRITTEN,
        ((h("0F 0000 07B0 F6", bits), h("0F 0000 07B0")), (h("01 0100 0010"), h("01 02 AA AA"))),
    )
    yield Case("15.3", "AP 6.11 1969 coils", WRITTEN, one(h("0F 0000 07B1 F7", bits, "00"), "8F 03"))
    yield Case("15.4", "AP 6.11 no coils", WRITTEN, one("0F 0000 0000 00", "8F 03"))
    yield Case("15.5", "AP 6.11 a byte count that does not fit", WRITTEN, one("0F 0013 000A 01 CD", "8F 03"))
    yield Case(
        "15.6",
        "AP 6.11 beyond the last coil, nothing done",
        WRITTEN,
        (
            (h("05 07AF 0000"), h("05 07AF 0000")),
            (h("0F 07AF 0002 01 03"), h("8F 02")),
            (h("01 07AF 0001"), h("01 01 00")),
        ),
    )
    yield Case(
        "15.7", "AP 6.11 fewer bytes than announced", WRITTEN, one("0F 0013 000A 02 CD", "8F 03"), MBAP
    )
    yield Case(
        "16.1",
        "AP 6.12 its example",
        WRITTEN,
        (
            (h("10 5101 0002 04 000A 0102"), h("10 5101 0002")),
            (h("03 5101 0002"), h("03 04 000A 0102")),
        ),
    )
    values = words(*range(300, 423))
    yield Case(
        "16.2",
        "AP 6.12 123 registers",
        WRITTEN,
        ((h("10 5200 007B F6", values), h("10 5200 007B")), (h("03 5200 007B"), h("03 F6", values))),
    )
    yield Case("16.3", "AP 6.12 124 registers", WRITTEN, one(h("10 5200 007C F8", values), "90 03"), MBAP)
    yield Case("16.4", "AP 6.12 no registers", WRITTEN, one("10 5101 0000 00", "90 03"))
    yield Case(
        "16.5", "AP 6.12 a byte count that does not fit", WRITTEN, one("10 5101 0002 02 000A", "90 03")
    )
    yield Case(
        "16.6",
        "AP 6.12 one of them only read, nothing done",
        WRITTEN,
        (
            (h("10 6000 0002 04 0000 0009"), h("10 6000 0002")),
            (h("10 6000 0011 22 0000 0001", bytes(30)), h("90 02")),
            (h("03 6000 0002"), h("03 04 0000 0009")),
        ),
    )
    yield Case(
        "16.7",
        "AP 6.12 one value out of range, nothing done",
        WRITTEN,
        (
            (h("10 5300 0002 04 0001 0002"), h("10 5300 0002")),
            (h("10 5300 0002 04 0005 FFFE"), h("90 03")),
            (h("03 5300 0002"), h("03 04 0001 0002")),
        ),
    )
    yield Case(
        "16.8", "AP 6.12 fewer bytes than announced", WRITTEN, one("10 5101 0002 04 000A 01", "90 03"), MBAP
    )
    yield Case(
        "23.1",
        "AP 6.17 written before it is read",
        WRITTEN,
        (
            (h("06 5400 0001"), h("06 5400 0001")),
            (h("17 5400 0003 5401 0002 04 00FE 0A0B"), h("17 06 0001 00FE 0A0B")),
            (h("03 5401 0002"), h("03 04 00FE 0A0B")),
        ),
    )
    yield Case(
        "23.2",
        "AP 6.17 125 read, 121 written",
        WRITTEN,
        (
            (h("17 4000 007D 5480 0079 F2", words(*range(500, 621))), h("17 FA", words(*range(125)))),
            (h("03 5480 0079"), h("03 F2", words(*range(500, 621)))),
        ),
    )
    yield Case("23.3", "AP 6.17 126 read", WRITTEN, one("17 4000 007E 5500 0001 02 0001", "97 03"))
    yield Case(
        "23.4", "AP 6.17 122 written", WRITTEN, one(h("17 4000 0001 5500 007A F4", bytes(242)), "97 03"), MBAP
    )
    yield Case("23.5", "AP 6.17 none written", WRITTEN, one("17 4000 0001 5500 0000 00", "97 03"))
    yield Case(
        "23.6",
        "AP 6.17 nothing to read there: nothing written",
        WRITTEN,
        (
            (h("06 5501 0005"), h("06 5501 0005")),
            (h("17 4800 0001 5501 0001 02 0006"), h("97 02")),
            (h("03 5501 0001"), h("03 02 0005")),
        ),
    )
    yield Case(
        "23.7", "AP 6.17 nothing to write there", WRITTEN, one("17 4000 0001 4800 0001 02 0001", "97 02")
    )


def _about() -> Iterator[Case]:
    yield Case("8.1", "AP 6.8 return query data", UNIT, one("08 0000 A537", "08 0000 A537"))
    yield Case("8.2", "AP 6.8 of any length", UNIT, one("08 0000 A537 0102 0304", "08 0000 A537 0102 0304"))
    yield Case("8.3", "AP 6.8 a sub-function that is not there", UNIT, one("08 0001 0000", "88 01"))
    yield Case("8.4", "AP 6.8 too short", UNIT, one("08 00", "88 03"), MBAP)
    vendor, code, revision = h("00 08", b"Boatyard"), h("01 04", b"4201"), h("02 04", b"1.02")
    basic = h(vendor, code, revision)
    regular = h(basic, "03 00 04 0A", b"Test bench", "05 12", b"Bench of the tests", "06 06", b"good20")
    yield Case(
        "43.1", "AP 6.21 basic, as a stream", UNIT, one("2B 0E 01 00", h("2B 0E 01 82 00 00 03", basic))
    )
    yield Case(
        "43.2", "AP 6.21 regular, as a stream", UNIT, one("2B 0E 02 00", h("2B 0E 02 82 00 00 07", regular))
    )
    yield Case(
        "43.3",
        "AP 6.21 extended, of which there is none",
        UNIT,
        one("2B 0E 03 00", h("2B 0E 03 82 00 00 07", regular)),
    )
    yield Case(
        "43.4",
        "AP 6.21 a stream from the middle",
        UNIT,
        one("2B 0E 01 01", h("2B 0E 01 82 00 00 02", code, revision)),
    )
    yield Case(
        "43.5",
        "AP 6.21 a stream from nowhere begins anew",
        UNIT,
        one("2B 0E 01 77", h("2B 0E 01 82 00 00 03", basic)),
    )
    yield Case("43.6", "AP 6.21 one object", UNIT, one("2B 0E 04 02", h("2B 0E 04 82 00 00 01", revision)))
    yield Case("43.7", "AP 6.21 an object that is not there", UNIT, one("2B 0E 04 80", "AB 02"))
    yield Case("43.8", "AP 6.21 no such access", UNIT, one("2B 0E 05 00", "AB 03"))
    yield Case("43.9", "AP 6.19 another MEI type", UNIT, one("2B 0D 01 00", "AB 01"))
    for number, function in enumerate((7, 11, 12, 17), start=1):
        yield Case(
            f"0.{number}",
            f"AP 6 function {function} is for serial lines only",
            UNIT,
            one(bytes((function,)), bytes((function | 0x80, 1))),
        )
    yield Case("0.5", "AP 6.14 files are not there", UNIT, one("14 07 06 0004 0001 0002", "94 01"))
    yield Case("0.6", "AP 6.15 files are not written", UNIT, one("15 09 06 0004 0007 0001 06AF", "95 01"))
    yield Case("0.7", "AP 6.18 there is no FIFO", UNIT, one("18 04DE", "98 01"))
    yield Case("0.8", "AP 5 a function of users", UNIT, one("41 0102", "C1 01"))
    yield Case("0.9", "AP 5 a reserved function", UNIT, one("5B", "DB 01"))
    yield Case("0.10", "AP 4.1 function 0 is none", UNIT, one("00 4000 0001", "80 01"))


def _exceptions() -> Iterator[Case]:
    yield Case("7.1", "AP 7 04: the device refuses", WRITTEN, one("06 6012 0001", "86 04"))
    yield Case("7.2", "AP 7 05: under way, not done", SLOW, one("06 5000 0001", "86 05"))
    yield Case("7.3", "AP 7 06: busy", WRITTEN, one("06 6013 0001", "86 06"))
    yield Case("7.4", "AP 7 0B: the device does not answer", WRITTEN, one("06 6014 0001", "86 0B"))
    yield Case("7.5", "AP 7 0B: a device never seen is not read", NEVER_SEEN, one("03 4000 0001", "83 0B"))
    yield Case("7.6", "AP 7 0B: nor written", NEVER_SEEN, one("06 5000 0001", "86 0B"))
    yield Case("7.7", "AP 7 0B: nor identified", NEVER_SEEN, one("2B 0E 01 00", "AB 0B"))


def _addressing() -> Iterator[Case]:
    linked = one("03 0000 0001", "03 02 0001")
    yield Case("9.1", "TCP 4.4.2.1 unit FF is the server itself", 255, linked, MBAP)
    yield Case("9.2", "TCP 4.4.2.1 so is unit 0", 0, linked, MBAP)
    yield Case("9.3", "TCP 4.4.2.1 a unit of no device", NOBODY, one("03 4000 0001", "83 0B"), MBAP)
    yield Case("9.4", "SL 2.2 247 is an address", BRIDGE, linked)
    yield Case("9.5", "SL 2.2 other slaves' requests get no reply", NOBODY, one("03 4000 0001", None), RTU)
    yield Case("9.6", "SL 2.2 248 to 255 are reserved", 255, one("03 0000 0001", None), RTU)
    yield Case("9.7", "SL 2.1 a broadcast gets no reply", 0, one("06 5600 0001", None), RTU)
    yield Case("9.8", "SL 2.1 not even one that asks", 0, one("08 0000 A537", None), RTU)


def _cases() -> Iterator[Case]:
    yield from _reading()
    yield from _writing_one()
    yield from _writing_many()
    yield from _about()
    yield from _exceptions()
    yield from _addressing()


CASES = tuple(_cases())
