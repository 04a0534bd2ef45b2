# cython: language_level=3
"""One database: the table of its keys with lookup for reading and for writing, expiry on access, and string values.

`Keyspace` is what all databases share: counters, the LRU or LFU rule, what happens to expired keys, and the hooks.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from server.registry.clock cimport Clock
from server.structures.table cimport Entry, Table

cdef enum:
    LOOKUP_NO_TOUCH = 1                # leave LRU/LFU alone
    LOOKUP_NO_STATS = 2                # count neither hit nor miss (and no "keymiss" event)
    LOOKUP_WRITE = 4                   # on behalf of a write: no hit/miss either

cdef class Keyspace:
    cdef Clock* clock
    cdef public uint64_t hits          # keyspace_hits
    cdef public uint64_t misses
    cdef public uint64_t expired_keys  # by access and by the active cycle
    cdef public bint lfu               # maxmemory-policy is an LFU one
    cdef public uint32_t lfu_log_factor
    cdef public uint32_t lfu_decay_time        # minutes
    cdef public bint keep_expired      # a replica, loading, or paused: expired keys are hidden, not deleted
    cdef public bint show_expired      # commands of our master see them all the same
    cdef public bint no_touch          # CLIENT NO-TOUCH of the calling client
    cdef public bint lazy_expire, lazy_server_del      # lazyfree-lazy-*
    cdef public object on_expired      # (db, key bytes) after an expired key was removed
    cdef public object on_new          # (db, key) after a key was added, or None (notify-keyspace-events n)
    cdef public object on_miss         # (db, key) or None (m)
    cdef readonly list databases
    cdef readonly object lazyfree      # LazyFree
    cdef void touch(self, Entry* e) noexcept

cdef class Database:
    cdef Table* table
    cdef readonly Keyspace keyspace
    cdef readonly int index
    cdef public double average_ttl     # ms, kept by the active expire cycle
    cdef public dict watched           # key -> set of clients that WATCH it (clients.multi)
    cdef public dict blocking          # key -> FIFO of blocked clients (clients.blocking)

    # native lookups: the entry if the key is there and not expired
    cdef Entry* find(self, const char* key, size_t length, uint64_t hash) noexcept              # expired => NULL, never deletes
    cdef Entry* lookup(self, bytes key, int flags) except? NULL                                # expired => deleted (hook) and NULL
    cdef Entry* store_string(self, const char* key, size_t key_length, uint64_t hash, const char* value, size_t length, bint keep_ttl) except NULL
    cdef void discard_value(self, Entry* e) noexcept       # free or queue what the word points to; the entry's word is stale afterwards

cdef bytes entry_key_bytes(Entry* e)
cdef bytes entry_string(Entry* e)                          # a TYPE_STRING entry's value
cdef size_t entry_string_view(Entry* e, char* scratch, char** start) noexcept      # same without a copy; scratch of 24 bytes for integers
cdef bint parse_int64(const char* text, size_t length, int64_t* value) noexcept nogil     # canonical form only (string2ll)
