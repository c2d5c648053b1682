"""Saved state: what must survive a restart, in one SQLite file written by one thread.

A value is put under a scope (a device's name) and a key, as JSON. `save` returns once the value is on
disk; `put` only queues it. Reads come from memory, loaded at the start.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from bridge.datastore.durable import make_folder
from bridge.datastore.state_file import FILE_NAME, Place, StateFile, read_saved
from bridge.datastore.state_schema import SCHEMA_VERSION, StateError

_log = logging.getLogger(__name__)

_LOCK_NAME = "lock"
#: Lies in the directory while `restore` puts files back.
RESTORING = "restore-unfinished"
#: How often what the disk did not take is tried again, in seconds.
_RETRY_S = 5.0
#: The longest a stop waits for the disk, in seconds.
_CLOSE_S = 10.0


class Memory(Protocol):
    """One scope of the saved state, as handed to a device or an adapter.

    What comes back is what JSON makes of what was put: judge it before use, it may be an old version's.
    """

    def get(self, key: str) -> object:
        """Return the newest value, None when there is none."""

    def put(self, key: str, value: object) -> None:
        """Set a value; it reaches the disk soon. None removes it. Raises TypeError for what JSON has not."""

    async def save(self, key: str, value: object) -> None:
        """Set a value; returns when it is on disk (at once where the state is not kept).

        A disk that refuses is logged, and tried on; then it returns all the same: the bridge runs on.
        """


class _Job(NamedTuple):
    place: Place
    text: str | None
    done: Callable[[], None] | None


class StateStore:
    """All scopes. Without a directory nothing is kept, which demos and tests use."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self._texts: dict[Place, str] = {}
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock_file: int | None = None

    def open(self) -> None:
        """Create the directory (mode 0700), lock it, load it, start the writer. Blocks: call it at the start.

        A damaged file is put aside under a new name and the state begins empty; one of an older version is
        copied and brought up to this one. Raises StateError when the directory cannot be used, another
        bridge uses it, or a newer version wrote it.
        """
        if self.directory is None:
            return
        try:
            make_folder(self.directory)
            self._take_lock(self.directory / _LOCK_NAME)
            self._refuse_half_restored(self.directory)
            file = StateFile(self.directory / FILE_NAME)
        except StateError:
            self._drop_lock()
            raise
        except (OSError, sqlite3.Error) as fault:
            self._drop_lock()
            raise StateError(
                f"state directory {self.directory}: {fault}; expected a directory this user may write, with "
                "room on its disk: set `state:` in the site file, mend its permissions or make room"
            ) from fault
        self._texts = file.texts
        self._thread = threading.Thread(target=self._write, args=(file,), name="state", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is queued and stop. Blocks, but no longer than a disk may take: call it at the end."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(_CLOSE_S)
            if self._thread.is_alive():
                _log.error("state=%s disk does not answer: left without the newest changes", self.directory)
            self._thread = None
        self._drop_lock()

    def memory(self, scope: str) -> Memory:
        """Return one scope."""
        return _Scope(self, scope)

    def get(self, scope: str, key: str) -> object:
        """Return the newest value, None when there is none."""
        text = self._texts.get((scope, key))
        value: object = None if text is None else json.loads(text)
        return value

    def put(self, scope: str, key: str, value: object, done: Callable[[], None] | None = None) -> None:
        """Set a value and queue it for the disk; `done` is called from the writer once it is there."""
        place = scope, key
        text = None if value is None else json.dumps(value)
        if text is None:
            self._texts.pop(place, None)
        else:
            self._texts[place] = text
        if self._thread is not None:
            self._jobs.put(_Job(place, text, done))
        elif done is not None:
            done()

    async def save(self, scope: str, key: str, value: object) -> None:
        """Set a value and wait until it is on disk."""
        if self._thread is None:
            self.put(scope, key, value)
            return
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not written.done():
                written.set_result(None)

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may have closed meanwhile
                loop.call_soon_threadsafe(wake)

        self.put(scope, key, value, tell)
        await written

    @staticmethod
    def _refuse_half_restored(directory: Path) -> None:
        if (directory / RESTORING).exists():
            raise StateError(
                f"state directory {directory}: a restore was cut short, so that files of the backup and "
                "those from before it lie here and beside the site file: run `inverter-bridge restore FILE` "
                "again; what was there before is kept under names with `before-restore-`"
            )

    def _take_lock(self, path: Path) -> None:
        self._lock_file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise StateError(
                f"state directory {self.directory} is in use by another running bridge: "
                "stop it, or give this site its own `state:` directory"
            ) from fault

    def _drop_lock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _write(self, file: StateFile) -> None:
        """Run the writer thread: all queued jobs of a moment share one commit.

        What the disk refuses is kept and goes with the next commit, so that nothing is lost once the
        disk has room again.
        """
        unwritten: dict[Place, str | None] = {}
        running = True
        while running:
            jobs: list[_Job] = []
            with contextlib.suppress(queue.Empty):
                job = self._jobs.get(timeout=_RETRY_S if unwritten else None)
                while job is not None:
                    jobs.append(job)
                    job = self._jobs.get_nowait()
                running = False
            failed = bool(unwritten)
            unwritten.update((job.place, job.text) for job in jobs)
            try:
                if unwritten:
                    file.commit(unwritten)
                unwritten.clear()
                if failed:
                    _log.warning("state=%s writable again", self.directory)
            except (sqlite3.Error, MemoryError) as fault:  # the thread must live: `save` waits for it
                if not failed:
                    _log.error(
                        "state=%s cannot be written (%s): running on, trying on", self.directory, fault
                    )
            for job in jobs:
                if job.done is not None:
                    job.done()
        with contextlib.suppress(sqlite3.Error):
            file.close()


class _Scope:
    """A scope of a store, as the `Memory` of a device."""

    __slots__ = ("_scope", "_store")

    def __init__(self, store: StateStore, scope: str) -> None:
        self._store = store
        self._scope = scope

    def get(self, key: str) -> object:
        return self._store.get(self._scope, key)

    def put(self, key: str, value: object) -> None:
        self._store.put(self._scope, key, value)

    async def save(self, key: str, value: object) -> None:
        await self._store.save(self._scope, key, value)


__all__ = ["FILE_NAME", "SCHEMA_VERSION", "Memory", "StateError", "StateStore", "read_saved"]
