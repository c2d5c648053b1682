"""A master on pymodbus 2.5.3, which is what a Cerbo GX runs; started with the interpreter that has it.

usage: pymodbus25_client.py tcp|udp HOST PORT | rtu DEVICE. Prints what each call gave, as JSON.
"""

import json
import sys

from pymodbus.client.sync import ModbusSerialClient, ModbusTcpClient, ModbusUdpClient
from pymodbus.mei_message import ReadDeviceInformationRequest
from pymodbus.other_message import ReportSlaveIdRequest

UNIT, NEVER_SEEN, SLOW, WRITTEN = 20, 21, 22, 23


def connect(transport, *where):
    if transport == "rtu":
        return ModbusSerialClient(method="rtu", port=where[0], baudrate=115200, timeout=20)
    kind = ModbusTcpClient if transport == "tcp" else ModbusUdpClient
    return kind(where[0], port=int(where[1]), timeout=20)


def told(reply, *names):
    if reply.isError():
        code = getattr(reply, "exception_code", None)
        return str(reply) if code is None else f"exception {code}"
    return next((getattr(reply, name) for name in names), "done")


def main(*arguments):
    client = connect(*arguments)
    assert client.connect()
    found = {
        "coils": told(client.read_coils(0, 8, unit=UNIT), "bits"),
        "discrete inputs": told(client.read_discrete_inputs(0, 8, unit=UNIT), "bits"),
        "125 registers": told(client.read_holding_registers(0x4000, 125, unit=UNIT), "registers"),
        "input registers": told(client.read_input_registers(0x4000, 3, unit=UNIT), "registers"),
        "one coil": told(client.write_coil(0x280, True, unit=WRITTEN), "value"),
        "one register": told(client.write_register(0x5290, 17, unit=WRITTEN), "value"),
        "register back": told(client.read_holding_registers(0x5290, 1, unit=WRITTEN), "registers"),
        "many coils": told(client.write_coils(0x2A0, [True, False, True], unit=WRITTEN), "count"),
        "many registers": told(client.write_registers(0x52B0, [1, 2, 3], unit=WRITTEN), "count"),
        "mask": told(client.mask_write_register(0x5290, 0xFF00, 0x0007, unit=WRITTEN)),
        "masked": told(client.read_holding_registers(0x5290, 1, unit=WRITTEN), "registers"),
        "both": told(
            client.readwrite_registers(
                read_address=0x52C0, read_count=2, write_address=0x52C1, write_registers=[9], unit=WRITTEN
            ),
            "registers",
        ),
        "unknown register": told(client.read_holding_registers(0x4800, 1, unit=UNIT)),
        "read-only register": told(client.write_register(0x6010, 1, unit=UNIT)),
        "out of range": told(client.write_register(0x5000, 60001, unit=UNIT)),
        "refused": told(client.write_register(0x6012, 1, unit=WRITTEN)),
        "slow": told(client.write_register(0x5000, 1, unit=SLOW)),
        "never seen": told(client.read_holding_registers(0x4000, 1, unit=NEVER_SEEN)),
        "slave id": told(client.execute(ReportSlaveIdRequest(unit=UNIT))),
    }
    identified = client.execute(ReadDeviceInformationRequest(unit=UNIT))
    information = told(identified, "information")
    if isinstance(information, dict):
        information = {number: text.decode() for number, text in information.items()}
    found["identification"] = information
    client.close()
    print(json.dumps(found))


main(*sys.argv[1:])
