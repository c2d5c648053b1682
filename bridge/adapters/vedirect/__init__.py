"""Victron VE.Direct: a text block a second, and a register protocol in HEX frames on the same line."""
