# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Eviction: what goes when used memory is above maxmemory, by the rules of maxmemory-policy.

Approximate LRU, LFU and TTL as Redis does them: a few keys of each database are sampled into a pool of the sixteen best
candidates seen so far, and the best one goes; that comes close to the true order at the cost of a handful of looks.
"""
import random
from bisect import insort

from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from server.keyspace.database cimport Database, Keyspace, entry_key_bytes
from server.registry.clock cimport monotonic_us
from server.structures.memory cimport mem_used
from server.structures.table cimport (
    Entry, Table, entry_expire, table_expire_scan, table_sample, table_size, table_fair_random)

cdef enum:
    POOL = 16
    SAMPLES_MAX = 64

cdef enum:
    BY_IDLE, BY_FREQUENCY, BY_TTL, BY_CHANCE


cdef class _Samples:
    cdef Entry* entries[SAMPLES_MAX]
    cdef int count


cdef int _take(void* context, Entry* e) noexcept:
    cdef _Samples samples = <_Samples>context
    if samples.count < SAMPLES_MAX:
        samples.entries[samples.count] = e
        samples.count += 1
    return 0


cdef class Evictor:
    """Makes room. Hooks and numbers come from the server: `evicted(db, key)` is told of every key that went (it
    propagates, notifies and counts), `besides_keys()` are the bytes that maxmemory limits besides keys and values
    (clients, scripts, the backlog; not what waits for the AOF or replicas, which eviction itself makes grow)."""
    cdef Keyspace keyspace
    cdef object config
    cdef object evicted
    cdef object besides_keys
    cdef list pool                     # ascending (score, db index, key)
    cdef int next_db
    cdef readonly int64_t exceeded_since_us    # monotonic; 0 = not above the limit
    cdef public object took            # (latency event, milliseconds): told of what took long; None = nobody

    def __cinit__(self, Keyspace keyspace, config, evicted, besides_keys):
        self.keyspace = keyspace
        self.config = config
        self.evicted = evicted
        self.besides_keys = besides_keys
        self.pool = []

    def over(self) -> int:
        """Bytes above maxmemory, 0 or less when there is room."""
        cdef uint64_t limit = self.config.maxmemory
        return <int64_t>mem_used() + <int64_t>self.besides_keys() - <int64_t>min(limit, <uint64_t>INT64_MAX) if limit else 0

    def make_room(self) -> bool:
        """Evict until there is room; False when that failed (nothing to evict, or the policy is noeviction). Stops
        early, answering True, when it took longer than maxmemory-eviction-tenacity allows: the next command goes on."""
        cdef int64_t limit_us, started
        if self.over() <= 0:
            self.exceeded_since_us = 0
            return True
        if self.exceeded_since_us == 0:
            self.exceeded_since_us = monotonic_us()
        policy = str(self.config.maxmemory_policy)
        if policy == "noeviction":
            return False
        limit_us = self._time_limit_us(self.config.maxmemory_eviction_tenacity)
        started = monotonic_us()
        done = self._evict_for(policy, started + limit_us)
        self._tell("eviction-cycle", started)
        if self.over() <= 0:
            self.exceeded_since_us = 0
        return done

    def _evict_for(self, str policy, int64_t end_us) -> bool:
        """Evict until there is room or time is over; False when neither came before the last key went."""
        cdef int64_t started
        while self.over() > 0:
            if not self.evict_one(policy):
                started = monotonic_us()
                while self.keyspace.lazyfree.pending and self.over() > 0:
                    self.keyspace.lazyfree.run(1000)
                self._tell("eviction-lazyfree", started)
                return self.over() <= 0
            if monotonic_us() > end_us:
                break
        return True

    cdef int _tell(self, str event, int64_t started) except -1:
        """Name what took a millisecond or more: the latency monitor counts no less."""
        cdef int64_t took_ms = (monotonic_us() - started) // 1000
        if took_ms and self.took is not None:
            self.took(event, took_ms)
        return 0

    cdef int64_t _time_limit_us(self, int tenacity):
        if tenacity <= 10:
            return 50 * tenacity
        if tenacity < 100:
            return <int64_t>(500.0 * 1.15 ** (tenacity - 10))
        return 1 << 62

    def evict_one(self, str policy) -> bool:
        """Choose one key and delete it; False when there is none to choose."""
        cdef bint volatile = policy.startswith("volatile")
        cdef Database db
        cdef int64_t started
        chosen = self._by_chance(volatile) if policy.endswith("random") else self._by_pool(policy, volatile)
        if chosen is None:
            return False
        db, key = chosen
        started = monotonic_us()
        if self.config.lazyfree_lazy_eviction:
            db.unlink(key)
        else:
            db.delete(key)
        self._tell("eviction-del", started)
        self.evicted(db, key)
        return True

    cdef object _by_chance(self, bint volatile):
        cdef Database db
        cdef int i, count = len(self.keyspace.databases)
        cdef _Samples samples
        for i in range(count):
            self.next_db = (self.next_db + 1) % count
            db = self.keyspace.databases[self.next_db]
            samples = self._sample(db, 1, volatile)
            if samples.count:
                return db, entry_key_bytes(samples.entries[0])
        return None

    cdef object _by_pool(self, str policy, bint volatile):
        cdef Database db
        cdef int rule = BY_TTL if policy.endswith("ttl") else BY_FREQUENCY if policy.endswith("lfu") else BY_IDLE
        for _ in range(100):
            candidates = 0
            for db in self.keyspace.databases:
                if db.table.expires if volatile else table_size(db.table):
                    samples = self._sample(db, min(<int>self.config.maxmemory_samples, SAMPLES_MAX), volatile)
                    candidates += samples.count
                    self._fill_pool(db, samples, rule)
            while self.pool:
                _, index, key = self.pool.pop()
                db = self.keyspace.databases[index]
                if db.exists(key) and (not volatile or db.expire_at(key) >= 0):
                    return db, key
            if not candidates:
                return None
        return None

    cdef int _fill_pool(self, Database db, _Samples samples, int rule) except -1:
        cdef int i
        cdef Entry* e
        for i in range(samples.count):
            e = samples.entries[i]
            item = (self._score(e, rule), db.index, entry_key_bytes(e))
            if item in self.pool:
                continue
            insort(self.pool, item)
        del self.pool[:-POOL]
        return 0

    cdef object _score(self, Entry* e, int rule):
        """Higher goes first."""
        if rule == BY_TTL:
            return -entry_expire(e)
        if rule == BY_FREQUENCY:
            return 255 - self.keyspace.lfu_decayed(e.meta)
        return (self.keyspace.clock.lru - e.meta) & 0xFFFFFF

    cdef _Samples _sample(self, Database db, int count, bint volatile):
        cdef _Samples samples = _Samples.__new__(_Samples)
        cdef Table* t = db.table
        cdef int64_t cursor
        samples.count = 0
        if not volatile:
            if count == 1:
                samples.entries[0] = table_fair_random(t)
                samples.count = samples.entries[0] != NULL
            else:
                samples.count = <int>table_sample(t, samples.entries, count)
            return samples
        if t.expires:
            cursor = t.expire_cursor
            t.expire_cursor = random.getrandbits(62) & <int64_t>t.mask[0]
            table_expire_scan(t, t.mask[0] + 1, count, _take, <void*>samples)
            t.expire_cursor = cursor
        return samples
