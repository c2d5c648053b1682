"""What is wrong with a machine, a site or a running bridge, each fault with its cure.

Everything is looked at and nothing is changed: no port is opened, no byte is sent but to a GX, whose Modbus
TCP port is connected to and let go.
"""
