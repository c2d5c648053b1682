"""What must not grow: tasks, waits, listeners, descriptors, threads, and objects of the bridge's own code."""

import asyncio
import gc
import os
import threading
from collections import Counter
from dataclasses import dataclass, field

from bridge.datastore.clock import ManualClock
from bridge.datastore.events import Signal

#: Objects of one class beyond which a growth is one, and by how much more than before.
_MANY, _FACTOR = 1500, 1.5
_SOME = 15


@dataclass(slots=True)
class Counts:
    """How much there is of everything at one moment when all is well."""

    tasks: int
    waits: int
    descriptors: int
    threads: int
    listeners: int
    resident_kib: int
    objects: Counter[str] = field(default_factory=Counter)

    def grown(self, before: "Counts") -> list[str]:
        """Say what there is more of than before, beyond the play that a moment has."""
        found = [
            f"{name} grew from {was} to {now}"
            for name in ("tasks", "waits", "descriptors", "threads", "listeners")
            if (now := getattr(self, name)) > (was := getattr(before, name)) + _SOME
        ]
        for name, count in self.objects.items():
            was = before.objects[name]
            if count > _MANY and count > _FACTOR * was:
                found.append(f"objects of {name} grew from {was} to {count}")
        return found

    def __str__(self) -> str:
        return (
            f"tasks {self.tasks}, waits {self.waits}, descriptors {self.descriptors}, threads {self.threads}, "
            f"listeners {self.listeners}, bridge's objects {self.objects.total()}, memory {self.resident_kib} KiB"
        )


def counts_now(clock: ManualClock) -> Counts:
    """Count, after a collection of what nobody holds any more."""
    gc.collect()
    everything = gc.get_objects()
    objects: Counter[str] = Counter()
    listeners = 0
    for one in everything:
        kind = type(one)
        module = str(kind.__module__)
        if module.startswith("bridge.") and "simulat" not in module:
            objects[f"{module}.{kind.__qualname__}"] += 1
            if kind is Signal:
                listeners += len(one._listeners)
    return Counts(
        tasks=len(asyncio.all_tasks()),
        waits=clock.waiting,
        descriptors=len(os.listdir("/proc/self/fd")),
        threads=threading.active_count(),
        listeners=listeners,
        resident_kib=resident_kib(),
        objects=objects,
    )


def resident_kib(pid: int | str = "self") -> int:
    """Return the memory that a process has in use, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
