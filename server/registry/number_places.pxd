# cython: language_level=3
"""Where native parts have the numbers that INFO shows, so that it reads them without a call and without an object.

What a room declares stays a reader (`lambda evictor: evictor.evicted_keys`, `lambda pubsub: len(pubsub.channels)`). When
the class of its part has told where that is, as "evicted_keys" and "len(channels)" (registry.expressions, without the
part), INFO takes it from there; whoever else reads it (/metrics) gets the same by calling it. Told at import.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t

from cpython.ref cimport PyObject

ctypedef int64_t (*integer_of)(PyObject* part) noexcept    # of a part that is alive, and of the class that told it
ctypedef double (*real_of)(PyObject* part) noexcept

cdef enum PlaceKind:
    INTEGER_AT                         # 64 bits at an offset in the object
    REAL_AT                            # a double there
    INTEGER_OF                         # asked of a function
    REAL_OF

cdef class Place:
    cdef PlaceKind kind
    cdef size_t offset
    cdef integer_of integer
    cdef real_of real

cdef int integers_at(object model, dict where) except -1   # name -> <size_t>&model.it; model: any object of the class
cdef int reals_at(object model, dict where) except -1
cdef int integer_from(object part, str name, integer_of read) except -1    # part: the class
cdef int real_from(object part, str name, real_of read) except -1

# ---- reading one; part: of the class that told it
cdef inline bint place_is_real(Place place) noexcept:
    return place.kind == REAL_AT or place.kind == REAL_OF

cdef inline int64_t place_integer(Place place, PyObject* part) noexcept:
    return (<int64_t*>(<char*>part + place.offset))[0] if place.kind == INTEGER_AT else place.integer(part)

cdef inline double place_real(Place place, PyObject* part) noexcept:
    return (<double*>(<char*>part + place.offset))[0] if place.kind == REAL_AT else place.real(part)
