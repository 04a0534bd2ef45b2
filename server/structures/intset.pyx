# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Intset: how the sorted array changes; layout and contracts are in intset.pxd.

A number wider than the array's is smaller or greater than all it holds, so widening the array and adding the number
is one step: every number moves to its new place from the far end, and the new one takes the first place or the last.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from server.structures.listpack cimport lp_random_below
from server.structures.memory cimport mem_alloc, mem_realloc


cdef inline void _store32(unsigned char* p, uint32_t n) noexcept nogil:
    p[0] = n & 0xFF
    p[1] = (n >> 8) & 0xFF
    p[2] = (n >> 16) & 0xFF
    p[3] = n >> 24


cdef inline void _store(unsigned char* set_, uint32_t position, int64_t number) noexcept nogil:
    cdef uint32_t width = intset_width(set_)
    cdef unsigned char* p = set_ + INTSET_HEADER + <size_t>position * width
    if width == 2:
        p[0] = number & 0xFF
        p[1] = (number >> 8) & 0xFF
        return
    _store32(p, <uint32_t>number)
    if width == 8:
        _store32(p + 4, <uint32_t>(<uint64_t>number >> 32))


cdef inline uint32_t _width_of(int64_t number) noexcept nogil:
    if -32768 <= number <= 32767:
        return 2
    return 4 if -2147483648LL <= number <= 2147483647LL else 8


cdef bint _search(const unsigned char* set_, int64_t number, uint32_t* position) noexcept nogil:
    """Whether the number is there, and where it is or would be. The ends are looked at first: numbers often ascend."""
    cdef uint32_t low = 0
    cdef uint32_t high = intset_length(set_)
    cdef uint32_t middle
    if high == 0 or number > intset_at(set_, high - 1):
        position[0] = high
        return False
    while low < high:
        middle = low + (high - low) // 2
        if intset_at(set_, middle) < number:
            low = middle + 1
        else:
            high = middle
    position[0] = low
    return intset_at(set_, low) == number


cdef unsigned char* intset_new() noexcept nogil:
    cdef unsigned char* set_ = <unsigned char*>mem_alloc(INTSET_HEADER)
    _store32(set_, 2)
    _store32(set_ + 4, 0)
    return set_


cdef unsigned char* intset_dup(const unsigned char* set_) noexcept nogil:
    cdef size_t size = intset_bytes(set_)
    cdef unsigned char* copy = <unsigned char*>mem_alloc(size)
    memcpy(copy, set_, size)
    return copy


cdef void _widen_and_add(unsigned char** set_, int64_t number, uint32_t width) noexcept nogil:
    cdef size_t size = intset_bytes(set_[0])
    cdef uint32_t count = intset_length(set_[0])
    cdef uint32_t old_width = intset_width(set_[0])
    cdef uint32_t shift = 1 if number < 0 else 0
    cdef uint32_t i
    cdef int64_t moved
    cdef unsigned char* p = <unsigned char*>mem_realloc(set_[0], size, INTSET_HEADER + (<size_t>count + 1) * width)
    for i in range(count, 0, -1):
        _store32(p, old_width)
        moved = intset_at(p, i - 1)
        _store32(p, width)
        _store(p, i - 1 + shift, moved)
    _store32(p, width)
    _store(p, 0 if shift else count, number)
    _store32(p + 4, count + 1)
    set_[0] = p


cdef bint intset_add(unsigned char** set_, int64_t number) noexcept nogil:
    cdef uint32_t width = intset_width(set_[0])
    cdef uint32_t wanted = _width_of(number)
    cdef uint32_t count = intset_length(set_[0])
    cdef uint32_t position
    cdef size_t size
    cdef unsigned char* p
    if wanted > width:
        _widen_and_add(set_, number, wanted)
        return True
    if _search(set_[0], number, &position):
        return False
    size = INTSET_HEADER + <size_t>count * width
    set_[0] = <unsigned char*>mem_realloc(set_[0], size, size + width)
    p = set_[0] + INTSET_HEADER + <size_t>position * width
    memmove(p + width, p, <size_t>(count - position) * width)
    _store(set_[0], position, number)
    _store32(set_[0] + 4, count + 1)
    return True


cdef bint intset_remove(unsigned char** set_, int64_t number) noexcept nogil:
    cdef uint32_t width = intset_width(set_[0])
    cdef uint32_t count = intset_length(set_[0])
    cdef uint32_t position
    cdef size_t size
    cdef unsigned char* p
    if _width_of(number) > width or not _search(set_[0], number, &position):
        return False
    size = INTSET_HEADER + <size_t>count * width
    p = set_[0] + INTSET_HEADER + <size_t>position * width
    memmove(p, p + width, <size_t>(count - position - 1) * width)
    _store32(set_[0] + 4, count - 1)
    set_[0] = <unsigned char*>mem_realloc(set_[0], size, size - width)
    return True


cdef bint intset_find(const unsigned char* set_, int64_t number) noexcept nogil:
    cdef uint32_t position
    return _width_of(number) <= intset_width(set_) and _search(set_, number, &position)


cdef int64_t intset_random(const unsigned char* set_, uint64_t* state) noexcept nogil:
    return intset_at(set_, <uint32_t>lp_random_below(state, intset_length(set_)))


cdef bint intset_validate(const unsigned char* p, size_t size, bint deep) noexcept nogil:
    cdef uint32_t width, count, i
    if size < INTSET_HEADER:
        return False
    width = intset_width(p)
    count = intset_length(p)
    if (width != 2 and width != 4 and width != 8) or count == 0:
        return False
    if <uint64_t>count * width != <uint64_t>size - INTSET_HEADER:
        return False
    if deep:
        for i in range(1, count):
            if intset_at(p, i) <= intset_at(p, i - 1):
                return False
    return True


cdef class IntsetProbe:
    """An intset as Python sees it, for tests and DEBUG."""
    cdef unsigned char* block
    cdef uint64_t random_state

    def __cinit__(self, data=None):
        """An empty set, or the one whose bytes these are; ValueError if they are none."""
        cdef const unsigned char* p
        self.random_state = 1
        self.block = NULL
        if data is None:
            self.block = intset_new()
            return
        p = <const unsigned char*><char*>data
        if not intset_validate(p, len(data), True):
            raise ValueError("not an intset")
        self.block = intset_dup(p)

    def __dealloc__(self):
        if self.block != NULL:
            intset_free(self.block)

    def add(self, number):
        return intset_add(&self.block, number)

    def remove(self, number):
        return intset_remove(&self.block, number)

    def __contains__(self, number):
        return intset_find(self.block, number)

    def __len__(self):
        return intset_length(self.block)

    def __getitem__(self, position):
        cdef int64_t number
        if position < 0 or not intset_get(self.block, position, &number):
            raise IndexError(position)
        return number

    def random(self):
        return intset_random(self.block, &self.random_state)

    def min(self):
        return intset_min(self.block)

    def max(self):
        return intset_max(self.block)

    def width(self):
        return intset_width(self.block)

    def to_bytes(self):
        return (<char*>self.block)[:intset_bytes(self.block)]

    def copy(self):
        return IntsetProbe(self.to_bytes()) if len(self) else IntsetProbe()

    @staticmethod
    def validate(bytes data, bint deep=True):
        return intset_validate(<const unsigned char*><char*>data, len(data), deep)

    def check(self):
        """Every invariant: header, order, no number twice, nothing wider than the array says."""
        assert intset_width(self.block) in (2, 4, 8)
        if len(self):
            assert intset_validate(self.block, intset_bytes(self.block), True)
        numbers = list(self)
        assert numbers == sorted(set(numbers))
