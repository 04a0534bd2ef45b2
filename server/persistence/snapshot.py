"""Snapshots: when the keyspace is written to the RDB file, by whom, and what is known of the last time.

    SAVE, SHUTDOWN, DEBUG RELOAD   the server itself, while everybody waits
    BGSAVE, save points            a forked child (`child`); one at a time, a second one is refused or scheduled

A save point (`save 3600 1`) is due when so many seconds have passed since the last snapshot and so many changes were
made; after a failure the next try waits RETRY_SECONDS. While the last BGSAVE failed and save points are set, writes are
refused (stop-writes-on-bgsave-error): data that cannot be kept shall not be promised.
"""

import math
import time
from collections.abc import Callable

from server.config.config import Config
from server.keyspace.database import Database
from server.persistence import check_rdb, rdb_file
from server.persistence.child import RDB, Report
from server.persistence.rdb_reading import DamagedFile
from server.persistence.seams import Host
from server.persistence.unwanted_files import UnwantedFiles
from server.registry.light import signal

RETRY_SECONDS = 5           # between a failed BGSAVE and the next by a save point


class Snapshots:
    """The snapshots of one server. Rooms above fill the hooks: `on_health` hears whether writes
    must be refused; `libraries` and `load_library(source, replace)` are the function libraries; `more_fields` adds AUX
    fields."""

    def __init__(self, server: Host) -> None:
        self._server = server
        self.unwanted = UnwantedFiles(lambda: server.process.use_cpus(server.config.bio_cpulist))
        self.last_save = int(time.time())           # Unix seconds, for LASTSAVE
        self._saved_at = time.monotonic()           # the same by the clock that save points count with, seconds
        self._tried_at = -math.inf                  # a BGSAVE, likewise
        self.last_ok = True             # of the last BGSAVE or SAVE
        self.last_seconds = -1          # how long the last BGSAVE took
        self.last_cow_size = 0
        self.count = 0                  # rdb_saves
        self.scheduled = False
        self.dirty_before = 0
        self._pid = 0                   # of the child that writes, or wrote, the last one
        self._started = 0.0
        self.replication_fields: dict[str, bytes] = {}     # of the file that was loaded last ...
        self.left_out: list[tuple[Database, bytes]] = []   # ... and its keys whose time had come, if it had such fields
        self._kept_libraries: list[bytes] = []
        self.on_health: Callable[[bool], None] = lambda refuse: None
        self.libraries: Callable[[], list[bytes]] = lambda: self._kept_libraries
        self.load_library: Callable[[bytes, bool], None] = self._keep_library
        self.more_fields: Callable[[], list[tuple[bytes, bytes]]] = list
        self.more_commands: Callable[[], list[list[bytes]]] = list         # the same for a base made of commands
        self.hidden_loaded: Callable[[str], object] = str   # which slots a file hides, "" for none
        self.keeps_expired: Callable[[], bool] = bool   # keys that are read although their time has come: a replica's
        self.ended: list[Callable[[bool], None]] = []  # told when a child that wrote the file is gone: whether well

    def _keep_library(self, source: bytes, replace: bool) -> None:
        """Without an engine for them, libraries are kept and written again."""
        if source not in self._kept_libraries:
            self._kept_libraries.append(source)

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.count = 0

    # ---- saving
    @property
    def in_progress(self) -> bool:
        """Whether a child writes a snapshot."""
        return bool(self._server.child.kind == RDB)

    def save(self, *, keep_cache: bool = False) -> bool:
        """Write the snapshot now. False: it failed, the log says why."""
        try:
            dirty = self._server.dirty
            rdb_file.save(self._server, self._server.config.dbfilename, keep_cache=keep_cache)
        except rdb_file.SaveFailed:
            return False
        self._server.executor.dirty -= dirty
        self._saved()
        return True

    def _saved(self) -> None:
        self.last_save = int(time.time())
        self._saved_at = time.monotonic()
        self.last_ok = True
        self.check_health()

    def save_in_background(self, *, keep_cache: bool = False) -> bool:
        """Have a child write the snapshot. keep_cache: it is read again at once, a replica waits for it.
        False: there is a child already, or fork failed."""
        server = self._server
        if server.child.alive:
            return False
        self.count += 1
        self.dirty_before = server.dirty
        self._tried_at = time.monotonic()
        name = server.config.dbfilename

        def work(report: Report) -> bool:
            try:
                rdb_file.save(server, name, report, keep_cache=keep_cache)
            except rdb_file.SaveFailed:
                return False
            return True

        try:
            server.child.start(RDB, work, self._done)
        except OSError as error:
            self.last_ok = False
            self.check_health()
            server.log.warning("Can't save in background: fork: %s", error.strerror)
            return False
        server.log.notice("Background saving started by pid %d", server.child.pid)
        self._pid = server.child.pid
        self._started = time.monotonic()
        return True

    def _done(self, code: int, number: int) -> None:
        """The child has ended."""
        log = self._server.log
        if number:
            log.warning("Background saving terminated by signal %d", number)
            self.unwanted.remove(rdb_file.temporary_name(self._pid))
            if number != signal.SIGUSR1:
                self.last_ok = False
        elif code:
            log.warning("Background saving error")
            self.unwanted.remove(rdb_file.temporary_name(self._pid))
            self.last_ok = False
        else:
            log.notice("Background saving terminated with success")
            self._server.executor.dirty -= self.dirty_before
            self.last_cow_size = self._server.child.final_cow
            self._saved()
        self.last_seconds = int(time.monotonic() - self._started)
        self.check_health()
        for hook in self.ended:
            hook(not code and not number)

    def note_transfer(self, code: int, number: int) -> None:
        """A child that wrote a snapshot for replicas, not for the file, is gone."""
        if number:
            self._server.log.warning("Background transfer terminated by signal %d", number)
        elif code:
            self._server.log.warning("Background transfer error")
        else:
            self._server.log.notice("Background RDB transfer terminated with success")

    def kill_child(self) -> None:
        """End a BGSAVE under way; what it has written is gone."""
        if self.in_progress:
            self._server.child.kill()

    def emptied(self) -> bool:
        """After FLUSHALL: a snapshot under way holds what shall be gone; with save points the file is written anew.
        True when it was."""
        self.kill_child()
        return bool(self._server.config.save) and not self._server.loading and self.save()

    # ---- by itself
    def tick(self) -> None:
        """From the cron: the child's end, what was scheduled, save points."""
        server = self._server
        server.child.poll()
        if server.child.alive or server.progress.under_way:
            return
        now = time.monotonic()
        may_try = self.last_ok or now - self._tried_at > RETRY_SECONDS
        for point in server.config.save:
            if server.dirty >= point.changes and now - self._saved_at > point.seconds and may_try:
                server.log.notice("%d changes in %d seconds. Saving...", point.changes, point.seconds)
                self.save_in_background()
                return
        if self.scheduled and may_try and self.save_in_background():
            self.scheduled = False

    # ---- health
    def refuses_writes(self) -> bool:
        """Whether the last snapshot failed and that is to be felt."""
        config = self._server.config
        return bool(config.stop_writes_on_bgsave_error and config.save and not self.last_ok)

    def check_health(self, _config: Config | None = None) -> None:
        """Tell the dispatch room; also after CONFIG SET save or stop-writes-on-bgsave-error."""
        self.on_health(self.refuses_writes())

    # ---- at the start
    def load(self) -> bool:
        """Load the snapshot if there is one. Errors: those of rdb_file.load."""
        started = time.monotonic()
        name = self._server.config.dbfilename
        try:
            if not rdb_file.load(self._server, name):
                return False
        except DamagedFile:                                # where, and what could be read before
            check_rdb.check(name, lambda line: self._server.log.warning("%s", line))
            self._server.log.warning("Terminating server after rdb file reading failure.")
            raise
        self._server.log.notice("DB loaded from disk: %.3f seconds", time.monotonic() - started)
        return True
