"""The forked child: at most one at a time, it writes what the parent's memory was at the moment of the fork.

    parent: start(kind, work, done) -> fork -> cron: poll() -> done(exit code, signal)
    child:  close what is not ours -> work(report) -> os._exit

The child reports through a pipe how far it is and how much memory was copied since the fork; if nobody reads there any
more, the parent is gone and the child ends. No native value is changed in the child and its work makes few Python
objects, so that few pages are copied on its side. While a child lives, no table is resized.
"""

import errno
import gc
import os
import struct
import time
import warnings
from collections.abc import Callable

from iothreads.transport import child_lives
from server.observe.log import Log
from server.persistence.rdb_sink import dismiss_written
from server.persistence.seams import Host
from server.registry import clock
from server.registry.light import Any, signal
from server.structures import table

RDB, AOF = "rdb", "aof"
TITLES = {RDB: "redis-rdb-bgsave", AOF: "redis-aof-rewrite"}
CPU_LISTS = {RDB: "bgsave_cpulist", AOF: "aof_rewrite_cpulist"}
NAMES = {RDB: "RDB", AOF: "AOF rewrite"}
OOM_CHILD = 2               # the place in oom-score-adj-values
REPORT = struct.Struct("<QQQ")      # keys written, bytes copied since the fork, the same at the end (0 before)
COW_DUTY = 100              # reading the copied bytes takes at most 1/COW_DUTY of the child's time
Report = Callable[[int], None]


def private_dirty() -> int:
    """Bytes of this process's memory that are its own, 0 where the kernel does not tell."""
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Private_Dirty:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Reporter:
    """The child's end of the pipe: call it with the keys written so far; it speaks up about once a second."""

    def __init__(self, log: Log, kind: str, pipe: int) -> None:
        self._log = log
        self._kind = kind
        self._pipe = pipe
        self._next = 0.0
        self._next_cow = 0.0
        self._cow = self._peak = self._sum = self._count = self._keys = 0

    def __call__(self, keys: int) -> None:
        self._keys = keys
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 1
            self.send(final=False)

    def send(self, final: bool) -> None:
        """Tell the parent. Ends the process when nobody listens."""
        started = time.monotonic()
        if final or started >= self._next_cow:
            self._cow = private_dirty()
            self._next_cow = started + (time.monotonic() - started) * COW_DUTY
            self._peak = max(self._peak, self._cow)
            self._sum += self._cow
            self._count += 1
            say = self._log.notice if final else self._log.verbose
            say("Fork CoW for %s: current %d MB, peak %d MB, average %d MB", NAMES[self._kind], self._cow >> 20,
                self._peak >> 20, (self._sum // self._count) >> 20)
        try:
            os.write(self._pipe, REPORT.pack(self._keys, self._cow, self._cow if final else 0))
        except OSError as error:
            self._log.warning("Child failed reporting info to parent, exiting. %s", error.strerror)
            os._exit(1)


class Child:
    """The one child of a server, seen by the parent. `kind` is RDB, AOF or "" when there is none."""

    def __init__(self, server: Host) -> None:
        self._server = server
        self.pid = 0
        self.kind = ""
        self.started = 0.0              # monotonic, seconds
        self.ended: list[Callable[[], None]] = []      # called after a child is gone: others may fork now
        self.keys_processed = self.keys_total = 0
        self.cow_size = self.cow_peak = 0
        self.final_cow = 0
        self._cow_at = 0.0
        self._pipe = -1
        self._done: Callable[[int, int], None] = lambda code, number: None

    @property
    def alive(self) -> bool:
        """Whether there is a child."""
        return bool(self.kind)

    def start(self, kind: str, work: Callable[[Report], Any], done: Callable[[int, int], None]) -> None:
        """Fork. In the child `work(report)` runs, and unless it raises or returns False the exit code is 0. In the
        parent done(exit code, signal) is called when the child has ended. OSError when there can be no child."""
        server = self._server
        if self.alive:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        started = clock.monotonic_now_us()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)    # about threads: they hold no lock that we need
                # On macOS it may not call Apple's frameworks either: psutil has one, and only the parent asks that.
                child_lives(True)
                pid = os.fork()
        except OSError:
            child_lives(False)
            os.close(reading)
            os.close(writing)
            raise
        if pid == 0:
            self._run(kind, work, reading, writing)
        os.close(writing)
        took = clock.monotonic_now_us() - started
        server.stats.forks += 1
        server.stats.fork_us = took
        server.latency.add("fork", took // 1000)
        self.pid, self.kind, self._pipe, self._done = pid, kind, reading, done
        self.started = time.monotonic()
        self.keys_processed = self.cow_size = self.cow_peak = self.final_cow = 0
        self._cow_at = 0.0
        self.keys_total = server.keyspace.keys_total()
        table.avoid_resize(True)

    def _run(self, kind: str, work: Callable[[Report], Any], reading: int, writing: int) -> None:
        """The child's life. Never returns."""
        code = 1
        server = self._server
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
                signal.signal(number, signal.SIG_DFL)
            os.close(reading)
            gc.disable()
            dismiss_written(True)
            server.log.role = "C"
            server.process.set_oom_score(OOM_CHILD)
            server.process.use_cpus(getattr(server.config, CPU_LISTS[kind]))
            server.loop.io.after_fork_child()
            for listener in server.listeners:
                os.close(listener.socket.fileno())
            if server.config.set_proc_title:
                server.process.set_title(TITLES[kind])
            report = Reporter(server.log, kind, writing)
            if work(report) is not False:
                report.send(final=True)
                code = 0
        except BaseException as error:      # nothing of the parent's may run in here
            server.log.warning("The child failed: %r", error)
        finally:
            os._exit(code)

    # ---- the parent's side
    def poll(self) -> None:
        """From the cron: what the child said, and whether it has ended."""
        if not self.alive:
            return
        self._listen()
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 1 << 8
        if pid:
            self._gone(status)

    def kill(self, number: int = signal.SIGUSR1) -> None:
        """End the child and wait for its end; `done` is told. SIGUSR1 is no failure."""
        if self.alive:
            try:
                os.kill(self.pid, number)
                _, status = os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                status = number
            self._gone(status)

    def _listen(self) -> None:
        try:
            said = os.read(self._pipe, REPORT.size * 1024)
        except (BlockingIOError, InterruptedError):
            return
        if len(said) >= REPORT.size:
            self.keys_processed, self.cow_size, final = REPORT.unpack_from(said, len(said) // REPORT.size * REPORT.size
                                                                          - REPORT.size)
            self.cow_peak = max(self.cow_peak, self.cow_size)
            self.final_cow = final
            self._cow_at = time.monotonic()

    def _gone(self, status: int) -> None:
        self._listen()
        os.close(self._pipe)
        done, self.kind, self.pid = self._done, "", 0
        table.avoid_resize(False)
        child_lives(False)
        if os.WIFSIGNALED(status):
            done(-1, os.WTERMSIG(status))
        else:
            done(os.WEXITSTATUS(status), 0)
        self.keys_processed = self.keys_total = self.cow_size = self.cow_peak = 0
        for hook in self.ended:
            hook()

    # ---- for INFO
    def cow_age(self) -> int:
        """Seconds since the child last said how much was copied; 0 without."""
        return int(time.monotonic() - self._cow_at) if self.alive and self._cow_at else 0

    def seconds(self, kind: str) -> int:
        """How long a child of this kind has been working, -1 when there is none."""
        return int(time.monotonic() - self.started) if self.kind == kind else -1

    def percent(self) -> float:
        """Share of the keys that are written."""
        return 100 * self.keys_processed / self.keys_total if self.alive and self.keys_total else 0.0
