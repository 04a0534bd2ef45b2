# cython: language_level=3
"""Which clients may remember which keys: what the server must keep for client-side caching, as small as it can be.

A table of key names (structures.table) whose values are ids of clients, as a string would hold them: one id is the
entry's number (STR_INT), several are a blob of ascending 64-bit ids (STR_BLOB). So a key that one client has read costs
its name, 24 bytes and its share of the buckets, each further reader 8 bytes or a little more; and whatever frees a
table of strings (keyspace.lazyfree) frees this one.

Ids only grow, so a reader that comes late is mostly put last. A client that went away leaves its ids behind: they go
with the next change of the key, for nobody could find them faster.
Owner: the main thread.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.structures.blob cimport Blob
from server.structures.table cimport STR_INT, Entry, Table, entry_encoding, entry_word_ref, table_size

cdef class TrackedKeys:
    cdef Table* table
    cdef readonly size_t items         # ids under all keys
    cdef bint remember(self, const char* key, size_t length, uint64_t hash, uint64_t id) noexcept
        # 1: the key is new here. O(log n) over the key's clients, and a move of those with a higher id
    cdef Entry* take(self, const char* key, size_t length, uint64_t hash) noexcept
        # out of the table, NULL when it is not there; `release` it when its ids are read. O(1)
    cdef void release(self, Entry* e) noexcept
    cdef Entry* any(self) noexcept     # by chance; NULL when empty
    cdef Table* hand_over(self) noexcept           # all of it, to who will free it; this one is empty then

cdef inline size_t count_of(const Entry* e) noexcept:
    """How many ids an entry has."""
    return 1 if entry_encoding(e) == STR_INT else (<Blob*>entry_word_ref(<Entry*>e)[0]).length // sizeof(uint64_t)

cdef inline const uint64_t* ids_of(const Entry* e) noexcept:
    """The ids of an entry, ascending."""
    if entry_encoding(e) == STR_INT:
        return entry_word_ref(<Entry*>e)
    return <const uint64_t*>(<Blob*>entry_word_ref(<Entry*>e)[0]).data
