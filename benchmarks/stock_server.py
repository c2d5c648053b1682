"""Stock pymodbus as its documentation has it: SimData, in a process of its own. Prints its port."""

import asyncio
import logging

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from benchmarks.load import FIRST, UNIT, pin

REGISTERS = 1000


async def serve() -> None:
    values = SimData(FIRST, values=list(range(REGISTERS)), datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(id=UNIT, simdata=[values]), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    listening = server.transport
    assert isinstance(listening, asyncio.Server)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    # It logs every connection that ends while a reply is on its way.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    pin(0)
    asyncio.run(serve())
