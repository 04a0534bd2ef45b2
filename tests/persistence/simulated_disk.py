"""A disk that remembers: every write, sync and rename in order, and what a power cut after any of them would leave.

What is certain after a cut: the bytes of a file up to its last sync, and the names in a folder at its last sync. Beyond
that anything may be: `crashed(events, fate)` makes one of the disks that could be found.

    LOST    nothing unsynced is there          TORN    half of each file's unsynced end is
    ZEROED  it is there, filled with zeros     KEPT    everything arrived, as after kill -9

Names: with LOST the folder is as at its last sync; with the other fates every name change arrived.
"""

import errno
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

LOST, TORN, ZEROED, KEPT = "lost", "torn", "zeroed", "kept"
FATES = (LOST, TORN, ZEROED, KEPT)


@dataclass
class Content:
    """A file, whatever its name."""

    data: bytearray = field(default_factory=bytearray)
    synced: int = 0

    def after_cut(self, fate: str) -> bytes:
        sure, rest = bytes(self.data[: self.synced]), bytes(self.data[self.synced :])
        if fate == LOST:
            return sure
        if fate == TORN:
            return sure + rest[: len(rest) // 2]
        if fate == ZEROED:
            return sure + rest[: len(rest) // 3] + bytes(len(rest) - len(rest) // 3)
        return sure + rest


class SimulatedDisk:
    """Has what server.persistence.disk.AnyDisk asks for. `on_event` is called after every change."""

    def __init__(self, files: dict[str, bytes] | None = None, folders: set[str] | None = None) -> None:
        self.names = {name: Content(bytearray(data), len(data)) for name, data in (files or {}).items()}
        self.sure_names = dict(self.names)          # as at the last sync of each folder
        self.folders = set(folders or ())
        self.open_files: dict[int, tuple[Content, bool]] = {}
        self.next_file = 1000
        self.events = 0
        self.room = 1 << 60                         # bytes that may still be written
        self.sync_error = 0

    def on_event(self, what: str) -> None:
        self.events += 1

    # ---- what the server uses
    def open(self, path: str, *, append: bool) -> int:
        content = self.names.get(path)
        if content is None:
            content = self.names[path] = Content()
            self.on_event(f"create {path}")
        elif not append:
            content.data.clear()
            content.synced = 0
            self.on_event(f"empty {path}")
        self.next_file += 1
        self.open_files[self.next_file] = (content, append)
        return self.next_file

    def write(self, file: int, pieces: Sequence[bytes | memoryview]) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = b"".join(pieces)[: self.room]
        self.room -= len(part)
        self.open_files[file][0].data += part
        self.on_event("write")
        return len(part)

    def sync(self, file: int) -> None:
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        content = self.open_files[file][0]
        if content.synced != len(content.data):
            content.synced = len(content.data)
            self.on_event("sync")

    def close(self, file: int) -> None:
        del self.open_files[file]

    def resize(self, file: int, length: int) -> None:
        self._cut(self.open_files[file][0], length)

    def truncate(self, path: str, length: int) -> None:
        self._cut(self.names[path], length)
        self.names[path].synced = length

    def _cut(self, content: Content, length: int) -> None:
        del content.data[length:]
        content.synced = min(content.synced, length)
        self.on_event("cut")

    def rename(self, old: str, new: str) -> None:
        if old not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), old)
        self.names[new] = self.names.pop(old)
        self.on_event(f"rename {old} {new}")

    def remove(self, path: str) -> None:
        if self.names.pop(path, None) is not None:
            self.on_event(f"remove {path}")

    def sync_folder(self, path: str) -> None:
        inside = {name: content for name, content in self.names.items() if os.path.dirname(name) == path}
        outside = {name: content for name, content in self.sure_names.items() if os.path.dirname(name) != path}
        # A file that moved here is no longer where it was.
        outside = {name: content for name, content in outside.items() if content not in _Identity(inside.values())}
        self.sure_names = {**outside, **inside}
        self.on_event(f"sync folder {path}")

    def make_folder(self, path: str) -> None:
        self.folders.add(path)

    def is_folder(self, path: str) -> bool:
        return path in self.folders

    def is_file(self, path: str) -> bool:
        return path in self.names

    def size(self, path: str) -> int:
        return len(self._content(path).data)

    def read(self, path: str) -> IO[bytes]:
        return io.BytesIO(bytes(self._content(path).data))

    def _content(self, path: str) -> Content:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.names[path]

    # ---- the cut
    def crashed(self, fate: str) -> "SimulatedDisk":
        """What may be found after a power cut now."""
        names = self.sure_names if fate == LOST else self.names
        return SimulatedDisk({name: content.after_cut(fate) for name, content in names.items()}, self.folders)


class _Identity:
    """Membership by identity: equal content does not make two files one."""

    def __init__(self, items: object) -> None:
        self._ids = {id(item) for item in items}  # type: ignore[attr-defined]

    def __contains__(self, item: object) -> bool:
        return id(item) in self._ids
