# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Clients that wait: BLPOP and its kin wait for keys; WAIT, which waits for replicas, is replication.waiting's.

A command that finds nothing returns what `wait(call, kind, keys, timeout)` returns: there is no reply yet. The
client keeps the rest of its batch and stands, first come first served, in the queue of each key: `db.blocking`, key ->
clients.

    LPUSH k x  ->  effects.changed  ->  `ready` notes the key, if somebody waits for it
    the command (or EXEC, or script) is over  ->  `serve`: the waiting commands are run again, from the start, in the
    order in which the clients came, as long as the key is of the type that they wait for

A command run again may find nothing again: it then waits on, behind the others, but with the deadline it had. Running
again may also make other keys ready (BLMOVE): those are served next. What a served command did is propagated as a unit
of its own, after the unit that fed it.

`on_no_key` clients (XREADGROUP) are also run again when the key is deleted or changes its type, so that they can answer
an error. A client is let go by a served key, by its deadline (`time_out`), or by an error (`fail`): CLIENT UNBLOCK, a
change of roles. `client.blocked` is what a client waits in; it is None for all others, those held by CLIENT PAUSE
included.

Complexity: waiting and going cost O(keys of the client), and O(log N) for the deadline, N being the clients with one.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from server.clients.client cimport CLIENT_BLOCKED, CLIENT_CLOSE_ASAP, CLIENT_PAUSED, Client
from server.keyspace.database cimport Database
from server.registry.clock cimport monotonic_us
from server.registry.number_places cimport integers_at
from server.structures.table cimport (
    ENTRY_EXPIRE, TYPE_LIST, TYPE_STREAM, TYPE_ZSET, Entry, entry_expire, entry_type, table_find, table_hash)

import heapq
from collections import deque

from server.observe.internal_errors import internal_errors
from server.registry import args
from server.registry.clock import unix_ms
from server.registry.errors import CommandError
from server.registry.reply import NO_REPLY, NULL_ARRAY
from server.structures.long_double import ceiling

LIST, SORTED_SET, STREAM = "list", "zset", "stream"      # what is waited for
cdef dict _TYPE_OF_KIND = {LIST: TYPE_LIST, SORTED_SET: TYPE_ZSET, STREAM: TYPE_STREAM}
cdef object _heappush = heapq.heappush
cdef object _NO_REPLY = NO_REPLY
FORCED = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"


# ---- the argument
def seconds(bytes text) -> int:
    """A timeout in seconds, fractions allowed, as milliseconds (rounded up); 0 is for ever."""
    if text == b"0":                   # what nearly everybody says
        return 0
    value = ceiling(text, 1000)
    if value is None:
        raise CommandError("ERR timeout is not a float or out of range")
    return _timeout(value)


def milliseconds(bytes text) -> int:
    """A timeout in whole milliseconds; 0 is for ever."""
    return _timeout(args.integer(text, "ERR timeout is not an integer or out of range"))


cdef object _timeout(object value):
    if value < 0:
        raise CommandError("ERR timeout is negative")
    if value > args.INT64_MAX - unix_ms():
        raise CommandError("ERR timeout is out of range")
    return value


cdef int64_t _LONGEST_MS = 1 << 50     # that a deadline is away: 35,000 years


cdef bint _is_of(Database db, bytes key, int type) noexcept:
    """Whether there is a value of the kind that is waited for. Looking does not delete what has expired."""
    cdef const char* k = PyBytes_AS_STRING(key)
    cdef size_t n = PyBytes_GET_SIZE(key)
    cdef Entry* e = table_find(db.table, k, n, table_hash(k, n))
    if e == NULL or (e.klen & ENTRY_EXPIRE and entry_expire(e) < db.keyspace.clock.unix_ms):
        return False
    return entry_type(e) == type


cdef class BlockedCounts:
    """Three numbers. Owner: the table of clients."""


cdef BlockedCounts _model = BlockedCounts.__new__(BlockedCounts)
integers_at(_model, {"blocked": <size_t>&_model.blocked, "with_timeout": <size_t>&_model.with_timeout,
                     "on_no_key": <size_t>&_model.on_no_key})


cdef class Blocked:
    """One client's waiting."""

    def __lt__(self, other) -> bool:
        """For the heap of deadlines, where a client may stand twice with the one it keeps: either may come first."""
        return False

    def time_out(self) -> None:
        """Its time is over."""
        self._end(NULL_ARRAY)

    def fail(self, error) -> None:
        """An error ends it."""
        self.command.record.failed += 1
        self.room.stats.count_error(error)
        self._end(error)

    cdef int _end(self, reply) except -1:
        self.command.record.calls += 1              # a call counts once: now, not when it began to wait
        self.room.executor.commands += 1
        self.room.leave(self)
        started = monotonic_us()
        self.client.reply(reply)
        self.client.waited()
        self.room.latency.add("command-unblocking", (monotonic_us() - started) // 1000)
        self.room.loop.resume(self.client)
        return 0


cdef class Blocking:
    """All who wait. `in_unit()` says whether a command, EXEC or script is under way.

    `when_unwatched_by_fast_paths` is told when the first client begins to wait for keys that fast paths do not look out
    for, and when the last one stopped; the fast paths of list pushes look into `db.blocking` by themselves.
    """

    def __init__(self, clients, loop, executor, stats, latency, in_unit):
        self.clients = clients
        self.counts = clients.counts
        self.loop = loop
        self.executor = executor
        self.stats = stats
        self.latency = latency
        self.in_unit = in_unit
        self.when_unwatched_by_fast_paths = bool
        self.ready = deque()
        self.noted = set()
        self.deadlines = []
        self.no_key = {}

    # ---- coming and going
    def wait(self, call, str kind, keys, int64_t timeout_ms, *, bint on_no_key=False, list argv=None):
        """Have the client of this call wait, and return this as the call's reply: `return wait(call, LIST, keys, ms)`.

        The caller has looked at `call.may_block` and found nothing. `kind`: what type of value makes a key ready.
        timeout_ms: 0 is for ever. on_no_key: run again also when the key goes or changes its type. argv: run again this
        instead of the words of the call (XREAD's $ has become an ID).
        """
        self.begin(call.client, call.command, _TYPE_OF_KIND[kind],
                   tuple(keys) if len(keys) == 1 else tuple(dict.fromkeys(keys)), timeout_ms, on_no_key,
                   call.argv if argv is None else argv)
        (<Blocked>(<Client>call.client).blocked).as_it_came = argv is None
        return _NO_REPLY

    cdef int begin(self, Client client, command, int type, tuple keys, int64_t timeout_ms, bint on_no_key, list argv) except -1:
        cdef Blocked blocked = Blocked.__new__(Blocked)
        blocked.room = self
        blocked.client = client
        blocked.command = command
        blocked.db = client.db
        blocked.type = type
        blocked.keys = keys
        blocked.on_no_key = on_no_key
        blocked.argv = argv
        blocked.as_it_came = argv is None
        if self.again is not None and self.again.client is client:
            blocked.deadline_us = self.again.deadline_us
        elif timeout_ms:
            blocked.deadline_us = monotonic_us() + min(timeout_ms, _LONGEST_MS) * 1000
        self._enter_queues(blocked)
        return self._enter(client, blocked, blocked.deadline_us)

    def enter(self, waiter) -> None:
        """Who waits for no keys (replication.waiting.Waiter): the client is blocked now."""
        self._enter(waiter.client, waiter, waiter.deadline_us)

    cdef int _enter(self, Client client, object blocked, int64_t deadline_us) except -1:
        client.blocked = blocked
        client.state |= CLIENT_BLOCKED
        if deadline_us:
            _heappush(self.deadlines, (deadline_us, client.id, blocked))
            self.with_deadline += 1
            self._arm()
        return self._count(1)

    cdef int _enter_queues(self, Blocked blocked) except -1:
        cdef Database db = blocked.db
        cdef dict queue
        for key in blocked.keys:
            queue = db.blocking.get(key)
            if queue is None:
                db.blocking[key] = queue = {}
            queue[blocked.client] = blocked
            if blocked.on_no_key:
                place = (db.index, key)
                self.no_key[place] = self.no_key.get(place, 0) + 1
        if blocked.type != TYPE_LIST or blocked.on_no_key:
            self.others += 1
            if self.others == 1:
                self.when_unwatched_by_fast_paths(True)
        return 0

    def leave(self, blocked) -> None:
        """Out of all queues. The client is not blocked any more, but does not go on by this alone."""
        if isinstance(blocked, Blocked):
            self._leave(<Blocked>blocked)
        else:
            self._let_go(blocked.client, blocked.deadline_us)

    cdef int _leave(self, Blocked blocked) except -1:
        self._leave_queues(blocked)
        return self._let_go(blocked.client, blocked.deadline_us)

    cdef int _let_go(self, Client client, int64_t deadline_us) except -1:
        if deadline_us:
            self.with_deadline -= 1
        client.blocked = None
        client.state &= ~<uint64_t>CLIENT_BLOCKED
        return self._count(-1)

    cdef int _leave_queues(self, Blocked blocked) except -1:
        cdef Database db = blocked.db
        cdef dict queue
        for key in blocked.keys:
            queue = db.blocking[key]
            del queue[blocked.client]
            if not queue:
                del db.blocking[key]
            if blocked.on_no_key:
                place = (db.index, key)
                self.no_key[place] -= 1
                if not self.no_key[place]:
                    del self.no_key[place]
        if blocked.type != TYPE_LIST or blocked.on_no_key:
            self.others -= 1
            if self.others == 0:
                self.when_unwatched_by_fast_paths(False)
        return 0

    def forget(self, Client client) -> None:
        """The client is gone."""
        if client.blocked is not None:
            self.leave(client.blocked)

    cdef int _count(self, int by) except -1:
        self.counts.blocked += by
        self.counts.with_timeout = self.with_deadline
        self.counts.on_no_key = len(self.no_key)
        return 0

    def fail_all(self, error) -> None:
        """The server changed its role: all who wait get the error and are disconnected."""
        for client in self.clients:
            if client.blocked is not None:
                client.blocked.fail(error)
                client.close(after_reply=True)

    # ---- deadlines
    cdef bint _crowded(self) noexcept:
        """Whether most of the heap is of those who left."""
        return len(self.deadlines) > 2 * self.with_deadline + 64

    cdef int64_t _nearest(self) except -2:
        """The next deadline of somebody who is here; -1 without one. Forgets those who left, once they are many."""
        heap = self.deadlines
        if self._crowded():
            heap[:] = [entry for entry in heap if entry[2].client.blocked is entry[2]]
            heapq.heapify(heap)
        while heap and heap[0][2].client.blocked is not heap[0][2]:
            heapq.heappop(heap)
        return heap[0][0] if heap else -1

    cdef int _arm(self) except -1:
        """One timer, at the nearest deadline."""
        timers = self.loop.timers
        if self.timer is not None and self.timer.due_us <= self.deadlines[0][0] and not self._crowded():
            return 0
        due = self._nearest()
        if self.timer is not None:
            if self.timer.due_us <= due:
                return 0
            timers.remove(self.timer)
        now = monotonic_us()
        self.timer = timers.add(now, max(0, (due - now + 999) // 1000), self._run_timer)
        return 0

    def _run_timer(self):
        """Let go whose time is over; milliseconds until the next one, None without one."""
        while (due := self._nearest()) >= 0:
            left = due - monotonic_us()
            if left > 0:
                return max(1, (left + 999) // 1000)
            self.deadlines[0][2].time_out()
        self.timer = None
        return None

    def hasten(self, int64_t by_us) -> None:
        """So much time has passed for those who wait (DEBUG CLOCK): whose time is over goes, by deadline."""
        end = monotonic_us() + by_us
        while 0 <= self._nearest() <= end:
            self.deadlines[0][2].time_out()
        for _, _, blocked in self.deadlines:
            blocked.deadline_us -= by_us
        self.deadlines[:] = [(blocked.deadline_us, number, blocked) for _, number, blocked in self.deadlines]
        if self.timer is not None:
            self.loop.timers.remove(self.timer)
            self.timer = None
        if self._nearest() >= 0:
            self._arm()

    # ---- keys that became ready
    def note(self, Database db, bytes key) -> None:
        """Somebody waits for this key, and it changed. Complexity: O(1)."""
        place = (db.index, key)
        if place not in self.noted:
            self.noted.add(place)
            self.ready.append((db, key))
            self.loop.attend(self.serve)

    def emptied(self, list databases) -> None:
        """Databases were emptied: who waits for a key to be there all the time must hear of it."""
        if self.no_key:
            for index, key in list(self.no_key):
                for db in databases:
                    if index == db.index:
                        self.note(db, key)

    def swapped(self, Database first, Database second) -> None:
        """Two databases exchanged their keys (SWAPDB, a resync that loaded aside)."""
        for db in (first, second):
            for key in list(db.blocking) if db.blocking else ():
                if (db.index, key) in self.no_key or db.has_entry(key):
                    self.note(db, key)

    def serve(self) -> bool:
        """Run the commands again that wait for ready keys, and for those that become ready by that. A hook of
        before_sleep too: keys also change by themselves (expiry). Never wants the loop to hurry."""
        if self.serving or not self.ready or self.in_unit():
            return False                            # in the middle of a unit (a busy script lets others speak): later
        self.serving = True
        try:
            while self.ready:
                db, key = self.ready.popleft()
                self.noted.discard((db.index, key))
                self._serve_key(db, key)
        finally:
            self.serving = False
            self.loop.attend(self.serve, False)
        return False

    cdef int wake(self, Database db, bytes key) except -1:
        if self.serving or self.ready:
            self.note(db, key)
            self.serve()
            return 0
        self.serving = True
        try:
            self._serve_key(db, key)
        finally:
            self.serving = False
        if self.ready:
            self.serve()
        return 0

    cdef int _serve_key(self, Database db, bytes key) except -1:
        """Everybody who waits now, once: who has to wait again stands behind."""
        cdef Client client
        cdef Blocked blocked
        cdef dict queue = (<dict>db.blocking).get(key)
        if queue is None:
            return 0
        for client in list(queue):
            if not isinstance(client.blocked, Blocked):
                continue
            blocked = client.blocked
            if blocked.db is not db or key not in blocked.keys or client.state & CLIENT_CLOSE_ASAP:
                continue
            if blocked.on_no_key or _is_of(db, key, blocked.type):
                self._run_again(blocked)
        return 0

    def runs_again(self, Client client) -> bool:
        """Whether the command of this client under way was seen before, when it began to wait (MONITOR asks)."""
        return self.again is not None and self.again.client is client

    cdef int _run_again(self, Blocked blocked) except -1:
        cdef Client client = blocked.client
        self._leave(blocked)
        self.again = blocked
        try:
            above.run_again(self.executor, client, None if blocked.as_it_came else blocked.argv)
        except Exception:                           # of this client alone: who fed it has nothing to do with that
            internal_errors.note("A command that had waited", blocked.argv or (blocked.command.name.encode(),))
            client.close()
            return 0
        finally:
            self.again = None
        if client.state & CLIENT_BLOCKED:
            return 0
        if client.state & CLIENT_PAUSED:
            client.rewind()                         # CLIENT PAUSE holds it: from the start when that is over
        else:
            above.resume(self.loop, client)
        return 0
