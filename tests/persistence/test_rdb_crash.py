"""Power cuts while a snapshot is written: the old file is there, or the new one, each whole.

The file is written for real; before and after every operation on it (open, each block of keys, fsync, rename, fsync of
the folder) a cut leaves what the simulated disk says it might, and that is loaded.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from server.dispatch.replay import Replay
from server.keyspace.digest import keyspace_digest
from server.persistence import rdb_file
from tests.persistence.simulated_disk import FATES, LOST, SimulatedDisk
from tests.persistence.test_aof_crash import MiniServer

OLD_KEYS, KEYS, STEP = 20, 400, 10


class Watched:
    """The folder of a snapshot as a simulated disk: after each operation it takes over what the real files hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = SimulatedDisk()
        self.points: list[tuple[str, bytes | None, str]] = []      # fate, what dump.rdb holds then, after what

    def took(self, what: str, synced: str = "", renamed: tuple[str, str] | None = None, folder: bool = False) -> None:
        """An operation is done."""
        names = self.disk.names
        if renamed:
            names[renamed[1]] = names.pop(renamed[0])
        for path in self.folder.iterdir():
            if path.name not in names:
                self.disk.close(self.disk.open(path.name, append=False))
            names[path.name].data[:] = path.read_bytes()
        if synced:
            names[synced].synced = len(names[synced].data)
        if folder:
            self.disk.sync_folder("")
        for fate in FATES:
            found = self.disk.crashed(fate).names.get("dump.rdb")
            self.points.append((fate, bytes(found.data) if found else None, what))


def watch(monkeypatch: pytest.MonkeyPatch, watched: Watched) -> None:
    """Have the calls of rdb_file told."""
    files: dict[int, str] = {}
    real_open, real_fsync, real_rename = os.open, os.fsync, os.rename

    def opening(path: str, *flags: Any) -> int:
        file = real_open(path, *flags)
        files[file] = os.path.basename(path) if os.path.isfile(path) else ""
        watched.took(f"open {path}")
        return file

    def fsync(file: int) -> None:
        real_fsync(file)
        name = files[file]
        watched.took(f"fsync {name or 'folder'}", synced=name, folder=not name)

    def rename(old: str, new: str) -> None:
        real_rename(old, new)
        watched.took(f"rename {old} {new}", renamed=(old, new))

    for name, function in (("open", opening), ("fsync", fsync), ("rename", rename)):
        monkeypatch.setattr(rdb_file.os, name, function)


def test_a_snapshot_may_be_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rdb_file, "KEYS_PER_STEP", STEP)
    server = MiniServer(SimulatedDisk(), rdbcompression=False)
    server.replay = Replay(server)
    watched = Watched(tmp_path)
    digests = []
    for keys in (OLD_KEYS, KEYS):
        for number in range(keys):
            server.execute(b"SET", b"key:%d" % number, os.urandom(4000))
        digests.append(keyspace_digest(server.keyspace))
        with monkeypatch.context() as patch:
            watch(patch, watched)
            rdb_file.save(server, "dump.rdb", lambda keys: watched.took(f"{keys} keys"))
        if keys == OLD_KEYS:
            del watched.points[:]                  # a first snapshot has nothing that could be lost
    outcomes = set()
    loaded: dict[bytes, bytes] = {}
    for fate, data, what in watched.points:
        assert data is not None, (fate, what)
        if data not in loaded:
            again = MiniServer(SimulatedDisk())
            rdb_file.read_from(again, data)
            loaded[data] = keyspace_digest(again.keyspace)
        outcomes.add(digests.index(loaded[data]))
    print(len(watched.points), "crash points")
    assert len(watched.points) > 150 and outcomes == {0, 1}
    assert watched.points[-len(FATES)][0] == LOST
    assert loaded[watched.points[-len(FATES)][1] or b""] == digests[1]        # at the end nothing is uncertain
