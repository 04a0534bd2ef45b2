# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Keys and memory by the prefix of the key (`user:` of user:1:name), summed up by a walk in steps.

Whoever walks adds up the steps: MEMORY PREFIX, and the key groups of /metrics. A step looks at about as many keys as it
is told to and stops early when its time is over, for a value that is weighed may be large.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

from server.keyspace.database cimport Database
from server.keyspace.estimate cimport entry_weight
from server.registry.clock cimport monotonic_us
from server.structures.slot_keys cimport entry_is_hidden
from server.structures.table cimport ENTRY_EXPIRE, KEY_LENGTH_MASK, Entry, Table, entry_expire, entry_key, table_scan

cdef enum:
    BUCKETS_PER_LOOK = 16              # between two looks at the clock


cdef class _Found:
    cdef dict groups                   # prefix -> [keys, bytes]
    cdef bytes separator
    cdef int depth
    cdef int64_t now_ms
    cdef size_t met
    cdef Table* table


cdef int _group(void* context, Entry* e) noexcept:
    cdef _Found p = <_Found>context
    cdef const char* key = entry_key(e)
    cdef size_t length = e.klen & KEY_LENGTH_MASK, end = 0, at = 0, width = len(p.separator)
    cdef const char* separator = p.separator
    cdef int left = p.depth
    p.met += 1
    if e.klen & ENTRY_EXPIRE and entry_expire(e) < p.now_ms or entry_is_hidden(p.table, e):
        return 0
    while left and at + width <= length:
        if memcmp(key + at, separator, width) == 0:
            at += width
            end = at
            left -= 1
        else:
            at += 1
    prefix = key[:end]
    group = p.groups.get(prefix)
    if group is None:
        p.groups[prefix] = [1, entry_weight(e)]
    else:
        group[0] += 1
        group[1] += entry_weight(e)
    return 0


def prefixes(Database db, uint64_t cursor, bytes separator, int depth, Py_ssize_t count,
             int64_t limit_us) -> tuple[int, dict[bytes, list[int]]]:
    """A step of a walk over a database: (next cursor, prefix -> [keys, bytes]). The prefix of a key ends behind its
    `depth`-th separator, or its last if it has fewer; b"" without any. Ends after about `count` keys or `limit_us`."""
    cdef _Found found = _Found.__new__(_Found)
    cdef int64_t started = monotonic_us()
    cdef Py_ssize_t looks = 0
    found.groups = {}
    found.table = db.table
    found.separator = separator
    found.depth = depth
    found.now_ms = db.keyspace.clock.unix_ms
    while True:
        cursor = table_scan(db.table, cursor, _group, <void*>found)
        looks += 1
        if cursor == 0 or <Py_ssize_t>found.met >= count or looks >= count * 10:
            break
        if looks % BUCKETS_PER_LOOK == 0 and monotonic_us() - started >= limit_us:
            break
    return cursor, found.groups
