# cython: language_level=3
"""Walking over all entries of a table, in the order of its buckets, without moving any.

    cdef TableWalk walk
    table_walk(&walk, table)
    while True:
        e = table_walk_next(&walk)
        if e == NULL:
            break

The entry that was returned last may be deleted or released; nothing may be inserted and no find may run on the table
during the walk unless `pause_rehash` is held. Bucket arrays are read ahead, for what costs is the entries' cache misses.
"""
from libc.stdint cimport uint64_t

from server.structures.table cimport Entry, Table, remus_prefetch

cdef enum:
    WALK_AHEAD = 8                     # buckets between the one that is read and the one whose first entry is fetched

cdef struct TableWalk:
    const Table* table
    Entry* next                        # to be returned by the next call, if not NULL
    uint64_t bucket                    # next bucket to look at
    int which                          # in this array

cdef inline void table_walk(TableWalk* w, const Table* table) noexcept nogil:
    w.table = table
    w.next = NULL
    w.which = 0
    w.bucket = table.rehash_index if table.rehash_index > 0 else 0      # what lies before has moved

cdef inline Entry* table_walk_next(TableWalk* w) noexcept nogil:
    """The next entry, NULL at the end."""
    cdef Entry* e = w.next
    cdef uint64_t mask
    while e == NULL:
        mask = w.table.mask[w.which]
        if w.bucket > mask:
            if w.which == 1 or w.table.rehash_index < 0:
                return NULL
            w.which = 1
            w.bucket = 0
            continue
        if w.bucket + WALK_AHEAD <= mask:
            remus_prefetch(w.table.buckets[w.which][w.bucket + WALK_AHEAD])
        e = w.table.buckets[w.which][w.bucket]
        w.bucket += 1
    w.next = e.next
    return e
