# cython: language_level=3
"""Eviction: what goes when used memory is above maxmemory, by the rules of maxmemory-policy.

Approximate LRU, LFU and TTL as Redis does them: a few keys of each database are sampled into a pool of the sixteen best
candidates seen so far, and the best one goes; that comes close to the true order at the cost of a handful of looks.
"""
from libc.stdint cimport int64_t, uint64_t

from server.keyspace.database cimport Database, Keyspace
from server.structures.table cimport Entry, Table

cdef enum:
    POOL = 16
    SAMPLES_MAX = 64

cdef enum:
    BY_IDLE, BY_FREQUENCY, BY_TTL, BY_CHANCE

cdef struct Candidate:                 # of the pool; its name stands in `names`, at the same place
    uint64_t score                     # the higher goes first
    int db

cdef class Evictor:
    cdef Keyspace keyspace
    cdef object config
    cdef object evicted
    cdef object besides_keys
    cdef Candidate pool[POOL]          # ascending
    cdef list names
    cdef Entry* samples[SAMPLES_MAX]
    cdef int next_db
    cdef int rule                      # maxmemory-policy ...
    cdef bint volatile, evicts         # ... only keys that expire; any at all
    cdef readonly bint lazy            # lazyfree-lazy-eviction
    cdef int sample_size               # maxmemory-samples
    cdef int64_t limit_us              # of one call, by maxmemory-eviction-tenacity
    cdef readonly int64_t exceeded_since_us    # monotonic; 0 = not above the limit
    cdef readonly int64_t exceeded_us  # how long it was above the limit before that
    cdef readonly uint64_t evicted_keys        # INFO
    cdef public object took            # (latency event, milliseconds): told of what took long; None = nobody
    cdef bint evict_to(self, uint64_t limit) except -1
        # until keys and values use so many bytes at most, or time is over; 0: neither came before the last key went
    cdef void _is_within(self) noexcept
    cdef int _tell(self, str event, int64_t microseconds) except -1
    cdef bint _evict_one(self) except -1
    cdef int _remove(self, Database db, bytes key) except -1
    cdef bint _evict_by_chance(self) except -1
    cdef bint _evict_from_pool(self) except -1
    cdef int _fill_pool(self, Database db, int count) except -1
    cdef int _offer(self, Database db, Entry* e, uint64_t score) except -1
    cdef uint64_t _score(self, const Entry* e) noexcept
    cdef int _sample(self, Database db, int count) except -1
    cdef int _draw(self, Table* t, int count) except -1
