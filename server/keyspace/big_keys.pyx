# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The biggest keys of each type, found by a walk over all databases that takes a little time now and then.

A walk goes from bucket to bucket, whatever clients do meanwhile: in their order, which costs less than SCAN's. Of a
table that changes its size on the way it may miss keys, or meet some twice: the next walk does not. The biggest it has
met so far wait in a short list for each type; when it is through, they are the answer until the next one is. Writes pay
nothing for it. Whoever asks gets keys that exist, with their size of now; a key that grew since the walk was there is
missed until it comes again.
"""
from bisect import insort

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from server.keyspace.database cimport Database, Keyspace, entry_key_bytes, entry_string_view
from server.keyspace.estimate cimport entry_length, entry_weight
from server.registry.clock cimport monotonic_us
from server.structures.table cimport ENTRY_EXPIRE, Entry, entry_expire, entry_type, table_find, table_hash
from server.structures.table_walk cimport TableWalk, table_walk, table_walk_next

from server.registry.light import NamedTuple

from server.keyspace.database import TYPE_NAMES

cdef enum:
    KEPT = 16                          # keys of each type
    TYPES = 7                          # numbers of types are below this
    PER_LOOK = 16                      # keys between two looks at the clock
    LENGTHS = 64                       # classes of lengths: 0, 1, 2-3, 4-7 ...

cdef extern from *:
    int __builtin_clzll(unsigned long long) nogil


class BigKey(NamedTuple):
    """A key that is big for its type."""

    type: str
    db: int
    key: bytes
    weight: int                        # bytes of key and value; of large values an estimate
    elements: int                      # bytes of a string


cdef class BigKeys:
    """One per server. `passes`: walks that are complete; `keys`: that the last of them met; `spent_us`: by all."""
    cdef Keyspace keyspace
    cdef int db                        # where the walk is ...
    cdef uint64_t bucket               # ... in that database's table: the next bucket ...
    cdef int which                     # ... of this array
    cdef size_t least[TYPES]           # what a key must weigh to be kept
    cdef list found                    # for each type, ascending: (bytes, db, key) met in this walk
    cdef list kept                     # the same, of the last complete one
    cdef size_t met
    cdef uint64_t* counting            # by database, type and class of length: keys met in this walk
    cdef uint64_t* counted             # the same, of the last complete one
    cdef size_t counters
    cdef readonly size_t passes
    cdef readonly size_t keys
    cdef readonly uint64_t spent_us

    def __cinit__(self, Keyspace keyspace):
        self.keyspace = keyspace
        self.kept = [[] for _ in range(TYPES)]
        self.counters = len(keyspace.databases) * TYPES * LENGTHS
        self.counting = <uint64_t*>calloc(self.counters, sizeof(uint64_t))
        self.counted = <uint64_t*>calloc(self.counters, sizeof(uint64_t))
        if self.counting == NULL or self.counted == NULL:
            raise MemoryError
        self._begin()

    def __dealloc__(self):
        free(self.counting)
        free(self.counted)

    def _begin(self) -> None:
        cdef int i
        self.db = 0
        self.bucket = 0
        self.which = 0
        self.met = 0
        memset(self.counting, 0, self.counters * sizeof(uint64_t))
        self.found = [[] for _ in range(TYPES)]
        for i in range(TYPES):
            self.least[i] = 0

    def run(self, int64_t limit_us) -> bool:
        """Go on for so many microseconds at most; True when the walk is through."""
        cdef int64_t started = monotonic_us()
        cdef list databases = self.keyspace.databases
        cdef bint through = True
        while through and self.db < len(databases):
            through = self._go_on(databases[self.db], started + limit_us)
            if through:
                self.db += 1
                self.bucket = 0
                self.which = 0
        self.spent_us += monotonic_us() - started
        if not through:
            return False
        self.kept = self.found
        self.counting, self.counted = self.counted, self.counting
        self.keys = self.met
        self.passes += 1
        self._begin()
        return True

    cdef bint _go_on(self, Database db, int64_t until_us) except -1:
        """Walk over the rest of a database; False when time is over."""
        cdef TableWalk walk
        cdef Entry* e
        cdef int met = 0
        table_walk(&walk, db.table)
        if self.which == 1 and db.table.rehash_index < 0:
            self.which = 0             # what was the second array is the only one now
        if self.which > walk.which or self.bucket > walk.bucket:
            walk.which = self.which
            walk.bucket = self.bucket
        while True:
            e = table_walk_next(&walk)
            if e == NULL:
                return True
            self._meet(e)
            met += 1
            if met >= PER_LOOK and walk.next == NULL:
                met = 0
                if monotonic_us() >= until_us:
                    self.which = walk.which
                    self.bucket = walk.bucket
                    return False

    cdef int _meet(self, Entry* e) except -1:
        cdef int type = entry_type(e)
        cdef uint64_t length
        cdef size_t weight
        self.met += 1
        if type >= TYPES:
            return 0
        length = entry_length(e)
        self.counting[(self.db * TYPES + type) * LENGTHS + (64 - __builtin_clzll(length) if length else 0)] += 1
        weight = entry_weight(e)
        if weight > self.least[type]:
            self.enter(type, weight, e)
        return 0

    def clear(self) -> None:
        """Forget all, and begin anew."""
        self.kept = [[] for _ in range(TYPES)]
        memset(self.counted, 0, self.counters * sizeof(uint64_t))
        self.keys = 0
        self._begin()

    def biggest(self, int count) -> list[BigKey]:
        """Up to `count` (16 at most) keys of each type, the biggest first. Complexity: O(1)."""
        cdef int type
        shown = []
        for type in range(TYPES):
            if type in TYPE_NAMES:
                names = {(db, key) for _, db, key in self.found[type]} | {(db, key) for _, db, key in self.kept[type]}
                sized = [self._now(type, db, key) for db, key in names]
                shown += sorted((each for each in sized if each is not None), key=_order)[:min(count, <int>KEPT)]
        return shown

    def lengths(self) -> dict[tuple[int, str], list[tuple[int, int]]]:
        """(database, type) -> (least length, keys) of each class of lengths that has keys, ascending: keys of length 0,
        1, 2 to 3, 4 to 7 and so on, bytes of strings and elements of the rest, as the last complete walk met them."""
        cdef int db, type, n
        cdef uint64_t* row
        cdef uint64_t some
        found = {}
        if not self.passes:
            return found
        for db in range(len(self.keyspace.databases)):
            for type in range(TYPES):
                row, some = self.counted + (db * TYPES + type) * LENGTHS, 0
                for n in range(LENGTHS):
                    some |= row[n]
                if some:
                    found[db, TYPE_NAMES[type]] = [((1 << n) >> 1, row[n]) for n in range(LENGTHS) if row[n]]
        return found

    def _now(self, int type, int db_index, bytes key):
        """The key as it is now; None when it is gone or has become something else."""
        cdef Database db = self.keyspace.databases[db_index]
        cdef const char* name = key
        cdef char scratch[24]
        cdef char* start
        cdef Entry* e = table_find(db.table, name, len(key), table_hash(name, len(key)))
        if e == NULL or entry_type(e) != type:
            return None
        if e.klen & ENTRY_EXPIRE and entry_expire(e) < self.keyspace.clock.unix_ms:
            return None
        weight = entry_weight(e)
        elements = len(db.view(key)) if type else entry_string_view(e, scratch, &start)
        return BigKey(TYPE_NAMES[type], db_index, key, weight, elements)

    cdef int enter(self, int type, size_t weight, Entry* e) except -1:
        cdef list row = self.found[type]
        cdef int index = self.db
        key = entry_key_bytes(e)
        for at, (_, db, name) in enumerate(row):
            if name == key and db == index:          # a table that changes its size shows some keys twice
                del row[at]
                break
        insort(row, (weight, index, key))
        if len(row) > KEPT:
            del row[0]
        if len(row) == KEPT:
            self.least[type] = row[0][0]
        return 0


def _order(each):
    return -each.weight, -each.elements, each.db, each.key
