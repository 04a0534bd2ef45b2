# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.ref cimport PyObject

from iothreads.message cimport Output
from iothreads.resp_writer cimport write_bulk, write_integer, write_null, write_raw
from server.clients.client cimport CLIENT_CLOSE_ASAP, CLIENT_TRACKING, SLOW_TRACKING, Client
from server.keyspace.lazyfree cimport LazyFree
from server.structures.table cimport (
    Entry, entry_key, entry_key_length, entry_word_ref, table_find, table_free, table_hash, table_insert_word, table_new,
    table_size)
from server.structures.tracked_keys cimport TrackedKeys, count_of, ids_of

from server.keyspace.effects import NOBODY

cdef enum:
    EFFORT = 100                       # keys that one `limit` forgets at most, times the rounds that were not enough
    TEND_US = 500                      # of a tick, for a change of the table's size
    PREFIX_BYTES = 160                 # of one prefix and its place, for tot-mem

cdef int64_t _NOBODY = NOBODY

speaker.client = NULL


cdef class Tracker:
    """How one client wants to be told."""

    cdef bint remembers(self) noexcept:
        return not (self.broadcasts or (self.opt_in and not self.caching) or (self.opt_out and self.caching))

    @property
    def letters(self) -> str:
        """What `flags=` of CLIENT LIST shows behind t."""
        return ("R" if self.broken else "") + ("B" if self.broadcasts else "")

    @property
    def memory(self) -> int:
        """Bytes of its prefixes."""
        return sum(PREFIX_BYTES + len(prefix) for prefix in self.prefixes)


cdef class Broadcast:
    """Who wants to hear of a prefix, and which names with it were changed in this turn."""

    def __cinit__(self):
        self.clients = {}
        self.changed = {}


cdef class Tracking:
    """All tracking of a server. `find_client(id)` and `attend(hook, yes)` are the client table's and the loop's."""

    def __cinit__(self, lazyfree, find_client, attend):
        self.lazyfree = lazyfree
        self.find_client = find_client
        self.attend = attend
        self.keys = TrackedKeys()
        self.clients = {}
        self.redirected = {}
        self.broadcasts = {}
        self.prefixes = table_new()
        self.pending = []

    def __dealloc__(self):
        free(self.lengths)
        if self.prefixes != NULL:
            table_free(self.prefixes, _keep)

    def __len__(self) -> int:
        """tracking_clients."""
        return len(self.clients)

    # ---- who wants it
    def start(self, Client client, uint64_t redirect, bint broadcasts, bint opt_in, bint opt_out, bint no_loop,
              list prefixes) -> None:
        """CLIENT TRACKING ON, its options checked; redirect: 0 is nobody. A client that broadcasts keeps the prefixes
        that it has, and gets these: without any, all names."""
        cdef Tracker before = client.tracking
        cdef Tracker tracker = self.start_plainly(client)
        tracker.redirect = redirect
        tracker.broadcasts, tracker.opt_in, tracker.opt_out, tracker.no_loop = broadcasts, opt_in, opt_out, no_loop
        if before is not None:
            tracker.caching = before.caching
            tracker.prefixes = before.prefixes
            self.redirect_less(before.redirect)
        if redirect:
            self.redirected[redirect] = self.redirected.get(redirect, 0) + 1
            (<Client>self.find_client(redirect)).slow |= SLOW_TRACKING     # what it hears of its own commands follows them
        if broadcasts:
            tracker.prefixes = sorted({*tracker.prefixes, *(prefixes or [b""])})
            for prefix in tracker.prefixes:
                if prefix not in self.broadcasts:
                    self.broadcasts[prefix] = Broadcast.__new__(Broadcast)
                (<Broadcast>self.broadcasts[prefix]).clients[client.id] = client
            self._rebuild_prefixes()
            self._hear()

    cdef Tracker start_plainly(self, Client client):
        """The same without options, of who does not track yet."""
        cdef Tracker tracker = Tracker.__new__(Tracker)
        tracker.id = client.id
        tracker.prefixes = []
        client.tracking = tracker
        client.state |= CLIENT_TRACKING
        client.slow |= SLOW_TRACKING
        self.clients[client.id] = client
        return tracker

    cpdef int stop(self, Client client) except -1:
        """CLIENT TRACKING OFF, RESET, or the client is gone; harmless when it does not track. What it has read stays in
        the table until it changes. Complexity: O(its prefixes)."""
        cdef Tracker tracker = client.tracking
        cdef Broadcast broadcast
        if tracker is None:
            return 0
        client.tracking = None
        client.state &= ~<uint64_t>CLIENT_TRACKING
        if self.pending:
            self.pending = [entry for entry in self.pending if entry[1] is not client]
        del self.clients[client.id]
        if client.id not in self.redirected:
            client.slow &= ~<uint32_t>SLOW_TRACKING
        self.redirect_less(tracker.redirect)
        for prefix in tracker.prefixes:
            broadcast = self.broadcasts[prefix]
            del broadcast.clients[client.id]
            if not broadcast.clients:
                del self.broadcasts[prefix]
        if tracker.prefixes:
            self._rebuild_prefixes()
            self._hear()
        return 0

    cpdef int redirect_less(self, uint64_t receiver) except -1:
        """One client less redirects to this one; 0 is nobody."""
        if receiver == 0:
            return 0
        self.redirected[receiver] -= 1
        if self.redirected[receiver]:
            return 0
        del self.redirected[receiver]
        client = self.find_client(receiver)
        if client is not None and client.tracking is None:
            client.slow_because(SLOW_TRACKING, False)
        return 0

    cdef int _rebuild_prefixes(self) except -1:
        """After a prefix came or went."""
        cdef bytes prefix
        cdef size_t n
        table_free(self.prefixes, _keep)
        self.prefixes = table_new()
        for prefix, broadcast in self.broadcasts.items():
            n = PyBytes_GET_SIZE(prefix)
            table_insert_word(self.prefixes, PyBytes_AS_STRING(prefix), n, table_hash(PyBytes_AS_STRING(prefix), n),
                              <uint64_t><PyObject*>broadcast)
        lengths = sorted({len(prefix) for prefix in self.broadcasts})
        self.lengths = <uint32_t*>realloc(self.lengths, (len(lengths) + 1) * sizeof(uint32_t))
        self.length_count = len(lengths)
        for n in range(self.length_count):
            self.lengths[n] = lengths[n]
        return 0

    cdef int _hear(self) except -1:
        cdef bint hearing = table_size(self.keys.table) != 0 or self.length_count != 0
        if hearing != self.hearing:
            self.hearing = hearing
            if self.on_hearing is not None:
                self.on_hearing(hearing)
        return 0

    # ---- what was read
    cdef int remember(self, Client client, const char* key, size_t length, uint64_t hash) except -1:
        """A command of this client read a key, and `remembers` said yes. hash: structures.table.table_hash."""
        if self.keys.remember(key, length, hash, (<Tracker>client.tracking).id) and not self.hearing:
            self._hear()
        return 0

    def limit(self) -> None:
        """tracking-table-max-keys: forget keys by chance, and tell who has them, until so many are left; a hundred at a
        time, and more each time that was not enough. O(keys forgotten)."""
        cdef Entry* e
        cdef bytes key
        cdef int effort = EFFORT * (self.rounds + 1)
        while self.max_keys and table_size(self.keys.table) > self.max_keys:
            if effort == 0:
                self.rounds += 1
                return
            effort -= 1
            e = self.keys.any()
            key = PyBytes_FromStringAndSize(entry_key(e), entry_key_length(e))
            self._invalidate(_NOBODY, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        self.rounds = 0

    def tick(self) -> None:
        """Of the cron: the limit, which CONFIG SET may have lowered, and a change of the table's size."""
        self.limit()
        self.keys.tend(TEND_US)

    # ---- what was changed
    def changed(self, bytes key, int64_t by) -> None:
        """A key was changed, or is gone; by: the id of the client whose command did it, 0 for a script, keyspace.effects
        .NOBODY without one (it expired, was evicted). Complexity: O(clients that read it + lengths of prefixes)."""
        self.key_changed(by, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))

    cdef int key_changed(self, int64_t by, const char* key, size_t length) except -1:
        if self.length_count:
            self._note_broadcasts(by, key, length)
        if table_size(self.keys.table):
            self._invalidate(by, key, length)
        return 0

    cdef int _invalidate(self, int64_t by, const char* key, size_t length) except -1:
        """Who has read this key is told, and forgotten."""
        cdef Entry* e = self.keys.take(key, length, table_hash(key, length))
        cdef const uint64_t* ids
        cdef PyObject* found
        cdef Tracker tracker
        cdef Client client
        cdef size_t i
        cdef bint own
        if e == NULL:
            return 0
        ids = ids_of(e)
        try:
            for i in range(count_of(e)):
                found = PyDict_GetItem(self.clients, ids[i])
                if found == NULL:
                    continue
                client = <Client>found
                tracker = <Tracker>client.tracking
                own = found == speaker.client
                if tracker.broadcasts or (own and tracker.no_loop and by != _NOBODY):
                    continue
                if own or (speaker.client != NULL and tracker.redirect == (<Client>speaker.client).id):
                    self.pending.append((<Client>speaker.client, client, PyBytes_FromStringAndSize(key, length)))
                else:
                    self._send(client, key, length)
        finally:
            self.keys.release(e)
        return self._hear()

    def flushed(self, bint lazy) -> None:
        """A database was emptied: nothing that anybody has read holds any more. lazy: memory comes back in steps."""
        cdef Client client
        for client in self.clients.values():
            if speaker.client == <PyObject*>client or (
                    speaker.client != NULL and (<Tracker>client.tracking).redirect == (<Client>speaker.client).id):
                self.pending.append((<Client>speaker.client, client, None))
            else:
                self._tell(client, None)
        if lazy and table_size(self.keys.table):
            self.lazyfree.release_table(self.keys.hand_over())
        else:
            self.keys.clear()
        self._hear()

    # ---- broadcasting
    cdef int _note_broadcasts(self, int64_t by, const char* key, size_t length) except -1:
        cdef Entry* e
        cdef Broadcast broadcast
        cdef bytes name = None
        cdef uint32_t i
        for i in range(self.length_count):
            if self.lengths[i] > length:
                break
            e = table_find(self.prefixes, key, self.lengths[i], table_hash(key, self.lengths[i]))
            if e == NULL:
                continue
            if name is None:
                name = PyBytes_FromStringAndSize(key, length)
            broadcast = <Broadcast><PyObject*>entry_word_ref(e)[0]
            if not broadcast.changed:
                self.attend(self.broadcast, True)
            broadcast.changed[name] = by
        return 0

    def broadcast(self) -> bool:
        """Before the loop sleeps: tell everybody which names with its prefixes were changed. Wants no hurry (False)."""
        cdef Broadcast broadcast
        cdef Client client
        self.attend(self.broadcast, False)
        for prefix in sorted(self.broadcasts):
            broadcast = self.broadcasts[prefix]
            if not broadcast.changed:
                continue
            changed, broadcast.changed = broadcast.changed, {}
            names = sorted(changed)
            body = _array_of(names)
            for client in list(broadcast.clients.values()):
                heard = self._heard_by(client, names, changed)
                if heard is names:
                    self._send_body(client, body)
                elif heard:
                    self._send_body(client, _array_of(heard))
        return False

    def _heard_by(self, Client client, list names, dict changed) -> list[bytes]:
        """Which of these names the client is told: none that it changed itself, if it wants that (NOLOOP), and none
        that its ACL would not let it read. Nowhere else is that asked."""
        if (<Tracker>client.tracking).no_loop:
            names = [name for name in names if changed[name] != client.id]
        if self.may_learn is not None:
            allowed = [name for name in names if self.may_learn(client, name)]
            return names if len(allowed) == len(names) else allowed
        return names

    # ---- telling
    cdef int settle(self, Client client) except -1:
        """A command of this client is over, its reply is written: what it shall hear because of it follows."""
        cdef list pending = self.pending
        if pending:
            self.pending = [entry for entry in pending if entry[0] is not client]
            for whose, target, name in pending:
                if whose is client:
                    self._tell(target, name)
        return 0

    def settle_now(self) -> None:
        """What goes to make room for a command is told before it runs."""
        if speaker.client != NULL:
            self.settle(<Client>speaker.client)

    cdef int _tell(self, Client client, name) except -1:
        """name: None is all of them."""
        if name is None:
            return self._send_body(client, None)
        return self._send(client, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))

    cdef Client _receiver(self, Client client):
        """Who hears what this client shall be told, the beginning of the message written: None when nobody can."""
        cdef Tracker tracker = client.tracking
        cdef Client receiver = client
        if tracker is None:            # it has stopped meanwhile
            return None
        if tracker.redirect:
            receiver = self.find_client(tracker.redirect)
            if receiver is None:
                tracker.broken = True
                if client.resp > 2 and not client.state & CLIENT_CLOSE_ASAP:
                    _write_broken(&client.out, tracker.redirect)
                    if not client.queued:
                        client.has_output()
                return None
        if receiver.state & CLIENT_CLOSE_ASAP:
            return None
        if receiver.resp > 2:
            write_raw(&receiver.out, ">2\r\n$10\r\ninvalidate\r\n", 21)
        elif tracker.redirect and receiver.subscriptions is not None:
            write_raw(&receiver.out, "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n", 44)
        else:
            return None
        if not receiver.queued:
            receiver.has_output()
        return receiver

    cdef int _send(self, Client client, const char* key, size_t length) except -1:
        cdef Client receiver = self._receiver(client)
        if receiver is not None:
            write_raw(&receiver.out, "*1\r\n", 4)
            write_bulk(&receiver.out, key, length)
        return 0

    cdef int _send_body(self, Client client, bytes body) except -1:
        """body: an array in the protocol; None: everything is invalid."""
        cdef Client receiver = self._receiver(client)
        if receiver is None:
            return 0
        if body is None:
            write_null(&receiver.out, receiver.resp)
        else:
            write_raw(&receiver.out, PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))
        return 0

    # ---- proof
    def check(self) -> None:
        """Assert that all sides agree. O(n)."""
        cdef Client client
        self.keys.check()
        counted: dict[int, int] = {}
        for id, client in self.clients.items():
            tracker = client.tracking
            assert tracker.id == id == client.id and client.state & CLIENT_TRACKING and client.slow & SLOW_TRACKING
            assert bool(tracker.prefixes) == tracker.broadcasts
            for prefix in tracker.prefixes:
                assert (<Broadcast>self.broadcasts[prefix]).clients[id] is client
            if tracker.redirect:
                counted[tracker.redirect] = counted.get(tracker.redirect, 0) + 1
        assert counted == self.redirected
        assert table_size(self.prefixes) == len(self.broadcasts)
        assert self.hearing == bool(len(self.keys) or self.broadcasts)


cdef void _keep(Entry* e) noexcept:
    """The table of prefixes owns nothing."""


cdef void _write_broken(Output* out, uint64_t redirect) noexcept:
    write_raw(out, ">2\r\n$21\r\ntracking-redir-broken\r\n", 32)
    write_integer(out, redirect)


cdef bytes _array_of(list names):
    return b"*%d\r\n" % len(names) + b"".join([b"$%d\r\n%b\r\n" % (len(name), name) for name in names])
