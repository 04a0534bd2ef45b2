# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from _random import Random

from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint64_t
from libc.string cimport memcmp

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport PyObject

from server.keyspace.database cimport Database, Keyspace, entry_key_bytes
from server.registry.clock cimport monotonic_us
from server.registry.number_places cimport integer_from
from server.structures.memory cimport mem_used
from server.structures.slot_keys cimport entry_is_hidden, table_hides, table_shown_random
from server.structures.table cimport (
    ENTRY_EXPIRE, Entry, Table, entry_expire, entry_key, entry_key_length, table_expire_scan, table_fair_random,
    table_find, table_hash, table_sample, table_size)


cdef object _chance = Random()

cdef enum:
    HIDDEN_TRIES = 16                  # samples that may have hidden keys alone before one is looked for in another way

cdef struct _Taken:                    # of a walk over entries that expire
    Entry** entries
    int count


cdef class Evictor:
    """Makes room. Hooks and numbers come from the server: `evicted(db, key)` is told of every key that went (it
    propagates and notifies), `besides_keys()` are the bytes that maxmemory limits besides keys and values (clients,
    scripts, the backlog; not what waits for the AOF or replicas, which eviction itself makes grow)."""

    def __cinit__(self, Keyspace keyspace, config, evicted, besides_keys):
        self.keyspace = keyspace
        self.config = config
        self.evicted = evicted
        self.besides_keys = besides_keys
        self.names = []
        self.follow(config)

    def follow(self, config) -> None:
        """Directives about how keys are chosen. (maxmemory is asked for when it is needed.)"""
        policy = str(config.maxmemory_policy)
        self.evicts = policy != "noeviction"
        self.volatile = policy.startswith("volatile")
        self.rule = (BY_CHANCE if policy.endswith("random") else BY_TTL if policy.endswith("ttl")
                     else BY_FREQUENCY if policy.endswith("lfu") else BY_IDLE)
        self.names.clear()             # scores of different rules do not compare
        self.lazy = config.lazyfree_lazy_eviction
        self.sample_size = min(<int>config.maxmemory_samples, SAMPLES_MAX)
        self.limit_us = _time_limit_us(config.maxmemory_eviction_tenacity)

    # ---- until there is room
    def over(self) -> int:
        """Bytes above maxmemory, 0 or less when there is room."""
        cdef uint64_t limit = self.config.maxmemory
        return <int64_t>mem_used() + <int64_t>self.besides_keys() - <int64_t>min(limit, <uint64_t>INT64_MAX) if limit else 0

    def make_room(self) -> bool:
        """Evict until there is room; False when that failed (nothing to evict, or the policy is noeviction). Stops
        early, answering True, when it took longer than maxmemory-eviction-tenacity allows: the next command goes on."""
        cdef int64_t over = self.over()
        cdef int64_t used
        if over <= 0:
            self._is_within()
            return True
        if not self.evicts:
            self.exceeded_since_us = self.exceeded_since_us or monotonic_us()
            return False
        used = mem_used()
        return self.evict_to(used - over if used > over else 0)

    cdef bint evict_to(self, uint64_t limit) except -1:
        cdef int64_t started = monotonic_us()
        cdef int64_t now = started, before
        cdef bint done = True
        while mem_used() > limit:
            before = now
            if not self._evict_one():
                while self.keyspace.lazyfree.pending and mem_used() > limit:
                    self.keyspace.lazyfree.run(1000)
                now = monotonic_us()
                self._tell("eviction-lazyfree", now - before)
                done = mem_used() <= limit
                break
            now = monotonic_us()
            self._tell("eviction-del", now - before)
            if now > started + self.limit_us:
                break
        self._tell("eviction-cycle", now - started)
        if mem_used() <= limit:
            self._is_within()
        elif self.exceeded_since_us == 0:
            self.exceeded_since_us = started
        return done

    cdef void _is_within(self) noexcept:
        """Not above the limit, or no longer."""
        if self.exceeded_since_us:
            self.exceeded_us += monotonic_us() - self.exceeded_since_us
            self.exceeded_since_us = 0

    def look(self) -> None:
        """Now and then: those who delete make room without asking for it."""
        if self.exceeded_since_us and self.over() <= 0:
            self._is_within()

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT. What lasts counts from the next write on."""
        self.evicted_keys = 0
        self.exceeded_us = self.exceeded_since_us = 0

    @property
    def total_exceeded_ms(self) -> int:
        """total_eviction_exceeded_time: how long memory has been above maxmemory altogether."""
        return _total_exceeded_ms(<PyObject*>self)

    @property
    def current_exceeded_ms(self) -> int:
        """current_eviction_exceeded_time: for how long it has been by now, 0 when it is not."""
        return _current_exceeded_ms(<PyObject*>self)

    cdef int _tell(self, str event, int64_t microseconds) except -1:
        """Name what took a millisecond or more: the latency monitor counts no less."""
        if microseconds >= 1000 and self.took is not None:
            self.took(event, microseconds // 1000)
        return 0

    # ---- one key
    cdef bint _evict_one(self) except -1:
        """Choose one key and delete it; False when there is none to choose."""
        if not self.evicts:
            return False
        return self._evict_by_chance() if self.rule == BY_CHANCE else self._evict_from_pool()

    cdef int _remove(self, Database db, bytes key) except -1:
        db._remove(key, self.lazy)
        self.evicted_keys += 1
        self.evicted(db, key)
        return 0

    cdef bint _evict_by_chance(self) except -1:
        """The databases take turns."""
        cdef Database db
        cdef int i, count = len(self.keyspace.databases)
        for i in range(count):
            self.next_db = (self.next_db + 1) % count
            db = self.keyspace.databases[self.next_db]
            if self._sample(db, 1):
                self._remove(db, entry_key_bytes(self.samples[0]))
                return True
        return False

    cdef bint _evict_from_pool(self) except -1:
        cdef Database db
        cdef Entry* e
        cdef bytes key
        cdef int i, found, candidates
        for i in range(100):
            candidates = 0
            for db in self.keyspace.databases:
                if db.table.expires if self.volatile else table_size(db.table):
                    found = self._sample(db, self.sample_size)
                    candidates += found
                    self._fill_pool(db, found)
            while self.names:
                key = self.names.pop()
                db = self.keyspace.databases[self.pool[len(self.names)].db]
                e = table_find(db.table, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key),
                               table_hash(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)))
                if (e != NULL and (not self.volatile or e.klen & ENTRY_EXPIRE)
                        and not entry_is_hidden(db.table, e)):
                    self._remove(db, key)
                    return True
            if not candidates:
                return False
        return False

    cdef int _fill_pool(self, Database db, int count) except -1:
        cdef int i
        cdef uint64_t score
        for i in range(count):
            score = self._score(self.samples[i])
            if len(self.names) < POOL or score > self.pool[0].score:
                self._offer(db, self.samples[i], score)
        return 0

    cdef int _offer(self, Database db, Entry* e, uint64_t score) except -1:
        """A candidate that is better than the worst, or for which there is room; who is there twice is there once."""
        cdef int i, at, count = <int>len(self.names)
        cdef bytes name
        for i in range(count):
            name = self.names[i]
            if (self.pool[i].db == db.index and <uint64_t>PyBytes_GET_SIZE(name) == entry_key_length(e)
                    and memcmp(PyBytes_AS_STRING(name), entry_key(e), PyBytes_GET_SIZE(name)) == 0):
                return 0
        if count == POOL:
            del self.names[0]
            count -= 1
            for i in range(count):
                self.pool[i] = self.pool[i + 1]
        at = count
        while at > 0 and self.pool[at - 1].score > score:
            self.pool[at] = self.pool[at - 1]
            at -= 1
        self.pool[at] = Candidate(score, db.index)
        self.names.insert(at, entry_key_bytes(e))
        return 0

    cdef uint64_t _score(self, const Entry* e) noexcept:
        if self.rule == BY_TTL:
            return UINT64_MAX - <uint64_t>entry_expire(e)
        if self.rule == BY_FREQUENCY:
            return 255 - self.keyspace.lfu_decayed(e.meta)
        return (self.keyspace.clock.lru - e.meta) & 0xFFFFFF

    cdef int _sample(self, Database db, int count) except -1:
        """Take so many keys by chance into `samples`, if there are; how many. Of hidden slots none."""
        cdef int i, found, shown, tries
        if not table_hides(db.table):
            return self._draw(db.table, count)
        for tries in range(HIDDEN_TRIES):
            found = self._draw(db.table, count)
            shown = 0
            for i in range(found):
                if not entry_is_hidden(db.table, self.samples[i]):
                    self.samples[shown] = self.samples[i]
                    shown += 1
            if shown or not found:
                return shown
        if self.volatile:
            return 0
        self.samples[0] = table_shown_random(db.table, _chance.getrandbits(64))
        return self.samples[0] != NULL

    cdef int _draw(self, Table* t, int count) except -1:
        cdef _Taken taken
        cdef int64_t cursor
        if not self.volatile:
            if count > 1:
                return <int>table_sample(t, self.samples, count)
            self.samples[0] = table_fair_random(t)
            return self.samples[0] != NULL
        if not t.expires:
            return 0
        taken.entries, taken.count = &self.samples[0], 0
        cursor = t.expire_cursor
        t.expire_cursor = <int64_t>_chance.getrandbits(62) & <int64_t>t.mask[0]
        table_expire_scan(t, t.mask[0] + 1, count, _take, &taken)
        t.expire_cursor = cursor
        return taken.count


cdef int _take(void* context, Entry* e) noexcept:
    cdef _Taken* taken = <_Taken*>context
    if taken.count < SAMPLES_MAX:
        taken.entries[taken.count] = e
        taken.count += 1
    return 0


cdef int64_t _time_limit_us(int tenacity):
    if tenacity <= 10:
        return 50 * tenacity
    if tenacity < 100:
        return <int64_t>(500.0 * 1.15 ** (tenacity - 10))
    return <int64_t>1 << 61


# ---- what INFO tells
cdef int64_t _exceeded_us(Evictor evictor) noexcept:
    return monotonic_us() - evictor.exceeded_since_us if evictor.exceeded_since_us else 0


cdef int64_t _total_exceeded_ms(PyObject* evictor) noexcept:
    return ((<Evictor>evictor).exceeded_us + _exceeded_us(<Evictor>evictor)) // 1000


cdef int64_t _current_exceeded_ms(PyObject* evictor) noexcept:
    return _exceeded_us(<Evictor>evictor) // 1000


cdef int64_t _evicted_keys(PyObject* evictor) noexcept:
    return (<Evictor>evictor).evicted_keys


integer_from(Evictor, "total_exceeded_ms", _total_exceeded_ms)
integer_from(Evictor, "current_exceeded_ms", _current_exceeded_ms)
integer_from(Evictor, "evicted_keys", _evicted_keys)
