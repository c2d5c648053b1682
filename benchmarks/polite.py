"""A well-behaved client: one read each few milliseconds, every reply checked, until its input ends.

Prints one line when it is connected and, at the end, what it saw as JSON. Imports nothing of the bridge.
"""

import itertools
import json
import select
import socket
import struct
import sys
import time

from benchmarks.load import FIRST, UNIT, pin

#: Seconds between two reads, and how long a reply may take before it counts as lost.
EVERY_S, LOST_S = 0.003, 10.0
#: Registers a read; they are published in one batch, so that each is one watt above the one before it.
REGISTERS = 10
_STEP, _RANGE = 10, 60_000
#: Addresses from here are not used by the hostile ones.
SOURCE = "127.0.0.9"


def sound(data: bytes) -> bool:
    """True where the registers of one reply belong together."""
    values = struct.unpack(f">{REGISTERS}H", data)
    steps = {(after - before) % _RANGE for before, after in itertools.pairwise(values)}
    return steps == {_STEP} or set(values) == {_STEP}


def ask(host: str, port: int) -> dict[str, object]:
    """Read until the input ends."""
    kinds: dict[str, int] = {}
    latencies: list[float] = []

    def wrong(kind: str) -> None:
        kinds[kind] = kinds.get(kind, 0) + 1

    with socket.create_connection((host, port), LOST_S, (SOURCE, 0)) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print("connected", flush=True)
        number = 0
        while not select.select([sys.stdin], [], [], EVERY_S)[0]:
            number = (number + 1) % 0x10000
            asked = time.perf_counter()
            try:
                server.sendall(struct.pack(">HHHBBHH", number, 0, 6, UNIT, 3, FIRST, REGISTERS))
                reply = b""
                while len(reply) < 9 + 2 * REGISTERS and (more := server.recv(4096)):
                    reply += more
            except OSError as fault:
                wrong(f"lost ({type(fault).__name__})")
                break
            latencies.append(time.perf_counter() - asked)
            head = struct.pack(">HHHBBB", number, 0, 3 + 2 * REGISTERS, UNIT, 3, 2 * REGISTERS)
            if not reply:
                wrong("lost (closed)")
                break
            if len(reply) != 9 + 2 * REGISTERS or not reply.startswith(head):
                wrong("another reply")
                break
            if not sound(reply[9:]):
                wrong("wrong values")
        else:
            if select.select([server], [], [], 0.05)[0]:
                wrong("doubled, or closed in the end")
    return {"latencies": latencies, "kinds": kinds}


if __name__ == "__main__":
    pin(1)
    _HOST, _PORT = sys.argv[1].split(":")
    print(json.dumps(ask(_HOST, int(_PORT))), flush=True)
