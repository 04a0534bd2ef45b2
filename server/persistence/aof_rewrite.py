"""Rewriting the append only file: a child writes the data as they are, which replaces all that led there.

    parent                                          child
    open a new incremental file, manifest says so
    fork --------------------------------------->   write the data to temp-rewriteaof-bg-PID.aof, sync
    commands go to the new file                     end
    rename the child's file to the new base
    manifest: new base, the files before are history
    delete history

A crash anywhere leaves a manifest whose files are complete: the old base and all incremental files, or the new base
and the last ones. By itself a rewrite starts when the file has grown by auto-aof-rewrite-percentage since the last
one. When rewrites fail again and again, the next ones wait: 1 minute, 2, 4 ... 60.
"""

import errno
import os
import time

from server.persistence import rdb_file
from server.persistence.aof import OFF, ON, WAIT_REWRITE, AppendOnlyFile
from server.persistence.child import AOF, Report
from server.persistence.command_writer import CommandWriter
from server.persistence.disk import write_all
from server.persistence.seams import Host

FAILURES_BEFORE_LIMIT = 3
LONGEST_DELAY_MINUTES = 60
KEYS_PER_STEP = 1024
SYNC_BYTES = 4 << 20        # aof-rewrite-incremental-fsync
KILLED_BY_US = 10           # SIGUSR1: no failure


def temporary_name(pid: int, background: bool) -> str:
    """Where a base is written before it gets its name."""
    return f"temp-rewriteaof-{'bg-' if background else ''}{pid}.aof"


def write_base(server: Host, path: str, report: Report = lambda keys: None) -> bool:
    """Write all data as a base file, RDB or commands (aof-use-rdb-preamble), complete or not at all. False: the log
    says why."""
    aof: AppendOnlyFile = server.aof
    temporary = temporary_name(os.getpid(), background=False)
    try:
        file = aof.disk.open(temporary, append=False)
    except OSError as error:
        aof.log.warning("Opening the temp file for AOF rewrite in rewriteAppendOnlyFile(): %s", error.strerror)
        return False
    try:
        try:
            if server.config.aof_use_rdb_preamble:
                rdb_file.write_to(server, file, report, aof_base=True, sync=server.config.aof_rewrite_incremental_fsync)
            else:
                write_commands(server, file, report)
            aof.disk.sync(file)
        finally:
            aof.disk.close(file)
    except OSError as error:
        aof.log.warning("Write error writing append only file on disk: %s", error.strerror)
        aof.background.remove(temporary)
        return False
    try:
        aof.disk.rename(temporary, path)
    except OSError as error:
        aof.log.warning("Error moving temp append only file on the final destination: %s", error.strerror)
        aof.background.remove(temporary)
        return False
    return True


def write_commands(server: Host, file: int, report: Report) -> None:
    """The data as commands. OSError."""
    config, disk = server.config, server.aof.disk
    unsynced = 0

    def write(wire: bytes) -> None:
        nonlocal unsynced
        if write_all(disk, file, [wire]) < len(wire):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        unsynced += len(wire)
        if config.aof_rewrite_incremental_fsync and unsynced >= SYNC_BYTES:
            disk.sync(file)
            unsynced = 0

    if config.aof_timestamp_enabled:
        write(b"#TS:%d\r\n" % time.time())
    writer = CommandWriter(server.keyspace, write, config.rdb_key_save_delay)
    for argv in server.snapshots.more_commands():
        write(b"*%d\r\n" % len(argv) + b"".join([b"$%d\r\n%s\r\n" % (len(word), word) for word in argv]))
    writer.begin(server.snapshots.libraries())
    while writer.step(KEYS_PER_STEP):
        report(writer.keys)
    writer.finish()
    report(writer.keys)


class Rewriter:
    """The rewrites of one server."""

    def __init__(self, server: Host) -> None:
        self._server = server
        self.aof: AppendOnlyFile = server.aof
        self.scheduled = False              # as soon as no child is in the way
        self.failures = 0                   # in a row
        self.count = 0                      # aof_rewrites
        self.last_ok = True
        self.last_seconds = -1
        self.last_cow_size = 0
        self._pid = 0
        self._started = 0.0
        self._delay_minutes = 0
        self._next_try = 0
        self.aof.has_child = lambda: bool(server.child.alive)
        self.aof.collects = lambda: self.in_progress

    @property
    def in_progress(self) -> bool:
        """Whether a child rewrites."""
        return bool(self._server.child.kind == AOF)

    # ---- begin
    def start(self) -> bool:
        """Fork a child that rewrites. False: there is a child already, or something failed (the log says what)."""
        server, aof = self._server, self.aof
        if server.child.alive:
            return False
        if not aof.make_folder():
            self.last_ok = False
            return False
        server.propagation.flush()          # what this turn did so far belongs to the file before
        server.propagation.say_select()
        if aof.state == ON:
            aof.flush(force=True)
        if not aof.open_new_incr():
            self.last_ok = False
            return False
        self.count += 1
        try:
            server.child.start(AOF, self._work, self._done)
        except OSError as error:
            self.last_ok = False
            aof.log.warning("Can't rewrite append only file in background: fork: %s", error.strerror)
            return False
        self._pid = server.child.pid
        self._started = time.monotonic()
        aof.log.notice("Background append only file rewriting started by pid %d", self._pid)
        self.scheduled = False
        return True

    def _work(self, report: Report) -> bool:
        """In the child."""
        name = temporary_name(os.getpid(), background=True)
        if not write_base(self._server, name, report):
            return False
        self.aof.log.notice("Successfully created the temporary AOF base file %s", name)
        return True

    # ---- end
    def _done(self, code: int, number: int) -> None:
        """The child has ended."""
        aof = self.aof
        self.last_cow_size = self._server.child.final_cow
        if number:
            if number != KILLED_BY_US:
                self._failed()
            aof.log.warning("Background AOF rewrite terminated by signal %d", number)
        elif code:
            self._failed()
            aof.log.warning("Background AOF rewrite terminated with error")
        else:
            aof.log.notice("Background AOF rewrite terminated with success")
            if not self._take_over():
                self._failed()
        for background in (True, False):
            aof.background.remove(temporary_name(self._pid, background))
        if aof.state == WAIT_REWRITE:
            aof.sink.clear()
            aof.log.notice("Removing the temp incr aof file %s in the background", aof.temp_incr_name)
            if aof.file >= 0:
                aof.disk.close(aof.file)
                aof.file = -1
            aof.background.remove(aof.path(aof.temp_incr_name))
            aof.background.drain()
            self.scheduled = True
        self.last_seconds = int(time.monotonic() - self._started)

    def _failed(self) -> None:
        self.last_ok = False
        self.failures += 1

    def _take_over(self) -> bool:
        """The child's file becomes the base. False: everything is as before, but for what the log says."""
        aof = self.aof
        manifest = aof.manifest.copy()
        temporary = temporary_name(self._pid, background=True)
        base = manifest.new_base(aof.filename, self._server.config.aof_use_rdb_preamble)
        if not self._rename(temporary, aof.path(base), "base"):
            return False
        aof.log.notice("Successfully renamed the temporary AOF base file %s into %s", temporary, base)
        incr = ""
        if aof.state == WAIT_REWRITE:
            aof.flush(force=True)
            aof.finish_incr()
            incr = manifest.new_incr(aof.filename)
            if not self._rename(aof.path(aof.temp_incr_name), aof.path(incr), "incr"):
                aof.background.remove(aof.path(base))
                return False
            aof.log.notice("Successfully renamed the temporary AOF incr file %s into %s", aof.temp_incr_name, incr)
        manifest.rewritten(keep_last=aof.file >= 0)
        if not aof.persist(manifest):
            aof.background.remove(aof.path(base))
            if incr:
                aof.background.remove(aof.path(incr))
            return False
        aof.manifest = manifest
        if aof.state != OFF:
            aof.current_size = aof.base_size = (aof.size_of(base) or 0) + aof.incr_size
        aof.delete_history()
        self.last_ok = True
        self.failures = 0
        aof.log.notice("Background AOF rewrite finished successfully")
        if aof.state == WAIT_REWRITE:
            aof.state = ON
        return True

    def _rename(self, old: str, new: str, kind: str) -> bool:
        started = time.monotonic_ns()
        try:
            self.aof.disk.rename(old, new)
        except OSError as error:
            self.aof.log.warning("Error trying to rename the temporary AOF %s file %s into %s: %s", kind, old, new,
                                 error.strerror)
            return False
        self._server.latency.add("aof-rename", (time.monotonic_ns() - started) // 1_000_000)
        return True

    def kill(self) -> None:
        """End the child that rewrites."""
        if self.in_progress:
            self.aof.log.notice("Killing running AOF rewrite child: %d", self._server.child.pid)
            self._server.child.kill()

    # ---- by itself
    def tick(self) -> None:
        """From the cron: start what was scheduled, or what the growth of the file asks for."""
        aof, config = self.aof, self._server.config
        if self._server.child.alive:
            return
        if self.scheduled and not self.limited():
            self.start()
            return
        if aof.state != ON or not config.auto_aof_rewrite_percentage:
            return
        if aof.current_size > config.auto_aof_rewrite_min_size:
            growth = aof.current_size * 100 // (aof.base_size or 1) - 100
            if growth >= config.auto_aof_rewrite_percentage and not self.limited():
                aof.log.notice("Starting automatic rewriting of AOF on %d%% growth", growth)
                self.start()

    def limited(self) -> bool:
        """Whether rewrites failed so often that the next one must wait."""
        if self.failures < FAILURES_BEFORE_LIMIT:
            self._delay_minutes = self._next_try = 0
            return False
        now = self.aof.now()
        if self._next_try:
            if now < self._next_try:
                return True
            self._next_try = 0
            return False
        self._delay_minutes = min(self._delay_minutes * 2 or 1, LONGEST_DELAY_MINUTES)
        self._next_try = now + self._delay_minutes * 60
        self.aof.log.warning(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in %d minutes",
            self._delay_minutes)
        return True

    # ---- switching
    def switch_on(self, in_exec: bool) -> bool:
        """CONFIG SET appendonly yes. False: it cannot be done."""
        aof, child = self.aof, self._server.child
        aof.state = WAIT_REWRITE
        if child.alive and not self.in_progress:
            self.scheduled = True
            aof.log.notice("AOF was enabled but there is already another background operation. An AOF background was "
                           "scheduled to start when possible.")
        elif in_exec:
            self.scheduled = True
            aof.log.notice("AOF was enabled during a transaction. An AOF background was scheduled to start when "
                           "possible.")
        else:
            if self.in_progress:
                aof.log.notice("AOF was enabled but there is already an AOF rewriting in background. Stopping "
                               "background AOF and starting a rewrite now.")
                aof.state = OFF
                self.kill()
                aof.state = WAIT_REWRITE
            if not self.start():
                aof.state = OFF
                aof.log.warning("Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. "
                                "Check the above logs for more info about the error.")
                return False
        aof.last_sync = aof.now()
        aof.forget_errors()
        return True

    def switch_off(self) -> None:
        """CONFIG SET appendonly no."""
        self.aof.stop()
        self.scheduled = False
        self.kill()


