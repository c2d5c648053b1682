"""Listeners: Modbus TCP, UDP, RTU and TLS on one way of answering."""

import sys

# pymodbus's servers bring a simulator with a web server of its own, which is optional there and of no use
# here: without aiohttp at hand it is left out, and the bridge starts with 12 MiB less.
_hidden = "aiohttp" not in sys.modules
if _hidden:
    sys.modules["aiohttp"] = None  # type: ignore[assignment]  # what makes an import fail, see importlib
try:
    import pymodbus.server  # noqa: F401 - the first import decides
finally:
    if _hidden:
        del sys.modules["aiohttp"]
