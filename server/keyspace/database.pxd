# cython: language_level=3
"""One database: the table of its keys with lookup for reading and for writing, expiry on access, and string values.

`Keyspace` is what all databases share: counters, the LRU or LFU rule, what happens to expired keys, and the hooks.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from server.registry.clock cimport Clock
from server.structures.blob cimport Blob
from server.structures.table cimport Entry, Table

cdef enum:
    LOOKUP_NO_TOUCH = 1                # leave LRU/LFU alone
    LOOKUP_NO_STATS = 2                # count neither hit nor miss (and no "keymiss" event)
    LOOKUP_WRITE = 4                   # on behalf of a write: no hit/miss either
    LOOKUP_NO_NOTIFY = 8               # count a miss, but without the "keymiss" event

cdef class Keyspace:
    cdef Clock* clock
    cdef public uint64_t hits          # keyspace_hits
    cdef public uint64_t misses
    cdef public uint64_t expired_keys  # by access and by the active cycle
    cdef public bint lfu               # maxmemory-policy is an LFU one
    cdef public uint32_t lfu_log_factor
    cdef public uint32_t lfu_decay_time        # minutes
    cdef public bint writes_drop_expired       # a writable replica: what a write would not see must not be there
    cdef public object on_expire_set   # (db, key): a client gave a key an expire; None: nobody asks
    cdef readonly int keep_expired     # not 0: expired keys are hidden, not deleted. A bit for each of KEEPERS
    cdef public bint show_expired      # commands of our master see them all the same
    cdef public bint no_touch          # CLIENT NO-TOUCH of the calling client
    cdef public bint lazy_expire, lazy_server_del      # lazyfree-lazy-*
    cdef public object on_expired      # (db, key bytes) after an expired key was removed
    cdef public object on_new          # (db, key) after a key was added, or None (notify-keyspace-events n)
    cdef public object on_miss         # (db, key) or None (m)
    cdef readonly list databases
    cdef readonly bint by_slot         # of a node of a cluster: databases know which keys are in which slot
    cdef readonly object lazyfree      # LazyFree
    cdef Table* new_table(self) noexcept       # for keys
    cdef void _touch_lfu(self, Entry* e) noexcept
    cdef inline void touch(self, Entry* e) noexcept:
        """Note an access: the LRU clock, or LFU."""
        if self.lfu:
            self._touch_lfu(e)
        elif not self.no_touch:
            e.meta = (e.meta & 0xFF000000U) | self.clock.lru

    cdef uint32_t lfu_decayed(self, uint32_t meta) noexcept
    cdef uint32_t _lfu_grown(self, uint32_t counter) noexcept
    cdef uint32_t first_access(self) noexcept        # the access bits of a new key

cdef class Detached:                   # a value on its way from one key to another
    cdef int type
    cdef int encoding
    cdef uint64_t word
    cdef bytes short_value             # for inline strings, else None
    cdef readonly object expire        # Unix ms or -1
    cdef uint32_t access

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
    cdef Entry* store_at(self, Entry* e, const char* key, size_t key_length, uint64_t hash, const char* value, size_t length, bint keep_ttl) except NULL
    cdef Entry* store_blob_at(self, Entry* e, const char* key, size_t key_length, uint64_t hash, Blob* blob, bint keep_ttl) except NULL
    cdef Entry* store_string(self, const char* key, size_t key_length, uint64_t hash, const char* value, size_t length, bint keep_ttl) except NULL
    cdef void replace(self, Entry* e, uint64_t hash, Entry* loose) noexcept        # what it holds by a loose value (types.value), moved
    cdef void discard_value(self, Entry* e) noexcept       # free or queue what the word points to; the entry's word is stale afterwards
    cpdef drop_expired(self, bytes key)
    cdef Entry* _live(self, const char* key, size_t length, uint64_t hash) except? NULL
    cdef object _view(self, Entry* e, kind)
    cdef Entry* _insert_word(self, const char* key, size_t length, uint64_t hash, uint64_t word) noexcept
    cdef int _added(self, bytes key) except -1
    cdef bytes _string(self, Entry* e)
    cdef size_t _overwrite(self, Entry* e, uint64_t hash, size_t offset, bytes data) except? 0
    cdef Blob* _writable_blob(self, Entry* e, size_t capacity) noexcept
    cdef bint _remove(self, bytes key, bint lazy) except -1
    cdef Detached _detach(self, Entry* e)
    cdef Entry* _any_entry(self) except? NULL

cdef bytes entry_key_bytes(Entry* e)
cdef bytes entry_string(Entry* e)                          # a TYPE_STRING entry's value
cdef size_t entry_string_view(Entry* e, char* scratch, char** start) noexcept      # same without a copy; scratch of 24 bytes for integers
