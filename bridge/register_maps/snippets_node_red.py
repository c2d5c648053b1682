"""A flow for Node-RED with the nodes of node-red-contrib-modbus 5.

Their fields: flows.nodered.org/node/node-red-contrib-modbus.
One read node a block of registers, a function node behind it that turns the words into named values, and for
each set-point an inject, a function and a write node.
"""

import hashlib
import json
from collections.abc import Iterator

from bridge.register_maps.format import RegisterMap, Table
from bridge.register_maps.rows import Json
from bridge.register_maps.snippets_node_red_code import bit_decoder, bit_encoder, decoder, encoder
from bridge.register_maps.snippets_values import (
    LICENCE,
    Readable,
    Target,
    bit_slugs,
    blocks,
    device_name,
    readables,
    settings,
    switches,
)

_DATA_TYPES = {
    Table.HOLDING: "HoldingRegister",
    Table.INPUT: "InputRegister",
    Table.COILS: "Coil",
    Table.DISCRETE: "Input",
}
#: The write node's function codes: FC5, FC6 and FC16.
_WRITE_TYPES = {
    (Table.COILS, False): "Coil",
    (Table.HOLDING, False): "HoldingRegister",
    (Table.HOLDING, True): "MHoldingRegisters",
}
_RATE_S = "5"
_COLUMNS = (140, 400, 650, 880)
_LINE = 60


def node_red(loaded: RegisterMap, target: Target) -> str:
    """Return the flow as JSON for Node-RED's import; its ids depend on the map and the unit alone."""
    return json.dumps(_Flow(loaded, target).nodes(), indent=2, ensure_ascii=False) + "\n"


class _Flow:
    """Lays the nodes out line by line."""

    def __init__(self, loaded: RegisterMap, target: Target) -> None:
        self._loaded = loaded
        self._target = target
        self._name = device_name(loaded)
        self._tab = self._id("tab")
        self._client = self._id("client")
        self._line = 0

    def nodes(self) -> list[dict[str, Json]]:
        """Return all nodes, the tab and the connection first."""
        found: list[dict[str, Json]] = [self._tab_node(), self._client_node()]
        for block in blocks(readables(self._loaded), self._loaded.device.hole_max):
            found += self._read(block)
        for table in (Table.COILS, Table.DISCRETE):
            found += self._bits(table)
        for item in settings(self._loaded):
            found += self._write(item)
        for coil, slug in bit_slugs(switches(self._loaded)).items():
            found += self._switch(coil.address, slug)
        return found

    def _id(self, *parts: str | int) -> str:
        text = "/".join(map(str, (self._loaded.name, self._target.unit, *parts)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _tab_node(self) -> dict[str, Json]:
        info = f"{LICENCE}\n\n{self._loaded.title}, map {self._loaded.name}. Needs node-red-contrib-modbus."
        return {"id": self._tab, "type": "tab", "label": self._name, "disabled": False, "info": info}

    def _client_node(self) -> dict[str, Json]:
        return {
            "id": self._client,
            "type": "modbus-client",
            "name": self._target.authority,
            "clienttype": "tcp",
            "bufferCommands": True,
            "stateLogEnabled": False,
            "queueLogEnabled": False,
            "failureLogEnabled": True,
            "tcpHost": self._target.host,
            "tcpPort": str(self._target.port),
            "tcpType": "DEFAULT",
            "serialPort": "/dev/ttyUSB",
            "serialType": "RTU-BUFFERD",
            "serialBaudrate": "9600",
            "serialDatabits": "8",
            "serialStopbits": "1",
            "serialParity": "none",
            "serialConnectionDelay": "100",
            "serialAsciiResponseStartDelimiter": "0x3A",
            "unit_id": str(self._target.unit),
            "commandDelay": "1",
            "clientTimeout": "3000",
            "reconnectOnTimeout": True,
            "reconnectTimeout": "2000",
            "parallelUnitIdsAllowed": True,
            "showErrors": False,
            "showWarnings": True,
            "showLogs": True,
        }

    def _read(self, block: tuple[Readable, ...]) -> list[dict[str, Json]]:
        first, last = block[0].register, block[-1].register
        name = "status" if block[0].status else f"0x{first.address:04X}"
        return self._reading(
            first.table, first.address, last.end - first.address, name, decoder(block, first.address)
        )

    def _bits(self, table: Table) -> list[dict[str, Json]]:
        coils = bit_slugs(coil for coil in self._loaded.coils if coil.table is table)
        if not coils:
            return []
        start = min(coil.address for coil in coils)
        count = max(coil.end for coil in coils) - start
        code = bit_decoder({slug: coil.address - start for coil, slug in coils.items()})
        return self._reading(table, start, count, table.value, code)

    def _reading(self, table: Table, start: int, count: int, name: str, code: str) -> list[dict[str, Json]]:
        ids = [self._id("read", table.value, start, part) for part in ("read", "function", "debug")]
        y = self._next_line()
        read: dict[str, Json] = {
            "id": ids[0],
            "type": "modbus-read",
            "z": self._tab,
            "name": f"{self._name} {name}",
            "topic": self._name,
            "showStatusActivities": True,
            "logIOActivities": False,
            "showErrors": True,
            "showWarnings": True,
            "unitid": str(self._target.unit),
            "dataType": _DATA_TYPES[table],
            "adr": str(start),
            "quantity": str(count),
            "rate": _RATE_S,
            "rateUnit": "s",
            "delayOnStart": False,
            "enableDeformedMessages": False,
            "startDelayTime": "",
            "server": self._client,
            "useIOFile": False,
            "ioFile": "",
            "useIOForPayload": False,
            "emptyMsgOnFail": False,
            "x": _COLUMNS[0],
            "y": y,
            "wires": [[ids[1]], []],
        }
        return [
            read,
            self._function(ids[1], f"{name} by name", code, ids[2], y, 1),
            self._debug(ids[2], name, y, 2),
        ]

    def _write(self, item: Readable) -> Iterator[dict[str, Json]]:
        made = encoder(item)
        if made is not None:
            code, sample = made
            register = item.register
            yield from self._writing(
                item.slug, f"{sample:g}", code, Table.HOLDING, register.address, register.length
            )

    def _switch(self, address: int, slug: str) -> Iterator[dict[str, Json]]:
        yield from self._writing(f"{slug} coil", "0", bit_encoder(), Table.COILS, address, 1)

    def _writing(
        self, name: str, sample: str, code: str, table: Table, address: int, count: int
    ) -> Iterator[dict[str, Json]]:
        parts = ("inject", "function", "write", "debug")
        ids = [self._id("write", table.value, address, part) for part in parts]
        y = self._next_line()
        yield {
            "id": ids[0],
            "type": "inject",
            "z": self._tab,
            "name": f"{name} = {sample}",
            "props": [{"p": "payload"}],
            "repeat": "",
            "crontab": "",
            "once": False,
            "onceDelay": 0.1,
            "topic": "",
            "payload": sample,
            "payloadType": "num",
            "x": _COLUMNS[0],
            "y": y,
            "wires": [[ids[1]]],
        }
        yield self._function(ids[1], f"{name} to words", code, ids[2], y, 1)
        yield {
            "id": ids[2],
            "type": "modbus-write",
            "z": self._tab,
            "name": f"write {name}",
            "showStatusActivities": True,
            "showErrors": True,
            "showWarnings": True,
            "unitid": str(self._target.unit),
            "dataType": _WRITE_TYPES[table, count > 1],
            "adr": str(address),
            "quantity": str(count),
            "server": self._client,
            "emptyMsgOnFail": False,
            "keepMsgProperties": False,
            "delayOnStart": False,
            "startDelayTime": "",
            "x": _COLUMNS[2],
            "y": y,
            "wires": [[ids[3]], []],
        }
        yield self._debug(ids[3], f"{name} written", y, 3)

    def _function(self, own: str, name: str, code: str, to: str, y: int, column: int) -> dict[str, Json]:
        return {
            "id": own,
            "type": "function",
            "z": self._tab,
            "name": name,
            "func": code,
            "outputs": 1,
            "timeout": 0,
            "noerr": 0,
            "initialize": "",
            "finalize": "",
            "libs": [],
            "x": _COLUMNS[column],
            "y": y,
            "wires": [[to]],
        }

    def _debug(self, own: str, name: str, y: int, column: int) -> dict[str, Json]:
        return {
            "id": own,
            "type": "debug",
            "z": self._tab,
            "name": name,
            "active": True,
            "tosidebar": True,
            "console": False,
            "tostatus": False,
            "complete": "payload",
            "targetType": "msg",
            "x": _COLUMNS[column],
            "y": y,
            "wires": [],
        }

    def _next_line(self) -> int:
        self._line += 1
        return _LINE * self._line
