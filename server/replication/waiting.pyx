# cython: language_level=3, boundscheck=False, wraparound=False
cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc

from cpython.dict cimport PyDict_Next
from cpython.ref cimport PyObject

from server.clients.client cimport CLIENT_BLOCKED, Client
from server.registry.clock cimport monotonic_us
from server.replication.standing cimport Standing

from server.registry.errors import CommandError
from server.replication.state import State

cdef int64_t _FOREVER_MS = <int64_t>1 << 50        # longer than anybody waits, and no overflow
cdef object _ONLINE = State.ONLINE
NO_DISK = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."


cdef Waiter new_waiter(Client client, command, int64_t offset, int64_t replicas):
    cdef Waiter waiter = Waiter.__new__(Waiter)
    waiter.client = client
    waiter.command = command
    waiter.offset = offset
    waiter.replicas = replicas
    return waiter


@cython.freelist(64)
cdef class Waiter:
    """One who waits. offset: of its last write; replicas, local: how many copies it wants; on_disk: WAITAOF."""

    keys = ()
    on_no_key = False
    kind = "replication"

    def __init__(self, Client client, command, int64_t offset, int64_t replicas, bint local=False, bint on_disk=False):
        self.client = client
        self.command = command
        self.offset = offset
        self.replicas = replicas
        self.local = local
        self.on_disk = on_disk

    @property
    def db(self):
        """The client's."""
        return self.client.db

    def __lt__(self, other) -> bool:
        """In the heap of deadlines either of two of one client may come first."""
        return False

    def time_out(self) -> None:
        """Its time is over: the reply is how far it is."""
        self.room.end(self, self.room.reply(self))

    def fail(self, error) -> None:
        """An error ends it."""
        self.command.record.failed += 1
        self.room.blocking.stats.count_error(error)
        self.room.end(self, error)


cdef class Waiting:
    """All who wait for what replicas of `master` acknowledge, and for what local_synced() says of our own disk."""

    def __init__(self, master, local_synced):
        global waiting_
        self.master = master
        self.local_synced = local_synced
        self.standings = master.replicas
        self.waiters = []
        master.changed.append(self.look)
        waiting_ = self

    def __dealloc__(self):
        free(self.offsets)

    # ---- how far it is
    cdef int64_t acknowledged_by(self, int64_t offset) noexcept:
        """How many replicas have applied so much."""
        cdef PyObject* standing
        cdef Py_ssize_t at = 0
        cdef int64_t count = 0
        while PyDict_Next(self.standings, &at, NULL, &standing):
            if (<Standing>standing).acknowledged >= offset and (<Standing>standing).state is _ONLINE:
                count += 1
        return count

    def reply(self, Waiter waiter):
        """What the waiter is answered now: WAIT's number of replicas, WAITAOF's numbers of local and remote disks."""
        if not waiter.on_disk:
            return self.acknowledged_by(waiter.offset)
        return [int(self.local_synced() >= waiter.offset), self.master.synced_by(waiter.offset)]

    def is_served(self, Waiter waiter) -> bool:
        """Whether it has what it wanted."""
        if not waiter.on_disk:
            return self.acknowledged_by(waiter.offset) >= waiter.replicas
        return ((self.local_synced() >= waiter.offset or not waiter.local)
                and self.master.synced_by(waiter.offset) >= waiter.replicas)

    # ---- waiting
    cpdef int add(self, Waiter waiter, int64_t timeout_ms) except -1:
        """The client is blocked from now on, for so long at most (0: for ever); replicas are asked, once a turn."""
        cdef Client client = waiter.client
        waiter.room = self
        self.waiters.append(waiter)
        if timeout_ms:
            waiter.deadline_us = monotonic_us() + min(timeout_ms, _FOREVER_MS) * 1000
            self.blocking.enter(waiter)
        else:                          # what `enter` does for those who wait for no keys and have no deadline
            client.blocked = waiter
            client.state |= CLIENT_BLOCKED
            self.blocking.clients.counts.blocked += 1
        if not self.asked:
            self.asked = True
            self.master.loop.attend(self.ask)
        return 0

    cdef int leave(self, Waiter waiter) except -1:
        cdef Client client = waiter.client
        if waiter.deadline_us:
            self.blocking.leave(waiter)
        else:
            client.blocked = None
            client.state &= ~<uint64_t>CLIENT_BLOCKED
            self.blocking.clients.counts.blocked -= 1
        return 0

    cdef int end(self, Waiter waiter, reply) except -1:
        """It is answered, and goes on. A call counts once: now."""
        cdef Client client = waiter.client
        self.leave(waiter)
        waiter.command.record.calls += 1
        self.blocking.executor.commands += 1
        client.write(reply)
        client.waited()
        client.loop.resume(client)
        return 0

    def ask(self) -> bool:
        """Before replies leave: ask the replicas."""
        self.master.loop.attend(self.ask, False)
        self.asked = False
        if self.waiters and self.standings:
            self.master.ask_for_acknowledgements()
        return False

    def tick(self) -> None:
        """From the cron: a disk says nothing by itself."""
        self.look()

    # ---- something was acknowledged
    cdef int sort_offsets(self) except -1:
        cdef PyObject* standing
        cdef Py_ssize_t at = 0
        cdef int place
        cdef int64_t offset
        if len(self.standings) > self.capacity:
            self.capacity = 2 * <int>len(self.standings)
            self.offsets = <int64_t*>realloc(self.offsets, self.capacity * sizeof(int64_t))
            if self.offsets == NULL:
                self.capacity = 0
                raise MemoryError
        self.count = 0
        while PyDict_Next(self.standings, &at, NULL, &standing):
            if (<Standing>standing).state is not _ONLINE:
                continue
            offset = (<Standing>standing).acknowledged
            place = self.count
            while place and self.offsets[place - 1] < offset:
                self.offsets[place] = self.offsets[place - 1]
                place -= 1
            self.offsets[place] = offset
            self.count += 1
        return 0

    cdef bint is_over(self, Waiter waiter) except -1:
        """`is_served` of one who has waited: the n-th largest offset is what n replicas have."""
        if waiter.on_disk:
            return self.is_served(waiter)
        return waiter.replicas <= self.count and self.offsets[waiter.replicas - 1] >= waiter.offset

    cpdef int look(self) except -1:
        """Something was acknowledged, or came to the disk. Complexity: O(those who wait)."""
        cdef Waiter waiter
        cdef list waiters = self.waiters, kept = []
        cdef int64_t started
        if not waiters:
            return 0
        started = monotonic_us()
        self.sort_offsets()
        for waiter in waiters:
            if waiter.client.blocked is waiter:        # else its time was over, or it is gone
                if waiter.local and self.local_synced() < 0:
                    waiter.fail(CommandError(NO_DISK))
                elif self.is_over(waiter):
                    self.end(waiter, self.reply(waiter))
                else:
                    kept.append(waiter)
        self.waiters = kept
        self.blocking.latency.add("command-unblocking", (monotonic_us() - started) // 1000)
        return 0

    def forget(self, Client client) -> None:
        """The client is gone."""
        if isinstance(client.blocked, Waiter):
            self.waiters.remove(client.blocked)

    def __len__(self) -> int:
        """How many wait."""
        return sum([waiter.client.blocked is waiter for waiter in self.waiters])
