# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdlib cimport abort, calloc, free, realloc
from libc.string cimport memcmp, memcpy

from server.registry.light import NamedTuple

cdef enum:
    NONE = 0xFFFFFFFF


class HotKey(NamedTuple):
    """A key and what it has. Of a long key only the first KEY_KEPT bytes are here."""

    db: int
    key: bytes
    length: int                        # of the whole key, bytes
    least: float                       # it has at least so much ...
    most: float                        # ... and at most so much


cdef uint64_t _mixed(uint64_t h, const char* key, size_t length) noexcept nogil:
    cdef uint64_t word
    cdef size_t i
    for i in range(0, length, 8):
        word = 0
        memcpy(&word, key + i, min(<size_t>8, length - i))
        h = (h ^ word) * 0x9FB21C651E98DF25ULL
        h ^= h >> 29
    return h


cdef uint64_t _hash(int32_t db, const char* key, size_t length) noexcept nogil:
    """Of a long key both ends count."""
    cdef uint64_t h = _mixed(<uint64_t>db * 0x9E3779B97F4A7C15ULL ^ length, key, min(length, <size_t>KEY_KEPT))
    if length > KEY_KEPT:
        h = _mixed(h, key + length - KEY_KEPT, KEY_KEPT)
    # Digits at the end of a key are high bits of a word: bring them down.
    h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93ULL
    return h ^ (h >> 32)


cdef class HotKeys:
    """The counters. `capacity`: how many keys have one; the errors are below (sum of all) / capacity."""

    def __cinit__(self, uint32_t capacity):
        cdef uint32_t i, size = 8
        if not 0 < capacity <= 1 << 20:
            raise ValueError("capacity")
        while size < capacity * 2:
            size *= 2
        self.capacity = capacity
        self.mask = size - 1
        self.counters = <Counter*>calloc(capacity, sizeof(Counter))
        self.heap = <uint32_t*>calloc(capacity, sizeof(uint32_t))
        self.table = <int32_t*>calloc(size, sizeof(int32_t))
        if self.counters == NULL or self.heap == NULL or self.table == NULL:
            raise MemoryError
        for i in range(size):
            self.table[i] = -1

    def __dealloc__(self):
        cdef uint32_t i
        if self.counters != NULL:
            for i in range(self.capacity):
                free(self.counters[i].key)
        free(self.counters)
        free(self.heap)
        free(self.table)

    # ---- counting
    cdef void note(self, int32_t db, const char* key, size_t length, double weight) noexcept:
        """So much more of this key. Complexity: O(log capacity)."""
        cdef uint64_t hash = _hash(db, key, length)
        cdef uint32_t at = self.find(db, key, length, hash)
        cdef Counter* c
        self.total += weight
        if at == NONE:
            if self.used < self.capacity:
                at = self.used
                self.used += 1
                c = &self.counters[at]
                c.count = c.error = 0
                c.place = at
                self.heap[at] = at
                self.name(at, db, key, length, hash)
                c.count = weight
                self.rise(at)
                return
            at = self.heap[0]
            c = &self.counters[at]
            c.error = c.count
            self.leave(at)
            self.name(at, db, key, length, hash)
        c = &self.counters[at]
        c.count += weight
        self.sink(c.place)

    cdef void name(self, uint32_t at, int32_t db, const char* key, size_t length, uint64_t hash) noexcept:
        cdef Counter* c = &self.counters[at]
        cdef uint32_t kept = <uint32_t>min(length, <size_t>KEY_KEPT)
        if kept > c.room:
            c.room = (kept + 31) & ~<uint32_t>31
            c.key = <char*>realloc(c.key, c.room)
            if c.key == NULL:
                abort()
        if kept:
            memcpy(c.key, key, kept)
        c.length = length
        c.hash = hash
        c.db = db
        self.enter(at)

    # ---- the table
    cdef uint32_t find(self, int32_t db, const char* key, size_t length, uint64_t hash) noexcept:
        cdef uint32_t slot = <uint32_t>hash & self.mask
        cdef Counter* c
        while self.table[slot] >= 0:
            c = &self.counters[self.table[slot]]
            if (c.hash == hash and c.length == length and c.db == db
                    and (length == 0 or memcmp(c.key, key, min(length, <size_t>KEY_KEPT)) == 0)):
                return self.table[slot]
            slot = (slot + 1) & self.mask
        return NONE

    cdef void enter(self, uint32_t at) noexcept:
        cdef uint32_t slot = <uint32_t>self.counters[at].hash & self.mask
        while self.table[slot] >= 0:
            slot = (slot + 1) & self.mask
        self.table[slot] = <int32_t>at

    cdef void leave(self, uint32_t at) noexcept:
        """Whoever stands behind the gap moves up if it may, so that no search ends at the gap too early."""
        cdef uint32_t slot = <uint32_t>self.counters[at].hash & self.mask
        cdef uint32_t gap, home
        while self.table[slot] != <int32_t>at:
            slot = (slot + 1) & self.mask
        gap = slot
        while True:
            slot = (slot + 1) & self.mask
            if self.table[slot] < 0:
                break
            home = <uint32_t>self.counters[self.table[slot]].hash & self.mask
            if ((slot - home) & self.mask) >= ((slot - gap) & self.mask):
                self.table[gap] = self.table[slot]
                gap = slot
        self.table[gap] = -1

    # ---- the heap
    cdef void sink(self, uint32_t place) noexcept:
        """A count has grown."""
        cdef uint32_t at = self.heap[place], child
        cdef double count = self.counters[at].count
        while True:
            child = 2 * place + 1
            if child >= self.used:
                break
            if (child + 1 < self.used
                    and self.counters[self.heap[child + 1]].count < self.counters[self.heap[child]].count):
                child += 1
            if self.counters[self.heap[child]].count >= count:
                break
            self.heap[place] = self.heap[child]
            self.counters[self.heap[place]].place = place
            place = child
        self.heap[place] = at
        self.counters[at].place = place

    cdef void rise(self, uint32_t place) noexcept:
        """A counter is new at the end."""
        cdef uint32_t at = self.heap[place], parent
        cdef double count = self.counters[at].count
        while place:
            parent = (place - 1) // 2
            if self.counters[self.heap[parent]].count <= count:
                break
            self.heap[place] = self.heap[parent]
            self.counters[self.heap[place]].place = place
            place = parent
        self.heap[place] = at
        self.counters[at].place = place

    # ---- for Python
    def add(self, int db, bytes key, double weight=1) -> None:
        """`note` for callers in Python."""
        self.note(db, key, len(key), weight)

    def age(self, double factor) -> None:
        """Multiply all counts: what was long ago counts for less. Complexity: O(capacity)."""
        cdef uint32_t i
        self.total *= factor
        for i in range(self.used):
            self.counters[i].count *= factor
            self.counters[i].error *= factor

    def top(self, int count) -> list[HotKey]:
        """The keys that certainly have most, those first. Complexity: O(capacity log capacity)."""
        cdef uint32_t i
        cdef Counter* c
        order = sorted(range(self.used), key=self._certain, reverse=True)[:max(count, 0)]
        found = []
        for i in order:
            c = &self.counters[i]
            key = c.key[:min(c.length, <size_t>KEY_KEPT)] if c.length else b""
            found.append(HotKey(c.db, key, c.length, c.count - c.error, c.count))
        return found

    def _certain(self, uint32_t i) -> float:
        return self.counters[i].count - self.counters[i].error

    def clear(self) -> None:
        """Forget everything; the memory is kept."""
        cdef uint32_t i
        self.used = 0
        self.total = 0
        for i in range(self.mask + 1):
            self.table[i] = -1

    @property
    def memory(self) -> int:
        """Bytes."""
        return (self.capacity * (sizeof(Counter) + sizeof(uint32_t)) + (self.mask + 1) * sizeof(int32_t)
                + sum(self.counters[i].room for i in range(self.capacity)))

    def check(self) -> None:
        """AssertionError when heap or table are broken. Complexity: O(capacity)."""
        cdef uint32_t i
        cdef Counter* c
        assert sum(self.table[i] >= 0 for i in range(self.mask + 1)) == self.used
        for i in range(self.used):
            c = &self.counters[self.heap[i]]
            assert c.place == i and c.error <= c.count
            assert not i or self.counters[self.heap[(i - 1) // 2]].count <= c.count
            assert self.find(c.db, c.key, c.length, c.hash) == self.heap[i] or c.length > KEY_KEPT
