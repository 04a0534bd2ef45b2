# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The walk of active defragmentation: over all keys of all databases, moving blocks out of pages that are to be
emptied.

It goes by cursors of SCAN, so whatever clients do between two slices, a key that is there all the time is met. A value
of more than `most` elements (active-defrag-max-scan-fields) is not done on the spot: its key is noted, and before the
next bucket it is looked up by name and done in pieces. Gone or renamed by then, its rest is left to the next walk; if it
has become something else of its type, the walk goes on in that.
"""
from collections import deque

from cpython.ref cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from server.keyspace.database cimport Database, Keyspace, entry_key_bytes
from server.registry.clock cimport monotonic_us
from server.registry.number_places cimport integer_from
from server.structures cimport memory
from server.structures.defrag cimport entry_moved
from server.structures.table cimport (ENTRY_WORD, TYPE_STRING, Entry, Table, entry_encoding, entry_type, entry_word_ref,
                                      table_find, table_hash, table_scan)
from server.types.value_defrag cimport ValuePlace, value_moved
from server.types.value cimport TypeTraits, traits_of

cdef enum:
    BUCKETS_PER_LOOK = 16              # at the clock,
    BLOCKS_PER_LOOK = 16               # if they did not have that many blocks: of 64 KiB each, and each in a page that goes,
                                       # they take half a millisecond
    PIECE = 32                         # elements of a large value between two looks
    WHOLE = 0x7FFFFFFF                 # elements: all of a small value


cdef class DefragWalk:
    """One per server. `key_hits` and `key_misses`: keys of which something was moved, and of which nothing was."""

    cdef Keyspace keyspace
    cdef size_t most                   # elements of a value that is done on the spot
    cdef int db                        # where the walk is,
    cdef uint64_t cursor               # in that database's table
    cdef bint entered                  # the database was begun: cursor 0 is its end
    cdef object later                  # deque of keys with large values, of this database
    cdef int type                      # of the first of them, once it is begun; -1: it is not
    cdef int encoding
    cdef ValuePlace place              # in its value
    cdef uint64_t copied               # blocks before it was begun
    cdef readonly uint64_t key_hits
    cdef readonly uint64_t key_misses

    def __cinit__(self, Keyspace keyspace):
        self.keyspace = keyspace
        self.later = deque()
        self.begin()

    def begin(self) -> None:
        """From the first key on."""
        self.db = 0
        self.cursor = 0
        self.entered = False
        self.later.clear()
        self.type = -1

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.key_hits = self.key_misses = 0

    def run(self, int64_t until_us, size_t most) -> bool:
        """Walk on until that time of the monotonic clock; True when all keys were met. At least one key, or a
        piece of one, is done. most: elements of a value that is done on the spot, at least 1."""
        cdef list databases = self.keyspace.databases
        cdef size_t buckets = 0
        cdef size_t often = min(most, <size_t>BUCKETS_PER_LOOK)
        cdef uint64_t blocks = memory.mem_copied + memory.mem_left
        self.most = most
        while self.db < len(databases):
            if self.later:
                self._piece((<Database>databases[self.db]).table)
            elif self.entered and self.cursor == 0:
                self.db += 1
                self.entered = False
                continue
            else:
                self.entered = True
                self.cursor = table_scan((<Database>databases[self.db]).table, self.cursor, _meet, <void*>self)
            buckets += 1
            if buckets >= often or memory.mem_copied + memory.mem_left - blocks >= BLOCKS_PER_LOOK:
                if monotonic_us() >= until_us:
                    return False
                buckets = 0
                blocks = memory.mem_copied + memory.mem_left
        self.begin()
        return True

    cdef void meet(self, Entry* e) noexcept:
        """A key: its entry, and its value or a note of it."""
        cdef uint64_t before = memory.mem_copied
        cdef ValuePlace place
        cdef TypeTraits* traits
        e = entry_moved((<Database>self.keyspace.databases[self.db]).table, e)
        if e.klen & ENTRY_WORD and entry_word_ref(e)[0]:
            traits = traits_of(entry_type(e))
            if (traits.effort != NULL
                    and traits.effort(entry_encoding(e), entry_word_ref(e)[0]) > self.most):
                self.later.append(entry_key_bytes(e))
                return
            memset(&place, 0, sizeof(ValuePlace))
            value_moved(entry_type(e), entry_encoding(e), entry_word_ref(e), &place, WHOLE)
        self._count(before)

    cdef int _piece(self, Table* table) except -1:
        """Of the large value that is first."""
        cdef bytes key = self.later[0]
        cdef const char* name = key
        cdef Entry* e = table_find(table, name, len(key), table_hash(name, len(key)))
        cdef bint begun = self.type >= 0
        if not begun:
            memset(&self.place, 0, sizeof(ValuePlace))
            self.copied = memory.mem_copied
        if e != NULL and e.klen & ENTRY_WORD and entry_type(e) != TYPE_STRING and entry_word_ref(e)[0]:
            if not begun:
                self.type = entry_type(e)
                self.encoding = entry_encoding(e)
            if self.type == entry_type(e) and self.encoding == entry_encoding(e):
                if not value_moved(self.type, self.encoding, entry_word_ref(e), &self.place,
                                   min(self.most, <size_t>PIECE)):
                    return 0
        self._count(self.copied)
        self.later.popleft()
        self.type = -1
        return 0

    cdef void _count(self, uint64_t before) noexcept:
        if memory.mem_copied != before:
            self.key_hits += 1
        else:
            self.key_misses += 1


cdef int _meet(void* context, Entry* e) noexcept:
    (<DefragWalk>context).meet(e)
    return 0


# ---- what INFO tells
cdef int64_t _key_hits(PyObject* walk) noexcept:
    return (<DefragWalk>walk).key_hits


cdef int64_t _key_misses(PyObject* walk) noexcept:
    return (<DefragWalk>walk).key_misses


integer_from(DefragWalk, "key_hits", _key_hits)
integer_from(DefragWalk, "key_misses", _key_misses)
