"""The parts of pymodbus that are not its public interface but that this room stands on.

They are checked at start and by a test, so that another release fails with a sentence, not with wrong
replies. The server makes a handler for each connection (`callback_new_connection`) and opens its socket by
`call_create`; the handler gets the transport; `decode` and `buildFrame` are used apart from both; requests
call `async_getValues`, `async_setValues` and `device_ids` of whatever stands in `server.context`.
"""

import inspect
import logging
from importlib.metadata import version

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import MaskWriteRegisterRequest, ReadWriteMultipleRegistersRequest
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler

#: Releases whose seams are known: this one and its bug fixes.
SUPPORTED = ">=3.16.1,<3.17"
_FIRST, _BELOW = (3, 16, 1), (3, 17)

#: Class, method and the parameters it is called with here.
_SIGNATURES: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (ServerRequestHandler, "__init__", ("owner", "trace_packet", "trace_pdu", "trace_connect")),
    (ServerRequestHandler, "connection_made", ("transport",)),
    (ServerRequestHandler, "connection_lost", ("exc",)),
    (ModbusTcpServer, "__init__", ("context", "address", "custom_pdu")),
    (ModbusTcpServer, "callback_new_connection", ()),
    (ModbusTcpServer, "handle_new_connection", ()),
    (ModbusTcpServer, "listen", ()),
    (ModbusTcpServer, "serve_forever", ("background",)),
    (ModbusTcpServer, "shutdown", ()),
    (DecodePDU, "__init__", ("is_server",)),
    (DecodePDU, "decode", ("frame",)),
    (DecodePDU, "register", ("custom_class",)),
    (FramerSocket, "buildFrame", ("message",)),
    (ModbusPDU, "datastore_update", ("context", "device_id")),
    (ExceptionResponse, "__init__", ("function_code", "exception_code")),
)
#: Names that `__init__` of a class sets and this room reads or replaces.
_ATTRIBUTES: tuple[tuple[type, tuple[str, ...]], ...] = (
    (ModbusTcpServer, ("transport", "call_create", "is_listener", "is_closing", "active_connections")),
    (ServerRequestHandler, ("listener", "unique_id")),
    (MaskWriteRegisterRequest, ("and_mask", "or_mask")),
    (
        ReadWriteMultipleRegistersRequest,
        ("read_address", "read_count", "write_address", "write_registers"),
    ),
)
_FUNCTIONS = (1, 2, 3, 4, 5, 6, 15, 16, 22, 23)
_CODES = (1, 2, 3, 4, 5, 6, 0x0B)


class SeamError(Exception):
    """The installed pymodbus is not one that this bridge can stand on."""


def check_seams(installed: str | None = None) -> None:
    """Compare the installed pymodbus with what is used of it, and quieten it. Raises SeamError."""
    found = installed or version("pymodbus")
    if not _FIRST <= _numbers(found) < _BELOW:
        raise SeamError(_text(found, "another version"))
    for missing in missing_seams():
        raise SeamError(_text(found, missing))
    # Its warnings repeat every undecodable frame of a port scan; what matters is logged by this room.
    logger = logging.getLogger("pymodbus")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)


def missing_seams() -> list[str]:
    """Return what this room uses and the installed pymodbus has not, in words."""
    missing = []
    for owner, method, wanted in _SIGNATURES:
        function = getattr(owner, method, None)
        if function is None:
            missing.append(f"{owner.__name__} without {method!r}")
            continue
        parameters = inspect.signature(function).parameters
        missing += [
            f"{owner.__name__}.{method} without {name!r}" for name in wanted if name not in parameters
        ]
    for owner, names in _ATTRIBUTES:
        known = {name for base in owner.__mro__ if "__init__" in vars(base) for name in _set_in_init(base)}
        missing += [f"{owner.__name__} without {name!r}" for name in names if name not in known]
    missing += [f"no request of function {code}" for code in _FUNCTIONS if code not in DecodePDU.pdu_table]
    missing += [f"no exception code {code}" for code in _CODES if code not in set(ExcCodes)]
    return missing


def _set_in_init(owner: type) -> tuple[str, ...]:
    code = getattr(vars(owner)["__init__"], "__code__", None)
    return () if code is None else code.co_names


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())


def _text(found: str, what: str) -> str:
    return (
        f"pymodbus {found} does not fit ({what}): this bridge needs pymodbus {SUPPORTED}; "
        f"install it by `pip install 'pymodbus{SUPPORTED}'`"
    )
