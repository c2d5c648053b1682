"""Inverter Bridge: power equipment as trustworthy Modbus devices."""

__version__ = "0.1.0.dev0"
