# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint64_t

from server.structures.table cimport Entry, Table


cdef dict _chains(const Table* t, int which):
    """Complexity: O(buckets). What a rehash has left behind may have been given back: it is not looked at."""
    cdef dict found = {}
    cdef uint64_t at = t.rehash_index if which == 0 and t.rehash_index > 0 else 0
    cdef const Entry* e
    cdef size_t length
    if t.buckets[which] == NULL:
        return found
    for at in range(at, t.mask[which] + 1):
        length = 0
        e = t.buckets[which][at]
        while e != NULL:
            length += 1
            e = e.next
        found[length] = found.get(length, 0) + 1
    return found


cdef dict table_stats(Table* t, bint full):
    return {"buckets": [t.mask[i] + 1 if t.buckets[i] != NULL else 0 for i in range(2)],
            "used": [t.used[i] for i in range(2)],
            "chains": [_chains(t, i) if full else {} for i in range(2)]}
