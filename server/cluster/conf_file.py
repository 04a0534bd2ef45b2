"""The file nodes.conf: one node's alone, and whole at any moment.

A new text is written beside the file and renamed over it, so a crash leaves the old one or the new one. The lock is on
the file itself, and the new one is locked before it gets the name, so that no other node finds it free; one that opened
the old file meanwhile finds that the file at the path is another one, and is refused.

What is written without `fsync` the kernel puts on the disk when it likes; `sync_soon` has a thread see to it at once.
"""

import contextlib
import fcntl
import os
from _thread import allocate_lock
from collections.abc import Callable

from server.persistence.disk import Disk


class ConfInUse(Exception):
    """Another node has the file."""


class ConfFile:
    """The file, locked from `open` to `close`. enter: what the thread does first."""

    def __init__(self, path: str | os.PathLike[str], enter: Callable[[], None] = lambda: None) -> None:
        self.path = os.fspath(path)
        self._enter = enter
        self._locked = -1               # a descriptor of the file that is at the path
        self._lock = allocate_lock()    # around the next two, and changes of the former
        self._syncing = False           # there is a thread ...
        self._wanted = False            # ... which does not know of the last file yet
        self.failed: OSError | None = None      # why it could not put one on the disk

    def open(self) -> str:
        """Lock it, made if it is not there. Returns its text, "" for a new one. Raises ConfInUse; OSError."""
        found = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(found, self.path)
            here, there = os.fstat(found), os.stat(self.path)
            if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
                raise ConfInUse(_in_use(self.path))
            with open(found, encoding="latin-1", newline="", closefd=False) as file:
                text = file.read()
        except BaseException:
            os.close(found)
            raise
        self._locked = found
        return text

    def write(self, text: str, *, fsync: bool) -> None:
        """Replace it. fsync: it is on the disk when this returns. Raises OSError, with the old file in place."""
        beside = f"{self.path}.tmp-{os.getpid()}"
        new = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            _lock(new, beside)
            with open(new, "w", encoding="latin-1", newline="", closefd=False) as file:
                file.write(text)
            if fsync:
                os.fsync(new)
            os.rename(beside, self.path)
        except BaseException:
            os.close(new)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            raise
        with self._lock:
            self._forget()
            self._locked = new
        if fsync:
            self._sync_folder()

    def sync_soon(self) -> None:
        """Begin to put what was written last on the disk. The same thread sees to what is written meanwhile."""
        with self._lock:
            self._wanted = True
            if self._syncing:
                return
            self._syncing = True
        import threading  # a start has no use for it

        try:
            threading.Thread(target=self._run, name="bio_nodes_conf", daemon=True).start()
        except RuntimeError:            # there are too many: then it is waited for
            self._sync()

    def _run(self) -> None:
        self._enter()
        self._sync()

    def _sync(self) -> None:
        while True:
            with self._lock:
                if not self._wanted or self._locked < 0:
                    self._syncing = False
                    return
                self._wanted = False
                file = os.dup(self._locked)
            try:
                os.fsync(file)
                self._sync_folder()
            except OSError as why:
                self.failed = why
            finally:
                os.close(file)

    def _sync_folder(self) -> None:
        Disk().sync_folder(os.path.dirname(self.path) or ".")

    def close(self) -> None:
        """Let go of the lock."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._locked >= 0:
            os.close(self._locked)
            self._locked = -1


def _in_use(path: str) -> str:
    return (f"The cluster configuration file {path} is already used by a different node. "
            "Make sure that different nodes use different cluster configuration files.")


def _lock(found: int, path: str) -> None:
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfInUse(_in_use(path)) from None
