"""The append only file: every write as the command that made it, appended before its reply leaves.

    commands of a turn -> propagation -> stream -> end_turn() -> write(2) -> [fsync] -> replies leave
                                          ^ our sink: what is pending there is not written yet

appendfsync says when the write is also on the medium. `always`: in the same turn, so what was acknowledged is there.
`everysec`: a background thread (`background_sync`) syncs once a second; while a sync takes long the write waits for it,
2 seconds at most, and so long kill -9 can lose what was acknowledged.
`no`: when the kernel likes. A write that fails leaves its bytes pending and is tried again ten times a second, a sync
that fails once a second; until one succeeds, writing commands are refused (MISCONF). Under `always` a failure ends the
process: replies that promise the write are on their way.

    OFF  --CONFIG SET appendonly yes-->  WAIT_REWRITE  --first rewrite done-->  ON  --appendonly no-->  OFF

While WAIT_REWRITE a child writes the base and we collect in temp-NAME.incr.aof, which becomes a file of the manifest
when the child is done. The files are those of `aof_manifest`; `aof_rewrite` makes new bases, `aof_load` reads all.
"""

import errno
import os
import time
from collections.abc import Callable

from server.observe.debug_settings import settings
from server.persistence import aof_manifest
from server.persistence.aof_manifest import Manifest
from server.persistence.background_sync import BackgroundSync
from server.persistence.disk import AnyDisk, Disk, write_all
from server.persistence.seams import Host
from server.registry import clock
from server.registry.light import Any, NoReturn
from server.structures.block_stream import AOF, Sink

OFF, ON, WAIT_REWRITE = "off", "on", "wait-rewrite"
POSTPONE_SECONDS = 2        # everysec: how long a write waits for a slow sync
LOG_ERROR_SECONDS = 30      # between two lines about failing writes
AVERAGE_OF = 8              # syncs


def exit_now(status: int) -> NoReturn:
    """End the process at once: nothing may be acknowledged any more."""
    os._exit(status)


class AppendOnlyFile:
    """The append only file of one server. Sizes are bytes, times seconds of the monotonic clock."""

    def __init__(self, server: Host, disk: AnyDisk | None = None, background: BackgroundSync | None = None) -> None:
        self.server = server
        self.config = server.config
        self.log = server.log
        self.disk: AnyDisk = disk or Disk()
        self.background = background or BackgroundSync(
            self.disk, server.log, lambda: server.process.use_cpus(server.config.bio_cpulist))
        self.state = OFF
        self.manifest = Manifest()
        self.file = -1                      # what is appended to
        self.sink = Sink(AOF)               # what is pending there is not written yet
        self.current_size = 0               # of all files, history not counted (aof_current_size)
        self.base_size = 0                  # the same after the last rewrite (aof_base_size)
        self.incr_size = 0                  # of the file appended to
        self.synced_size = 0                # how much of that was given to a sync
        self._synced_offset = self._asked_offset = 0    # of the history: so much is on disk, and was to be synced last
        self.on_synced: Callable[[], None] = lambda: None           # more of it is on disk
        self.last_sync = -1
        self.postponed_since: int | None = None     # everysec: since when writes wait for a sync, None when none does
        self.delayed_syncs = 0              # aof_delayed_fsync
        self.write_error = 0                # errno of the last write, 0 when it succeeded
        self.timestamp = 0                  # the last #TS: written, Unix seconds
        self.spent_us = 0                   # in append(), altogether (eventloop_duration_aof_sum)
        self.sync_us = 0                    # what a sync under `always` takes, on the average of the last ones
        self._logged_error = -LOG_ERROR_SECONDS - 1
        self.now: Callable[[], int] = lambda: clock.monotonic_now_us() // 1_000_000
        self.has_child: Callable[[], bool] = lambda: False          # any forked child: it loads the disk
        self.collects: Callable[[], bool] = lambda: True            # while WAIT_REWRITE: whether our child is running
        self.exit: Callable[[int], Any] = exit_now

    # ---- names
    @property
    def folder(self) -> str:
        """appenddirname."""
        return str(self.config.appenddirname)

    @property
    def filename(self) -> str:
        """appendfilename."""
        return str(self.config.appendfilename)

    def path(self, name: str) -> str:
        """A file of ours."""
        return os.path.join(self.folder, name)

    @property
    def temp_incr_name(self) -> str:
        """What is collected in while the first rewrite runs."""
        return f"{aof_manifest.TEMP_PREFIX}{self.filename}.incr"

    @property
    def error(self) -> int:
        """The errno for which writes are refused, 0 when all is well."""
        if self.state == OFF:
            return 0
        return int(self.write_error or self.background.error)

    def refusal(self) -> str:
        """Why writes are refused, "" when they are not."""
        return os.strerror(self.error) if self.error else ""

    @property
    def last_write_status(self) -> str:
        """aof_last_write_status."""
        return "err" if self.write_error or self.background.error else "ok"

    # ---- appending: a listener of propagation
    def put_time(self) -> None:
        """Commands come (aof-timestamp-enabled): put the time before them, if a second has passed."""
        now = clock.unix_seconds()
        if self.timestamp < now and self.sink.stream is not None:
            self.timestamp = now
            self.sink.stream.write(b"#TS:%d\r\n" % self.timestamp, AOF)

    def end_turn(self) -> None:
        """The commands of a turn are in the stream: write them, and sync as configured. Complexity: O(bytes)."""
        if self.state == OFF or (self.state == WAIT_REWRITE and not self.collects()):
            self.sink.clear()
            return
        started = time.monotonic_ns()
        self.flush()
        self.spent_us += (time.monotonic_ns() - started) // 1000

    def flush(self, force: bool = False) -> None:
        """Write what is pending, unless a slow sync is to be waited for and `force` is not given."""
        policy = self.config.appendfsync
        syncing = policy == "everysec" and self.background.pending > 0
        if not self.sink.pending:
            if self.background.error:
                self._sync_again()
            elif self.synced_size != self.incr_size and (
                    policy == "always" or (policy == "everysec" and self.now() > self.last_sync and not syncing)):
                self._sync(policy, syncing)
            return
        if syncing and not force and self._postpone():
            return
        if self._write(policy, syncing):
            self._sync(policy, syncing)

    def _postpone(self) -> bool:
        """Whether a write shall go on waiting for the sync that is under way (for two whole seconds, so 1 to 2)."""
        now = self.now()
        if self.postponed_since is None:
            self.postponed_since = now
            return True
        if now - self.postponed_since < POSTPONE_SECONDS:
            return True
        self.delayed_syncs += 1
        self.log.notice(
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for "
            "fsync to complete, this may slow down Redis.")
        return False

    def _write(self, policy: str, syncing: bool) -> bool:
        if settings.aof_flush_sleep_us:
            time.sleep(settings.aof_flush_sleep_us / 1e6)
        watched = self.server.latency.threshold_ms
        started = time.monotonic_ns() if watched else 0
        failed = written = 0
        pending = self.sink.pending
        try:
            pieces = self.sink.views()
            written = self.disk.write(self.file, pieces)
            if written < pending:
                written = write_all(self.disk, self.file, pieces, written)
        except OSError as error:
            failed = error.errno or errno.EIO
        if watched:
            self._write_latency(started, syncing)
        self.postponed_since = None
        if failed or written < pending:
            self._write_failed(policy, failed, written)
            return False
        if self.write_error:
            self.log.notice("AOF write error looks solved, Redis can write again.")
            self.write_error = 0
        self.current_size += written
        self.incr_size += written
        self.sink.advance(written)
        return True

    def _write_latency(self, started_ns: int, syncing: bool) -> None:
        took = (time.monotonic_ns() - started_ns) // 1_000_000
        beside = "pending-fsync" if syncing else "active-child" if self.has_child() else "alone"
        self.server.latency.add(f"aof-write-{beside}", took)
        self.server.latency.add("aof-write", took)

    def _write_failed(self, policy: str, failed: int, written: int) -> None:
        """An error, or a part only: take the part back if possible, refuse writes, or end (always)."""
        tell = self.now() - self._logged_error > LOG_ERROR_SECONDS
        if tell:
            self._logged_error = self.now()
        if failed:
            if tell:
                self.log.warning("Error writing to the AOF file: %s", os.strerror(failed))
        else:
            if tell:
                self.log.warning("Short write while writing to the AOF file: (nwritten=%d, expected=%d)", written,
                                 self.sink.pending)
            try:
                self.disk.resize(self.file, self.incr_size)
                written = 0
            except OSError as error:
                if tell:
                    self.log.warning(
                        "Could not remove short write from the append-only file.  Redis may refuse to load the AOF "
                        "the next time it starts.  ftruncate: %s", error.strerror)
        self.write_error = failed or errno.ENOSPC
        if policy == "always":
            self.log.warning("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...")
            self.exit(1)
            return
        self.current_size += written
        self.incr_size += written
        self.sink.advance(written)

    def _sync(self, policy: str, syncing: bool) -> None:
        now = self.now()
        if policy == "no" or (policy == "everysec" and now <= self.last_sync):
            return
        if self.config.no_appendfsync_on_rewrite and self.has_child():
            return
        if policy == "always":
            started = time.monotonic_ns()
            try:
                self.disk.sync(self.file)
            except OSError as error:
                self.log.warning(
                    "Can't persist AOF for fsync error when the AOF fsync policy is 'always': %s. Exiting...",
                    error.strerror)
                self.exit(1)
                return
            took = time.monotonic_ns() - started
            self.sync_us += (took // 1000 - self.sync_us) // AVERAGE_OF
            if self.server.latency.threshold_ms:
                self.server.latency.add("aof-fsync-always", took // 1_000_000)
            self.synced_size = self.incr_size
            self.last_sync = now
            self._ask_offset()
            self.on_synced()
        else:
            if not syncing:
                self._ask_offset()
                self.background.sync(self.file)
                self.synced_size = self.incr_size
            self.last_sync = now

    def _sync_again(self) -> None:
        """The last sync in the background failed, and no write may follow that would bring the next: try once a second,
        whatever the policy is by now."""
        now = self.now()
        if now > self.last_sync and not self.background.pending:
            self._ask_offset()
            self.background.sync(self.file)
            self.synced_size = self.incr_size
            self.last_sync = now

    def _ask_offset(self) -> None:
        """All that was written is being synced. What is synced already stays so: the one before has ended by now."""
        self._synced_offset = self.synced_offset
        if self.sink.stream is not None and not self.sink.pending:
            self._asked_offset = self.sink.stream.offset

    def note_settled(self) -> None:
        """From the cron, with nothing under way to the stream: if the disk has all that was written, it has all. (A
        rewrite or a start brought it there, without a sync of ours.)"""
        if (self.state == ON and not self.sink.pending and self.synced_size == self.incr_size
                and not self.background.pending and not self.background.error):
            self._ask_offset()

    @property
    def synced_offset(self) -> int:
        """How far the history is on disk, as an offset of the stream. Complexity: O(1)."""
        if self._asked_offset > self._synced_offset and not self.background.pending and not self.background.error:
            self._synced_offset = self._asked_offset
        return self._synced_offset

    # ---- from the cron
    def tick(self) -> None:
        """Ten times a second: the postponed write, the sync of what was written last, another try after an error."""
        if self.state == OFF or self.file < 0:
            return
        if self.sink.pending or self.synced_size != self.incr_size or self.background.error:
            self.flush()

    # ---- files
    def persist(self, manifest: Manifest) -> bool:
        """Put a manifest on disk; False (and a line in the log) when that fails."""
        failed = aof_manifest.persist(self.disk, self.folder, self.filename, manifest)
        if failed:
            self.log.warning("%s", failed)
        return failed is None

    def make_folder(self) -> bool:
        """The folder; False (and a line in the log) when it cannot be made."""
        try:
            self.disk.make_folder(self.folder)
        except OSError as error:
            self.log.warning("Can't open or create append-only dir %s: %s", self.folder, error.strerror)
            return False
        return True

    def size_of(self, name: str) -> int | None:
        """Bytes of one of our files; None (and a line in the log) when that cannot be found out."""
        started = time.monotonic_ns()
        try:
            return self.disk.size(self.path(name))
        except OSError as error:
            self.log.warning("Unable to obtain the AOF file %s length. stat: %s", name, error.strerror)
            return None
        finally:
            self.server.latency.add("aof-fstat", (time.monotonic_ns() - started) // 1_000_000)

    def delete_history(self) -> None:
        """Delete what a rewrite replaced (not with aof-disable-auto-gc). The manifest forgets it first."""
        if self.config.aof_disable_auto_gc or not self.manifest.history:
            return
        gone, self.manifest.history = self.manifest.history, []
        self.manifest.dirty = True
        for part in gone:
            self.log.notice("Removing the history file %s in the background", part.name)
        if self.persist(self.manifest):
            for part in gone:
                self.background.remove(self.path(part.name))

    def open_at_start(self, write_base: Callable[[str], bool]) -> bool:
        """appendonly yes, after loading: make a first base if there are no files (`write_base(path)` does), and open
        the last incremental file. False when the server must not start."""
        if not self.make_folder():
            return False
        manifest = self.manifest
        existed = bool(manifest.incrs)
        if not manifest:
            name = manifest.new_base(self.filename, self.config.aof_use_rdb_preamble)
            if not write_base(self.path(name)):
                return False
            self.log.notice("Creating AOF base file %s on server start", name)
        name = manifest.last_incr(self.filename)
        if not self._open(name, append=True) or not self.persist(manifest):
            return False
        self.incr_size = self.synced_size = self.size_of(name) or 0
        self.state = ON
        self.log.notice("%s AOF incr file %s on server start", "Opening" if existed else "Creating", name)
        return True

    def _open(self, name: str, append: bool) -> bool:
        try:
            self.file = self.disk.open(self.path(name), append=append)
        except OSError as error:
            self.log.warning("Can't open the append-only file %s: %s", name, error.strerror)
            return False
        return True

    def open_new_incr(self) -> bool:
        """A rewrite begins: what comes from now on goes to a new file (a temporary one while WAIT_REWRITE)."""
        if self.state == OFF:
            return True
        if not self.finish_incr():
            return False
        manifest = self.manifest.copy()
        name = self.temp_incr_name if self.state == WAIT_REWRITE else manifest.new_incr(self.filename)
        old = self.file
        if not self._open(name, append=False):
            self.file = old
            return False
        if self.state == ON and not self.persist(manifest):
            self.disk.close(self.file)
            self.file = old
            return False
        self.log.notice("Creating AOF incr file %s on background rewrite", name)
        if old >= 0:
            self.background.sync_and_close(old)
            self.last_sync = self.now()
        self.incr_size = self.synced_size = 0
        if self.state == ON:
            self.manifest = manifest
        return True

    def finish_incr(self) -> bool:
        """Sync the file appended to: only the last file of a manifest may end torn, or the server would not start."""
        if self.file < 0 or self.synced_size == self.incr_size and not self.background.pending:
            return True
        try:
            self.disk.sync(self.file)
        except OSError as error:
            self.log.warning("Fail to fsync the AOF file: %s", error.strerror)
            return False
        self.synced_size = self.incr_size
        return True

    # ---- on and off
    def stop(self) -> None:
        """appendonly no: what is pending is written and synced, the files stay."""
        self.flush(force=True)
        if self.file >= 0:
            self.background.drain()
            try:
                self.disk.sync(self.file)
                self.last_sync = self.now()
            except OSError as error:
                self.log.warning("Fail to fsync the AOF file: %s", error.strerror)
            self.disk.close(self.file)
        self.file = -1
        self.state = OFF
        self.incr_size = self.synced_size = 0
        self.postponed_since = None
        self.sink.clear()

    def forget_errors(self) -> None:
        """AOF is switched on again: what failed before does not count."""
        if self.background.error:
            self.log.warning("AOF reopen, just ignore the AOF fsync error in bio job")
            self.background.error = 0
        if self.write_error:
            self.log.warning("AOF reopen, just ignore the last error.")
            self.write_error = 0

    def finish(self) -> None:
        """The server ends: everything is written and synced."""
        if self.state == OFF or self.file < 0:
            return
        self.log.notice("Calling fsync() on the AOF file.")
        self.flush(force=True)
        try:
            self.disk.sync(self.file)
        except OSError as error:
            self.log.warning("Fail to fsync the AOF file: %s.", error.strerror)
