"""The file nodes.conf: one node's alone, and whole at any moment.

A new text is written beside the file and renamed over it, so a crash leaves the old one or the new one. The lock is on
the file itself, and the new one is locked before it gets the name, so that no other node finds it free; one that opened
the old file meanwhile finds that the file at the path is another one, and is refused.
"""

import contextlib
import fcntl
import os

from server.persistence.disk import Disk


class ConfInUse(Exception):
    """Another node has the file."""


class ConfFile:
    """The file, locked from `open` to `close`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._locked = -1               # a descriptor of the file that is at the path

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
        self.close()
        self._locked = new
        if fsync:
            Disk().sync_folder(os.path.dirname(self.path) or ".")

    def close(self) -> None:
        """Let go of the lock."""
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
