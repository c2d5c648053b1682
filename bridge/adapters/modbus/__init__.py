"""Modbus equipment read through a register map: TCP, UDP, RTU and RTU over TCP."""
