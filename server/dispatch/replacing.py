"""A master's snapshot takes the place of our data: what that means for clients, scripts, files and the keyspace.

    in place   the databases are emptied, then filled: clients hear -LOADING meanwhile
    aside      (repl-diskless-load swapdb) another keyspace is filled and exchanged for ours at the end, which takes no
               time; what was ours goes in steps. When the snapshot is of our own history, clients read the old data
               until then (async_loading), for they are another point in time of the same; else they hear -LOADING, too

A load that fails, or that nobody wants any more, leaves the old data if it was aside, and none if it was in place.
"""

import mmap
import os
import time
from functools import partial

from server.clients import multi
from server.dispatch import conditions, saving
from server.persistence import rdb_file
from server.persistence.aof import OFF
from server.persistence.disk import Disk
from server.persistence.rdb_peek import RdbData
from server.persistence.rdb_reading import Reading
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from server.server import Server

SLICE_SECONDS = 0.002       # of loading between two turns of the loop
STEP = 64 * 1024            # bytes between two looks at the clock


class Replacing:
    """The data of one server, as full syncs replace them."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    @property
    def held(self) -> bool:
        """Whether a script that is busy uses the data."""
        return "script" in conditions.reasons()

    def loads_as_it_comes(self) -> bool:
        """repl-diskless-load."""
        how = self._server.config.repl_diskless_load
        return bool(how == "swapdb" or (how == "on-empty-db" and self._server.keyspace.keys_total() == 0))

    def load_as_it_comes(self, total: int, aside: bool) -> "Load":
        """Begin to load bytes that are fed; aside: clients may read the old data meanwhile, if we keep them."""
        if self._server.snapshots.in_progress:
            self._server.snapshots.kill_child()
        beside = self._server.config.repl_diskless_load == "swapdb"
        return Load(self._server, None, total, beside=beside, readable=aside)

    def load_file(self, file: int, temporary: str) -> "Load":
        """Begin to load a file that was received; it takes the name of our own. Errors: OSError, which is logged."""
        server = self._server
        log, name = server.log, server.config.dbfilename
        if server.snapshots.in_progress:
            log.notice("Replica is about to load the RDB file received from the master, but there is a pending RDB "
                       "child running. Killing process %d and removing its temp file to avoid any race",
                       server.child.pid)
            server.snapshots.kill_child()
        try:
            os.fsync(file)
            server.snapshots.unwanted.rename(temporary, name)
            Disk().sync_folder(os.path.dirname(name) or ".")
            size = os.fstat(file).st_size
            data: RdbData = mmap.mmap(file, size, access=mmap.ACCESS_READ) if size else b""
        except OSError as error:
            log.warning("Failed trying to rename the temp DB into %s in MASTER <-> REPLICA synchronization: %s", name,
                        error.strerror)
            raise
        return Load(server, data, size, name=name)

    def close(self, file: int) -> None:
        """Close the file of a snapshot that is loaded, or not wanted."""
        self._server.snapshots.unwanted.close(file)

    def empty(self) -> None:
        """No key is left, and nobody is told but clients who watch or track."""
        server, lazy = self._server, self._server.config.replica_lazy_flush
        for db in server.keyspace.databases:
            multi.all_changed(db)
        server.keyspace.flush(lazy)
        server.tracking.flushed(lazy)
        server.blocking.emptied(server.keyspace.databases)

    def resume_appending(self) -> None:
        """appendonly: the file goes on, with data that it does not know."""
        server = self._server
        if server.config.appendonly and server.aof.state == OFF:
            server.aof_rewrite.switch_on(False)
            server.appending.follow()


class Load:
    """One snapshot being loaded: `data` is all of it, or None when it is fed. beside: into another keyspace, and
    readable: clients are served from the old one; name: of the file."""

    def __init__(self, server: "Server", data: RdbData | None, total: int, *, beside: bool = False,
                 readable: bool = False, name: str = "") -> None:
        self._server = server
        self._name = name
        self.aside = beside
        self.finished = False
        if server.aof.state != OFF:
            server.aof_rewrite.switch_off()
            server.appending.follow()
        self._keyspace = server.keyspace.beside() if beside else server.keyspace
        self._functions = server.scripting.functions.beside() if beside else server.scripting.functions
        if not beside:
            server.log.notice("MASTER <-> REPLICA sync: Flushing old data")
            self._empty()
        server.log.notice("MASTER <-> REPLICA sync: Loading DB in memory")
        server.progress.begin(total, aside=beside and readable)
        self._forget = rdb_file.forgetting(data) if isinstance(data, mmap.mmap) else lambda position: None
        load_library = partial(saving.load_library, self._functions)
        self._reading = Reading(server, data, keyspace=self._keyspace, on_library=load_library, keep_expired=True,
                                total=total)

    @property
    def position(self) -> int:
        """Bytes of it that are read."""
        return self._reading.end if self.finished else self._reading.reader.position

    @property
    def database(self) -> int:
        """Which one the stream that follows begins in."""
        said = self._reading.replication.get("repl-stream-db", b"0")
        return int(said) if said.isdigit() else 0

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        if not self.finished:
            self._reading.reader.feed(data)

    def whole(self) -> None:
        """There are no more."""
        self._reading.reader.end()

    def advance(self) -> bool:
        """Load for SLICE_SECONDS; True when it could go on at once. Errors: BadFile, after it was logged."""
        server, reading = self._server, self._reading
        config = server.config
        size = min(STEP, config.loading_process_events_interval_bytes) if config.key_load_delay <= 0 else 1
        end = time.monotonic() + SLICE_SECONDS
        while reading.step(size):
            server.progress.note(reading.reader.position)
            self._forget(reading.reader.position)
            if reading.reader.starved:
                return False
            if time.monotonic() >= end:
                return True
        self.finished = True
        reading.finish()
        return False

    # ---- how it ends
    def accept(self) -> None:
        """The data are ours."""
        server = self._server
        if self.aside:
            self._exchange()
            server.snapshots.hidden_loaded(self._reading.hidden)
        server.progress.end()
        if not self._name:
            server.executor.dirty += 1         # no file has them
        self._remove_file()
        server.replacing.resume_appending()

    def _exchange(self) -> None:
        server = self._server
        server.replication.leave_history()
        server.log.notice("MASTER <-> REPLICA sync: Swapping active DB with loaded DB")
        ours, theirs = server.keyspace.databases, self._keyspace.databases
        for old, new in zip(ours, theirs, strict=True):
            multi.all_changed(old, new)
        server.keyspace.take_over(self._keyspace)
        for db in ours:
            server.blocking.swapped(db, db)
        server.scripting.functions.exchange(self._functions)
        server.replicating.own_expires.forget()
        server.tracking.flushed(True)
        server.keyspace.discard(self._keyspace)
        server.log.notice("MASTER <-> REPLICA sync: Discarding old DB in background")

    def abandon(self) -> None:
        """The old data stay, or nothing does."""
        server = self._server
        self._reading.close()
        if self.aside:
            self._functions.release()
            server.keyspace.discard(self._keyspace)
            server.log.notice("MASTER <-> REPLICA sync: Discarding temporary DB in background")
        else:
            self._empty()
        server.progress.end()
        self._remove_file()

    def _remove_file(self) -> None:
        """rdb-del-sync-files: without persistence nothing of the data stays on disk."""
        config = self._server.config
        if self._name and config.rdb_del_sync_files and not config.save and not config.appendonly:
            self._server.log.notice("Removing the RDB file obtained from the master. This replica has persistence "
                                    "disabled")
            self._server.snapshots.unwanted.remove(self._name)

    def _empty(self) -> None:
        self._server.replacing.empty()
        self._server.scripting.functions.flush()
