"""The command `inverter-bridge`."""

from bridge.cli.main import main

__all__ = ["main"]
