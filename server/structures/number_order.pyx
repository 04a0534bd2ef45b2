# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Byte strings in the order of numbers, without an object per comparison."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcmp

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.decimal cimport parse_int64

cdef int64_t _EXACT = 1 << 53          # all integers up to this are exact in a double

cdef struct Ranked:
    double score
    const char* text                   # the element's bytes, borrowed ...
    Py_ssize_t length
    Py_ssize_t place                   # ... and where it stands


cdef inline bint _plain(bytes text, double* value) noexcept:
    """An integer that a double can be: nearly all numbers."""
    cdef int64_t number
    if not parse_int64(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &number) or not -_EXACT <= number <= _EXACT:
        return False
    value[0] = <double>number
    return True


cdef int _ascending(const void* a, const void* b) noexcept nogil:
    cdef const Ranked* one = <const Ranked*>a
    cdef const Ranked* other = <const Ranked*>b
    cdef int order
    if one.score != other.score:
        return 1 if one.score > other.score else -1
    order = memcmp(one.text, other.text, <size_t>min(one.length, other.length))
    return order if order else (one.length > other.length) - (one.length < other.length)


def in_order(list elements, list texts, number, bint descending) -> list[bytes]:
    """The elements by the numbers that their texts are, equal ones by their bytes. number: reads what is no plain integer,
    and may raise. O(N log N)."""
    cdef Py_ssize_t count = len(elements)
    cdef Py_ssize_t i
    cdef Ranked* ranked = <Ranked*>malloc((count + 1) * sizeof(Ranked))
    cdef list found = []
    if ranked == NULL:
        raise MemoryError
    try:
        for i in range(count):
            if not _plain(<bytes>texts[i], &ranked[i].score):
                ranked[i].score = number(texts[i])
            ranked[i].text, ranked[i].length = PyBytes_AS_STRING(elements[i]), PyBytes_GET_SIZE(elements[i])
            ranked[i].place = i
        qsort(ranked, count, sizeof(Ranked), _ascending)
        for i in range(count):
            found.append(elements[ranked[count - 1 - i if descending else i].place])
    finally:
        free(ranked)
    return found
