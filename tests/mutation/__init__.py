"""Mutation check of the core: one small fault at a time, and the question whether a test notices.

`make mutation ARGS="--room datastore"` copies the tree to build/mutation and works there; `rooms.py` names
the rooms, `operators.py` the faults, `accepted.txt` the survivors that were looked at and left.
"""
