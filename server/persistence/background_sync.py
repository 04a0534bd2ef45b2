"""The thread that syncs, closes and deletes files of the append only file: the loop does not wait for the disk."""

import errno
from collections.abc import Callable
from functools import cached_property

from server.observe.log import Log
from server.persistence.disk import AnyDisk
from server.registry.light import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queue import SimpleQueue
    from threading import Lock, Thread

CLOSED_MEANWHILE = (errno.EBADF, errno.EINVAL)      # nothing is lost: closing was preceded by a sync


class BackgroundSync:
    """Jobs in the order given. `error` is the errno of the last sync, 0 if it succeeded. The first job makes the
    thread, which has Redis's name for it."""

    def __init__(self, disk: AnyDisk, log: Log, enter: Callable[[], None] = lambda: None) -> None:
        self._disk = disk
        self._log = log
        self._enter = enter             # what the thread does first
        self._thread: Thread | None = None
        self.pending = 0                # syncs not done yet (aof_pending_bio_fsync)
        self.error = 0

    @cached_property
    def _jobs(self) -> "SimpleQueue[tuple[Callable[..., None], Any] | None]":
        """Like the next, made with the first job, on the thread that gives it."""
        from queue import SimpleQueue

        return SimpleQueue()

    @cached_property
    def _lock(self) -> "Lock":
        """Around `pending`."""
        from threading import Lock

        return Lock()

    def sync(self, file: int) -> None:
        """Sync a file soon."""
        with self._lock:
            self.pending += 1
        self._add(self._sync_counted, file)

    def sync_and_close(self, file: int) -> None:
        """Sync and close a file that is not written to any more."""
        self._add(self._sync_and_close, file)

    def remove(self, path: str) -> None:
        """Delete a file; that it is not there does not matter."""
        self._add(self._remove, path)

    def drain(self) -> None:
        """Return when everything given so far is done."""
        if self._thread is not None:
            from threading import Event

            done = Event()
            self._add(lambda event: event.set(), done)
            done.wait()

    def _add(self, work: Callable[..., None], argument: object) -> None:
        jobs = self._jobs               # before the thread looks for it: nothing keeps two from making one each
        if self._thread is None:
            from threading import Thread

            self._thread = Thread(target=self._run, name="bio_aof", daemon=True)
            self._thread.start()
        jobs.put((work, argument))

    def _run(self) -> None:
        self._enter()
        while (job := self._jobs.get()) is not None:
            job[0](job[1])

    def _sync(self, file: int) -> None:
        try:
            self._disk.sync(file)
        except OSError as error:
            if error.errno in CLOSED_MEANWHILE:
                return
            if not self.error:
                self._log.warning("Fail to fsync the AOF file: %s", error.strerror)
            self.error = error.errno or errno.EIO
            return
        if self.error:
            self.error = 0
            self._log.notice("AOF fsync error looks solved, Redis can write again. Only a rewrite (BGREWRITEAOF) makes "
                             "sure that what was written before it is on the disk.")

    def _sync_counted(self, file: int) -> None:
        try:
            self._sync(file)
        finally:
            with self._lock:
                self.pending -= 1

    def _sync_and_close(self, file: int) -> None:
        self._sync(file)
        self._disk.close(file)

    def _remove(self, path: str) -> None:
        try:
            self._disk.remove(path)
        except OSError:
            pass
