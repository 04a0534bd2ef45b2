"""A snapshot on its way from the master into our data.

    by disk      its bytes go to a temporary file; when all are there the file is loaded
    as it comes  its bytes go to the reader, which is never far behind: what it has not read yet is not received

Loading goes in slices between the turns of the loop (`advance`): clients are served, or told -LOADING, meanwhile.
A script that is busy holds the data: loading does not begin, and does not go on, before it is over.
"""

import mmap
import os
import time
from collections.abc import Callable

from server.observe.log import Log
from server.persistence.disk import sync_data
from server.persistence.rdb_peek import RdbData
from server.replication.payload import MARK, Payload, PayloadError
from server.replication.seams import DataSeam, Load

SYNC_EVERY = 8 << 20        # bytes: what is written to disk at once when all is there would stop everybody


class Refused(Exception):
    """The snapshot must not take the place of our data; the log has said why."""


class Arrival:
    """One snapshot. own_history: of the data that we have; on_load(load) is told when loading begins; refuses(data,
    whole) says whether it must not begin, or None while so much of it does not tell.

    Errors: OSError, when there can be no file for it."""

    def __init__(self, data: DataSeam, log: Log, own_history: bool, on_load: Callable[[Load], None],
                 refuses: Callable[[RdbData, bool], bool | None]) -> None:
        self._data = data
        self._log = log
        self._own_history = own_history
        self._on_load = on_load
        self._refuses = refuses
        self._head = b""                   # what came before it was known
        self.by_disk = not data.loads_as_it_comes()
        self.payload = Payload()
        self.load: Load | None = None
        self._synced = 0
        self._temporary = ""
        self._file = -1
        if self.by_disk:
            self._temporary = f"temp-{int(time.time())}.{os.getpid()}.rdb"
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._file = os.open(self._temporary, flags, 0o644)

    @property
    def held(self) -> bool:
        """Whether nothing can be done with what comes now."""
        return self._data.held and (not self.by_disk or self.payload.done)

    @property
    def loading(self) -> bool:
        """Whether there is something to `advance`."""
        return self.load is not None and not self.load.finished

    @property
    def finished(self) -> bool:
        """Whether all has come and is loaded."""
        return self.payload.done and self.load is not None and self.load.finished

    # ---- bytes
    def take(self, data: bytes) -> int:
        """Bytes from the master; how many of them were the snapshot's. Errors: PayloadError, OSError, Refused."""
        announced = self.payload.total >= 0
        taken, part = self.payload.take(data)
        if not announced and self.payload.total >= 0:
            where, total = "to disk" if self.by_disk else "to parser", self.payload.total
            if not self.payload.marked:
                self._log.notice("MASTER <-> REPLICA sync: receiving %d bytes from master %s", total, where)
            else:
                self._log.notice("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF %s", where)
        if part and self.by_disk:
            self._write(part)
        elif part:
            self._feed(part)
        return taken

    def _write(self, part: bytes) -> None:
        view = memoryview(part)
        while view:
            view = view[os.write(self._file, view):]
        if self.payload.received - self._synced >= SYNC_EVERY:
            sync_data(self._file)
            self._synced = self.payload.received

    def _feed(self, part: bytes) -> None:
        if self.load is None:
            self._head += part
            if not self._admitted(self._head):
                return
            part, self._head = self._head, b""
            self._begin(self._data.load_as_it_comes(self.payload.total, self._own_history))
        if self.load is not None:
            self.load.feed(part)

    def _admitted(self, data: RdbData) -> bool:
        """Whether it may take the place of our data; False: that is not known yet. Errors: Refused."""
        refused = self._refuses(data, self.payload.done)
        if refused:
            raise Refused
        return refused is not None

    def _on_disk(self) -> RdbData:
        size = os.fstat(self._file).st_size
        return mmap.mmap(self._file, size, access=mmap.ACCESS_READ) if size else b""

    def _begin(self, load: Load) -> None:
        self.load = load
        self._on_load(load)

    # ---- loading
    def advance(self) -> bool:
        """Load for a slice of time; True when there is more that could be loaded now. Errors: BadFile, OSError (both
        logged), PayloadError, Refused."""
        payload = self.payload
        if payload.done and self.load is None:
            if not self.by_disk:
                self._feed(b"")
            else:
                if payload.marked:
                    os.ftruncate(self._file, payload.received)
                self._admitted(self._on_disk())
                load = self._data.load_file(self._file, self._temporary)
                self._temporary = ""
                self._begin(load)
        load_ = self.load
        if load_ is None:
            return False
        if payload.done:
            load_.whole()
        more = load_.advance() if not load_.finished else False
        if load_.finished and payload.marked and not self.by_disk:
            behind = payload.received - load_.position
            if behind != 0 if payload.done else behind > MARK:
                self._log.warning("Replication stream EOF marker is broken")
                raise PayloadError("Replication stream EOF marker is broken")
        return more

    def break_off(self) -> bool:
        """The master is gone: whether there is something to `advance` all the same. When all has come it is loaded to
        the end, else as far as it goes, so that the log tells where it ends."""
        if self.load is not None:
            self.load.whole()
        return self.payload.done or self.loading

    def accept(self) -> int:
        """It is loaded: its data are ours. Returns the database that the stream begins in."""
        load, self.load = self.load, None
        assert load is not None
        load.accept()
        self.drop()
        return load.database

    def drop(self) -> None:
        """It is not wanted any more, or not needed."""
        load, self.load = self.load, None
        if load is not None:
            load.abandon()
        if self._temporary:
            try:
                os.unlink(self._temporary)
            except OSError:
                pass
            self._temporary = ""
        if self._file >= 0:
            self._data.close(self._file)
            self._file = -1
