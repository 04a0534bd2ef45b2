"""The few file operations that the append only file is made of.

They stand behind one small class, so that a test can put a simulated disk in its place: one that records every write,
fsync and rename, and shows what a power cut at any point would have left. All errors are OSError.
"""

import errno
import fcntl
import os
from collections.abc import Sequence

from server.observe.debug_settings import settings
from server.registry.light import IO, Protocol

FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)  # macOS
PIECES_MAX = 1000  # of one write; the kernel takes 1,024


def _sync_through(file: int) -> None:
    """Where fsync leaves what was written in the cache of the drive."""
    assert FULL_SYNC is not None
    try:
        fcntl.fcntl(file, FULL_SYNC)
    except OSError:  # not of every file system
        os.fsync(file)


# On Linux fdatasync writes the data and the length; all that a log needs to be read again.
sync_data = getattr(os, "fdatasync", os.fsync) if FULL_SYNC is None else _sync_through


class AnyDisk(Protocol):
    """What a disk can do. Paths are names below the server's folder; a `file` is a number."""

    def open(self, path: str, *, append: bool) -> int: ...
    def write(self, file: int, pieces: Sequence[bytes | memoryview]) -> int: ...
    def sync(self, file: int) -> None: ...
    def close(self, file: int) -> None: ...
    def resize(self, file: int, length: int) -> None: ...
    def truncate(self, path: str, length: int) -> None: ...
    def rename(self, old: str, new: str) -> None: ...
    def remove(self, path: str) -> None: ...
    def sync_folder(self, path: str) -> None: ...
    def make_folder(self, path: str) -> None: ...
    def is_folder(self, path: str) -> bool: ...
    def is_file(self, path: str) -> bool: ...
    def size(self, path: str) -> int: ...
    def read(self, path: str) -> IO[bytes]: ...


def demand_room(path: str = "") -> None:
    """Error: OSError (ENOSPC) while DEBUG DISK-FULL says that there is no room for what is about to be written."""
    if settings.disk_full:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path or None)


class Disk:
    """The real one."""

    def open(self, path: str, *, append: bool) -> int:
        """Open for writing, at the end or emptied; made when it is not there."""
        if not append:
            demand_room(path)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC), 0o644)

    def write(self, file: int, pieces: Sequence[bytes | memoryview]) -> int:
        """Write them one behind the other: how many bytes were written, which may be fewer."""
        demand_room()
        return os.writev(file, pieces[:PIECES_MAX])

    def sync(self, file: int) -> None:
        """Return once what was written is on the medium."""
        sync_data(file)

    def close(self, file: int) -> None:
        """Close it."""
        os.close(file)

    def resize(self, file: int, length: int) -> None:
        """Cut an open file."""
        os.ftruncate(file, length)

    def truncate(self, path: str, length: int) -> None:
        """Cut a file by its name, and keep it cut."""
        os.truncate(path, length)
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def rename(self, old: str, new: str) -> None:
        """Give it a new name; what had that name is gone."""
        os.rename(old, new)

    def remove(self, path: str) -> None:
        """Delete a file."""
        os.unlink(path)

    def sync_folder(self, path: str) -> None:
        """Return once new names in a folder are on the medium."""
        folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def make_folder(self, path: str) -> None:
        """Make a folder unless it is there. Errors: something else has that name."""
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            if not os.path.isdir(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        return os.path.isdir(path)

    def is_file(self, path: str) -> bool:
        """Whether there is such a file."""
        return os.path.isfile(path)

    def size(self, path: str) -> int:
        """Bytes."""
        return os.stat(path).st_size

    def read(self, path: str) -> IO[bytes]:
        """The file, to be read from its start."""
        return open(path, "rb", buffering=1 << 20)


def write_all(disk: AnyDisk, file: int, pieces: Sequence[bytes | memoryview], total: int = 0) -> int:
    """Write all of them, of which `total` bytes are written already: how many bytes were written. An error after a part
    counts as a short write, one at once is raised."""
    left = _behind(pieces, total) if total else pieces
    while left:
        try:
            written = disk.write(file, left)
        except InterruptedError:
            continue
        except OSError:
            if not total:
                raise
            break
        total += written
        left = _behind(left, written)
    return total


def _behind(pieces: Sequence[bytes | memoryview], count: int) -> Sequence[bytes | memoryview]:
    """What of these pieces stands behind so many bytes: nearly always nothing."""
    for at, piece in enumerate(pieces):
        if count < len(piece):
            return [memoryview(piece)[count:], *pieces[at + 1 :]]
        count -= len(piece)
    return []
