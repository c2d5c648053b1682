"""The bridge as a service of the system: its unit, its rules for devices, its signs of life."""
