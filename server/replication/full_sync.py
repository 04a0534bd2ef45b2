"""Full syncs: one snapshot for all replicas that wait, by way of the disk or straight to their sockets.

    disk     a child writes the RDB file; then its length and its bytes go to each replica at that one's pace
    sockets  a child writes into a pipe; what comes out goes to all of them at the pace of the slowest (diskless).
             Nobody knows the length before, so a mark of 40 random bytes stands at both ends

Replicas that come while a snapshot for the disk is under way join it; others wait for the next. A diskless one waits
repl-diskless-sync-delay seconds for more to come, for nobody can join it.
"""

import os
from collections.abc import Callable

from server.clients.client import CLOSE_ASAP
from server.persistence.child import RDB, Child, Report
from server.persistence.snapshot import Snapshots
from server.persistence.unwanted_files import UnwantedFiles
from server.registry.clock import monotonic_now_us
from server.replication.master import Master, seconds
from server.replication.replica import Replica
from server.replication.state import State
from server.replication.tally import MASTER

ROOM = 1 << 20              # bytes of a snapshot under way to one replica, at most
PIECE = 256 * 1024          # bytes read at once
AHEAD = 4 << 20             # bytes behind those which the kernel is asked to have ready by then
PER_TURN = 2 << 20          # bytes handed over in a turn of the loop, for all replicas together
LOOK_MS = 1                 # how often a pipe without bytes is looked at
WRITE = Callable[[int, Report, bool], None]      # (file, report, functions alone): write a snapshot


class FullSync:
    """The syncs of one master. write(file, report, functions_only) writes a snapshot to a file descriptor."""

    def __init__(self, master: Master, snapshots: Snapshots, child: Child, write: WRITE) -> None:
        self._master = master
        self._config = master.config
        self._log = master.log
        self._snapshots = snapshots
        self._child = child
        self._write = write
        self._files: dict[Replica, _File] = {}           # what is being sent from disk
        self._pipe: _Pipe | None = None                  # the diskless transfer under way
        self._pumping = False
        self._for_replication = False                    # only replicas wanted the file that is there now

    # ---- a replica asks
    def begin(self, replica: Replica) -> None:
        """It needs a snapshot: one that is under way, or a new one, now or later."""
        log = self._log
        if self._pipe is not None:
            log.notice("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC")
        elif self._snapshots.in_progress:
            self._join(replica)
        elif self._config.repl_diskless_sync and replica.eof and self._config.repl_diskless_sync_delay:
            log.notice("Delay next BGSAVE for diskless SYNC")
        elif self._child.alive:
            log.notice("No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed")
        else:
            self.start()

    def _join(self, replica: Replica) -> None:
        for other in self._master.connected():
            if (other.state == State.WAIT_END and other.feed is not None and (not other.eof or replica.eof)
                    and other.functions_only == replica.functions_only):
                self._master.share_feed(replica, other)
                self._log.notice("Waiting for end of BGSAVE for SYNC")
                return
        self._log.notice("Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC")

    def is_streaming_to(self, replica: Replica) -> bool:
        """Whether a diskless transfer to it is under way."""
        return self._pipe is not None and replica in self._pipe.replicas

    # ---- beginning a snapshot
    def tick(self) -> None:
        """Once a second: whether those who wait have waited long enough."""
        waiting = [replica for replica in self._master.connected() if replica.state == State.WAIT_START]
        if not waiting:
            self._remove_file()
            return
        if self._child.alive or self._pipe is not None:
            return
        config = self._config
        longest = max(seconds() - replica.since for replica in waiting)
        enough = config.repl_diskless_sync_max_replicas
        if (not config.repl_diskless_sync or longest >= config.repl_diskless_sync_delay
                or 0 < enough <= len(waiting)):
            self.start()

    def start(self) -> None:
        """Begin one for those who wait and want the same; the others come after."""
        waiting = [replica for replica in self._master.connected() if replica.state == State.WAIT_START]
        if not waiting:
            return
        first = waiting[0]
        alike = [replica for replica in waiting if replica.functions_only == first.functions_only]
        by_socket = (self._config.repl_diskless_sync or first.functions_only) and all(one.eof for one in alike)
        self._log.notice("Starting BGSAVE for SYNC with target: %s", "replicas sockets" if by_socket else "disk")
        begun = self._start_pipe(alike) if by_socket else self._start_file(alike)
        if begun:
            return
        self._log.warning("BGSAVE for replication failed")
        for replica in alike:
            replica.state = State.NONE
            self._master.replicas.pop(replica.client, None)
            self._master.tally.ended(MASTER, "full_err")
            replica.client.push_encoded(b"-ERR BGSAVE failed, replication can't continue\r\n")
            replica.client.close(after_reply=True)

    def _start_file(self, replicas: list[Replica]) -> bool:
        self._master.propagation.flush()
        if not self._snapshots.save_in_background(keep_cache=True):
            return False
        self._for_replication = True
        for replica in replicas:
            self._master.begin_feed(replica)
        return True

    def _start_pipe(self, replicas: list[Replica]) -> bool:
        """The child writes into the pipe until it ends."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        mark = os.urandom(20).hex().encode()
        functions_only = replicas[0].functions_only
        self._master.propagation.flush()

        def work(report: Report) -> bool:
            os.close(reading)
            try:
                self._write(writing, report, functions_only)
                os.write(writing, mark)
            except OSError as error:
                self._log.warning("Write error while saving DB to the sockets: %s", error.strerror)
                return False
            return True

        try:
            self._child.start(RDB, work, self._pipe_done)
        except OSError as error:
            os.close(reading)
            self._log.warning("Can't save in background: fork: %s", error.strerror)
            return False
        finally:
            os.close(writing)
        self._snapshots.count += 1
        self._log.notice("Background RDB transfer started by pid %d", self._child.pid)
        self._pipe = _Pipe(reading, mark, list(replicas))
        for replica in replicas:
            self._master.begin_feed(replica)
            replica.client.push_encoded(b"$EOF:" + mark + b"\r\n")
        self._pump_while_wanted()
        return True

    # ---- the end of a snapshot
    def snapshot_ended(self, well: bool) -> None:
        """The child that wrote a file has ended: those who waited for it get it."""
        waiting = [replica for replica in self._master.connected() if replica.state == State.WAIT_END
                   and (self._pipe is None or replica not in self._pipe.replicas)]
        for replica in waiting:
            if not well:
                self._log.warning("SYNC failed. BGSAVE child returned an error")
                replica.client.close()
                continue
            try:
                self._files[replica] = file = _File(self._config.dbfilename, self._snapshots.unwanted)
            except OSError as error:
                self._log.warning("SYNC failed. Can't open/stat DB after BGSAVE: %s", error.strerror)
                replica.client.close()
                continue
            replica.state = State.SEND_BULK
            replica.wrote = seconds()
            replica.client.push_encoded(b"$%d\r\n" % file.size)
        if waiting:
            self._pump_while_wanted()
        if any(replica.state == State.WAIT_START for replica in self._master.connected()) \
                and not self._config.repl_diskless_sync:
            self.start()

    def _pipe_done(self, code: int, number: int) -> None:
        """The child that wrote into the pipe has ended; the bytes may still be on their way."""
        pipe = self._pipe
        self._snapshots.note_transfer(code, number)
        if pipe is None:
            return
        pipe.child_gone = True
        pipe.failed = bool(code or number)
        self.pump()

    def _end_pipe(self) -> None:
        """All bytes are out of the pipe, and the child is gone."""
        pipe = self._pipe
        assert pipe is not None
        self._pipe = None
        os.close(pipe.file)
        for replica in pipe.replicas:
            if pipe.failed:
                replica.client.close()
            elif not replica.client.has(CLOSE_ASAP):
                self._log.notice("Streamed replica with replica %s, waiting for its REPLCONF ACK to enable streaming",
                                 replica.name)
                self._master.put_online(replica, on_ack=True)

    # ---- moving bytes
    def _pump_while_wanted(self) -> None:
        loop = self._master.loop
        loop.attend(self.pump)
        if not self._pumping:
            self._pumping = True
            loop.timers.add(monotonic_now_us(), LOOK_MS, self._look)

    def _look(self) -> int | None:
        """A timer: hooks are called in the turns that it makes."""
        self._pumping = bool(self._files or self._pipe)
        if not self._pumping:
            self._master.loop.attend(self.pump, False)
        return LOOK_MS if self._pumping else None

    def pump(self) -> bool:
        """Move what connections will take now; True: there is more, do not wait."""
        moved = 0
        for replica in list(self._files):
            if moved < PER_TURN:
                moved += self._pump_file(replica)
        if self._pipe is not None and moved < PER_TURN:
            moved += self._pump_pipe(PER_TURN - moved)
        return moved >= PER_TURN

    def _pump_file(self, replica: Replica) -> int:
        file, client = self._files[replica], replica.client
        moved = 0
        while not client.has(CLOSE_ASAP) and file.at < file.size and client.output_bytes < ROOM and moved < PER_TURN:
            try:
                data = file.read()
            except OSError as error:
                self._log.warning("Read error sending DB to replica: %s", error.strerror)
                data = b""
            if not data:
                client.close()
                return moved
            client.push_encoded(data)
            moved += len(data)
        if moved:
            replica.wrote = seconds()
        if file.at >= file.size:
            self._files.pop(replica).close()
            self._master.put_online(replica, on_ack=False)
        return moved

    def _pump_pipe(self, most: int) -> int:
        pipe = self._pipe
        assert pipe is not None
        moved = 0
        now = seconds()
        for replica in pipe.replicas:
            if replica.client.output_bytes < ROOM:
                replica.wrote = now
        while moved < most and not pipe.over:
            if any(replica.client.output_bytes >= ROOM for replica in pipe.replicas):
                break
            try:
                data = os.read(pipe.file, PIECE)
            except BlockingIOError:
                break
            if not data:
                pipe.over = True
                self._log.notice("Diskless rdb transfer, done reading from pipe, %d replicas still up, %d bytes",
                                 len(pipe.replicas), pipe.bytes)
                break
            pipe.bytes += len(data)
            pipe.tail = (pipe.tail + data[-len(pipe.mark):])[-len(pipe.mark):]
            moved += len(data)
            for replica in pipe.replicas:
                replica.client.push_encoded(data)
        if pipe.over:
            self._child.poll()
            if pipe.child_gone and self._pipe is pipe:
                self._end_pipe()
        return moved

    def sent_all_to(self, replica: Replica) -> bool:
        """Whether a replica was sent the end of a snapshot: who wanted nothing else goes before the child has ended."""
        pipe = self._pipe
        return (pipe is not None and replica in pipe.replicas and pipe.tail == pipe.mark
                and not replica.client.output_bytes)

    # ---- replicas that go, and files that are not needed
    def gone(self, replica: Replica) -> None:
        """A replica went in the middle of its sync."""
        file = self._files.pop(replica, None)
        if file is not None:
            file.close()
        pipe = self._pipe
        if pipe is not None and replica in pipe.replicas:
            pipe.replicas.remove(replica)
            if not pipe.replicas:
                self._log.notice("Diskless rdb transfer, last replica dropped, killing fork child.")
                pipe.over = pipe.failed = True
                self._child.kill()
                if self._pipe is pipe:
                    self._end_pipe()
        elif (self._for_replication and self._snapshots.in_progress and not self._config.save
              and not any(one.state == State.WAIT_END for one in self._master.connected())):
            self._snapshots.kill_child()

    def _remove_file(self) -> None:
        """rdb-del-sync-files: a file that only replicas wanted goes when nobody needs it any more."""
        if not (self._config.rdb_del_sync_files and self._for_replication and not self._files):
            return
        busy = (State.WAIT_START, State.WAIT_END, State.SEND_BULK)
        if self._config.save or self._config.appendonly or self._snapshots.in_progress \
                or any(replica.state in busy for replica in self._master.connected()):
            return
        self._for_replication = False
        self._log.notice("Removing the RDB file %s used to feed replicas in a persistence-less instance",
                         self._config.dbfilename)
        self._snapshots.unwanted.remove(self._config.dbfilename)


class _File:
    """A snapshot that is being sent, which stays readable when the next one takes its name."""

    def __init__(self, name: str, unwanted: UnwantedFiles) -> None:
        self._unwanted = unwanted          # the next snapshot may have taken its name
        self._file = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._file).st_size
        self.at = 0

    def read(self) -> bytes:
        """The next piece. The loop must not wait for a disk: of a snapshot that was not taken for replicas, and
        therefore is not in memory, what follows is asked for in time."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, self.at + AHEAD, PIECE, os.POSIX_FADV_WILLNEED)
        data = os.pread(self._file, min(PIECE, self.size - self.at), self.at)
        self.at += len(data)
        return data

    def close(self) -> None:
        """All is sent, or nobody wants it."""
        self._unwanted.close(self._file)


class _Pipe:
    """A diskless transfer."""

    def __init__(self, file: int, mark: bytes, replicas: list[Replica]) -> None:
        self.file = file
        self.mark = mark
        self.replicas = replicas
        self.bytes = 0
        self.tail = b""                # the last of them: the mark, once all are there
        self.over = self.failed = self.child_gone = False
